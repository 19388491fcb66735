"""`astraeus housekeeping`: what goes after some time, and what would."""

from __future__ import annotations

from typing import Annotated

import typer

from astraeus_pipeline.cli.context import actor, open_migrated
from astraeus_pipeline.cli.output import Json, print_records, size
from astraeus_pipeline.settings import Settings


def housekeeping(
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Count what would go; change nothing.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Let go what is kept no longer (ASTRAEUS_KEEP_..._DAYS), as Dagster does every night."""
    from astraeus_pipeline.orchestration.housekeeping import keep_house_here

    settings = Settings.from_env()
    done = keep_house_here(settings, open_migrated(settings), actor().name, dry_run)
    records = [
        {
            "what": each.name,
            "kept_days": each.days,
            "would_go" if dry_run else "gone": each.gone,
            "bytes": each.bytes if as_json else size(each.bytes) if each.bytes else None,
        }
        for each in done
    ]
    print_records(
        "Housekeeping", records, as_json=as_json, empty="A backup is under way: try again later."
    )

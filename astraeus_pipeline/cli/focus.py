"""`astraeus focus`: the charges of each provider through the official FOCUS validator."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape

from astraeus_pipeline.cli.context import open_migrated
from astraeus_pipeline.cli.output import Json, console, print_json, print_table
from astraeus_pipeline.settings import Settings

if TYPE_CHECKING:
    from astraeus_pipeline.conformance.gate import NotRun
    from astraeus_pipeline.conformance.judge import Verdict

_HEADINGS = (
    "provider",
    "verdict",
    "rows",
    "passed",
    "failed",
    "waived",
    "not applicable",
    "errors",
)


def focus(
    provider: Annotated[
        list[str] | None, typer.Option(help="Judge this provider only; may be repeated.")
    ] = None,
    allow_missing: Annotated[
        bool,
        typer.Option(help="Let pass what cannot be run: no Python 3.12, no charges of a provider."),
    ] = False,
    as_json: Json = False,
) -> None:
    """Hold the charges of each provider against FOCUS 1.2, with the standard's own validator."""
    from astraeus_pipeline.conformance.gate import Gate
    from astraeus_pipeline.conformance.judge import Verdict
    from astraeus_pipeline.conformance.policy import Policies
    from astraeus_pipeline.conformance.validator import find_python, install
    from astraeus_pipeline.providers.registry import PROVIDERS

    settings = Settings.from_env()
    python = find_python(settings.focus_python)
    database = open_migrated(settings)
    with database.connect("operator", autocommit=True) as conn:
        gate = Gate(
            conn=conn,
            validator=install(python) if python else None,
            policies=Policies.read(),
            folder=settings.home / "focus-gate",
            today=datetime.now(UTC).date(),
        )
        found = list(gate.run(provider or list(PROVIDERS)))
    _show(found, as_json)
    verdicts = [each for each in found if isinstance(each, Verdict)]
    failed = any(each.problems for each in verdicts)
    if failed or (len(verdicts) < len(found) and not allow_missing):
        raise typer.Exit(1)


def _show(found: Sequence[Verdict | NotRun], as_json: bool) -> None:
    if as_json:
        print_json([{"verdict": _word(each), **asdict(each)} for each in found])
        return
    print_table("FOCUS 1.2", _HEADINGS, (_row(each) for each in found))
    for each in found:
        for kind in ("problems", "advice"):
            for sentence in getattr(each, kind, ()):
                colour = "red" if kind == "problems" else "yellow"
                console.print(f"[{colour}]{each.provider}[/] {escape(sentence)}", highlight=False)


def _row(found: Verdict | NotRun) -> list[object]:
    names = ("rows", "passed", "failed", "waived", "not_applicable", "errors")
    reason = getattr(found, "reason", None)
    word = f"{_word(found)}: {reason}" if reason else _word(found)
    return [found.provider, word, *(getattr(found, name, None) for name in names)]


def _word(found: Verdict | NotRun) -> str:
    problems = getattr(found, "problems", None)
    if problems is None:
        return "not run"
    return "failed" if problems else "passed"

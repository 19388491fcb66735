"""The landing store away, and files that are half there: bills and payloads."""

from __future__ import annotations

import json
import shutil
import tempfile
import time
from pathlib import Path
from typing import Final

from benchmarks.chaos import reading
from benchmarks.chaos.fault import Fault, Struck
from benchmarks.chaos.installation import Site
from benchmarks.estates import bill
from tests.fixtures.object_stores import S3, s3

_MOMENTS: Final = 3


def unreachable(site: Site, _: int) -> Struck:
    """Take the S3 of payloads away, before a load and in it; bring it back with nothing lost."""
    struck = Struck()
    with s3() as store:
        for moment in range(_MOMENTS):
            site.change_bills()
            if not moment:
                store.stop()
            load = site.ingest(**_at(store))
            if moment:
                is_loading = site.killer.await_load(site.database, load)
                store.stop()
                struck.hit(is_loading, "no load was under way when the store went away")
            site.end(load)
            struck.wrong += site.halves()
            struck.unsaid += site.words()
            if not moment:
                said = site.said.read_text()
                struck.hit(len(said.splitlines()), "no run missed the store that was away")
                if "does not answer" not in said:
                    struck.unsaid.append("nobody said that the landing store does not answer")
            store.start()
            site.finish(site.ingest(**_at(store)), "a load when the store is back")
            if said := site.said.read_text():
                struck.unsaid.append(f"the store is back, and {said}")
    return struck


def _at(store: S3) -> dict[str, str]:
    return {
        "ASTRAEUS_LANDING_URL": "s3://landing/payloads",
        "ASTRAEUS_LANDING_OPTIONS": json.dumps(store.options),
    }


def half_bills(site: Site, _: int) -> Struck:
    """Read bills that their provider is just writing: nothing of them may stand."""
    struck, before = Struck(), reading.slices(site.database)
    whole = site.versions[site.version].files
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)
        half = {
            account: [_half(path, folder / account) for path in paths]
            for account, paths in whole.items()
        }
        bill(site.database, half)
        site.end(site.ingest())
        said = site.said.read_text()
    struck.unsaid += site.words()
    struck.hit(len(said.splitlines()), "no run found its bill half written")
    if len(said.splitlines()) < len(site.accounts):
        struck.unsaid.append(f"half a bill of {len(site.accounts)} accounts, and only: {said}")
    if reading.slices(site.database) != before:
        struck.wrong.append("half a bill changed what stands")
    return struck


def _half(path: Path, folder: Path) -> Path:
    folder.mkdir(exist_ok=True)
    copy = Path(shutil.copy(path, folder))
    with copy.open("r+b") as handle:
        handle.truncate(path.stat().st_size // 2)
    return copy


def kill_while_landing(site: Site, kills: int) -> Struck:
    """Kill what loads while it writes payloads; none may be there by half."""
    struck = Struck()
    while struck.kills < kills:
        site.change_bills()
        for name in ("sha256", "incoming"):
            shutil.rmtree(site.home / "landing" / name, ignore_errors=True)
        load = site.deliver()
        while load.is_alive() and not any((site.home / "landing" / "incoming").glob("*")):
            time.sleep(0.0005)
        struck.kills += site.killer.kill(load, "process", 0.02, site.database, in_a_load=False)
        struck.wrong += site.halves()
    return struck


FAULTS: Final = (
    Fault("landing store unreachable", unreachable),
    Fault("bill half written", half_bills),
    Fault("payload half written", kill_while_landing, kills=20, at_once=20),
)

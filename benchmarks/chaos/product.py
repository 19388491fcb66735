"""The whole product as `astraeus up` runs it: killed at random, and its database gone."""

from __future__ import annotations

import time
from collections import Counter
from typing import Final

from benchmarks.chaos.fault import Fault, Struck
from benchmarks.chaos.installation import Site
from benchmarks.chaos.pages import look_at
from benchmarks.chaos.up import PATIENCE, PROGRAMS, Up, running, until
from benchmarks.warehouses import ADMIN_TOKEN

# `astraeus up` gives a program up that falls a fourth time; then all of it is killed, and started.
_FALLS: Final = 3


def kill_at_random(site: Site, kills: int) -> Struck:
    """Kill one program after another while runs are under way; all must answer again."""
    struck, falls, last = Struck(), Counter[str](), 0.0
    with running(site) as up:
        until(up.knows_accounts, PATIENCE)
        up.launch()
        while struck.kills < kills:
            name = site.draw.choice(PROGRAMS)
            if falls[name] == _FALLS:
                struck.kills += up.kill_all()
                struck.notes.append("all of it was killed, the supervisor first, and started")
                falls.clear()
                up.start()
            elif up.kill(name):
                falls[name] += 1
                struck.kills += 1
            last = time.monotonic()
            time.sleep(site.draw.uniform(0.5, 8.0))
        struck.unsaid += _recovered(up, struck, last)
        struck.wrong += site.halves()
    return struck


def lose_database(site: Site, kills: int) -> Struck:
    """Kill PostgreSQL under the whole product; nobody but itself may start it again."""
    struck = Struck()
    with running(site) as up:
        while struck.kills < kills:
            site.killer.kill_postmaster(site.database)
            struck.kills += 1
            last = time.monotonic()
            struck.looks.append(look_at(up.addresses["app"], ADMIN_TOKEN, ("",)))
            struck.unsaid += _recovered(up, struck, last)
    return struck


def _recovered(up: Up, struck: Struck, last: float) -> list[str]:
    if not until(up.is_well, PATIENCE):
        return [f"not well again after {PATIENCE:.0f} s"]
    struck.notes.append(f"all answered {time.monotonic() - last:.0f} s after the last kill")
    shown = look_at(up.addresses["app"], ADMIN_TOKEN, ("", "costs"))
    return [] if shown.drawn == () else [f"after recovery the app shows {shown.drawn}"]


FAULTS: Final = (
    Fault("daemon, web, code, app, monitor killed", kill_at_random, kills=16, at_once=16),
    Fault("database killed under `up`", lose_database, kills=2, at_once=2),
)

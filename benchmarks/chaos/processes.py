"""Our own processes killed without warning: what loads, what builds, what sends, what shows."""

from __future__ import annotations

from typing import Final

from benchmarks import alerts
from benchmarks.chaos.fault import Fault, Struck
from benchmarks.chaos.installation import Site

_LONGEST: Final = 0.8  # seconds from a load's begin to its end, about


def kill_loads(site: Site, kills: int) -> Struck:
    """Kill what loads, at random moments of its transactions and between them."""
    struck = Struck()
    while struck.kills < kills:
        site.change_bills()
        struck.kills += site.killer.kill(
            site.deliver(), "process", _LONGEST, site.database, in_a_load=True
        )
        struck.wrong += site.halves()
    return struck


def kill_runs(site: Site, kills: int) -> Struck:
    """Kill a run of Dagster's assets, from its start on."""
    struck = Struck()
    while struck.kills < kills:
        site.change_bills()
        is_begun = bool(struck.kills % 4)
        struck.kills += site.killer.kill(
            site.ingest(), "process", 2.0, site.database, in_a_load=is_begun
        )
        struck.wrong += site.halves()
    return struck


def kill_builds(site: Site, kills: int) -> Struck:
    """Kill dbt while it builds marts over changed bills."""
    struck = Struck()
    while struck.kills < kills:
        site.change_bills()
        site.finish(site.deliver(), "a load between builds")
        build = site.build()
        build.join(site.draw.uniform(1.0, 12.0))
        struck.kills += build.is_alive()
        build.kill()
        build.join()
        struck.looks.append(site.look())
    return struck


def kill_senders(site: Site, kills: int) -> Struck:
    """Kill what sends alerts at each named point in turn, and at random."""
    struck = Struck()
    while struck.kills < kills:
        site.bench.cross()
        point = alerts.POINTS[struck.kills % len(alerts.POINTS)]
        is_killed = site.bench.strike(point)
        struck.kills += is_killed
        struck.senders += is_killed and point == "random"
    return struck


def kill_the_app(site: Site, kills: int) -> Struck:
    """Kill the app while it draws, and start it as its supervisor does."""
    struck = Struck()
    for _ in range(kills):
        site.pages.kill()
        struck.kills += 1
        site.pages.start_again()
        struck.looks.append(site.look())
    return struck


FAULTS: Final = (
    Fault("loading process killed", kill_loads, kills=220, at_once=55),
    Fault("run of Dagster killed", kill_runs, kills=30, at_once=15),
    Fault("sender of alerts killed", kill_senders, kills=160, at_once=40),
    Fault("build of the marts killed", kill_builds, kills=8, at_once=4),
    Fault("app killed", kill_the_app, kills=8, at_once=8),
)

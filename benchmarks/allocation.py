"""Claim: rules are replayed on 10M charges in two minutes of CPU, a day of all accounts in seconds.

A private server holds the history; `dbt run` builds what allocation needs in full, then after the
rules changed (nothing else), after the loader has replaced one day of every account, and after
nothing. Each row is what the three models of allocation take inside it.
"""

from __future__ import annotations

import argparse
from datetime import timedelta
from typing import Any

from astraeus_pipeline.contracts.days import DayRange
from astraeus_pipeline.warehouse import allocation_rules
from benchmarks.history import fill
from benchmarks.marts import LAST, Build, Marts
from benchmarks.measure import machine
from benchmarks.report import Goal, Report
from benchmarks.scratch import Scratch, scratch

MODELS = ("int_daily_attribute_costs", "int_charge_attributes", "fct_daily_allocated_costs")
SELECTED = ("--select", "+fct_daily_allocated_costs", "fct_daily_costs")


def rules(count: int, version: int) -> list[dict[str, Any]]:
    """Return rules as a company of some size has them: many that match few, tags, two splits."""
    few = [
        {
            "dimension": "team",
            "name": f"Names {number}",
            "conditions": {
                "resource_name": f"app-{number}?{version}",
                "tags": {"Owner": "owner1*"},
            },
            "effect": {"value": f"squad {number}"},
        }
        for number in range(count)
    ]
    return [
        {
            "dimension": "team",
            "name": "Shared service",
            "conditions": {"service_name": "service 0?", "charge_category": "usage"},
            "effect": {"proportional_to": "all"},
        },
        {
            "dimension": "team",
            "name": "Credits",
            "conditions": {"charge_category": "Credit"},
            "effect": {"shares": {"team-1": "0.333333", "team-2": "0.666667"}},
        },
        *few,
        {"dimension": "team", "name": "Tag", "effect": {"tag": "Team"}},
        {"dimension": "cost_center", "name": "Tag", "effect": {"tag": "Cost Center"}},
        {"dimension": "environment", "name": "Tag", "effect": {"tag": "env"}},
    ]


def set_rules(place: Scratch, count: int, version: int) -> None:
    """Let these be all rules."""
    parsed = [allocation_rules.parse(each) for each in rules(count, version)]
    with place.database.connect("app", autocommit=True) as conn:
        allocation_rules.replace_all(conn, parsed, "benchmark")


def main() -> None:
    """Measure, print, write down."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=10_000_000)
    parser.add_argument("--rules", type=int, default=20, help="beside five others")
    chosen = parser.parse_args()
    with scratch() as place:
        place.admin.execute("alter system set autovacuum = off")
        place.admin.execute("select pg_reload_conf()")
        fill(place, LAST, chosen.rows)
        set_rules(place, chosen.rules, 0)
        marts = Marts(place)
        marts.prepare()
        builds: list[Build] = []

        def build(what: str) -> None:
            builds.append(marts.build(what, *SELECTED))
            taken = {model: round(builds[-1].models[model], 2) for model in MODELS}
            print(what, f"{builds[-1].cost.server_cpu:.1f} CPU s of SQL, s:", taken, flush=True)

        build("all of it")
        place.admin.execute("vacuum analyze")
        set_rules(place, chosen.rules, 1)
        build("rules changed")
        day = LAST - timedelta(days=2)
        marts.change(DayRange(day, day))
        build("one day of all accounts")
        build("nothing changed")
        rows = place.admin.execute(
            "select count(*), count(*) filter (where team_source = 'shared')"
            " from marts.fct_daily_allocated_costs"
        ).fetchone()
        sizes = place.admin.execute(
            "select relname, pg_size_pretty(pg_total_relation_size(oid)), reltuples::bigint"
            " from pg_class where relname = any(%s)",
            [[*MODELS, "fct_charges", "fct_daily_costs"]],
        ).fetchall()
        print(rows, sizes)
        report = _report(builds, machine(place.admin), vars(chosen))
    raise SystemExit(0 if report.publish() else 1)


def _report(builds: list[Build], on: dict[str, str], options: dict[str, Any]) -> Report:
    replayed = next(build for build in builds if build.what == "rules changed")
    return Report(
        name="allocation",
        title=f"Allocation of {options['rows']:,} charges by {options['rules'] + 5} rules",
        machine=on,
        options=options,
        header=("build", *(f"{model}, s" for model in MODELS), "SQL CPU s of all selected"),
        rows=[
            (
                build.what,
                *(f"{build.models[model]:.2f}" for model in MODELS),
                f"{build.cost.server_cpu:.2f}",
            )
            for build in builds
        ],
        goals=[Goal("CPU s of a replay after rules changed", replayed.cost.server_cpu, 120)],
        notes=("Seconds of models are wall time, on cores that others may use.",),
    )


if __name__ == "__main__":
    main()

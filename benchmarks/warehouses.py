"""A year of charges with all that pages show of it, built once and kept: minutes at 10 million.

20 accounts under 5 provider names, 365 days, 60 services, 8 sub accounts and 250 resources each;
inventories, budgets, alert rules, an allocation by tag, forecasts and anomalies. More charges are
more per account and day: everything else is the same. Kept in `cache_folder()/warehouse-<charges>`.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import partial
from typing import Final

import pyarrow as pa

from astraeus_pipeline.accounts import store
from astraeus_pipeline.accounts.sealing import KeyRing
from astraeus_pipeline.contracts import AWS_RESOURCES
from astraeus_pipeline.contracts.columns import arrow_type
from astraeus_pipeline.contracts.days import DayRange
from astraeus_pipeline.contracts.delivery import Fetched, RowBatch
from astraeus_pipeline.warehouse import (
    alert_rules,
    allocation_rules,
    anomaly_scores,
    budgets,
    forecast_runs,
    sessions,
    users,
)
from astraeus_pipeline.warehouse.landing import StoredPayload
from astraeus_pipeline.warehouse.loader import load
from benchmarks.data import RESOURCES_PER_ACCOUNT, cache_folder
from benchmarks.estates import settings_of
from benchmarks.history import ACCOUNTS, REGIONS, fill
from benchmarks.marts import LAST, OPTIONS, Marts
from benchmarks.scratch import Scratch, serving

DAYS: Final = 365
PROVIDERS: Final = ("Cloud A", "Cloud B", "Cloud C", "Cloud D", "Cloud E")
TODAY: Final = LAST + timedelta(days=1)
VARS: Final = ("--vars", f"{{today: '{TODAY}'}}")
# Of who sees everything, on a server that nobody else reaches.
ADMIN_TOKEN: Final = "benchmark-admin"


@contextmanager
def warehouse(charges: int) -> Iterator[Scratch]:
    """Start the warehouse of so many charges; build what it lacks, or what has changed since."""
    home = cache_folder() / f"warehouse-{charges}"
    is_new = not (home / "filled").exists()
    if is_new and home.exists():
        shutil.rmtree(home)  # of a run that was ended
    with serving(home) as place:
        if is_new:
            _fill(place, charges)
            (home / "filled").touch()
        _build(place)
        _sign_in(place)
        yield place


def _fill(place: Scratch, charges: int) -> None:
    per_day = round(charges / ACCOUNTS / DAYS)
    fill(place, LAST, per_day * ACCOUNTS * DAYS, per_day)
    _add_accounts(place)
    for number in range(ACCOUNTS):
        _take_inventory(place, f"bench-{number:02d}", number)
    with place.database.connect("app", autocommit=True) as conn:
        for budget in _budgets():
            budgets.add(conn, budget, "benchmark")
        for rule in _alert_rules():
            alert_rules.add_rule(conn, rule, "benchmark")
        tag = allocation_rules.parse(
            {"dimension": "team", "name": "Tag", "effect": {"tag": "Team"}}
        )
        allocation_rules.replace_all(conn, [tag], "benchmark")


def _build(place: Scratch) -> None:
    shutil.rmtree(place.home / "project", ignore_errors=True)
    marts = Marts(place)
    marts.prepare()
    built = marts.build("all of it", *VARS)
    print(
        f"{place.home.name}: dbt {built.cost.wall:.0f} s, {built.cost.server_cpu:.0f} CPU s of SQL;"
        f" fct_costs_by_dimension {built.models['fct_costs_by_dimension']:.1f} s",
        flush=True,
    )
    with place.database.connect("dbt", autocommit=True) as conn:
        anomaly_scores.score_changes(conn)
        forecast_runs.forecast_changes(conn)
    if built.cost.server_cpu > 60:
        place.admin.execute("vacuum analyze")
    place.settle()


def _add_accounts(place: Scratch) -> None:
    ring, actor = KeyRing.from_settings(settings_of(place)), store.Actor("benchmark")
    with place.database.connect("app", autocommit=True) as conn:
        for number in range(ACCOUNTS):
            # FOCUS files go by their accounts' names: several accounts of one issuer.
            name = PROVIDERS[number % len(PROVIDERS)]
            slug = f"bench-{number:02d}"
            config = {"url": str(place.home / "bills" / slug)}
            store.add_account(conn, store.NewAccount(slug, "focus", name, config, {}), ring, actor)


def _take_inventory(place: Scratch, account_id: str, seed: int) -> None:
    items = [
        {
            "usage_date": LAST,
            "billing_period": LAST.replace(day=1),
            "resource_id": f"arn:bench:compute::instance/i-{number:017d}",
            "resource_type": f"Type {number % 60}",
            "resource_name": f"app-{number}",
            "region": REGIONS[number % 5],
            "instance_type": f"m{number % 7}.large",
            "state": "running",
            "created_at": datetime(2025, 1 + number % 12, 1 + seed % 28, tzinfo=UTC),
            "tags": f'{{"team": "team-{number % 8}", "app": "app-{number}"}}',
        }
        for number in range(RESOURCES_PER_ACCOUNT)
    ]
    columns = {
        column.name: pa.array(
            [
                index + 1 if column.name == "row_number" else item.get(column.name)
                for index, item in enumerate(items)
            ],
            arrow_type(column.type, 18),
        )
        for column in AWS_RESOURCES.row_columns
    }
    rows = RowBatch(pa.record_batch(columns), ())
    day = DayRange(LAST, LAST)
    told = Fetched(account_id, "resources", day, "api", "benchmark", (), complete_through=LAST)
    payload = StoredPayload("none", f"inventory-{account_id}", 0)
    with place.database.connect("loader", autocommit=True) as conn:
        result = load(conn, AWS_RESOURCES, told, payload, lambda: [rows], OPTIONS)
    assert result.state == "loaded", result


def _budgets() -> list[budgets.NewBudget]:
    amount, first = Decimal(200_000), (LAST - timedelta(days=200)).replace(day=1)
    filters: list[dict[str, list[str | None]]] = [
        {},
        {"account_id": ["bench-00"]},
        {"service_category": ["Compute"]},
        {"team": ["team-1"]},
        {"service_name": ["Service 07"], "region_id": ["us-west-2"]},
    ]
    return [
        budgets.NewBudget(f"Budget {number}", "month", amount, "USD", first, filters=each)
        for number, each in enumerate(filters)
    ]


def _alert_rules() -> list[alert_rules.NewRule]:
    rule = partial(
        alert_rules.NewRule, owner="benchmark", starts_on=LAST - timedelta(days=45), split_by=None
    )
    in_dollars = partial(rule, billing_currency="USD", amount=Decimal(100))
    return [
        in_dollars("Unexpected", "anomaly"),
        in_dollars("A resource that jumps", "resource_anomaly"),
        in_dollars("A dear account", "cost_amount", amount=Decimal(10**6), split_by="account"),
        rule("Late", "stale_feed", days=1),
        rule("Residuals", "residual"),
    ]


def _sign_in(place: Scratch) -> None:
    with place.database.connect("app", autocommit=True) as conn:
        known = {each.email: each for each in users.users(conn)}
        email = "admin@example.org"
        user = known.get(email) or users.add(conn, email, "admin", "admin", (), actor="benchmark")
        conn.execute("delete from app.sessions")  # those of former runs have ended or will
        sessions.begin(conn, user.id, "password", token=ADMIN_TOKEN)

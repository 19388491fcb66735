"""Whatever days and filters are asked for, costs by resource are those of the daily costs."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app.queries import resources
from app.queries.catalog import METRICS, Basis
from app.queries.resources import ResourceQuery
from astraeus_pipeline.contracts.days import DayRange
from astraeus_pipeline.warehouse.engine import Database
from tests.app.conftest import DAYS, THROUGH, ask

pytestmark = pytest.mark.integration

WEEKS = DayRange(THROUGH - timedelta(days=27), THROUGH)
BASES: tuple[Basis, ...] = ("billed", "effective", "list", "contracted")
MEMBERS = {
    "provider": ["Acme", "Beta"],
    "account": ["acme", "beta", "nobody"],
    "type": ["ec2:instance", "s3:bucket", "No type"],
    "region": ["eu-1", "Global"],
}
wanted = st.sampled_from(list(MEMBERS)).flatmap(
    lambda key: st.tuples(
        st.just(key), st.lists(st.sampled_from(MEMBERS[key]), min_size=1, unique=True).map(tuple)
    )
)
queries = st.builds(
    ResourceQuery,
    st.tuples(st.integers(-10, 80), st.integers(0, 75)).map(
        lambda drawn: DayRange(
            DAYS.first + timedelta(days=drawn[0]), DAYS.first + timedelta(days=sum(drawn))
        )
    ),
    st.sampled_from(("USD", "EUR")),
    st.sampled_from(BASES),
    st.sampled_from(list(resources.STATUSES)),
    st.lists(wanted, max_size=2, unique_by=lambda each: each[0]).map(tuple),
    st.sampled_from(((), ("Team",))),
    st.sampled_from(((), ("0",))),
)
# Of the window that a mart keeps, or any days, summed anew.
queries = queries | queries.map(lambda query: replace(query, days=WEEKS, is_kept=True))


@dataclass(frozen=True)
class Rows:
    """The rows of the two marts, to be filtered and summed without SQL."""

    daily: list[dict[str, Any]]
    inventory: list[dict[str, Any]]

    def costs(self, query: ResourceQuery) -> list[dict[str, Any]]:
        """Return the daily costs of the days and the currency."""
        return [
            {**row, "cost": row[METRICS[query.basis].column]}
            for row in self.daily
            if row["usage_date"] in query.days and row["billing_currency"] == query.currency
        ]

    def of(self, cost: dict[str, Any]) -> list[tuple[str, str]]:
        """Return the resources of an inventory that a cost is of."""
        return [
            (row["account_id"], row["resource_id"])
            for row in self.inventory
            if row["resource_id"] == cost["resource_id"]
            and (
                row["account_id"] == cost["account_id"]
                or (row["sub_account_id"] or "none") == cost["sub_account_id"]
            )
        ]


@pytest.fixture(scope="module")
def rows(marts: Database) -> Iterator[Rows]:
    with marts.connect("dbt") as conn:
        found = []
        for table in ("fct_daily_resource_costs", "dim_resources"):
            cursor = conn.execute(f"select * from marts.{table}".encode())
            names = [each.name for each in cursor.description or ()]
            found.append([dict(zip(names, row, strict=True)) for row in cursor])
    yield Rows(*found)


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(query=queries)
def test_whatever_is_asked_the_sums_are_those_of_the_daily_costs(
    rows: Rows, query: ResourceQuery
) -> None:
    spent: dict[tuple[str, str], Decimal] = defaultdict(Decimal)
    for cost in rows.costs(query):
        for key in rows.of(cost):
            spent[key] += cost["cost"]
    listed = ask(resources.compile_export(query))
    for row in listed:
        assert row["cost"] == spent.get((row["account_id"], row["resource_id"]))
    shown = [row["cost"] for row in listed if row["cost"] is not None]
    [found] = ask(resources.compile_found(query))
    assert found == {"resources": len(listed), "cost": sum(shown) if shown else None}
    first = ask(resources.compile_first(query, 3))
    assert [(row.pop("found"), row.pop("found_cost")) for row in first] == [
        (found["resources"], found["cost"]) for _ in first
    ]
    assert first == listed[:3]
    types = ask(resources.compile_types(query))
    assert sum(row["resources"] for row in types) == len(listed)
    [counts] = ask(resources.compile_summary(query))
    everything = ask(resources.compile_export(replace(query, status="All")))
    idle = [row for row in everything if row["is_active"] and row["is_idle"]]
    named = [row["cost"] for row in idle if row["cost"] is not None]
    assert counts["idle_cost"] == (sum(named) if named else None)
    unowned = sum(row["is_active"] and not row["has_owner"] for row in everything)
    active = sum(row["is_active"] for row in everything)
    assert (counts["active"], counts["idle"], counts["unowned"]) == (active, len(idle), unowned)
    for part, share in (("unowned", "unowned_percent"), ("idle", "idle_percent")):
        if active:
            assert float(counts[share]) == pytest.approx(100 * counts[part] / active)
        else:
            assert counts[share] is None


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(query=queries.map(lambda query: replace(query, days=WEEKS)))
def test_what_belongs_to_resources_is_told_of_every_cost(rows: Rows, query: ResourceQuery) -> None:
    filters = {key: value for key, value in query.filters if key in ("provider", "account")}
    costs = [
        row
        for row in rows.costs(query)
        if row["account_id"] in filters.get("account", (row["account_id"],))
        and row["account_id"].title() in filters.get("provider", (row["account_id"].title(),))
    ]
    whole = [row for row in ask(resources.compile_attribution(query)) if row["is_total"]]
    if not costs:
        assert whole == []
        return
    places: dict[str, Decimal] = defaultdict(Decimal)
    for cost in costs:
        named = "in_inventory" if rows.of(cost) else "elsewhere"
        places[named if cost["resource_id"] is not None else "without"] += cost["cost"]
    assert {key: whole[0][key] for key in ("in_inventory", "elsewhere", "without", "cost")} == {
        **{key: places[key] for key in ("in_inventory", "elsewhere", "without")},
        "cost": sum(row["cost"] for row in costs),
    }

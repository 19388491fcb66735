"""An increment writes what changed and nothing else, also when a load commits in its middle."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import psycopg
import pytest
from dbt.contracts.graph.manifest import Manifest

from astraeus_pipeline.contracts import AWS_RESOURCES, FOCUS_COSTS
from astraeus_pipeline.contracts.days import DayRange
from astraeus_pipeline.contracts.openai import OPENAI_COSTS
from astraeus_pipeline.orchestration import sensors
from astraeus_pipeline.warehouse import acceptances
from astraeus_pipeline.warehouse.acceptances import Acceptance
from astraeus_pipeline.warehouse.engine import Database
from astraeus_pipeline.warehouse.loader import LoadOptions, load
from tests.fixtures.charges import batch, charge, fetched, payload
from tests.fixtures.dbt import TODAY, Warehouse, warehouse
from tests.fixtures.parsed import own_parse, run_dbt

pytestmark = pytest.mark.integration

OCTOBER = DayRange.of_month(date(2026, 10, 1))
OPTIONS = LoadOptions(today=TODAY, settle_days=3)
FACTS = ("fct_charges", "fct_daily_costs")
# fct_charges takes what has been held against the ledger.
BUILT = ("int_raw_reconciliations", *FACTS)
STATES = (*BUILT, "fct_cost_history", "int_day_finality", "int_day_states", "fct_freshness")


@pytest.fixture(scope="module")
def marts(
    module_database: Database, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Warehouse]:
    with warehouse(module_database, tmp_path_factory.mktemp("dbt")) as made:
        deliver(made, "october", {day: [f"{day.day}.000000000001", "1"] for day in OCTOBER})
        made.dbt("seed")
        made.build("--select", "+fct_daily_costs")
        yield made


def deliver(marts: Warehouse, name: str, bill: dict[date, list[str]], **more: Any) -> None:
    charges = [charge(day, cost, **more) for day, costs in bill.items() for cost in costs]
    with marts.database.connect("loader", autocommit=True) as conn:
        result = load(
            conn,
            FOCUS_COSTS,
            fetched(DayRange(min(bill), max(bill))),
            payload(name),
            lambda: [batch(charges)],
            OPTIONS,
        )
    assert result.days("replaced") == sorted(bill)


def assert_as_loaded(marts: Warehouse) -> None:
    """Both marts say what the raw table says, row for row and sum for sum."""
    by_day = (
        "select account_id, usage_date, {}, sum(billed_cost) from {} group by 1, 2 order by 1, 2"
    )
    raw = marts.ask(by_day.format("count(*)", "raw.focus_costs"), "dbt")
    assert marts.ask(by_day.format("count(*)", "marts.fct_charges")) == raw
    assert marts.ask(by_day.format("sum(charges)::bigint", "marts.fct_daily_costs")) == raw


def test_only_the_changed_day_is_written_again(marts: Warehouse) -> None:
    def versions(mart: str) -> dict[date, str]:
        return dict(
            marts.ask(
                "select usage_date, string_agg(distinct xmin::text, ' ')"
                f" from marts.{mart} group by 1",
                "dbt",
            )
        )

    before = {mart: versions(mart) for mart in FACTS}
    changed = OCTOBER.first + timedelta(days=4)
    deliver(marts, "one day", {changed: ["6", "7"]})
    marts.build("--select", *BUILT)
    for mart in FACTS:
        after = versions(mart)
        assert [day for day in after if after[day] != before[mart][day]] == [changed], mart
    assert_as_loaded(marts)


def test_a_load_that_commits_inside_a_build_is_found_by_the_next(marts: Warehouse) -> None:
    """The build has listed what changed and waits; days are loaded; the next build heals both."""
    listed, unlisted = OCTOBER.first + timedelta(days=6), OCTOBER.last + timedelta(days=3)
    deliver(marts, "listed", {listed: ["70", "1"]})
    outcomes: list[dict[str, str]] = []
    builder = threading.Thread(target=lambda: outcomes.append(marts.dbt("run", "--select", *BUILT)))
    with marts.database.connect("admin") as conn:
        # fct_charges joins this table, after it has found what changed.
        conn.execute("lock table intermediate.service_categories in access exclusive mode")
        builder.start()
        _wait_for_lock(conn)
        deliver(marts, "listed again", {listed: ["71", "2"]})
        deliver(marts, "unlisted", {unlisted: ["71", "2"]})
        conn.rollback()
    builder.join(120)
    assert set(outcomes[0].values()) == {"success"}
    marts.build("--select", *BUILT)
    billed = dict(
        marts.ask("select usage_date, sum(billed_cost) from marts.fct_daily_costs group by 1")
    )
    assert billed[listed] == billed[unlisted] == Decimal(73)
    assert_as_loaded(marts)


def _wait_for_lock(conn: psycopg.Connection[Any]) -> None:
    waiting = (
        "select count(*) from pg_locks where not granted"
        " and relation = 'intermediate.service_categories'::regclass"
    )
    for _ in range(600):
        if conn.execute(waiting).fetchone() != (0,):
            return
        time.sleep(0.1)
    raise AssertionError("dbt never reached the lock")


def test_a_view_is_created_again_only_where_its_sql_changed(marts: Warehouse) -> None:
    """A view that is replaced takes those above it along, and they come back."""

    def views() -> dict[str, int]:
        return dict(
            marts.ask(
                "select relname, oid from pg_class where relkind = 'v' and relnamespace in"
                " ('staging'::regnamespace, 'intermediate'::regnamespace)",
                "dbt",
            )
        )

    every = ("--select", "+fct_daily_costs,config.materialized:view")
    before = views()
    marts.build(*every)
    assert views() == before
    with marts.database.connect("dbt", autocommit=True) as conn:
        conn.execute("comment on view staging.stg_focus__costs is 'of older SQL'")
    marts.build(*every)
    after = views()
    assert set(after) == set(before)
    replaced = {name for name in before if after[name] != before[name]}
    assert {"stg_focus__costs", "int_costs_unioned"} <= replaced
    assert "stg_aws__costs" not in replaced


def test_another_macro_is_another_logic(marts: Warehouse, tmp_path: Path) -> None:
    """What a mapping's macro says is part of what a mart was built from."""

    def logic(project: Manifest) -> list[str]:
        names = ("fct_charges", "fct_deliveries")
        asked = ",".join(f"{{{{ logic_of('model.astraeus.{name}') }}}}" for name in names)
        result = run_dbt(project, tmp_path, ["compile", "--inline", asked])
        return [each.strip() for each in result.results[0].node.compiled_code.split(",")]

    charges, deliveries = logic(own_parse(marts.database))
    other = own_parse(marts.database)
    macro = other.macros["macro.astraeus.service_category"]
    before, end, after = macro.macro_sql.rpartition("{%- endmacro")
    macro.macro_sql = f"{before}{{# something else #}}{end}{after}"
    changed, same = logic(other)
    assert changed != charges and same == deliveries


def take_inventory(marts: Warehouse, day: date, sizes: dict[str, str]) -> None:
    """Load what stood on a day: resource ids with their instance types."""
    items = [
        {
            "usage_date": day,
            "billing_period": day.replace(day=1),
            "resource_id": name,
            "resource_type": "ec2:instance",
            "instance_type": size,
        }
        for name, size in sizes.items()
    ]
    days = DayRange(day, day)
    description = replace(fetched(days, "cloud", complete_through=day), dataset="resources")
    with marts.database.connect("loader", autocommit=True) as conn:
        stored = payload(f"inventory {day} {sizes}")
        rows = batch(items, table=AWS_RESOURCES)
        load(conn, AWS_RESOURCES, description, stored, lambda: [rows], OPTIONS)


def test_resources_follow_their_inventories(marts: Warehouse) -> None:
    """New days, a day taken again, an older day, an empty one: always as a rebuild would say."""
    resources = "select resource_id, instance_type, first_seen, last_seen, is_active from"
    first, second, third = (date(2026, 11, day) for day in (10, 12, 13))
    inventories: list[tuple[date, dict[str, str], set[str]]] = [
        (second, {"i-1": "small", "i-2": "small"}, {"i-1", "i-2"}),
        (third, {"i-2": "large", "i-3": "small"}, {"i-2", "i-3"}),
        (third, {"i-2": "large"}, {"i-2"}),
        (first, {"i-0": "small", "i-1": "tiny"}, {"i-2"}),
        (third + timedelta(days=1), {}, set()),
    ]
    for day, sizes, active in inventories:
        take_inventory(marts, day, sizes)
        marts.build("--select", "+dim_resources")
        found = marts.ask(f"{resources} marts.dim_resources order by 1")
        assert {row[0] for row in found if row[4]} == active, (day, found)
        marts.build("--select", "dim_resources", "--full-refresh")
        assert marts.ask(f"{resources} marts.dim_resources order by 1") == found
    assert found == [
        ("i-0", "small", first, first, False),
        ("i-1", "small", first, second, False),
        ("i-2", "large", second, third, False),
    ]


def bill_openai(marts: Warehouse, days: DayRange) -> None:
    """Load costs of a provider whose bills are final by a day of the next month."""
    rows = [
        {"usage_date": day, "billing_period": day.replace(day=1), "line_item": "gpt",
         "currency": "USD", "amount": Decimal("1.5")}
        for day in days
    ]  # fmt: skip
    read = batch(rows, table=OPENAI_COSTS)
    with marts.database.connect("loader", autocommit=True) as conn:
        load(conn, OPENAI_COSTS, fetched(days, "llm"), payload("llm"), lambda: [read], OPTIONS)
        conn.execute("update raw.partitions set changed_at = '2026-10-01' where account_id = 'llm'")


def see_openai(marts: Warehouse, day: str) -> None:
    """Let the account's days be read again unchanged on that day."""
    with marts.database.connect("loader", autocommit=True) as conn:
        conn.execute("update raw.partitions set seen_at = %s where account_id = 'llm'", [day])


def states(marts: Warehouse) -> dict[tuple[str, date], tuple[Any, ...]]:
    """Return {(account, day): (state, note, version)} of the costs."""
    rows = marts.ask(
        "select account_id, usage_date, state, case when is_gap then 'gap' when held_back is not"
        " null then held_back when restated_after_final then 'restated' end, xmin::text"
        " from marts.fct_freshness where dataset = 'costs'",
        "dbt",
    )
    return {(row[0], row[1]): tuple(row[2:]) for row in rows}


def moved(marts: Warehouse, today: date) -> dict[tuple[str, date], tuple[Any, ...]]:
    """Build as of the day; return what was written, after a rebuild has said the same."""
    rows = "select * from marts.fct_freshness order by account_id, dataset, usage_date"
    before = states(marts)
    marts.build("--select", *STATES, today=today)
    after, whole = states(marts), marts.ask(rows)
    marts.build("--full-refresh", "--select", *STATES[-3:], today=today)
    assert marts.ask(rows) == whole
    return {key: each[:2] for key, each in after.items() if each != before.get(key)}


def test_states_move_by_calendar_and_ledger_as_a_rebuild_says(marts: Warehouse) -> None:
    october, september = OCTOBER.first, DayRange(date(2026, 9, 29), date(2026, 9, 30))
    third, fourth, fifth, sixth, seventh = (date(2026, 11, day) for day in range(3, 8))
    bill_openai(marts, september)
    see_openai(marts, "2026-10-05")
    marts.build("--select", "+fct_freshness", today=fifth)
    assert states(marts)["acme", third][0] == "partial"
    assert moved(marts, sixth) == {
        ("acme", third): ("estimated", None),
        ("acme", sixth): ("missing", None),
        ("llm", sixth): ("missing", None),
    }

    # a later day makes a gap, an earlier one begins the calendar, a month's bill closes
    deliver(marts, "a day after a gap", {fifth: ["1"]})
    deliver(marts, "an earlier day", {september.first: ["1"]})
    see_openai(marts, "2026-10-06")
    assert moved(marts, sixth) == {
        ("acme", september.first): ("estimated", None),
        ("acme", september.last): ("missing", "gap"),
        ("acme", fourth): ("missing", "gap"),
        ("acme", fifth): ("partial", None),
        **{("llm", day): ("final", None) for day in september},
    }

    # the gap is filled, a day is invoiced, another loses a row on its way to staging
    deliver(marts, "the gap", {fourth: ["1"]})
    deliver(marts, "an invoice", {october: ["1", "1"]}, invoice_id="INV-1")
    deliver(marts, "two rows", {fifth: ["1", "2"]})
    with marts.database.connect("loader", autocommit=True) as conn:
        conn.execute(
            "delete from raw.focus_costs where billed_cost = 2 and usage_date = %s", [fifth]
        )
    assert moved(marts, sixth) == {
        ("acme", fourth): ("partial", None),
        ("acme", fifth): ("partial", "blocked"),
        ("acme", october): ("invoiced", None),
    }

    # a person accepts the rows as they stand, the invoice is restated, a day passes
    [(held,)] = marts.ask(
        "select delivery_id from marts.fct_freshness"
        f" where account_id = 'acme' and usage_date = '{fifth}'"
    )
    with marts.database.connect("loader", autocommit=True) as conn:
        agreed = Acceptance("dana", "on request", held, frozenset({fifth}))
        assert acceptances.accept_standing(conn, "acme", agreed)
    deliver(marts, "without the invoice", {october: ["2", "2"]})
    assert moved(marts, seventh) == {
        ("acme", october): ("invoiced", "restated"),
        ("acme", fourth): ("estimated", None),
        ("acme", fifth): ("partial", None),
        ("acme", seventh): ("missing", None),
        ("llm", seventh): ("missing", None),
    }
    assert moved(marts, seventh) == {}


def test_a_month_first_read_when_nothing_reads_it_again_is_final(marts: Warehouse) -> None:
    days = DayRange(date(2026, 9, 30), date(2026, 9, 30))
    bill_openai(marts, days)
    for read, state in (("2026-10-31 23:59+00", "estimated"), ("2026-11-01 00:00+00", "final")):
        with marts.database.connect("loader", autocommit=True) as conn:
            conn.execute(
                "update raw.partitions set seen_at = %s, changed_at = %s where account_id = 'llm'",
                [read, read],
            )
        marts.build("--select", "+fct_freshness", today=date(2026, 11, 2))
        assert states(marts)["llm", days.first][0] == state


def test_an_inventory_waits_until_a_whole_build_has_read_it(marts: Warehouse) -> None:
    def waiting() -> int:
        with marts.database.connect("dbt") as conn:
            found = sensors.pending_slices(conn)
        return found[0] if found else 0

    marts.dbt("run", "--select", "data_version")
    known = waiting()
    take_inventory(marts, date(2026, 11, 20), {"i-9": "small"})
    assert waiting() == known + 1
    # A part of the marts is not the marts.
    marts.dbt("run", "--select", "dim_resources")
    assert waiting() == known + 1
    take_inventory(marts, date(2026, 11, 21), {"i-9": "small"})
    marts.dbt("run", "--select", "data_version")
    assert waiting() == known
    take_inventory(marts, date(2026, 11, 21), {"i-9": "large"})
    assert waiting() == known + 1

"""The query layer: bound values, exact tables, honest comparisons."""

from __future__ import annotations

import io
import re
import zipfile
from datetime import date, datetime, timedelta, timezone
from decimal import Decimal
from typing import get_args

import pytest

from app.components import formats
from app.queries import periods, tables
from app.queries.catalog import DIMENSIONS, METRICS, PROVIDER_NAME, Grain
from app.queries.compiler import CostQuery, Statement, compile_costs
from app.queries.export import as_csv, safe
from app.queries.workbook import workbook
from astraeus_pipeline.contracts.days import DayRange
from astraeus_pipeline.providers.registry import PROVIDERS
from astraeus_pipeline.warehouse.engine import Database
from tests.app.conftest import DAYS, ask

ATTACKS = ["'; drop table marts.fct_daily_costs; --", "' or '1'='1", "%s", "%(first)s"]


def test_values_are_bound_and_names_are_the_catalogues() -> None:
    for attack in ATTACKS:
        query = CostQuery(DAYS, attack, filters=(("service", (attack,)),), group_by=("region",))
        statement = compile_costs(query)
        assert attack not in statement.sql
        assert dict(statement.parameters)["currency"] == attack
    for broken in ("usage_date; drop", "service_name"):
        with pytest.raises(KeyError):
            compile_costs(CostQuery(DAYS, "USD", group_by=(broken,)))


@pytest.mark.integration
def test_attacks_find_nothing_and_harm_nothing(marts: Database) -> None:
    for attack in ATTACKS:
        rows = ask(
            compile_costs(
                CostQuery(DAYS, "USD", filters=(("service", (attack,)),), group_by=("region",))
            )
        )
        assert rows == []
    assert ask(compile_costs(CostQuery(DAYS, "USD")))[0]["cost"] > 0


@pytest.mark.integration
def test_every_metric_and_dimension_can_be_asked(marts: Database) -> None:
    whole = ask(compile_costs(CostQuery(DAYS, "USD")))[0]["cost"]
    for basis in METRICS:
        for key in DIMENSIONS:
            rows = ask(compile_costs(CostQuery(DAYS, "USD", basis, (key,))))
            assert tables.total(rows) == whole
    missing = (("region", ("No region",)),)
    assert 0 < ask(compile_costs(CostQuery(DAYS, "USD", filters=missing)))[0]["cost"] < whole


@pytest.mark.parametrize(
    ("name", "first", "last", "before"),
    [
        ("Month to date", "2026-03-01", "2026-03-30", ("2026-02-01", "2026-02-28")),
        ("Last month", "2026-02-01", "2026-02-28", ("2026-01-01", "2026-01-31")),
        ("30 days", "2026-03-01", "2026-03-30", ("2026-02-01", "2026-02-28")),
        ("12 months", "2025-04-01", "2026-03-30", ("2024-04-02", "2025-03-31")),
    ],
)
def test_periods_compare_with_equal_days_and_short_months_clamp(
    name: str, first: str, last: str, before: tuple[str, str]
) -> None:
    days = periods.period(name, date(2026, 3, 30))
    assert days == DayRange(date.fromisoformat(first), date.fromisoformat(last))
    assert periods.compared(days, "Previous period") == DayRange(*map(date.fromisoformat, before))
    assert periods.compared(days, "None") is None


def test_a_leap_day_compares_with_the_last_of_february() -> None:
    assert periods.compared(
        DayRange(date(2024, 2, 29), date(2024, 2, 29)), "Last year"
    ) == DayRange(date(2023, 2, 28), date(2023, 2, 28))


def test_changes_of_nothing_have_no_percentage() -> None:
    groups = tables.compare(
        "g",
        [{"g": "new", "cost": Decimal(3)}, {"g": "same", "cost": Decimal(1)}],
        [{"g": "gone", "cost": Decimal(2)}, {"g": "same", "cost": Decimal(1)}],
    )
    found = {each.group: (each.change, each.change_percent) for each in groups}
    assert found == {
        "new": (Decimal(3), None),
        "gone": (Decimal(-2), Decimal(-100)),
        "same": (Decimal(0), Decimal(0)),
    }


def test_the_chart_folds_small_groups_into_other_without_losing_a_cent() -> None:
    rows = [
        {
            "period": date(2026, 1, 1),
            "g": f"g{n:02}",
            "cost": Decimal(f"{n}.01"),
            "is_final": n != 1,
        }
        for n in range(20)
    ]
    shown = tables.charted("g", rows, tables.named(tables.compare("g", rows, None)))
    assert len(shown) == 9
    assert tables.total(shown) == tables.total(rows)
    assert not next(row for row in shown if row["group"] == tables.OTHER)["is_final"]


@pytest.mark.parametrize("name", ["=1+1", "+1", "-1", "@x", "\tx", "\rx"])
def test_exports_hold_no_formulas(name: str) -> None:
    assert safe(name) == f"'{name}"
    groups = tables.compare("g", [{"g": name, "cost": Decimal("-1.10")}], None)
    text = as_csv(groups, "Group", "USD", Decimal("-1.10"))
    assert "-1.1," in text and f"'{name.strip()}" in text.replace("\r", "").replace("\t", "") + "'"


def test_every_provider_has_a_label() -> None:
    for key in PROVIDERS:
        assert f"when '{key}' then" in PROVIDER_NAME


@pytest.mark.integration
def test_versions_of_an_account_do_not_multiply_money(marts: Database) -> None:
    before = ask(compile_costs(CostQuery(DAYS, "USD", group_by=("provider",))))
    with marts.connect("dbt", autocommit=True) as conn:
        conn.execute("create table marts.kept as table marts.dim_accounts")
        conn.execute("insert into marts.dim_accounts table marts.kept")
        try:
            assert ask(compile_costs(CostQuery(DAYS, "USD", group_by=("provider",)))) == before
        finally:
            conn.execute("truncate marts.dim_accounts")
            conn.execute("insert into marts.dim_accounts table marts.kept")
            conn.execute("drop table marts.kept")


@pytest.mark.integration
@pytest.mark.parametrize("group_by", [(), ("account",), ("region", "service")])
def test_what_is_final_by_its_day_is_not_open_whatever_its_charges_say(
    marts: Database, group_by: tuple[str, ...]
) -> None:
    days = ask(compile_costs(CostQuery(DAYS, "USD", grain="day")))
    opened = [row["period"] for row in days if row["open_cost"]]
    for through in (opened[0], opened[len(opened) // 2], opened[-1]):
        later = tables.open_cost(row for row in days if row["period"] > through)
        assert later != tables.open_cost(days)
        for grain in (None, *get_args(Grain)):
            query = CostQuery(DAYS, "USD", "billed", group_by, grain, final_through=through)
            rows = ask(compile_costs(query))
            assert tables.open_cost(rows) == later
            assert all(row["is_final"] for row in rows) == (later == 0)


def test_all_days_are_final_through_the_last_month_of_the_account_that_is_so_least() -> None:
    ends = [date(2026, 9, 30), date(2026, 10, 31)]
    rows = [{"final_through": end} for end in ends]
    assert periods.final_through(rows) == ends[0]
    assert periods.final_through([*rows, {"final_through": None}]) is None
    assert periods.final_through([]) is None
    assert periods.final_through([*rows, {"final_through": date(2026, 9, 29)}]) == date(2026, 8, 31)


@pytest.mark.integration
def test_a_mart_with_other_columns_is_read_as_it_is_now(marts: Database) -> None:
    statement = Statement("select * from marts.grown", ())
    with marts.connect("dbt", autocommit=True) as conn:
        conn.execute("create table marts.grown as select 1 as first")
        conn.execute("grant select on marts.grown to astraeus_reader")
        try:
            for _ in range(3):
                assert ask(statement) == [{"first": 1}]
            conn.execute("alter table marts.grown add column second numeric default 2.50")
            assert ask(statement) == [{"first": 1, "second": Decimal("2.50")}]
        finally:
            conn.execute("drop table marts.grown")


def test_a_day_without_data_is_a_gap_and_a_group_without_any_is_zero() -> None:
    days = DayRange(date(2026, 1, 1), date(2026, 1, 3))
    rows = [
        {"period": date(2026, 1, 1), "g": "a", "cost": Decimal(2), "is_final": True},
        {"period": date(2026, 1, 3), "g": "b", "cost": Decimal(3), "is_final": True},
    ]
    zero = Decimal(0)
    assert tables.trends("g", rows, list(days)) == {
        "a": [Decimal(2), None, zero],
        "b": [zero, None, Decimal(3)],
    }
    assert tables.line(rows, list(days)) == [Decimal(2), None, Decimal(3)]
    assert tables.running([Decimal(2), None, Decimal(3)]) == [Decimal(2), None, Decimal(5)]
    cells = tables.charted("g", rows, tables.named(tables.compare("g", rows, None)))
    assert {cell["period"] for cell in cells} == {date(2026, 1, 1), date(2026, 1, 3)}
    assert [cell["cost"] for cell in tables.accumulated(cells)] == [Decimal(2), zero, 2, 3]


def test_steps_are_cut_as_sql_cuts_them() -> None:
    days = DayRange(date(2026, 1, 30), date(2026, 2, 10))
    assert periods.steps(days, "week") == [date(2026, 1, 26), date(2026, 2, 2), date(2026, 2, 9)]
    assert periods.steps(days, "month") == [date(2026, 1, 1), date(2026, 2, 1)]
    assert len(periods.steps(days, "day")) == len(days)


@pytest.mark.parametrize(
    ("name", "grain", "wanted", "first", "last"),
    [
        # Few points are the chart's own, a begun week with them.
        ("30 days", "day", "day", date(2026, 9, 1), date(2026, 9, 30)),
        ("Month to date", "week", "week", date(2026, 8, 31), date(2026, 9, 28)),
        # Many are coarser: whole weeks, whole months.
        ("90 days", "day", "week", date(2026, 7, 6), date(2026, 9, 21)),
        ("12 months", "week", "month", date(2025, 10, 1), date(2026, 9, 1)),
        ("12 months", "month", "month", date(2025, 10, 1), date(2026, 9, 1)),
    ],
)
def test_a_trend_has_few_points_and_no_begun_period_among_many(
    name: str, grain: Grain, wanted: Grain, first: date, last: date
) -> None:
    found, points = periods.trend(periods.period(name, date(2026, 9, 30)), grain)
    assert (found, points[0], points[-1]) == (wanted, first, last)
    assert len(points) <= periods.TREND_POINTS


def test_covered_days_are_those_between_first_and_last_delivery() -> None:
    days = DayRange(date(2026, 1, 1), date(2026, 1, 10))
    assert periods.covered(days, date(2026, 1, 4), date(2026, 1, 8)) == 5
    assert periods.covered(days, date(2026, 2, 1), date(2026, 3, 1)) == 0
    assert periods.covered(days, None, date(2026, 3, 1)) == 10


def test_names_cannot_be_markup() -> None:
    assert formats.escaped("![x](http://e) $1$") == r"\!\[x\]\(http\://e\) \$1\$"


def test_a_workbook_sums_to_its_total_and_keeps_every_decimal() -> None:
    groups = tables.compare(
        "service",
        [
            {"service": "=1+1", "cost": Decimal("0.123456789123456789")},
            {"service": "Compute", "cost": Decimal("1000.01")},
        ],
        [{"service": "Compute", "cost": Decimal(900)}],
    )
    whole = tables.add_up(each.cost for each in groups)
    made = workbook(groups, "Service", "USD", whole, {"Basis": "Billed", "SQL": "select 1"})
    with zipfile.ZipFile(io.BytesIO(made)) as archive:
        names = archive.namelist()
        texts = archive.read("xl/sharedStrings.xml").decode()
        sheet = archive.read("xl/worksheets/sheet1.xml").decode()
    assert "xl/worksheets/sheet2.xml" in names
    assert "<t>0.123456789123456789</t>" in texts and "<t>'=1+1</t>" in texts
    assert f"<t>{whole}</t>" in texts
    assert "<f>" not in sheet  # nothing that a spreadsheet would run
    numbers = [float(each) for each in re.findall(r'r="B\d+" s="\d+"><v>([^<]+)</v>', sheet)]
    assert len(numbers) == 3
    assert sum(numbers[:-1]) == pytest.approx(numbers[-1]) == pytest.approx(float(whole))


def test_a_moment_is_told_in_utc_whatever_the_servers_zone() -> None:
    there = datetime(2026, 11, 1, 1, 15, tzinfo=timezone(timedelta(hours=2)))
    assert formats.moment(there) == "31 Oct 2026 23:15"

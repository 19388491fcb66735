"""The marts that dbt builds from loaded deliveries: same figures, whatever the order of events."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from astraeus_pipeline.conformance.export import (
    export_charges,
    focus_name,
    providers_with_charges,
)
from astraeus_pipeline.contracts import AWS_COSTS, FOCUS_COSTS, RawTable
from astraeus_pipeline.contracts.columns import arrow_type
from astraeus_pipeline.contracts.days import DayRange
from astraeus_pipeline.contracts.delivery import ControlTotal, Reject, RowBatch
from astraeus_pipeline.warehouse.engine import Database
from astraeus_pipeline.warehouse.loader import LoadOptions, LoadResult, load
from tests.fixtures.charges import batch, charge, fetched, payload
from tests.fixtures.estate import add_focus_account, installed
from tests.fixtures.parsed import parsed_for, run_dbt

pytestmark = pytest.mark.integration

TODAY = date(2026, 10, 20)
OPTIONS = LoadOptions(today=TODAY, settle_days=3)
FIRST, SECOND, THIRD = (date(2026, 10, day) for day in (5, 6, 7))
OPEN = TODAY - timedelta(days=1)
OCTOBER, NOVEMBER = date(2026, 10, 1), date(2026, 11, 1)
COSTS = ("billed_cost", "effective_cost", "list_cost", "contracted_cost")


@dataclass
class Warehouse:
    """A database that deliveries reach through the loader and dbt builds in this process."""

    database: Database
    home: Path
    deliveries: int = 0

    def deliver(
        self,
        rows: list[dict[str, Any]],
        days: DayRange | None = None,
        rejects: tuple[Reject, ...] = (),
        *,
        table: RawTable = FOCUS_COSTS,
        account: str = "acme",
        **more: Any,
    ) -> LoadResult:
        self.deliveries += 1
        dates = [row["usage_date"] for row in rows]
        description = fetched(days or DayRange(min(dates), max(dates)), account, **more)
        read = batch(rows, rejects) if table is FOCUS_COSTS else _aws_batch(rows)
        with self.database.connect("loader", autocommit=True) as conn:
            stored = payload(f"delivery {self.deliveries}")
            return load(conn, table, description, stored, lambda: [read], OPTIONS)

    def dbt(self, *words: str) -> dict[str, str]:
        """Run dbt and return the status of each node by name."""
        target = self.home / "target"
        results = run_dbt(
            parsed_for(self.database), target, [*words, "--vars", f"{{today: '{TODAY}'}}"]
        )
        return {each.node.name: str(each.status) for each in results}

    def build(self) -> None:
        """Build everything; no test may fail, warnings may."""
        statuses = self.dbt("build", "--exclude-resource-type", "unit_test")
        assert not {n: s for n, s in statuses.items() if s in ("error", "fail", "skipped")}

    def compiled(self, test: str) -> str:
        """Return a test's SQL as the last build ran it."""
        return (self.home / "target/compiled/astraeus/tests" / f"{test}.sql").read_text()

    def ask(self, query: str, role: Any = "operator") -> list[Any]:
        with self.database.connect(role) as conn:
            return conn.execute(query).fetchall()

    def change(self, statement: str) -> None:
        with self.database.connect("dbt", autocommit=True) as conn:
            conn.execute(statement)

    def billed(self, account: str = "acme") -> dict[date, Decimal]:
        query = (
            "select usage_date, sum(billed_cost) from marts.fct_daily_costs"
            f" where account_id = '{account}' group by 1"
        )
        return dict(self.ask(query))

    def fingerprints(self) -> list[Any]:
        marts = (
            "fct_charges",
            "fct_daily_costs",
            "fct_daily_resource_costs",
            "fct_restatements",
            "fct_freshness",
        )
        return [
            self.ask(
                f"select '{mart}', count(*), md5(string_agg(md5(row::text), '' order by"
                f" md5(row::text))) from marts.{mart} as row"
            )
            for mart in (*marts, "dim_services")
        ]


@pytest.fixture(scope="module")
def warehouse(
    module_database: Database, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Warehouse]:
    """One database for the module: an invocation of dbt takes seconds, so tests go on from it."""
    home = tmp_path_factory.mktemp("home")
    with installed(module_database, home) as settings:
        add_focus_account(module_database, settings, "acme", home / "acme")
        made = Warehouse(module_database, home)
        made.deliver([focus(FIRST, "1.10"), focus(SECOND, "2.20"), focus(THIRD, "3.30")])
        made.deliver(_aws_rows(), table=AWS_COSTS, account="cloud", controls=_controls())
        made.deliver(_odd_rows(), account="odd")
        made.build()
        yield made


def focus(day: date, cost: str, **more: Any) -> dict[str, Any]:
    start = datetime(day.year, day.month, day.day, tzinfo=UTC)
    period = more.get("billing_period", day.replace(day=1))
    return charge(
        day,
        cost,
        charge_period_end=start + timedelta(days=1),
        billing_period_start=datetime(period.year, period.month, 1, tzinfo=UTC),
        billing_period_end=start + timedelta(days=60),
        **{"service_category": "Compute", **more},
    )


def _odd_rows() -> list[dict[str, Any]]:
    """Rows as Azure and FOCUS 1.0 files have them: empty service, other spellings."""
    return [
        focus(FIRST, "1", service_name=None, service_category=None, charge_category=None),
        focus(FIRST, "2", charge_category="usage", charge_frequency="Usage-based"),
    ]


def _aws_rows() -> list[dict[str, Any]]:
    return [
        aws("Usage", "Amazon Simple Storage Service", "1.000000000001", net="0.9"),
        aws("SavingsPlanCoveredUsage", "AWS Lambda", "2", net="2", amortized="1.5"),
        aws("SavingsPlanNegation", "AWS Lambda", "-2", net="-2", amortized="0"),
        aws("Tax", "Tax", "0.25"),
        aws("Credit", "Some New Service", "-0.5"),
    ]


def aws(kind: str, service: str, cost: str, *, net: str = "", amortized: str = "") -> Any:
    return {
        "usage_date": FIRST,
        "billing_period": OCTOBER,
        "linked_account_id": "123456789012",
        "record_type": kind,
        "service": service,
        "currency": "USD",
        "unblended_cost": Decimal(cost),
        "amortized_cost": Decimal(amortized or cost),
        "net_unblended_cost": Decimal(net or cost),
        "net_amortized_cost": Decimal(amortized or net or cost),
        "is_estimated": False,
    }


def _controls() -> tuple[ControlTotal, ...]:
    total = sum(row["net_unblended_cost"] for row in _aws_rows())
    day = DayRange(FIRST, FIRST)
    return (ControlTotal(day, "USD", "net_unblended_cost", total, "Cost Explorer"),)


def _aws_batch(rows: list[dict[str, Any]]) -> RowBatch:
    columns = {}
    for column in AWS_COSTS.row_columns:
        values = [
            number if column.name == "row_number" else row.get(column.name)
            for number, row in enumerate(rows, 1)
        ]
        columns[column.name] = pa.array(values, arrow_type(column.type))
    return RowBatch(pa.record_batch(columns))


def test_cost_explorer_speaks_focus(warehouse: Warehouse) -> None:
    rows = warehouse.ask(
        "select charge_description, charge_category, service_category, billed_cost,"
        " effective_cost, list_cost from marts.fct_charges where account_id = 'cloud'"
        " order by x_row_number"
    )
    assert [(row[1], row[2], *(str(cost.normalize()) for cost in row[3:])) for row in rows] == [
        ("Usage", "Storage", "0.9", "0.9", "1.000000000001"),
        ("Usage", "Compute", "2", "1.5", "2"),
        ("Usage", "Compute", "-2", "0", "-2"),
        ("Tax", "Other", "0.25", "0.25", "0.25"),
        ("Credit", "Other", "-0.5", "-0.5", "-0.5"),
    ]
    sources = warehouse.ask(
        "select distinct x_list_cost_source, x_contracted_cost_source, x_effective_cost_source"
        " from marts.fct_charges where account_id = 'cloud'"
    )
    assert sources == [("modelled: unblended_cost", "modelled: unblended_cost", "provider")]


def test_charges_are_exported_as_the_standard_spells_them(
    warehouse: Warehouse, tmp_path: Path
) -> None:
    with warehouse.database.connect("operator", autocommit=True) as conn:
        assert providers_with_charges(conn) == ("aws", "focus")
        whole = export_charges(conn, "aws", tmp_path / "whole.parquet")
        sample = export_charges(conn, "focus", tmp_path / "sample.parquet", limit=3)
    table = pq.read_table(whole.path)
    wanted = [focus_name(column.name) for column in FOCUS_COSTS.vendor_columns]
    assert table.column_names[:57] == wanted
    assert all(name.startswith("x_") for name in table.column_names[57:])
    kinds = {field.name: str(field.type) for field in table.schema}
    assert kinds["BillingAccountId"] == "string"
    assert kinds["ListCost"] == "decimal128(38, 12)"
    assert kinds["ChargePeriodStart"] == "timestamp[us, tz=UTC]"
    billed = sum(row["BilledCost"] for row in table.to_pylist())
    assert billed == sum(row["net_unblended_cost"] for row in _aws_rows())
    assert whole.rows == table.num_rows == len(_aws_rows())
    # one of the single adjustment, and what is left of the usage
    assert [(s.charge_category, s.rows, s.exported) for s in sample.strata] == [
        ("Adjustment", 1, 1),
        ("Usage", 4, 2),
    ]
    assert pq.read_table(sample.path).num_rows == sample.rows == 3


def test_the_code_s_own_unit_tests_hold(warehouse: Warehouse) -> None:
    """dbt's unit tests ask for no rows, but for the columns of what stands."""
    statuses = warehouse.dbt("test", "--select", "test_type:unit")
    own = {name: status for name, status in statuses.items() if "on-run-start" not in name}
    assert own and set(own.values()) == {"pass"}


def test_dialects_and_gaps_of_focus_files_are_repaired(warehouse: Warehouse) -> None:
    rows = warehouse.ask(
        "select service_name, service_category, charge_category, charge_frequency"
        " from marts.fct_charges where account_id = 'odd' order by x_row_number"
    )
    assert rows == [
        ("Unknown", "Other", "Adjustment", None),
        ("Compute", "Compute", "Usage", "Usage-Based"),
    ]


@pytest.fixture(scope="module")
def changed(warehouse: Warehouse) -> Warehouse:
    """What comes after the first build, of days that have nothing to do with one another.

    THIRD gets a file of another month, FIRST is restated, SECOND is held back by a row in
    quarantine, and OPEN gets its first charge.
    """
    late = focus(THIRD, "-0.30", billing_period=NOVEMBER, charge_class="Correction")
    warehouse.deliver([late], billing_period=NOVEMBER)
    bad = Reject(3, "12,5", "BilledCost cannot be read as its type", SECOND)
    result = warehouse.deliver([focus(FIRST, "1.15"), focus(SECOND, "9.99")], rejects=(bad,))
    assert result.days("blocked") == [SECOND]
    warehouse.deliver([focus(OPEN, "4.00")])
    warehouse.build()
    return warehouse


def test_a_file_of_another_month_stands_beside_the_days_own_rows(changed: Warehouse) -> None:
    assert changed.billed()[THIRD] == Decimal("3.00")
    assert changed.ask(
        "select count(distinct billing_period) from marts.fct_charges"
        f" where account_id = 'acme' and usage_date = '{THIRD}'"
    ) == [(2,)]


def test_restated_and_blocked_days(changed: Warehouse) -> None:
    """What is held back keeps its old rows."""
    assert changed.billed()[FIRST] == Decimal("1.15")
    assert changed.billed()[SECOND] == Decimal("2.20")
    assert changed.ask(
        "select service, old_cost, new_cost, delta from marts.fct_restatements"
        f" where usage_date = '{FIRST}' and cost_type = 'billed_cost'"
    ) == [("Compute", Decimal("1.10"), Decimal("1.15"), Decimal("0.05"))]
    states = {
        row[0]: row[1:]
        for row in changed.ask(
            "select usage_date, state, held_back, is_gap from marts.fct_freshness"
            " where account_id = 'acme'"
        )
    }
    assert states[SECOND] == ("estimated", "blocked", False)
    assert states[FIRST] == ("estimated", None, False)
    assert states[TODAY] == ("missing", None, False)
    assert len(states) == (TODAY - FIRST).days + 1


def test_a_load_during_the_build_is_neither_lost_nor_a_fault(changed: Warehouse) -> None:
    """Charges are of the old deliveries, the ledger of the new ones; the next build heals.

    FIRST costs more, and the open day became empty, which takes its rows away.
    """
    changed.deliver([focus(FIRST, "7.00")])
    changed.deliver([], DayRange(OPEN, OPEN), complete_through=OPEN)
    statuses = changed.dbt("test", "--select", "test_type:singular")
    assert "fail" not in statuses.values() and "error" not in statuses.values()
    assert changed.billed()[FIRST] == Decimal("1.15")
    assert changed.billed()[OPEN] == 4
    changed.build()
    assert changed.billed()[FIRST] == Decimal("7.00")
    assert OPEN not in changed.billed()


def test_another_logic_rebuilds_the_history(changed: Warehouse) -> None:
    """As after an upgrade: what was built by other SQL is built again, by itself."""
    before = changed.fingerprints()
    changed.change("update intermediate.built_slices set logic = 'older'")
    changed.change("update marts.fct_charges set service_category = 'Older'")
    changed.change("update marts.fct_daily_costs set service_category = 'Older'")
    assert set(changed.dbt("run").values()) == {"success"}
    assert changed.fingerprints() == before


def test_full_rebuild_gives_the_same_rows(warehouse: Warehouse) -> None:
    before = warehouse.fingerprints()
    assert set(warehouse.dbt("run", "--full-refresh").values()) == {"success"}
    assert warehouse.fingerprints() == before


def test_accounts_keep_their_versions(warehouse: Warehouse) -> None:
    with warehouse.database.connect("admin", autocommit=True) as conn:
        conn.execute(
            "update app.accounts set name = 'Acme Ltd', updated_at = now() where slug = 'acme'"
        )
    warehouse.dbt("run", "--select", "dim_accounts")
    versions = warehouse.ask(
        "select account_name, is_current, valid_to is null from marts.dim_accounts"
        " where account_id = 'acme' order by valid_from"
    )
    assert versions == [("Acme", False, False), ("Acme Ltd", True, True)]


@pytest.mark.parametrize(
    ("fault", "caught_by"),
    [
        ("delete from marts.fct_charges where ctid = (select min(ctid) from marts.fct_charges)",
         {"staging_vs_charges", "charges_vs_daily"}),
        ("insert into marts.fct_charges select * from marts.fct_charges where account_id = 'odd'",
         {"staging_vs_charges", "charges_vs_daily"}),
        ("update marts.fct_daily_costs set effective_cost = -effective_cost"
         " where account_id = 'cloud'",
         {"charges_vs_daily"}),
        ("update marts.fct_daily_costs set billed_cost = billed_cost + 0.000000000001"
         " where account_id = 'cloud' and service_name = 'Tax'",
         {"charges_vs_daily", "daily_vs_control"}),
    ],
    ids=["dropped row", "doubled file", "flipped sign", "a last decimal"],
)  # fmt: skip
def test_tie_out_catches(warehouse: Warehouse, fault: str, caught_by: set[str]) -> None:
    """Planted faults, taken out again by hand."""
    marts = ("fct_charges", "fct_daily_costs")
    for mart in marts:
        warehouse.change(f"create table staging.kept_{mart} as table marts.{mart}")
    warehouse.change(fault)
    warehouse.dbt(
        "run", "--full-refresh", "--select", "int_month_reconciliations", "fct_reconciliations"
    )
    found = warehouse.ask(
        "select check_name, account_id from marts.fct_reconciliations where state = 'blocked'"
        " and check_name <> 'delivered_vs_standing'"
    )
    twice = warehouse.dbt("test", "--select", "charges_stand_once")
    for mart in marts:
        warehouse.change(
            f"truncate marts.{mart}; insert into marts.{mart} table staging.kept_{mart};"
            f" drop table staging.kept_{mart}"
        )
    assert {row[0] for row in found} == caught_by
    assert len({row[1] for row in found}) == 1
    assert (twice["charges_stand_once"] == "fail") == fault.startswith("insert")


def test_one_bill_added_as_two_accounts_is_pointed_out(warehouse: Warehouse) -> None:
    shared = focus(FIRST, "4", sub_account_id="424242424242")
    warehouse.deliver([shared, focus(SECOND, "4", sub_account_id="424242424242")])
    warehouse.deliver([focus(FIRST, "1", sub_account_id="999999999999")], account="other")
    judged = (
        "build",
        "--select",
        "+accounts_do_not_overlap",
        "--exclude-resource-type",
        "unit_test",
    )
    assert warehouse.dbt(*judged)["accounts_do_not_overlap"] == "pass"
    warehouse.deliver([focus(SECOND, "4", sub_account_id="424242424242")], account="again")
    assert warehouse.dbt(*judged)["accounts_do_not_overlap"] == "warn"


@pytest.mark.parametrize(
    ("account", "change", "rule", "whose"),
    [
        # Cost Explorer's rows are mapped by us
        ("cloud", "provider_name = null", "provider_name", "ours"),
        ("cloud", "consumed_quantity = 1, consumed_unit = null", "consumed_unit", "ours"),
        ("cloud", "service_category = 'Clouds'", "service_category_unknown", "ours"),
        ("cloud", "charge_period_end = charge_period_start", "charge_period", "ours"),
        # a FOCUS file's values are its issuer's
        ("acme", "charge_category = 'Sale'", "charge_category", "the provider's"),
        ("acme", "list_unit_price = 7, pricing_quantity = 2", "list_cost", "the provider's"),
        # some are the provider's in any format
        ("cloud", "billing_currency = 'USX'", "billing_currency", "the provider's"),
        ("cloud", "effective_cost = billed_cost + 1", "unrelated_credit", "the provider's"),
        # and some ours
        ("acme", "service_subcategory = null", "service_subcategory", "ours"),
        ("acme", "usage_date = usage_date - 1", "usage_date", "ours"),
    ],
)
def test_focus_rules_catch(
    warehouse: Warehouse, account: str, change: str, rule: str, whose: str
) -> None:
    """A planted lapse is an error where we answer for the value, else a warning."""
    tests = {
        "ours": warehouse.compiled("own_values_conform_to_focus"),
        "the provider's": warehouse.compiled("charges_conform_to_focus"),
    }
    with warehouse.database.connect("dbt") as conn:
        conn.execute(f"update marts.fct_charges set {change} where account_id = '{account}'")
        found = {
            owner: {(row[1], row[3]) for row in conn.execute(test)} for owner, test in tests.items()
        }
        conn.rollback()
        before = {(row[1], row[3]) for row in conn.execute(tests["ours"])}
    assert before == set()
    assert (account, rule) in found.pop(whose)
    assert (account, rule) not in next(iter(found.values()))

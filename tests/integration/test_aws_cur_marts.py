"""What each kind of line of a Cost and Usage Report becomes in the marts; a change of source."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any

import pytest

from astraeus_pipeline.accounts.sealing import KeyRing
from astraeus_pipeline.contracts.account import Account
from astraeus_pipeline.contracts.days import DayRange
from astraeus_pipeline.orchestration.delivering import Ingestion, deliver
from astraeus_pipeline.providers.aws import AWS
from astraeus_pipeline.sandbox.cost_explorer import CostExplorerServer
from astraeus_pipeline.sandbox.cost_explorer import Line as Stated
from astraeus_pipeline.sandbox.data_exports import encode
from astraeus_pipeline.settings import Settings
from astraeus_pipeline.warehouse.engine import Database
from astraeus_pipeline.warehouse.landing import LandingStore
from tests.fixtures.aws_exports import SECRETS, Line, usage
from tests.fixtures.dbt import TODAY, Warehouse, warehouse
from tests.fixtures.focus_files import line as focus_line

pytestmark = pytest.mark.integration

MONTH = date(2026, 10, 1)
OCTOBER = DayRange.of_month(MONTH)
DAY = date(2026, 10, 5)
PLAN = "arn:aws:savingsplans::444444444444:savingsplan/one"
RESERVATION = "arn:aws:ec2:us-east-1:444444444444:reserved-instances/one"


def typed(line_type: str, cost: str, **more: Any) -> Line:
    """Return a line of a type; net columns are of a payer with discounts, null without."""
    number = f"{line_type}-{cost}-{more.get('line_item_resource_id', '')}"
    values = {"line_item_line_item_type": line_type, "identity_line_item_id": number, **more}
    return {**COLUMNS, **usage(DAY, cost), **values}


def money(text: str) -> Decimal:
    return Decimal(text)


COLUMNS: Line = dict.fromkeys(
    (
        "line_item_net_unblended_cost",
        "reservation_reservation_a_r_n",
        "reservation_effective_cost",
        "reservation_net_effective_cost",
        "reservation_unused_amortized_upfront_fee_for_billing_period",
        "reservation_net_unused_amortized_upfront_fee_for_billing_period",
        "reservation_unused_recurring_fee",
        "reservation_net_unused_recurring_fee",
        "savings_plan_savings_plan_a_r_n",
        "savings_plan_savings_plan_effective_cost",
        "savings_plan_net_savings_plan_effective_cost",
        "savings_plan_total_commitment_to_date",
        "savings_plan_used_commitment",
        "split_line_item_parent_resource_id",
    )
)

# line, (billed, effective, list, contracted), charge category, commitment status
CASES: dict[str, tuple[Line, tuple[str, str, str, str], str, str | None]] = {
    "usage": (typed("Usage", "2"), ("2", "2", "2", "2"), "Usage", None),
    "usage with a discount": (
        typed("Usage", "3", line_item_net_unblended_cost=money("2.7")),
        ("2.7", "2.7", "3", "2.7"),
        "Usage",
        None,
    ),
    "covered by a plan": (
        typed(
            "SavingsPlanCoveredUsage",
            "10",
            savings_plan_savings_plan_a_r_n=PLAN,
            savings_plan_savings_plan_effective_cost=money("7"),
        ),
        ("10", "7", "10", "10"),
        "Usage",
        "Used",
    ),
    "covered by a plan, net": (
        typed(
            "SavingsPlanCoveredUsage",
            "20",
            line_item_net_unblended_cost=money("18"),
            savings_plan_savings_plan_a_r_n=PLAN,
            savings_plan_savings_plan_effective_cost=money("14"),
            savings_plan_net_savings_plan_effective_cost=money("12.6"),
        ),
        ("18", "12.6", "20", "18"),
        "Usage",
        "Used",
    ),
    "negation": (
        typed("SavingsPlanNegation", "-28", savings_plan_savings_plan_a_r_n=PLAN),
        ("-28", "0", "0", "0"),
        "Usage",
        "Used",
    ),
    "recurring fee of a plan": (
        typed(
            "SavingsPlanRecurringFee",
            "24",
            savings_plan_savings_plan_a_r_n=PLAN,
            savings_plan_total_commitment_to_date=money("24"),
            savings_plan_used_commitment=money("19.6"),
        ),
        ("24", "4.4", "24", "24"),
        "Purchase",
        None,
    ),
    "upfront fee of a plan": (
        typed("SavingsPlanUpfrontFee", "500", savings_plan_savings_plan_a_r_n=PLAN),
        ("500", "0", "500", "500"),
        "Purchase",
        None,
    ),
    "covered by a reservation": (
        typed(
            "DiscountedUsage",
            "0",
            reservation_reservation_a_r_n=RESERVATION,
            reservation_effective_cost=money("0.06"),
            pricing_public_on_demand_cost=money("0.1"),
        ),
        ("0", "0.06", "0.1", "0.1"),
        "Usage",
        "Used",
    ),
    "fee of a reservation": (
        typed(
            "RIFee",
            "43.8",
            reservation_reservation_a_r_n=RESERVATION,
            reservation_unused_amortized_upfront_fee_for_billing_period=money("1.25"),
            reservation_unused_recurring_fee=money("2.5"),
        ),
        ("43.8", "3.75", "43.8", "43.8"),
        "Purchase",
        None,
    ),
    "fee of a reservation, net": (
        typed(
            "RIFee",
            "40",
            line_item_net_unblended_cost=money("36"),
            reservation_reservation_a_r_n=RESERVATION,
            reservation_unused_amortized_upfront_fee_for_billing_period=money("1"),
            reservation_net_unused_amortized_upfront_fee_for_billing_period=money("0.9"),
            reservation_unused_recurring_fee=money("2"),
            reservation_net_unused_recurring_fee=money("1.8"),
        ),
        ("36", "2.7", "40", "36"),
        "Purchase",
        None,
    ),
    "upfront fee of a reservation": (
        typed("Fee", "300", reservation_reservation_a_r_n=RESERVATION),
        ("300", "0", "300", "300"),
        "Purchase",
        None,
    ),
    "support": (typed("Fee", "29"), ("29", "29", "29", "29"), "Purchase", None),
    "tax": (typed("Tax", "4.13"), ("4.13",) * 4, "Tax", None),
    "credit": (typed("Credit", "-5"), ("-5",) * 4, "Credit", None),
    "refund": (typed("Refund", "-1.5"), ("-1.5",) * 4, "Adjustment", None),
    "discount": (typed("EdpDiscount", "-0.3"), ("-0.3",) * 4, "Adjustment", None),
}
SPLIT = typed(
    "Usage",
    "0.4",
    line_item_operation="EKSPod-EC2",
    line_item_resource_id="arn:aws:eks:us-east-1:444444444444:pod/one",
    split_line_item_parent_resource_id="i-1",
)


@dataclass
class Built:
    """The marts of one account that moved from Cost Explorer to a CUR, and of a FOCUS export."""

    warehouse: Warehouse
    before: list[Any]


@pytest.fixture(scope="module")
def built(module_database: Database, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Built]:
    home = tmp_path_factory.mktemp("home")
    ingestion = Ingestion(
        module_database,
        LandingStore(str(home / "landing")),
        KeyRing.from_settings(Settings(home=home)),
        TODAY,
    )
    rows = [{"line_item_operation": None, **line} for line, *_ in CASES.values()]
    for name, content in {
        "cur": encode([*rows, {"line_item_operation": None, **SPLIT}], "csv.gz"),
        "focus": encode([focus_line(DAY, "2.5", InvoiceId="inv-1")], "csv.gz"),
    }.items():
        (home / name).mkdir()
        (home / name / "2026-10.csv.gz").write_bytes(content)

    def stated(first: date, end: date) -> list[Stated]:
        costs = [Decimal("77.7")] * 4
        line = Stated(DAY, "4" * 12, "Usage", "us-east-1", "Amazon S3", "Box", *costs)
        return [line] if first <= DAY < end else []

    with (
        warehouse(module_database, home / "dbt") as made,
        CostExplorerServer(stated, lambda _: False) as explorer,
    ):

        def take(slug: str, **config: Any) -> None:
            account = Account(slug, "aws", slug, config, lambda: SECRETS)
            done = deliver(ingestion, AWS, account, "costs", OCTOBER)
            assert not done.errors, done.errors
            assert not done.held()

        def standing() -> list[Any]:
            return made.ask(
                "select usage_date, sum(billed_cost) from marts.fct_daily_costs"
                " where account_id = 'payer' and billed_cost <> 0 group by 1"
            )

        made.dbt("seed")
        take("payer", cost_explorer_endpoint_url=explorer.url)
        made.build()
        before = standing()
        take("payer", cost_source="export", export_url=str(home / "cur"))
        take("focused", cost_source="export", export_url=str(home / "focus"))
        made.build()
        yield Built(made, before)


@pytest.mark.parametrize("case", CASES)
def test_each_kind_of_line_has_its_four_costs(built: Built, case: str) -> None:
    line, costs, category, status = CASES[case]
    [found] = built.warehouse.ask(
        "select billed_cost, effective_cost, list_cost, contracted_cost, charge_category,"
        " commitment_discount_status, commitment_discount_id from marts.fct_charges"
        f" join raw.aws_costs_cur as cur on cur.account_id = fct_charges.account_id"
        " and cur.delivery_id = x_delivery_id and cur.row_number = x_row_number"
        f" where identity_line_item_id = '{line['identity_line_item_id']}'",
        "dbt",
    )
    assert tuple(found[:4]) == tuple(Decimal(each) for each in costs)
    commitment = line["savings_plan_savings_plan_a_r_n"] or line["reservation_reservation_a_r_n"]
    assert tuple(found[4:]) == (category, status, commitment)


def test_the_day_is_the_sum_of_its_lines_and_split_lines_are_in_no_total(built: Built) -> None:
    [found] = built.warehouse.ask(
        "select sum(billed_cost), sum(effective_cost), sum(charges) from marts.fct_daily_costs"
        " where account_id = 'payer'"
    )
    billed, effective = (
        sum(Decimal(costs[at]) for _, costs, *_ in CASES.values()) for at in (0, 1)
    )
    assert found == (billed, effective, len(CASES))


def test_an_account_that_moves_to_an_export_leaves_nothing_of_its_old_source(built: Built) -> None:
    assert built.before == [(DAY, Decimal("77.7"))]
    assert built.warehouse.ask(
        "select count(*) from raw.aws_costs where account_id = 'payer'", "loader"
    ) == [(0,)]
    assert built.warehouse.ask(
        "select count(*) from raw.aws_costs_cur where account_id = 'payer'", "loader"
    ) == [(len(CASES) + 1,)]


def test_a_focus_export_passes_through(built: Built) -> None:
    assert built.warehouse.ask(
        "select provider, billed_cost, invoice_id, x_is_final from marts.fct_charges"
        " where account_id = 'focused'"
    ) == [("aws", Decimal("2.5"), "inv-1", True)]

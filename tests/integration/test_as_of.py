"""What was believed at any instant: exactly what the payloads that stood then say."""

from __future__ import annotations

import json
import random
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from astraeus_pipeline.contracts.account import Account
from astraeus_pipeline.contracts.days import DayRange
from astraeus_pipeline.contracts.delivery import Fetched
from astraeus_pipeline.providers.aws import AWS
from astraeus_pipeline.providers.focus import FOCUS
from astraeus_pipeline.providers.registry import PROVIDERS
from astraeus_pipeline.warehouse import landing
from astraeus_pipeline.warehouse.acceptances import Acceptance
from astraeus_pipeline.warehouse.engine import Database
from astraeus_pipeline.warehouse.loader import LoadOptions, LoadResult, load
from tests.fixtures.dbt import TODAY, Warehouse, warehouse
from tests.fixtures.focus_files import line, write

pytestmark = pytest.mark.integration

SEPTEMBER, OCTOBER = DayRange(date(2026, 9, 1), date(2026, 9, 30)), date(2026, 10, 1)
ACCOUNTS = ("acme", "beta", "cloud")
FILES = ("acme", "beta")
SERVICES = ("Compute", "Storage", "Database")
CATEGORIES = ("Usage", "Tax", "Credit")
# Record types of Cost Explorer and what staging calls them.
RECORD_TYPES = {"Usage": "Usage", "SavingsPlanNegation": "Usage", "Refund": "Adjustment"}
COSTS = ("billed_cost", "effective_cost", "list_cost", "contracted_cost")

Costs = dict[tuple[str, str, str], tuple[Decimal, ...]]  # by service, category, currency
Bill = dict[date, list[dict[str, str]]]


@dataclass
class History:
    """The deliveries so far: what each brought, and since when each slice stands in which."""

    marts: Warehouse
    store: landing.LandingStore
    folder: Path
    # (account, day, billing month) -> [(instant, delivery)], oldest first
    stood: dict[Any, list[tuple[datetime, int]]] = field(default_factory=lambda: defaultdict(list))
    fetched: dict[int, Fetched] = field(default_factory=dict)
    instants: list[datetime] = field(default_factory=list)
    states: list[str] = field(default_factory=list)
    read: dict[int, list[dict[str, Any]]] = field(default_factory=dict)

    def deliver(
        self, account: str, bill: Bill, month: date, *, accept: LoadResult | None = None
    ) -> LoadResult:
        """Write a month's file and load it as the provider's client fetches it."""
        path = self.folder / account / f"{month:%Y-%m}" / "bill.csv"
        write(path, [row for rows in bill.values() for row in rows])
        source = Account(account, "focus", account, {"url": str(self.folder / account)})
        days = DayRange.of_month(month)
        [found] = [
            each
            for each in FOCUS.fetch(source, "costs", days, self.store)
            if each.billing_period == month
        ]
        return self._load(found, accept)

    def answer(self, bill: dict[date, list[dict[str, Any]]], days: DayRange) -> LoadResult:
        """Store what Cost Explorer would say of account `cloud`, and load it."""
        lines = (json.dumps(page(kind, bill)).encode() + b"\n" for kind in RECORD_TYPES)
        part = self.store.put("pages.jsonl", lines, "jsonl")
        found = Fetched(
            "cloud", "costs", days, "api", "Cost Explorer", (part,), complete_through=days.last
        )
        return self._load(found, None)

    def _load(self, found: Fetched, accept: LoadResult | None) -> LoadResult:
        acceptance = accept and Acceptance(
            "dana", "agreed", accept.delivery_id, frozenset(accept.days("refused"))
        )
        provider = PROVIDERS[provider_of(found.account_id)]
        with self.marts.database.connect("loader", autocommit=True) as conn:
            result = load(
                conn,
                provider.table_of(found),
                found,
                self.store.put_manifest(found),
                lambda: provider.rows(found, self.store),
                LoadOptions(TODAY, 3, acceptance=acceptance),
            )
            row = conn.execute(
                "select finished_at from raw.deliveries where id = %s", [result.delivery_id]
            ).fetchone()
        assert row is not None
        self.instants.append(row[0])
        self.states.append(result.state)
        self.fetched[result.delivery_id] = found
        for each, verdict in result.conclusion.verdicts.items():
            if verdict.is_written:
                key = (found.account_id, each.usage_date, each.billing_period)
                self.stood[key].append((row[0], result.delivery_id))
        return result

    def believed(self, account: str, day: date, instant: datetime) -> Costs:
        """Read the payloads that stood at the instant again, and sum the day."""
        costs: dict[tuple[str, str, str], list[Decimal]] = {}
        for (owner, usage_date, _), versions in self.stood.items():
            standing = [delivery for since, delivery in versions if since <= instant]
            if owner == account and usage_date == day and standing:
                for row in self._rows(standing[-1], day):
                    key, amounts = as_focus(row)
                    sums = costs.setdefault(key, [Decimal(0)] * len(COSTS))
                    for place, given in enumerate(amounts):
                        sums[place] += given
        return {key: tuple(sums) for key, sums in costs.items()}

    def _rows(self, delivery: int, day: date) -> list[dict[str, Any]]:
        if delivery not in self.read:
            found = self.fetched[delivery]
            batches = PROVIDERS[provider_of(found.account_id)].rows(found, self.store)
            self.read[delivery] = [row for batch in batches for row in batch.rows.to_pylist()]
        return [row for row in self.read[delivery] if row["usage_date"] == day]

    def answered(self, account: str, day: date, instant: datetime) -> Costs:
        """Ask the mart."""
        with self.marts.database.connect("operator") as conn:
            rows = conn.execute(
                "select service_name, charge_category, billing_currency,"
                " sum(billed_cost), sum(effective_cost), sum(list_cost), sum(contracted_cost)"
                " from marts.costs_as_of(%s, array[%s], %s, %s) group by 1, 2, 3",
                [instant, account, day, day],
            ).fetchall()
        return {tuple(row[:3]): tuple(row[3:]) for row in rows}  # type: ignore[misc]


def provider_of(account: str) -> str:
    return AWS.key if account == "cloud" else FOCUS.key


def as_focus(row: dict[str, Any]) -> tuple[tuple[str, str, str], list[Decimal]]:
    """Return a raw row's key and its billed, effective, list and contracted cost."""
    if "record_type" not in row:
        key = (row["service_name"], row["charge_category"], row["billing_currency"])
        return key, [row[cost] for cost in COSTS]
    key = (row["service"], RECORD_TYPES[row["record_type"]], row["currency"])
    given = [
        row[net] if row[net] is not None else row[gross]
        for net, gross in (
            ("net_unblended_cost", "unblended_cost"),
            ("net_amortized_cost", "amortized_cost"),
        )
    ]
    return key, [*given, row["unblended_cost"], row["unblended_cost"]]


@pytest.fixture(scope="module")
def history(
    module_database: Database, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[History]:
    """Some thirty deliveries: changes, empties, late days, a refusal let in, a correction."""
    folder = tmp_path_factory.mktemp("bills")
    with warehouse(module_database, tmp_path_factory.mktemp("dbt")) as made:
        store = landing.LandingStore(str(tmp_path_factory.mktemp("landing")))
        told = History(made, store, folder)
        made.dbt("seed")
        tell(told, random.Random(11))
        yield told


def tell(told: History, draw: random.Random) -> None:
    """Deliver, and build the marts three times in between."""
    bills = {account: bill_of(draw, SEPTEMBER.last - timedelta(days=8)) for account in FILES}
    cloud = {day: groups_of(draw) for day in SEPTEMBER}
    told.answer(cloud, SEPTEMBER)
    for number in range(10):
        for account in FILES:
            if number % 2 == FILES.index(account) or number < 2:
                bills[account] = changed(draw, bills[account])
                told.deliver(account, bills[account], SEPTEMBER.first)
        window = DayRange(SEPTEMBER.first + timedelta(days=number), SEPTEMBER.last)
        for day in draw.sample(list(window), 6):
            cloud[day] = groups_of(draw)
        told.answer({day: cloud[day] for day in window}, window)
        if number in (3, 7):
            told.marts.build("--select", "+fct_cost_history")
    day = min(bills["acme"])
    shrunk = bills["acme"] | {day: bills["acme"][day][:1]}
    refused = told.deliver("acme", shrunk, SEPTEMBER.first)
    assert refused.days("refused") == [day]
    told.deliver("acme", shrunk, SEPTEMBER.first, accept=refused)
    correct(told, draw)
    today = DayRange(TODAY, TODAY)
    for bill in ({TODAY: groups_of(draw)}, {}, {TODAY: groups_of(draw)}):  # there, gone, there
        told.answer(bill, today)
    told.marts.build("--select", "+fct_cost_history")


def correct(told: History, draw: random.Random) -> None:
    """Let October's file correct a day of September, and think better of it."""
    month = {
        "BillingPeriodStart": "2026-10-01T00:00:00Z",
        "BillingPeriodEnd": "2026-11-01T00:00:00Z",
    }
    correction = row_of(draw, SEPTEMBER.first, **month)
    for cost in (correction["BilledCost"], "-0.000000001"):
        corrected = correction | {"BilledCost": cost}
        october = {OCTOBER: [row_of(draw, OCTOBER)], SEPTEMBER.first: [corrected]}
        told.deliver("beta", october, OCTOBER)


def page(kind: str, bill: dict[date, list[dict[str, Any]]]) -> dict[str, Any]:
    """Return the groups of one record type as a page of Cost Explorer."""
    return {
        "purpose": "details",
        "filters": {"LINKED_ACCOUNT": "1", "RECORD_TYPE": kind, "REGION": "us-east-1"},
        "results": [
            {
                "TimePeriod": {"Start": str(day)},
                "Groups": [each["group"] for each in groups if each["kind"] == kind],
                "Estimated": False,
            }
            for day, groups in bill.items()
        ],
    }


def groups_of(draw: random.Random) -> list[dict[str, Any]]:
    """Return a day's groups; the net costs are sometimes not given, and then null in raw."""
    return [
        {"kind": draw.choice([*RECORD_TYPES]), "group": {"Keys": [service, kind], "Metrics": {
            metric: {"Amount": amount(draw), "Unit": "USD"}
            for metric in ("UnblendedCost", "AmortizedCost", "NetUnblendedCost", "NetAmortizedCost")
            if not metric.startswith("Net") or draw.random() < 0.6
        }}}
        for service in SERVICES for kind in ("a", "b", "c")
    ]  # fmt: skip


def bill_of(draw: random.Random, last: date) -> Bill:
    days = (SEPTEMBER.first + timedelta(days=n) for n in range((last - SEPTEMBER.first).days + 1))
    return {day: [row_of(draw, day) for _ in range(6)] for day in days}


def row_of(draw: random.Random, day: date, **more: str) -> dict[str, str]:
    """Return a charge with four different costs."""
    row = line(day, amount(draw), **more)
    row |= {name: amount(draw) for name in ("EffectiveCost", "ListCost", "ContractedCost")}
    currency = draw.choice(("USD", "USD", "USD", "EUR"))
    return row | {
        "BillingCurrency": currency,
        "ServiceName": draw.choice(SERVICES),
        "ChargeCategory": draw.choice(CATEGORIES),
    }


def amount(draw: random.Random) -> str:
    return f"{Decimal(draw.randint(10**11, 10**12)).scaleb(-10):f}"


def changed(draw: random.Random, bill: Bill) -> Bill:
    """Restate some days, empty an unsettled one, let a late day arrive."""
    bill = dict(bill)
    for day in draw.sample(sorted(bill), 3):
        rows = [dict(row) for row in bill[day]]
        rows[draw.randrange(len(rows))] = row_of(draw, day)
        if draw.random() < 0.4:
            rows.append(row_of(draw, day))
        bill[day] = rows
    late = max(bill) + timedelta(days=1)
    if draw.random() < 0.7 and late in SEPTEMBER:
        bill[late] = [row_of(draw, late) for _ in range(5)]
    return bill


def test_any_question_is_answered_as_the_payloads_of_that_time(history: History) -> None:
    draw = random.Random(12)
    first, last = history.instants[0], history.instants[-1]
    assert len(history.fetched) >= 25
    assert {"loaded", "refused"} <= set(history.states)
    assert any(len(versions) > 3 for versions in history.stood.values())
    asked = {"empty": 0, "changed": 0}
    for _ in range(200):
        account = draw.choice(ACCOUNTS)
        day = draw.choice(sorted({key[1] for key in history.stood if key[0] == account}))
        instant = draw.choice(
            (
                first + (last - first) * draw.random(),
                draw.choice(history.instants),  # from its own instant on a delivery stands
                draw.choice(history.instants) - timedelta(microseconds=1),
            )
        )
        wanted = history.believed(account, day, instant)
        assert history.answered(account, day, instant) == wanted, (account, day, instant)
        asked["empty"] += not wanted
        asked["changed"] += wanted != history.believed(account, day, last)
    assert min(asked.values()) > 10, asked


def test_changes_lead_from_then_to_now(history: History) -> None:
    """Old and new of each change add up to the difference, and name the delivery that made it."""
    instant = history.instants[5]
    with history.marts.database.connect("operator") as conn:
        rows = conn.execute(
            "select account_id, usage_date, sum(coalesce(new_billed_cost, 0)"
            " - coalesce(old_billed_cost, 0)), bool_and(is_first), array_agg(distinct delivery_id)"
            " from marts.cost_changes_since(%s) group by 1, 2",
            [instant],
        ).fetchall()
    told = {(row[0], row[1]): row[2] for row in rows}
    days = {key[:2] for key in history.stood}
    now = history.instants[-1]
    for account, day in days:
        then, today = (
            sum((costs[0] for costs in history.believed(account, day, each).values()), Decimal(0))
            for each in (instant, now)
        )
        assert told.get((account, day), 0) == today - then, (account, day)
    for account, day, _, is_first, deliveries in rows:
        since = {
            delivery
            for key, versions in history.stood.items()
            if key[:2] == (account, day)
            for moment, delivery in versions
            if moment > instant
        }
        assert set(deliveries) <= since
        assert is_first == (not history.believed(account, day, instant) and len(deliveries) == 1)


def test_a_rebuild_remembers_the_same(history: History) -> None:
    rows = "select * from marts.fct_cost_history order by row(fct_cost_history.*)::text"
    before = history.marts.ask(rows)
    history.marts.build("--full-refresh", "--select", "fct_cost_history")
    assert history.marts.ask(rows) == before and before

"""Whatever Azure, AWS and Snowflake answer: each amount stands exactly, is set apart, or is told.

Answers are altered below the providers' own parsing, which runs as it does in a delivery, with the
loader's survey and encoding behind it. An amount that is neither in a row nor in a day that a
reject blocks has been lost, and one that is in a row and was not sent has been made up.
"""

from __future__ import annotations

import json
import re
import tempfile
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import ROUND_HALF_EVEN, Context, Decimal
from pathlib import Path
from typing import Any, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from astraeus_pipeline.contracts import money
from astraeus_pipeline.contracts.delivery import Fetched, Reject
from astraeus_pipeline.errors import AstraeusError
from astraeus_pipeline.orchestration.delivering import translated
from astraeus_pipeline.providers.aws import AWS
from astraeus_pipeline.providers.aws.costs import fetch_costs as fetch_aws
from astraeus_pipeline.providers.aws.inventory import KIND_OF
from astraeus_pipeline.providers.azure import AZURE, inventory
from astraeus_pipeline.providers.azure.costs import fetch_costs as fetch_azure
from astraeus_pipeline.providers.azure.pacing import Pacer
from astraeus_pipeline.providers.base import Provider
from astraeus_pipeline.providers.snowflake import SNOWFLAKE, statements
from astraeus_pipeline.providers.snowflake.answers import line
from astraeus_pipeline.providers.snowflake.costs import fetch_costs as fetch_snowflake
from astraeus_pipeline.warehouse.copy import RowOwner, _Encoder
from astraeus_pipeline.warehouse.landing import LandingStore
from astraeus_pipeline.warehouse.survey import Survey
from tests.app.hostile import DAYS as ODD_DAYS
from tests.app.hostile import TEXTS, fuzzed
from tests.fixtures import fuzzed_answers as answers
from tests.fixtures.fuzzed_answers import DAYS, LINKED, SLUG, dumped, hostile, mutations, readable

# What was sent, cell by cell: day, cost type, currency, amount; None where it cannot be read.
Sent = tuple[date | None, str, str, Decimal | None]
_WIDE: Final = Context(prec=6_000)


@dataclass
class Read:
    """What a delivery came to."""

    rows: list[dict[str, Any]]
    rejects: list[Reject]


def delivered(provider: Provider, fetch: Callable[[LandingStore], Fetched]) -> Read | None:
    """Fetch, read and survey as a delivery does; None where it was refused in words of ours."""
    with tempfile.TemporaryDirectory() as folder:
        landing = LandingStore(folder)
        try:
            with translated(SLUG, DAYS):
                fetched = landing.read_manifest(landing.put_manifest(fetch(landing)).uri)
                table = provider.table_of(fetched)
                survey, rows = Survey(table), []
                for batch in provider.rows(fetched, landing):
                    survey.add(batch)
                    rows += batch.rows.to_pylist()
                    if batch.rows.num_rows:
                        _Encoder(table, RowOwner(SLUG, 1)).encode(batch.rows)
        except AstraeusError as error:
            words = str(error)
            # Of an export the month, as its folders spell it.
            told = (*map(str, DAYS), f"{DAYS.first:%Y-%m}", f"{DAYS.first:%Y%m}")
            assert SLUG in words and any(each in words for each in told), words
            assert "\x00" not in words and words.encode()
            return None
        assert survey.rejected_rows == len(survey.rejects) or survey.rejected_rows > 1_000
        for row in rows:
            check_storable(row)
        return Read(rows, survey.rejects)


def check_storable(row: dict[str, Any]) -> None:
    """Hold a row to what PostgreSQL takes."""
    for name, value in row.items():
        if isinstance(value, str):
            assert "\x00" not in value, name
            if name in ("payload", "tags"):
                strict(value)


def strict(text: str) -> None:
    def no(word: str) -> Any:
        raise AssertionError(word)

    # No escape of NUL, nor half of a pair: jsonb refuses both.
    clean = json.dumps(json.loads(text, parse_constant=no), ensure_ascii=False)
    assert "\\u0000" not in clean.replace("\\\\", "") and clean.encode()


def check_amounts(found: Read | None, sent: Iterable[Sent], of: Callable[..., Any]) -> None:
    """Hold rows to what was sent: equal sums on each day that no reject blocks."""
    if found is None or any(each.usage_date is None for each in found.rejects):
        return  # refused, or blocked as a whole
    blocked = {each.usage_date for each in found.rejects}
    told: Counter[tuple[Any, ...]] = Counter()
    for day, cost_type, currency, amount in sent:
        assert day is not None, "a row of no day was let in"
        if amount is None:
            assert day in blocked, (day, cost_type)
        elif day not in blocked:
            key = (day, cost_type, currency)
            told[key] = _WIDE.add(told[key], amount)  # type: ignore[assignment] # decimals count, too
    stands: Counter[tuple[Any, ...]] = Counter()
    for row in found.rows:
        if row["usage_date"] not in blocked:
            for cost_type, currency, amount in of(row):
                key = (row["usage_date"], cost_type, currency)
                stands[key] = _WIDE.add(stands[key], amount)  # type: ignore[assignment]
    for key in {*told, *stands}:
        assert told[key] == stands[key], key


def day_in(value: object, pattern: str) -> date | None:
    parts = re.fullmatch(pattern, str(value), re.ASCII)
    try:
        return date(*map(int, parts.groups())) if parts else None
    except ValueError:
        return None


# Azure: the answers of Cost Management Query.

_LINES: Final = (
    (DAYS.first, "/r/one", "m-1", "1.25", "1.25"),
    (DAYS.first, "/r/two", "m-2", "0.0000007", "3.5"),
    (DAYS.last, "/r/one", "m-1", "-2.125", "17.000000000001"),
    (DAYS.last, "", "m-3", "40", None),
)


def azure_answer(definition: dict[str, Any]) -> dict[str, Any]:
    """Return what Cost Management would say of these lines."""
    at = 3 if definition["type"] == "ActualCost" else 4
    lines = [each for each in _LINES if each[at] is not None]
    grouping = [each["name"] for each in definition["dataset"].get("grouping", ())]
    cells: list[dict[str, Any]] = []
    for each in lines:
        known = {
            "Cost": f"@raw:{each[at]}",
            "UsageDate": int(f"{each[0]:%Y%m%d}"),
            "Currency": "EUR",
            "ResourceId": each[1],
            "ResourceGuid": each[2],
            "UsageQuantity": 2,
            "ChargeType": "Usage",
            "PricingModel": "OnDemand",
        }
        names = ["Cost", *(["UsageDate"] if _is_daily(definition) else []), *grouping, "Currency"]
        if "UsageQuantity" in str(definition):
            names.append("UsageQuantity")
        cells.append({name: known.get(name, f"{name} of {each[2]}") for name in names})
    columns = [{"name": name, "type": "Number"} for name in cells[0]]
    rows = [list(each.values()) for each in cells]
    return {"properties": {"nextLink": None, "columns": columns, "rows": rows}}


def _is_daily(definition: dict[str, Any]) -> bool:
    return bool(definition["dataset"]["granularity"] == "Daily")


def azure_sent(answer: str, kind: str) -> Iterable[Sent]:
    properties = json.loads(answer, parse_float=str)["properties"]
    names = [each["name"] for each in properties["columns"]]
    for row in properties["rows"]:
        cells = dict(zip(names, row, strict=True))
        day = day_in(cells.get("UsageDate"), r"(\d{4})-?(\d\d)-?(\d\d)(?:T.*)?")
        amount, currency = readable(cells.get("Cost")), cells.get("Currency")
        if amount is not None and amount.is_finite() and -31 > amount.as_tuple().exponent > -600:  # type: ignore[operator]
            amount = amount.quantize(Decimal("1e-30"), ROUND_HALF_EVEN, _WIDE)
        if not isinstance(currency, str) or not currency:
            amount = None
        clean = str(currency).replace("\x00", "").encode(errors="replace").decode()
        yield day, kind, clean, amount


@fuzzed(120)
@given(change=mutations(), at=st.integers(0, 15), is_every=st.booleans())
def test_any_answer_of_azure_stands_exactly_or_is_told(
    change: Callable[[Any], Any], at: int, is_every: bool
) -> None:
    asked: list[tuple[dict[str, Any], str]] = []

    def answer(definition: dict[str, Any]) -> str:
        is_detail = "ResourceId" in str(definition) and _is_daily(definition)
        whole = azure_answer(definition)
        is_changed = is_detail if is_every else len(asked) == at
        text = dumped(change(whole)) if is_changed else dumped(whole)
        asked.append((definition, text))
        assert len(asked) < 60, "no end of pages"
        return text

    clients = answers.azure(answer)
    pacer = Pacer(10**9, clock=lambda: 0.0, sleep=lambda _: None)
    found = delivered(AZURE, lambda landing: fetch_azure(clients, DAYS, landing, pacer))
    if found is None:
        return
    sent = [
        each
        for definition, text in asked
        if "ResourceId" in str(definition) and _is_daily(definition)
        for each in azure_sent(
            text, "actual_cost" if definition["type"] == "ActualCost" else "amortized_cost"
        )
    ]
    check_amounts(
        found,
        sent,
        lambda row: [
            (name, row["currency"], row[name])
            for name in ("actual_cost", "amortized_cost")
            if row[name] is not None
        ],
    )


# AWS: the answers of Cost Explorer, read by botocore.

_METRICS: Final = {
    "UnblendedCost": "unblended_cost",
    "AmortizedCost": "amortized_cost",
    "NetUnblendedCost": "net_unblended_cost",
    "NetAmortizedCost": "net_amortized_cost",
}


def aws_answer(asked: dict[str, Any]) -> dict[str, Any]:
    """Return what Cost Explorer would say of two days."""
    keys = {
        "SERVICE": ["AmazonEC2", "BoxUsage"],
        "RECORD_TYPE": ["Usage", "eu-west-1"],
    }.get((asked.get("GroupBy") or [{"Key": ""}])[0]["Key"])
    amounts = {name: {"Amount": f"{number}.0250000001", "Unit": "USD"}
               for number, name in enumerate([*_METRICS, "UsageQuantity"], 1)}  # fmt: skip
    results = [
        {
            "TimePeriod": {"Start": str(day), "End": str(day)},
            "Total": {} if keys else amounts,
            "Groups": [{"Keys": keys, "Metrics": amounts}] if keys else [],
            "Estimated": False,
        }
        for day in DAYS
    ]
    return {"ResultsByTime": results, "NextPageToken": None}


def aws_sent(answer: str) -> Iterable[Sent]:
    for result in json.loads(answer)["ResultsByTime"] or ():
        day = day_in(result["TimePeriod"]["Start"], r"(\d{4})-(\d\d)-(\d\d)")
        for group in result.get("Groups") or ():
            metrics = group.get("Metrics") if isinstance(group, dict) else None
            for name, cost_type in _METRICS.items():
                cell = metrics.get(name) if isinstance(metrics, dict) else None
                if cell is None and name != "UnblendedCost":
                    continue  # not every payer has the net costs
                amount = cell.get("Amount") if isinstance(cell, dict) else None
                unit = cell.get("Unit") if isinstance(cell, dict) else None
                is_text = isinstance(amount, str) and isinstance(unit, str) and unit
                clean = str(unit).replace("\x00", "").encode(errors="replace").decode()
                yield day, cost_type, clean, readable(amount) if is_text else None


@pytest.fixture(scope="module")
def explorer() -> answers.CostExplorerStub:
    return answers.CostExplorerStub()


def test_any_answer_of_cost_explorer_stands_exactly_or_is_told(
    explorer: answers.CostExplorerStub,
) -> None:
    @fuzzed(120)
    @given(change=mutations(), at=st.integers(0, 2))
    def tried(change: Callable[[Any], Any], at: int) -> None:
        given_: list[str] = []
        details: list[str] = []

        def answer(asked: dict[str, Any]) -> str:
            whole = aws_answer(asked)
            text = dumped(change(whole)) if len(given_) == at else dumped(whole)
            given_.append(text)
            if "SERVICE" in str(asked.get("GroupBy")):
                details.append(text)
            assert len(given_) < 60, "no end of pages"
            return text

        explorer.answer = answer
        found = delivered(AWS, lambda landing: fetch_aws(explorer.clients, DAYS, landing))
        if found is None:
            return
        check_amounts(
            found,
            [each for text in details for each in aws_sent(text)],
            lambda row: [
                (name, row["currency"], row[name])
                for name in _METRICS.values()
                if row[name] is not None
            ],
        )

    tried()


# Snowflake: rows of its views, in whatever types a column may have.

_BILL: Final[dict[str, Any]] = {
    **dict.fromkeys(("organization_name", "contract_number", "account_name", "region"), "x"),
    **dict.fromkeys(("service_level", "usage_type", "billing_type", "rating_type"), "y"),
    **{"account_locator": "AA1", "service_type": "STORAGE", "is_adjustment": False},
    **{"usage": Decimal("1.125"), "currency": "USD", "balance_source": "capacity"},
}
_CREDITS: Final[dict[str, Any]] = {
    "service_type": "WAREHOUSE_METERING",
    **{
        name: Decimal("10.5")
        for name in (
            *("credits_used_compute", "credits_used_cloud_services"),
            *("credits_adjustment_cloud_services", "credits_used", "credits_billed"),
        )
    },
}
_IDENTITY: Final = {
    **{"account_locator": "AA1", "account_name": "A", "organization_name": "O"},
    **{"region": "R", "user_name": "U", "role_name": "R"},
}
cells = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(10**40), 10**40),
    st.decimals(),
    st.floats(),
    st.dates(),
    st.datetimes(timezones=st.sampled_from([UTC])),
    st.binary(max_size=3),
    st.sampled_from((*TEXTS, *ODD_DAYS, "1_0", "5.5", "1E+999999999", str(DAYS.first), "\x00")),
    st.sampled_from([Decimal("1E+999999999"), Decimal("9e19"), Decimal("1e-31"), [], {"a": 1}]),
)


def altered(draw: Callable[..., Any], rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return rows with cells of any type in some places, and columns that are missing."""
    rows = [dict(row) for row in rows]
    for _ in range(draw(st.integers(0, 3))):
        row = rows[draw(st.integers(0, len(rows) - 1))]
        name = draw(st.sampled_from([*row]))
        if draw(st.integers(0, 9)) == 0 and len(row) > 1:
            del row[name]
        else:
            row[name] = draw(cells)
    return rows


def snowflake_sent(rows: list[dict[str, Any]]) -> Iterable[Sent]:
    for row in rows:
        day = row.get("usage_date")
        is_day = isinstance(day, date) and not isinstance(day, datetime)
        if not is_day:
            day = day_in(day, r"(\d{4})-?(\d\d)-?(\d\d)") if isinstance(day, str) else None
        amount, currency = row.get("usage_in_currency"), row.get("currency")
        number = str(amount) if isinstance(amount, float) else amount
        # Only of the amount is how it is spelled the question.
        spelt = json.loads(line({"": currency}), parse_float=Decimal)[""]
        clean = str(spelt).replace("\x00", "")
        yield day, "usage_in_currency", clean, readable(number) if currency else None


@fuzzed(80)
@given(data=st.data())
def test_any_bill_of_snowflake_stands_exactly_or_is_told(data: st.DataObject) -> None:
    lines = [
        {**_BILL, "usage_date": day, "usage_in_currency": Decimal(amount)}
        for day, amount in ((DAYS.first, "3.38"), (DAYS.first, "0.01"), (DAYS.last, "-7.00"))
    ]
    totals = [
        {"usage_date": day, "currency": "USD", "charges": Decimal(2), "amount": Decimal("3.39")}
        for day in DAYS
    ]
    lines = altered(data.draw, lines)
    session = answers.snowflake(
        {statements.BILL_LINES: lines, statements.BILL_TOTALS: altered(data.draw, totals)}
    )
    found = delivered(SNOWFLAKE, lambda landing: fetch_snowflake(session, DAYS, landing))
    check_amounts(
        found,
        snowflake_sent(lines),
        lambda row: [("usage_in_currency", row["currency"], row["usage_in_currency"])],
    )


@fuzzed(50)
@given(data=st.data())
def test_any_metering_of_snowflake_is_priced_or_told(data: st.DataObject) -> None:
    credit = [{**_CREDITS, "usage_date": day} for day in DAYS]
    totals = [
        {**_CREDITS, "usage_date": day, "charges": 1, "credits_billed": Decimal("10.5")}
        for day in DAYS
    ]
    credit = altered(data.draw, credit)
    session = answers.snowflake(
        {
            statements.IDENTITY: altered(data.draw, [_IDENTITY]),
            statements.CREDITS: credit,
            statements.CREDIT_TOTALS: altered(data.draw, totals),
        },
        costs_from="account_usage",
        credit_price="3.30",
    )
    found = delivered(SNOWFLAKE, lambda landing: fetch_snowflake(session, DAYS, landing))
    if found is None:
        return
    assert len(found.rows) + len(found.rejects) == len(credit)
    for row in found.rows:
        expected = money.EXACT.multiply(row["credits_billed"], Decimal("3.30"))
        assert row["usage_in_currency"] == expected


# Inventories: no item is dropped without a word.

_FIELD: Final = re.compile(r"""(?:get\(|\[|, )"([A-Za-z]\w+)"[\])),]""")


def fields_of(*modules: str) -> list[str]:
    """Return the names of fields that code reads, as it spells them."""
    folder = Path(inventory.__file__).parents[1]
    text = "".join((folder / each).read_text() for each in modules)
    return sorted(set(_FIELD.findall(text)))


_AWS_FIELDS: Final = fields_of(
    *(f"aws/{each}.py" for each in ("kinds_compute", "kinds_storage", "kinds_network")),
    "aws/kinds_databases.py",
)
_AZURE_FIELDS: Final = fields_of("azure/inventory.py")


def items(fields: list[str]) -> st.SearchStrategy[Any]:
    inner = st.recursive(
        hostile,
        lambda deeper: st.one_of(
            st.lists(deeper, max_size=2),
            st.dictionaries(st.sampled_from(fields), deeper, max_size=4),
        ),
        max_leaves=8,
    )
    return st.one_of(st.dictionaries(st.sampled_from(fields), inner, max_size=12), inner)


def inventoried(provider: Provider, pages: list[dict[str, Any]]) -> None:
    text = "".join(f"{dumped(page)}\n" for page in pages).encode()

    def fetch(landing: LandingStore) -> Fetched:
        part = landing.put("inventory.jsonl", [text], "jsonl")
        return Fetched(SLUG, "resources", DAYS, "api", "listing", (part,))

    found = delivered(provider, fetch)
    if found is not None:
        assert len(found.rows) + len(found.rejects) == sum(len(page["items"]) for page in pages)


@fuzzed(60)
@given(
    kind=st.sampled_from(sorted(KIND_OF)),
    found=st.lists(items(_AWS_FIELDS), min_size=1, max_size=3),
    identity=hostile,
)
def test_any_listing_of_aws_is_a_row_or_set_apart(
    kind: str, found: list[Any], identity: Any
) -> None:
    for each in found:
        if isinstance(each, dict) and KIND_OF[kind].service == "ec2":
            each.setdefault("VolumeId", identity)
            each.setdefault("InstanceId", identity)
    page = {"resource_type": kind, "account": LINKED, "region": "eu-west-1", "items": found}
    inventoried(AWS, [page])


@fuzzed(60)
@given(
    kind=st.one_of(st.sampled_from(sorted(inventory._READERS)), hostile),
    found=st.lists(items(_AZURE_FIELDS), min_size=1, max_size=3),
)
def test_any_listing_of_azure_is_a_row_or_set_apart(kind: Any, found: list[Any]) -> None:
    whole = [
        {"id": "/subscriptions/x", "type": kind, **each} if isinstance(each, dict) else each
        for each in found
    ]
    inventoried(AZURE, [{"items": whole}])


# What was made by hand, and what once broke something: rows, and rejects, or None for a refusal.
_CORPUS: Final = Path(__file__).parents[1] / "fixtures" / "corpus"
_KNOWN: Final[dict[str, tuple[int, int] | None]] = {
    "azure/endless": (1, 4),
    "azure/many_digits": (2, 1),
    "azure/no_currency": (1, 3),
    "azure/no_day": (1, 2),
    "azure/noise_of_doubles": (2, 0),
    "azure/not_a_number": (1, 1),
    "azure/nul_and_halves": (3, 0),
    "azure/spellings": (2, 5),
    "aws/endless": (1, 2),
    "aws/groups_null": None,
    "aws/no_service": (1, 3),
    "aws/nul_and_halves": (1, 0),
    "aws/results_text": None,
    "aws/spellings": (1, 4),
    "aws/two_currencies": (1, 1),
    "snowflake/deep": None,
    "snowflake/list": None,
    "snowflake/long_number": None,
    "snowflake/no_day": (1, 3),
    "snowflake/nul_and_halves": (1, 0),
    "snowflake/spellings": (1, 4),
    "snowflake/texts": (2, 2),
}
_PROVIDERS: Final = {"azure": AZURE, "aws": AWS, "snowflake": SNOWFLAKE}


@pytest.mark.parametrize("name", sorted(_KNOWN))
def test_each_answer_of_the_corpus_ends_as_it_is_known_to(name: str) -> None:
    key = name.partition("/")[0]

    def fetch(landing: LandingStore) -> Fetched:
        part = landing.put("bill-x.jsonl", [(_CORPUS / f"{name}.jsonl").read_bytes()], "jsonl")
        return Fetched(SLUG, "costs", DAYS, "api", "corpus", (part,))

    found = delivered(_PROVIDERS[key], fetch)
    assert (found and (len(found.rows), len(found.rejects))) == _KNOWN[name]


def test_every_answer_of_the_corpus_is_known() -> None:
    there = {f"{key}/{each.stem}" for key in _PROVIDERS for each in (_CORPUS / key).iterdir()}
    assert there == set(_KNOWN)

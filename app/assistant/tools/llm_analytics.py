"""What language models take and cost: the assistant's own calls, and the organization's bills."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal
from typing import Annotated, Any, Final, Literal

from pydantic import Field

from app.assistant import ledger
from app.assistant.models import Candidate
from app.assistant.pass_rates import PassRate, pass_rates
from app.assistant.policy import Provider, read_policy
from app.assistant.settings import AssistantSettings
from app.assistant.tools import names
from app.assistant.tools.asking import Asking, Row, reach
from app.assistant.tools.contract import ADMIN, Parameter, ToolResult
from app.assistant.tools.costs import EACH, End, Limit, Start
from app.assistant.tools.slices import days_of, spelled_days
from app.queries import llm_usage, tables
from app.records.connect import as_app
from astraeus_pipeline.contracts import money
from astraeus_pipeline.contracts.days import DayRange
from astraeus_pipeline.errors import ConfigError
from astraeus_pipeline.warehouse import chat_usage

_DAYS: Final = 30
_OWN_COST: Final = "assistant_estimated_cost"
_CENTS: Final = Decimal("0.01")
_UNITS: Final = {
    **dict.fromkeys(("calls", "answered_calls", "failed_calls", "repeated_calls"), "calls"),
    "unpriced_calls": "calls",
    **dict.fromkeys(("input_tokens", "output_tokens", "tokens"), "tokens"),
    **dict.fromkeys(("cache_read_tokens", "cache_write_tokens"), "tokens"),
    **dict.fromkeys(("cost_usd", "actual_cost_usd", "estimated_cost_usd", "change_abs"), "USD"),
    **dict.fromkeys(("median_latency_ms", "p95_latency_ms"), "ms"),
    "change_pct": "%",
    "pass_rate": "%",
    "requests": "requests",
    "billed_cost": EACH,
}
Group = Literal["provider", "account", "model", "meter", "tier", "user", "day"]


def analyze_usage(
    source: Annotated[
        Literal["assistant", "billed"],
        Field(description="The assistant's own calls, or what model vendors bill"),
    ] = "assistant",
    group_by: Annotated[tuple[Group, ...], Field(max_length=3)] = ("model",),
    start: Start = None,
    end: End = None,
    limit: Limit = 50,
) -> ToolResult:
    """Return calls, tokens, cost and latency of language models; without days: the last 30.

    Of the assistant's calls you see your own, administrators all. A cost that is not known is
    missing, not zero: unpriced_calls counts them. Billed: tokens and cost by the vendors' bills.
    """
    asking = Asking()
    of_assistant = source == "assistant"
    allowed = chat_usage.GROUPS if of_assistant else llm_usage.GROUPS
    groups = list(dict.fromkeys(_group(each, source, allowed) for each in group_by))
    known = None if of_assistant else reach(asking)
    days = _days(start, end)
    params: dict[str, Parameter] = {
        "source": source,
        "group_by": [*groups],
        **spelled_days(days),
        "limit": limit,
    }
    if of_assistant:
        return _own(asking, days, groups, params, limit)
    asking.by_account_only("Bills of model vendors")
    rows = asking.ask(llm_usage.compile_usage(days, groups))
    totals: dict[str, Decimal] = {}
    for row in rows:
        if row["billed_cost"] is not None:
            name = f"billed_cost {row['billing_currency']}"
            totals[name] = money.add(totals.get(name, money.ZERO), row["billed_cost"])
    notes = _beside_bills(asking, days, totals)
    return asking.result(
        "analyze_usage",
        rows[:limit],
        params,
        row_count=len(rows),
        totals=totals,
        unit={**_of(rows), **{name: name[-3:] for name in totals}},
        basis="billed",
        standing=known,
        notes=notes,
    )


def optimize_models(start: Start = None, end: End = None, limit: Limit = 50) -> ToolResult:
    """Estimate what the assistant's calls would have cost on other models of its file.

    The same tokens at list prices: an estimate, as another model may use more or fewer. Whether it
    would answer as well is told by `pass_rate` alone, where one was measured.
    """
    asking = Asking()
    days = _days(start, end)
    policy = read_policy(AssistantSettings().models_file)
    used, _ = _asked(asking, days, ["provider", "model"])
    candidates = list(
        dict.fromkeys(
            (provider, model)
            for of_tier in policy.tiers.values()
            for provider, model in of_tier.items()
        )
    )
    rows: list[Row] = []
    rates = pass_rates()
    notes = _on_quality(rates, [f"{row['provider']}/{row['model']}" for row in used])
    for row in used:
        actual = row["cost_usd"]
        if actual is None or row["unpriced_calls"] or not row["input_tokens"]:
            notes.append(f"{row['model']}: some of its calls have no known cost; not compared.")
            continue
        for provider, model in candidates:
            if (provider, model) == (row["provider"], row["model"]):
                continue
            found = _repriced(provider, model, row)
            if found.cost is None:
                notes.append(f"{model}: {found.error}.")
                continue
            change, percent = tables.change(found.cost, actual)
            rows.append(
                {
                    "model": row["model"],
                    "other_model": model,
                    "other_provider": provider,
                    "calls": row["calls"],
                    "tokens": row["input_tokens"] + (row["output_tokens"] or 0),
                    "actual_cost_usd": actual,
                    "estimated_cost_usd": found.cost,
                    "change_abs": change,
                    "change_pct": percent and percent.quantize(_CENTS, ROUND_HALF_UP),
                    "pass_rate": _percent(rates.get(f"{provider}/{model}")),
                    "price_source": found.source,
                }
            )
    rows.sort(key=lambda row: row["change_abs"])
    return asking.result(
        "optimize_models",
        rows[:limit],
        {**spelled_days(days), "limit": limit},
        row_count=len(rows),
        unit=_of(rows),
        notes=list(dict.fromkeys(notes)),
    )


def _on_quality(rates: dict[str, PassRate], used: Sequence[str]) -> list[str]:
    estimates = "Estimates: the same tokens at list prices."
    if not rates:
        return [
            f"{estimates} No pass rate of the golden set is stored, so whether another model"
            " answers as well is not known."
        ]
    told = [
        f"{model}: {rate.percent} % of {rate.answers} answers of the golden set passed on"
        f" {rate.day}."
        for model, rate in rates.items()
    ]
    unknown = [f"{model}: no pass rate is stored." for model in used if model not in rates]
    return [
        f"{estimates} Another model answers as well only where its pass_rate is not lower.",
        *told,
        *unknown,
    ]


def _percent(rate: PassRate | None) -> Decimal | None:
    return None if rate is None else rate.percent


def _beside_bills(asking: Asking, days: DayRange, totals: dict[str, Decimal]) -> list[str]:
    """Add the assistant's own calls to the totals, as an estimate beside the bills; say so."""
    if not asking.who.sees_everything:
        return []
    [own] = asking.ask(llm_usage.compile_own(days))
    if not own["calls"]:
        return []
    if own["estimated_cost"] is not None:
        totals[f"{_OWN_COST} USD"] = own["estimated_cost"]
    return [
        f"{_OWN_COST} is what the assistant's own {own['calls']} calls cost by list prices"
        f" ({own['unpriced_calls']} of them have no known price and are not in it). A vendor's bill"
        " holds them too if its key is of an account here: never add the two."
    ]


def _repriced(provider: Provider, model: str, row: Row) -> ledger.Price:
    tokens = ledger.Tokens(
        row["input_tokens"],
        row["output_tokens"] or 0,
        row["cache_read_tokens"] or 0,
        row["cache_write_tokens"] or 0,
    )
    policy = read_policy(AssistantSettings().models_file)
    return ledger.price(Candidate(provider, model, ""), tokens, policy)


def _own(
    asking: Asking, days: DayRange, groups: list[str], params: dict[str, Parameter], limit: int
) -> ToolResult:
    rows, whole = _asked(asking, days, groups)
    totals = {
        name: Decimal(whole[name])
        for name in ("calls", "unpriced_calls", "input_tokens", "output_tokens", "cost_usd")
        if whole[name] is not None
    }
    everybody = ADMIN in asking.who.scopes
    notes = [] if everybody else ["Only your own calls are told; an administrator sees all."]
    if whole["unpriced_calls"]:
        notes.append(f"The cost of {whole['unpriced_calls']} calls is not known and in no sum.")
    return asking.result(
        "analyze_usage",
        rows[:limit],
        params,
        row_count=len(rows),
        totals=totals,
        unit={**_of([whole]), **_of(rows)},
        notes=notes,
    )


def _asked(asking: Asking, days: DayRange, groups: Sequence[str]) -> tuple[list[Row], Row]:
    """Return the assistant's calls that the caller may see, by groups, and of all groups."""
    email = None if ADMIN in asking.who.scopes else asking.who.user_id
    with as_app() as conn:
        rows, text = chat_usage.usage(conn, days, groups, email)
        [whole], _ = chat_usage.usage(conn, days, (), email)
    asking.told.append(text)
    return [row for row in rows if row["calls"]], whole


def _days(start: Any, end: Any) -> DayRange:
    if start is None and end is None:
        today = datetime.now(UTC).date()
        return DayRange(today - timedelta(days=_DAYS - 1), today)
    return days_of(start, end, None)


def _group(name: str, source: str, allowed: dict[str, str]) -> str:
    if name not in allowed:
        raise ConfigError(names.unknown(f"group of source {source}", name, allowed))
    return name


def _of(rows: Sequence[Row]) -> dict[str, str]:
    return {name: _UNITS[name] for name in (rows[0] if rows else ()) if name in _UNITS}

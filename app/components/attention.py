"""What needs a person: feeds, days held back, residuals, alerts, anomalies, restatements."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, Final, Literal

import streamlit as st

from app.components import formats
from app.queries import periods
from astraeus_pipeline.contracts.days import DayRange

_HELD: Final = {
    "blocked": ("Blocked", "rows in quarantine, or rows that do not tie out, keep them out"),
    "refused": (
        "Refused",
        "the delivery shrank or differs from the provider's total; `astraeus delivery accept`"
        " lets it in",
    ),
    "gap": ("Gap", "not delivered, though later days were"),
}
_COMPARED: Final = {
    "control_total": "the delivery and the provider's total",
    "daily_vs_control": "the figures and the provider's total",
    "ledger_vs_raw": "the delivery and the rows that stand",
    "raw_vs_staging": "raw and mapped rows",
}
_REASONS: Final = {
    "spike": "A spike",
    "shift": "A lasting change",
    "new_service": "A new service",
}
_SHOWN: Final = 6


@dataclass(frozen=True)
class Item:
    """One line: a badge, what happened to whom, and the particulars. Texts are Markdown."""

    badge: str
    icon: str
    color: Literal["red", "orange", "gray"]
    title: str
    detail: str


def draw(items: Sequence[Item]) -> None:
    """Draw the items, or that there is nothing."""
    if not items:
        st.markdown(
            ":green-badge[:material/check: All well] Every account has delivered, every day ties"
            " out, no rule is broken, nothing is unusual, nothing was restated in 14 days."
        )
    for item in items[:_SHOWN]:
        st.markdown(f":{item.color}-badge[:material/{item.icon}: {item.badge}] {item.title}")
        st.caption(item.detail)
    if len(items) > _SHOWN:
        st.caption(f"And {len(items) - _SHOWN} more.")


def late(rows: Sequence[dict[str, Any]], through: date) -> list[Item]:
    """Name the accounts that are behind."""
    return [
        Item(
            "Late",
            "schedule",
            "orange",
            f"**{row['account_id']}** is behind",
            f"Data through {formats.day(row['data_through'])}, others {formats.day(through)};"
            f" last delivery {_moment(row['last_delivery_at'])}",
        )
        for row in rows
    ]


def held_back(rows: Sequence[dict[str, Any]]) -> list[Item]:
    """Name the days that no figure holds."""
    return [
        Item(
            _HELD[row["state"]][0],
            "block",
            "red",
            f"**{row['account_id']}**: {_days(row['days'])} held back",
            f"{_range(row)}; {_HELD[row['state']][1]}",
        )
        for row in rows
    ]


def residuals(rows: Sequence[dict[str, Any]]) -> list[Item]:
    """Name the days whose figures differ between two layers, or from the provider's own total."""
    return [
        Item(
            "Does not tie out",
            "balance",
            "red",
            f"**{row['account_id']}**: {_days(row['days'])} with a residual",
            f"{_range(row)}: {_COMPARED.get(row['check_name'], row['check_name'])} differ by up to"
            f" {formats.spelled(row['residual'])} {row['currency']};"
            f" `astraeus reconcile --account {row['account_id']} --state blocked` lists them",
        )
        for row in rows
    ]


def restated(rows: Sequence[dict[str, Any]]) -> list[Item]:
    """Say which figures providers changed afterwards."""
    return [
        Item(
            "Restated",
            "history",
            "gray",
            f"**{row['account_id']}** restated {_days(row['days'])}",
            f"{_range(row)}: {formats.money(row['old_cost'], row['currency'])} became"
            f" {formats.money(row['new_cost'], row['currency'])}",
        )
        for row in rows
    ]


def anomalies(rows: Sequence[dict[str, Any]]) -> list[Item]:
    """Name the costs that were not to be expected and that nobody has looked at."""
    return [
        Item(
            row["severity"].capitalize(),
            "show_chart",
            "red" if row["severity"] in ("critical", "high") else "orange",
            f"**{formats.escaped(row['service_name'] or row['account_id'])}**:"
            f" {_signed(row['excess_cost'], row['billing_currency'])} beyond what was expected",
            f"{_REASONS.get(row['reason'], row['reason'])} in {row['account_id']}, {_range(row)}",
        )
        for row in rows
    ]


def breaches(rows: Sequence[dict[str, Any]]) -> list[Item]:
    """Name the rules whose thresholds are crossed."""
    return [
        Item(
            "Alert",
            "notifications_active",
            "red" if row["severity"] == "critical" else "orange",
            f"**{formats.escaped(row['rule_name'])}**",
            f"{_observed(row)}, {_range(row)}",
        )
        for row in rows
    ]


def _observed(row: dict[str, Any]) -> str:
    values = [
        formats.money(value, row["billing_currency"])
        if row["unit"] == "currency"
        else f"{formats.spelled(value)} {row['unit']}"
        for value in (row["observed_value"], row["threshold_value"])
        if value is not None
    ]
    return " against ".join(values)


def _signed(amount: Any, currency: str) -> str:
    return ("+" if amount > 0 else "") + formats.money(amount, currency)


def _days(number: int) -> str:
    return f"{number} day{'s' * (number != 1)}"


def _range(row: dict[str, Any]) -> str:
    return periods.spell(DayRange(row["first_day"], row["last_day"]))


def _moment(value: Any) -> str:
    return "never" if value is None else f"{formats.moment(value)} UTC"

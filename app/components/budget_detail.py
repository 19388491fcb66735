"""All that is known of one budget: its burn, thresholds and former periods."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import streamlit as st

from app.components import budget_form, budget_words, burn, formats, links
from app.components.cache import ask_now
from app.queries import budgets
from app.queries.budgets import SCOPES


def draw(standing: Mapping[str, Any]) -> None:
    """Draw the budget of a row of the status. Raises: DatabaseError."""
    left, right = st.columns([5, 3])
    with left.container(border=True, height="stretch"):
        _burn(standing)
    with right.container(border=True, height="stretch"):
        _facts(standing)
    left, right = st.columns([5, 3])
    with left.container(border=True, height="stretch"):
        _history(standing)
    with right.container(border=True, height="stretch"):
        _thresholds(standing)


def _burn(standing: Mapping[str, Any]) -> None:
    with st.container(horizontal=True, vertical_alignment="center"):
        st.subheader(
            f"{formats.escaped(standing['name'])}, {budget_words.period(standing)}",
            anchor=False,
            width="stretch",
        )
        view = st.segmented_control(
            "Chart",
            burn.VIEWS,
            default=burn.VIEWS[0],
            key="burn",
            bind="query-params",
            required=True,
            label_visibility="collapsed",
        )
    days = ask_now(budgets.compile_days(standing["budget_id"], standing["period_start"]))
    if not days:
        st.caption("No day of this period has come yet.")
        return
    st.caption(
        "Spent so far less an even pace over the calendar: above the dashed line, money goes faster"
        " than time."
        if view == burn.VIEWS[0]
        else "Spent so far, beside an even pace over the calendar."
    )
    burn.draw(
        standing,
        days,
        str(view),
        key=f"burn_{standing['budget_id']}_{standing['period_start']}_{view}",
    )


def _facts(standing: Mapping[str, Any]) -> None:
    currency = standing["billing_currency"]
    label, color, meaning = budget_words.STATES[standing["state"]]
    st.subheader("How it stands", anchor=False)
    st.markdown(f":{color}-badge[{label}] {meaning}")
    facts = {
        "Covers": formats.escaped(budget_words.scope(standing["filters"])),
        "Cost": f"{standing['cost_type'].capitalize()} cost in {currency}, days in UTC",
        "Left": formats.money(standing["remaining_cost"], currency),
        "Against pace": _pace(standing),
        "Forecast": _forecast(standing),
        "Passed on": budget_words.passed(standing) or "not expected",
        "Data through": formats.day(standing["data_through"]),
    }
    st.table(
        [{"": name, " ": value} for name, value in facts.items()],
        border="horizontal",
        hide_index=True,
        hide_header=True,
    )
    for sentence in budget_words.lacks(standing):
        st.markdown(f":orange-badge[:material/warning: Incomplete] :small[{sentence}]")
    _links(standing)


def _pace(standing: Mapping[str, Any]) -> str:
    if standing["expected_percent"] is None:
        return "n/a: no day of every account has settled"
    ahead = standing["ahead_points"]
    return (
        f"{formats.percent(standing['used_percent'])} used,"
        f" {formats.percent(standing['expected_percent'])} of the days settled"
        f" ({formats.points(ahead)})"
    )


def _forecast(standing: Mapping[str, Any]) -> str:
    currency = standing["billing_currency"]
    if standing["forecast_cost"] is None:
        if standing["forecast_known_cost"] is None:
            return "n/a: forecasts do not know this scope"
        return (
            f"at least {formats.money(standing['forecast_known_cost'], currency)} up to"
            f" {formats.day(standing['forecast_through'])}"
        )
    said = (
        f"{formats.money(standing['forecast_cost'], currency)}"
        f" ({formats.percent(standing['forecast_percent'])})"
    )
    if standing["lower_cost"] is not None and standing["days_left"]:
        said += (
            f", 80% sure between {formats.money(standing['lower_cost'], currency)}"
            f" and {formats.money(standing['upper_cost'], currency)}"
        )
    return said


def _links(standing: Mapping[str, Any]) -> None:
    """Lead to Costs with the same filters, where that page knows them all, and to the form."""
    wanted = {SCOPES[column][1]: values for column, values in standing["filters"].items()}
    with st.container(horizontal=True, vertical_alignment="center"):
        budget_form.edit_button(standing["budget_id"])
        if "provider" in wanted or any(None in each for each in wanted.values()):
            return
        links.jump(
            "The same in Costs",
            "costs",
            {
                "ccy": standing["billing_currency"],
                "basis": standing["cost_type"].capitalize(),
                "period": "Custom",
                "dates": [str(standing["period_start"]), str(standing["period_end"])],
                **{str(key): [str(value) for value in values] for key, values in wanted.items()},
            },
        )


def _history(standing: Mapping[str, Any]) -> None:
    st.subheader("Periods", anchor=False)
    rows = ask_now(budgets.compile_periods(standing["budget_id"]))
    st.dataframe(
        [
            {
                "Period": budget_words.period(row),
                "State": [budget_words.state(row)],
                "Used": row["used_percent"],
                "Amount": row["budget_amount"],
                "Actual": row["actual_cost"],
                "Passed on": row["passed_on"],
            }
            for row in rows
        ],
        hide_index=True,
        height="content",
        key=f"periods_{standing['budget_id']}",
        placeholder="n/a",
        alt=f"Periods of the budget, the newest first: {_periods_as_text(rows)}",
        column_config={
            "State": st.column_config.MultiselectColumn(
                width=112,
                options=[label for label, _, _ in budget_words.STATES.values()],
                color=[color for _, color, _ in budget_words.STATES.values()],
            ),
            "Period": st.column_config.TextColumn(width=78),
            "Used": st.column_config.ProgressColumn(
                format="%.1f%%", min_value=0, max_value=100, color="primary", width=118
            ),
            "Amount": st.column_config.NumberColumn(format="%,.2f", width=88),
            "Actual": st.column_config.NumberColumn(format="%,.2f", width=88),
            "Passed on": st.column_config.DateColumn(format="D MMM YYYY", width=98),
        },
    )
    st.caption(
        f"Amounts in {standing['billing_currency']}, {standing['cost_type']} cost, days in UTC."
    )


def _periods_as_text(rows: Sequence[Mapping[str, Any]]) -> str:
    return "; ".join(
        f"{budget_words.period(row)} {budget_words.state(row).lower()},"
        f" {formats.percent(row['used_percent'])} used"
        for row in rows
    )


def _thresholds(standing: Mapping[str, Any]) -> None:
    st.subheader("Thresholds", anchor=False)
    rows = ask_now(budgets.compile_thresholds(standing["budget_id"], standing["period_start"]))
    if not rows:
        st.caption("None: nobody is told before the amount is passed.")
        return
    st.table(
        [
            {
                "At": f"{formats.spelled(row['percent'])}% {row['basis']}",
                "Amount": formats.money(row["threshold_amount"], standing["billing_currency"]),
                "Reached": _reached(row),
            }
            for row in rows
        ],
        border="horizontal",
        hide_index=True,
    )
    st.caption("A rule of kind budget tells its channels when one is reached.")


def _reached(row: Mapping[str, Any]) -> str:
    if row["crossed_on"] is not None:
        return f":red-badge[:material/check: {formats.day(row['crossed_on'])}]"
    if row["crossed"]:
        return ":orange-badge[:material/trending_up: by the forecast]"
    if row["expected_on"] is not None:
        return f"expected {formats.day(row['expected_on'])}"
    return "no"

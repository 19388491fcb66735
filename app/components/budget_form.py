"""Forms that add, change and end a budget, with what it would have said of past periods."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any, Final

import streamlit as st

from app.components import access, budget_words, drawers, formats, limits, writing
from app.components.cache import ask
from app.queries import listings
from app.queries.budgets import SCOPES, compile_values
from app.records import budgets as records
from app.records.budgets import Form
from astraeus_pipeline.errors import AstraeusError
from astraeus_pipeline.warehouse.budgets import COST_TYPES, DEFAULT_THRESHOLDS, PERIODS, Threshold

_SHARES: Final = ["50%", "80%", "90%", "100%", "120%"]
_NAMED: Final = ("provider", "account_id", "team", "service_name")


def add_button() -> None:
    """Offer to add a budget, to who may."""
    if not access.may("budgets"):
        return
    st.button(
        "Add a budget",
        icon=":material/add:",
        type=drawers.main(),
        key="add_budget",
        on_click=drawers.open_,
        args=("add_budget",),
    )


def edit_button(budget_id: int) -> None:
    """Offer to change or end a budget, to who may."""
    if not access.may("budgets"):
        return
    st.button(
        "Edit or end",
        icon=":material/edit:",
        key=f"edit_budget_{budget_id}",
        on_click=drawers.open_,
        args=("edit_budget", budget_id),
    )


def draw() -> None:
    """Draw the form that lies open, if it is a budget's."""
    drawers.draw({"add_budget": ("Add a budget", _add), "edit_budget": ("Edit the budget", _edit)})


def _add(_: Any) -> None:
    form = _form()
    _preview(form)
    if st.button(
        "Save the budget", type=drawers.main(), icon=":material/check:", key="save_budget"
    ):
        drawers.finish(writing.attempt("budgets", lambda actor: _save(form, actor)))


def _save(form: Form, actor: str) -> str:
    limits.budget(form.filters)
    return records.add(form, actor)


def _form() -> Form:
    name = st.text_input("Name", key="b_name", placeholder="After what it covers")
    left, middle, right = st.columns(3)
    amount = left.text_input("Amount per period", key="b_amount", placeholder="25000")
    currency = middle.selectbox(
        "Currency",
        [row["currency"] for row in ask(listings.CURRENCIES)],
        key="b_currency",
        help="Costs that are billed in others do not count.",
    )
    period = right.selectbox("Per", PERIODS, key="b_period", format_func=budget_words.every)
    left, middle, right = st.columns(3)
    cost_type = left.selectbox(
        "Cost",
        COST_TYPES,
        key="b_cost",
        format_func=str.capitalize,
        help="Effective: commitments spread over their use. Billed: what the invoice asks for.",
    )
    owner = middle.text_input("Owner", key="b_owner", placeholder="Who answers for it")
    month = right.selectbox(
        "Year begins in",
        range(1, 13),
        key="b_month",
        format_func=lambda number: f"{date(2000, number, 1):%B}",
        disabled=period == "month",
        help="Quarters and years are counted from this month.",
    )
    fiscal = 1 if period == "month" else int(month)
    begins = st.date_input(
        "Begins on (UTC)",
        records.running(period, fiscal),
        key=f"b_begins_{period}_{fiscal}",
        help="The first day of a period. Earlier periods can be chosen: they are filled at once.",
    )
    filters = _scope()
    actual, forecast = _shares(DEFAULT_THRESHOLDS, "b")
    return Form(
        name=name,
        amount=amount,
        currency=str(currency),
        period=period,
        cost_type=cost_type,
        starts_on=begins if isinstance(begins, date) else records.running(period, fiscal),
        filters=filters,
        actual=actual,
        forecast=forecast,
        owner=owner,
        fiscal_start_month=fiscal,
    )


def _scope() -> dict[str, list[str | None]]:
    chosen = {column: _members(column) for column in _NAMED}
    with st.expander(
        "More to narrow it by", icon=":material/filter_list:", on_change="rerun"
    ) as more:
        if more.open:
            chosen |= {column: _members(column) for column in SCOPES if column not in _NAMED}
    return {column: values for column, values in chosen.items() if values}


def _members(column: str) -> list[str | None]:
    values = [row["member"] for row in ask(compile_values(column))]
    return st.multiselect(
        SCOPES[column][0],
        values,
        key=f"b_of_{column}",
        placeholder="All",
        format_func=lambda value: budget_words.member(column, value),
    )


def _shares(standing: Sequence[Threshold], prefix: str) -> tuple[list[str], list[str]]:
    left, right = st.columns(2)
    chosen = []
    for place, basis, label in (
        (left, "actual", "Tell when spent"),
        (right, "forecast", "Tell when forecast"),
    ):
        default = [_spelled(each) for each in standing if each.basis == basis]
        chosen.append(
            place.multiselect(
                label,
                list(dict.fromkeys([*_SHARES, *default])),
                default,
                key=f"{prefix}_{basis}",
                accept_new_options=True,
                placeholder="Never",
                help="Shares of the amount; any other can be typed.",
            )
        )
    return chosen[0], chosen[1]


def _spelled(threshold: Threshold) -> str:
    return f"{formats.spelled(threshold.share * 100)}%"


def _preview(form: Form) -> None:
    st.subheader("What it would have said", anchor=False)
    if not form.amount.strip():
        st.caption("Enter an amount: the last periods are held against it before it is saved.")
        return
    try:
        limits.budget(form.filters)
        rows = records.preview(form)
    except AstraeusError as error:
        st.warning(formats.escaped(str(error)), icon=":material/edit:")
        return
    if not rows:
        st.caption("No costs in this scope and currency yet.")
        return
    st.table(
        [
            {
                "Period": budget_words.named(form.period, row.period_start, row.period_end),
                "State": _badge(row.state),
                "Used": formats.percent(row.used_percent),
                "Actual": formats.money(row.actual_cost, form.currency),
                "Passed on": "n/a" if row.breach_date is None else formats.day(row.breach_date),
            }
            for row in rows
        ],
        border="horizontal",
        hide_index=True,
    )
    if any(row.other_currencies for row in rows):
        st.caption("Costs in other currencies are in this scope; they do not count.")


def _badge(state: str) -> str:
    label, color, _ = budget_words.STATES[state]
    return f":{color}-badge[{label}]"


def _edit(budget_id: int) -> None:
    found = [row for row in records.listed() if row["id"] == budget_id]
    if not found:
        st.info("This budget has been removed.")
        return
    [standing] = found
    st.caption(
        f"{formats.escaped(budget_words.scope(standing['filters']))}. What a budget covers never"
        " changes, so that what was said of a past period stays true; for another scope add"
        " another budget."
    )
    prefix = f"e{budget_id}"
    name = st.text_input("Name", standing["name"], key=f"{prefix}_name")
    left, right = st.columns(2)
    amount = left.text_input(
        f"Amount per {standing['period']} ({standing['billing_currency']})",
        formats.spelled(records.newest_amount(standing)),
        key=f"{prefix}_amount",
        help="A new amount counts from the running period on; periods that are over keep theirs.",
    )
    owner = right.text_input("Owner", standing["owner"] or "", key=f"{prefix}_owner")
    actual, forecast = _shares(standing["shares"], prefix)
    if st.button(
        "Save changes", type=drawers.main(), icon=":material/check:", key=f"{prefix}_save"
    ):
        drawers.finish(
            writing.attempt(
                "budgets",
                lambda actor: records.change(
                    budget_id,
                    actor,
                    name=name,
                    owner=owner,
                    amount=amount,
                    actual=actual,
                    forecast=forecast,
                    standing=standing,
                ),
            )
        )
    st.divider()
    _ending(budget_id, standing, prefix)


def _ending(budget_id: int, standing: Mapping[str, Any], prefix: str) -> None:
    st.subheader("End or remove it", anchor=False)
    if standing["ends_on"] is not None:
        st.caption(f"It ends on {formats.day(standing['ends_on'])}.")
    last = st.date_input(
        "Last day of its last period (UTC)",
        standing["ends_on"] or records.last_day(standing["period"], standing["fiscal_start_month"]),
        key=f"{prefix}_ends",
    )
    with st.container(horizontal=True):
        is_ending = st.button("End it then", icon=":material/event_busy:", key=f"{prefix}_end")
        is_removing = st.button(
            "Remove it with its past", icon=":material/delete:", key=f"{prefix}_remove"
        )
    if is_ending and isinstance(last, date):
        drawers.finish(
            writing.attempt("budgets", lambda actor: records.end(budget_id, last, actor))
        )
    if is_removing:
        drawers.finish(writing.attempt("budgets", lambda actor: records.remove(budget_id, actor)))

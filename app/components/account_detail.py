"""All that is known of one account: deliveries with control totals, troubles, what to do next."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import streamlit as st

from app.components import access, account_form, formats, links, states
from app.components.account_words import CHECKS, DELIVERIES, STATES, TIE_OUT, what_next
from app.components.cache import ask
from app.queries import accounts, periods
from app.records import accounts as records
from app.records import dagster
from astraeus_pipeline.accounts.store import AccountRow
from astraeus_pipeline.contracts.days import DayRange


def draw(row: Mapping[str, Any], currency: str) -> None:
    """Draw the account of a row of the list. Raises: DatabaseError."""
    entered = records.known(row["account_id"])
    left, right = st.columns([5, 3])
    with left.container(border=True, height="stretch"), states.guarded("The account"):
        _facts(row, entered)
    with right.container(border=True, height="stretch"), states.guarded("What can be done"):
        _actions(row, entered, currency)
    with st.container(border=True), states.guarded("The deliveries"):
        st.subheader("Deliveries", anchor=False)
        _deliveries(ask(accounts.compile_deliveries(row["account_id"])))
    troubles = ask(accounts.compile_troubles(row["account_id"]))
    residuals = ask(accounts.compile_residuals(row["account_id"]))
    if troubles:
        with st.container(border=True), states.guarded("The troubles"):
            _troubles(troubles)
    if residuals:
        with st.container(border=True), states.guarded("The residuals"):
            _residuals(residuals)


def _deliveries(rows: Sequence[dict[str, Any]]) -> None:
    if not rows:
        st.caption("Nothing has been delivered yet.")
        return
    st.dataframe(
        [
            {
                "Fetched": row["fetched_at"],
                "Dataset": row["dataset"].capitalize(),
                "Days": _days(row),
                "Result": [DELIVERIES[row["state"]][0]],
                "Rows": row["payload_rows"],
                "Changed": row["days_replaced"],
                "Held": row["days_held"],
                "Residual": row["largest_residual"],
                "Run": dagster.run_page(row["dagster_run_id"]),
            }
            for row in rows
        ],
        hide_index=True,
        height=390 if len(rows) > 10 else "content",
        key="deliveries",
        placeholder="",
        alt="Deliveries, the newest first",
        column_config={
            "Fetched": st.column_config.DatetimeColumn(
                format="D MMM HH:mm", timezone="UTC", width=110, help="In UTC"
            ),
            "Dataset": st.column_config.TextColumn(width=92),
            "Days": st.column_config.TextColumn(width=190),
            "Result": st.column_config.MultiselectColumn(
                width=96,
                options=[label for label, _ in DELIVERIES.values()],
                color=[color for _, color in DELIVERIES.values()],
            ),
            "Rows": st.column_config.NumberColumn(format="%,d", width=70),
            "Changed": st.column_config.NumberColumn(
                width=72, help="Days that came otherwise than they stood, and were replaced"
            ),
            "Held": st.column_config.NumberColumn(
                width=52, help="Days that the delivery could not replace: blocked or refused"
            ),
            "Residual": st.column_config.NumberColumn(
                width=78,
                help="Largest difference from the provider's own totals; empty where it gives none",
            ),
            "Run": st.column_config.LinkColumn(width=56, display_text="Open"),
        },
    )
    newest = rows[0]
    st.caption(
        f"The newest {len(rows)}. Of the last one the payload is kept under"
        f" sha256 {newest['payload_sha256'][:12] if newest['payload_sha256'] else 'n/a'}…"
    )


def _facts(row: Mapping[str, Any], entered: AccountRow | None) -> None:
    st.subheader(formats.escaped(row["account_name"]), anchor=False)
    label, color = STATES[row["state"]]
    tie, tie_color, meaning = TIE_OUT[row["tie_out"]]
    with st.container(horizontal=True, gap="xsmall"):
        st.badge(row["provider"], color="gray")
        st.badge(label, color=color)  # type: ignore[arg-type] # a color of account_words
        st.badge(tie, color=tie_color, help=meaning)  # type: ignore[arg-type] # a color of account_words
    facts = {
        "Slug": formats.escaped(row["account_id"]),
        "First day": formats.day(row["first_day"]),
        "Data through": "billed elsewhere"
        if row["is_billed_elsewhere"]
        else formats.day(row["data_through"]),
        "Final through": formats.day(row["final_through"]),
        "Credentials": _credentials(entered),
        "API calls, 30 days": _calls(row),
    }
    if entered is not None and entered.state_reason:
        facts["Paused because"] = formats.escaped(entered.state_reason)
    if entered is not None and entered.parent:
        facts["Found below"] = formats.escaped(entered.parent)
    st.table(
        [{"": name, " ": value} for name, value in facts.items()],
        border="horizontal",
        hide_index=True,
        hide_header=True,
    )


def _actions(row: Mapping[str, Any], entered: AccountRow | None, currency: str) -> None:
    st.subheader("What can be done", anchor=False)
    if entered is None:
        st.caption("The account has been removed; its data stays.")
    elif not access.may("accounts"):
        st.caption("Administrators test, pause and renew accounts, and ingest days again.")
    else:
        account_form.actions(row["account_id"], entered.state)
        st.caption(
            "Pausing keeps the data; new secrets are tried before they are"
            " kept; days are read again by Dagster, and only those that changed are replaced."
        )
    links.jump(
        "Costs of this account",
        "costs",
        {
            "ccy": row["month_currency"] or currency,
            "account": row["account_id"],
            "by": "Service",
        },
    )


def _credentials(entered: AccountRow | None) -> str:
    if entered is None:
        return "removed"
    if entered.has_credentials:
        return "sealed, never shown"
    return formats.escaped(entered.credential_ref or "none")


def _calls(row: Mapping[str, Any]) -> str:
    if not row["api_requests"]:
        return "none that costs"
    cost = formats.money(row["api_cost"], "USD") if row["api_cost"] else "free"
    return f"{row['api_requests']:,} requests, {cost}"


def _troubles(rows: Sequence[dict[str, Any]]) -> None:
    st.subheader("What went wrong last", anchor=False)
    for row in rows:
        label, color = DELIVERIES[row["state"]]
        page = dagster.run_page(row["dagster_run_id"])
        st.markdown(
            f":{color}-badge[{label}] **{row['dataset'].capitalize()}, {_days(row)}**:"
            f" {formats.escaped(row['reason'] or 'no reason was given')}"
        )
        run = f" [The run in Dagster]({page})" if page else _named(row["dagster_run_id"])
        st.caption(what_next(row) + run)


def _named(run: str | None) -> str:
    """Name a run that no link leads to."""
    return f" Dagster's run: {run}" if run else ""


def _residuals(rows: Sequence[dict[str, Any]]) -> None:
    st.subheader("What does not tie out", anchor=False)
    st.table(
        [
            {
                "Compared": CHECKS.get(row["check_name"], row["check_name"]),
                "Days": _days(row),
                "First": _amount(row, "left_amount"),
                "Second": _amount(row, "right_amount"),
                "Residual": _amount(row, "residual"),
                "Cause": formats.escaped(row["cause"] or "not known"),
            }
            for row in rows[:10]
        ],
        border="horizontal",
        hide_index=True,
    )
    st.caption(
        f"{min(len(rows), 10)} of {len(rows)}. These days are held back: their newest delivery is"
        " in no figure. `astraeus reconcile` lists them all, `astraeus delivery accept` lets"
        " one in."
    )


def _amount(row: Mapping[str, Any], name: str) -> str:
    if row[name] is None:
        return "n/a"
    return f"{formats.spelled(row[name])} {row['currency'] or 'rows'}"


def _days(row: Mapping[str, Any]) -> str:
    if row["first_day"] is None or row["last_day"] is None:
        return "n/a"
    return periods.spell(DayRange(row["first_day"], row["last_day"]))

"""The parts of the Trace page: the figure, its deliveries with one of them opened, its charges."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

import streamlit as st

from app.components import access, cards, downloads, formats, links, states
from app.components.cache import ask
from app.queries import export, payloads, periods, tables
from app.queries import trace as queries
from app.queries.catalog import METRICS
from app.queries.compiler import CostQuery
from app.queries.seen_by import as_seen_by
from astraeus_pipeline.contracts.days import DayRange
from astraeus_pipeline.contracts.delivery import Part

_KEY: Final = "delivery"


def figure(query: CostQuery, found: dict[str, Any], lines: Sequence[dict[str, Any]]) -> None:
    """Draw the figure, what it is of, and the question that answers with it."""
    metric, currency = METRICS[query.basis], query.currency
    exact = sum(line["worst_state"] in ("exact", "within rounding") for line in lines)
    stated = sum(line["controls"] is not None for line in lines)
    with cards.grid(4, 200):
        cards.figure(
            f"{metric.label} cost",
            formats.exact(found["cost"], currency),
            periods.spell(query.days),
            arrow="off",
            help_text=f"{metric.description}. Exactly {formats.spelled(found['cost'])} {currency}.",
        )
        cards.figure(
            "Charges",
            f"{sum(line['charges'] for line in lines):,}",
            f"of {lines[0]['all_days'] if lines else 0} days",
            arrow="off",
            help_text="Rows of the providers' bills, each in one delivery.",
        )
        cards.figure(
            "Deliveries",
            f"{len(lines):,}",
            f"{exact} tied to a stated total" if stated else "no total is stated",
            arrow="off",
            help_text="What providers sent. Each day stands in one delivery per billing month.",
        )
        cards.figure(
            "Not final yet",
            formats.percent(tables.open_share([found]) or 0),
            formats.exact(found["open_cost"], currency),
            note="may change",
            arrow="off",
        )
    st.caption(f"Exactly {formats.escaped(formats.spelled(found['cost']))} {currency}.")
    with st.expander("The question in SQL", icon=":material/code:"):
        statement = as_seen_by(access.current(), queries.compile_figure(query))
        st.code(queries.spelled(statement), language="sql")
        st.caption("As role reader, over the marts of the newest build.")


def deliveries(
    query: CostQuery, found: dict[str, Any], lines: Sequence[dict[str, Any]]
) -> dict[str, Any] | None:
    """Draw what each delivery brought; return the one that is opened, or the only one."""
    st.subheader("Deliveries behind it", anchor=False)
    st.caption("Select one to see what the provider sent, its own total, and the run that took it.")
    cost = f"Cost ({query.currency})"
    st.dataframe(
        [
            {
                "Account": line["account_id"],
                "Days": periods.spell(DayRange(line["first_day"], line["last_day"])),
                cost: line["cost"],
                "Charges": line["charges"],
                "Provider's total": line["worst_state"] or "none stated",
                "Largest residual": line["residual"],
                "Delivery": line["delivery_id"],
                "Payload sha256": (line["payload_sha256"] or "")[:12],
                "Loaded (UTC)": _moment(line["finished_at"]),
                "Source": line["source_name"],
            }
            for line in lines
        ],
        hide_index=True,
        height="content" if len(lines) <= 8 else 320,
        key=_table_key(query),
        on_select=lambda: _open(query, lines),
        selection_mode="single-row",
        placeholder="none",
        column_config={
            cost: st.column_config.NumberColumn(format="%,.2f"),
            "Largest residual": st.column_config.NumberColumn(format="%f"),
        },
        alt=f"{len(lines)} deliveries that the figure is of, the largest first",
    )
    whole = tables.total(lines)
    st.caption(
        f"Together {formats.money(whole, query.currency)} in {len(lines)} deliveries,"
        f" {sum(line['charges'] for line in lines):,} charges;"
        f" {_agreement(whole == found['cost'], 'the figure')}."
    )
    if len(lines) == 1:
        return lines[0]
    asked = st.query_params.get(_KEY)
    return next((line for line in lines if str(line["delivery_id"]) == asked), None)


def delivery(query: CostQuery, line: dict[str, Any]) -> None:
    """Draw one delivery: its run, the provider's own totals, what changed, the stored payload."""
    with st.container(horizontal=True, vertical_alignment="center"):
        st.subheader(f"Delivery {line['delivery_id']}", anchor=False, width="stretch")
        if line["dagster_run_id"] and (run := links.dagster_run(line["dagster_run_id"])):
            st.link_button("Dagster run", run, icon=":material/open_in_new:", type="tertiary")
        st.button("Close", icon=":material/close:", type="tertiary", on_click=_close)
    _facts(line)
    _controls(line)
    _changes(query, line)
    _payload(line)


def charges(query: CostQuery, found: dict[str, Any], chosen: dict[str, Any] | None) -> None:
    """Draw the dearest charges, of the delivery that is opened or of all."""
    number = None if chosen is None else chosen["delivery_id"]
    what = "this figure" if number is None else f"delivery {number} in this figure"
    st.subheader("Charges behind it", anchor=False)
    [whole] = ask(queries.compile_charges_sum(query, number))
    rows = ask(queries.compile_charges(query, delivery=number))
    goal = found["cost"] if chosen is None else chosen["cost"]
    agreement = _agreement(whole["cost"] == goal, what)
    st.caption(
        f"{whole['charges']:,} charges of {what} add up to"
        f" {formats.money(whole['cost'], query.currency)}; {agreement}."
        + (f" The dearest {len(rows)} are shown." if whole["charges"] > len(rows) else "")
        + (
            f" The CSV holds the dearest {queries.CHARGES_EXPORTED:,}: take fewer days for all."
            if whole["charges"] > queries.CHARGES_EXPORTED
            else ""
        )
    )
    cost = f"Cost ({query.currency})"
    st.dataframe(
        [
            {
                "Day": row["usage_date"],
                "Account": row["account_id"],
                "Service": row["service_name"],
                cost: row["cost"],
                "Category": row["charge_category"],
                "What": row["charge_description"] or row["sku_id"],
                "Quantity": row["pricing_quantity"],
                "Unit": row["pricing_unit"],
                "Resource": row["resource_id"],
                "Row": row["x_row_number"],
                "Delivery": row["x_delivery_id"],
            }
            for row in rows
        ],
        hide_index=True,
        height=380,
        placeholder="none",
        column_config={
            cost: st.column_config.NumberColumn(format="%,.6f"),
            "Row": st.column_config.NumberColumn(help="Number of the row in what was delivered"),
        },
        alt=f"The dearest charges of {what}",
    )
    downloads.button(
        "CSV of the charges",
        f"charges_{query.days.first}_{query.days.last}_{query.currency}.csv",
        "text/csv",
        lambda who: export.charges_csv(
            downloads.streamed(
                who, queries.compile_charges(query, queries.CHARGES_EXPORTED, number)
            )
        ),
        about=f"Every decimal, up to {queries.CHARGES_EXPORTED:,} charges and {export.MOST_WORDS}",
    )


def _facts(line: dict[str, Any]) -> None:
    facts = {
        "From": line["source_name"],
        "Fetched": _moment(line["fetched_at"]),
        "Loaded": _moment(line["finished_at"]),
        "Dagster run": line["dagster_run_id"],
        "Payload": f"{line['payload_rows'] or 0:,} rows, {line['payload_bytes'] or 0:,} bytes",
        "Accepted by": line["accepted_by"],
        "Because": line["accepted_reason"],
    }
    st.table(
        [
            {"": name, " ": formats.escaped(str(value))}
            for name, value in facts.items()
            if value is not None
        ],
        border="horizontal",
        hide_index=True,
        hide_header=True,
    )


def _controls(line: dict[str, Any]) -> None:
    st.markdown("**The provider's own totals**")
    found = ask(queries.compile_controls(line["delivery_id"]))
    if not found:
        st.caption("This provider states none for these days: there is nothing to tie out with.")
        return
    st.dataframe(
        [
            {
                "Days": periods.spell(DayRange(row["first_day"], row["last_day"])),
                "Cost": row["cost_type"],
                "Loaded": row["left_amount"],
                "Provider says": row["right_amount"],
                "Residual": row["residual"],
                "Currency": row["currency"],
                "State": row["state"],
                "Why": row["cause"],
            }
            for row in found
        ],
        hide_index=True,
        height="content" if len(found) <= 6 else 240,
        placeholder="none",
        column_config={
            name: st.column_config.NumberColumn(format="%f")
            for name in ("Loaded", "Provider says", "Residual")
        },
        alt="The provider's own totals beside what was loaded, the worst first",
    )
    if source := found[0]["control_source"]:
        st.caption(f"Stated by {formats.escaped(source)}.")


def _changes(query: CostQuery, line: dict[str, Any]) -> None:
    found = ask(
        queries.compile_restatements(
            line["account_id"], line["first_day"], line["last_day"], query.currency
        )
    )
    if not found:
        return
    st.markdown("**What was said before**")
    st.dataframe(
        [
            {
                "Day": row["usage_date"],
                "Cost": row["cost_type"],
                "Before": row["old_cost"],
                "After": row["new_cost"],
                "Change": row["delta"],
                "Restated (UTC)": _moment(row["restated_at"]),
                "By delivery": row["delivery_id"],
                "In place of": row["supersedes"],
                "Had been final": row["restated_after_final"],
            }
            for row in found
        ],
        hide_index=True,
        height="content" if len(found) <= 6 else 240,
        placeholder="none",
        alt="Restatements of these days, the newest first",
    )


def _payload(line: dict[str, Any]) -> None:
    st.markdown("**What the provider sent**")
    if not line["payload_uri"]:
        st.caption("No payload is stored for this delivery.")
        return
    parts = payloads.manifest(line["payload_uri"]).parts
    names = {f"{number}. {part.name}": part for number, part in enumerate(parts, start=1)}
    with st.container(horizontal=True, vertical_alignment="bottom"):
        name = st.selectbox("Part", list(names), key=f"part_{line['delivery_id']}", width=420)
        start = st.number_input(
            "From row", 1, value=1, step=payloads.HEAD_ROWS, key=f"row_{line['delivery_id']}"
        )
    if name is None:
        st.caption("The delivery was empty: the provider sent no rows.")
        return
    _part(names[name], int(start), line["payload_sha256"])


def _part(part: Part, start: int, whole: str) -> None:
    st.caption(f"{part.bytes:,} bytes as fetched. Where it lies, its sha256, and the payload's:")
    # Code wraps on a phone, where a caption with 64 letters in one word would not.
    st.code(f"{payloads.location(part)}\n{part.sha256}\n{whole}", language=None, wrap_lines=True)
    with states.guarded("What was sent"):
        rows = payloads.head(part, start=start)
        if not rows:
            st.caption("No row there.")
            return
        st.dataframe(
            rows, hide_index=True, height=260, alt=f"Rows of {part.name} as they were fetched"
        )


def _open(query: CostQuery, lines: Sequence[dict[str, Any]]) -> None:
    for number in st.session_state[_table_key(query)].selection.rows[:1]:
        st.query_params[_KEY] = str(lines[number]["delivery_id"])


def _close() -> None:
    st.query_params.pop(_KEY, None)
    st.session_state.trace_closed = st.session_state.get("trace_closed", 0) + 1


def _table_key(query: CostQuery) -> str:
    # A new table after closing, so that no row stays marked.
    return f"deliveries_{hash(query)}_{st.session_state.get('trace_closed', 0)}"


def _agreement(agrees: bool, what: str) -> str:
    return f"exactly {what}" if agrees else f"**not {what}: please report this**"


def _moment(value: datetime | None) -> str | None:
    return None if value is None else f"{formats.moment(value)} UTC"

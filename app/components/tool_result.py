"""What a tool answered, as chat and forms show it: chart, table, SQL, and the way to Costs."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, timedelta
from decimal import Decimal
from typing import Any, Final

import altair as alt
import streamlit as st

from app.assistant import render
from app.assistant.tools.contract import Cell, ToolResult
from app.assistant.tools.registry import TOOLS
from app.components import charts, downloads, drawing, formats, links, palette
from app.queries.catalog import DIMENSIONS, METRICS
from app.queries.export import rows_csv
from astraeus_pipeline.contracts.days import DayRange

# So many rows are text, which screen readers and the browser's search can read; more are a grid.
_AS_TEXT: Final = 15
_DRAWN: Final = 10
_CELL: Final = 60
_GRAINS: Final = {"day": "Day", "week": "Week", "month": "Month"}
_COMPARED: Final = {"previous_period": "Previous period", "last_year": "Last year"}


def title(result: ToolResult, number: int | None = None) -> str:
    """Return the heading of a result, as Markdown; `number` is what citations call it."""
    spec = TOOLS.get(result.tool)
    name = formats.escaped(spec.title if spec else result.tool)
    return name if number is None else f"\\[{number}\\] {name}"


def draw(result: ToolResult, key: str) -> None:
    """Draw a result; `key` is its own on the page."""
    _badge(result)
    st.caption(_standing(result))
    done = render.receipt(result)
    if done:
        st.success(formats.escaped(done), icon=":material/check_circle:")
    for note in result.notes:
        st.caption(f":material/info: {formats.escaped(note)}")
    if result.totals:
        st.markdown("  \n".join(_totals(result)))
    if result.rows:
        _chart(result, key)
        _table(result, key)
    else:
        st.info("No rows: this is no data, not zero.", icon=":material/data_alert:")
    _sources(result, key)


def _badge(result: ToolResult) -> None:
    """Say whether figures are of the catalogue, or of SQL that nobody has looked at."""
    if result.tool == "run_sql":
        st.badge("ad-hoc SQL", icon=":material/code:", color="orange")
    elif result.tool == "search_web":
        st.badge("web, not verified", icon=":material/public:", color="gray")
    elif result.basis:
        st.badge("verified metric", icon=":material/verified:", color="green")


def _standing(result: ToolResult) -> str:
    parts = []
    if result.basis:
        named = (METRICS[each].label for each in result.basis.split(", ") if each in METRICS)
        parts.append(f"{', '.join(named)} cost")
    start, end = result.params.get("start"), result.params.get("end")
    if start and end:
        parts.append(f"from {start} to before {end} (UTC)")
    if result.data_as_of:
        parts.append(f"data through {formats.day(result.data_as_of)}")
    if result.reconciliation:
        parts.append(result.reconciliation)
    shown = len(result.rows)
    if result.truncated and result.row_count == shown:
        parts.append(f"the first {shown} rows")
    else:
        parts.append(f"{shown} of {result.row_count} rows" if result.truncated else f"{shown} rows")
    return formats.escaped(", ".join(parts))


def _totals(result: ToolResult) -> list[str]:
    """Spell totals, what was asked for first; amounts name their currency once."""
    columns = [METRICS[each].column for each in (result.basis or "").split(", ") if each in METRICS]
    asked = [name for name in result.totals if name.rpartition(" ")[0] in columns]
    told = []
    for name in dict.fromkeys([*asked, *result.totals]):
        unit = result.unit.get(name, "")
        words = _words(name.removesuffix(f" {unit}") if render.is_money(unit) else name)
        value = result.totals[name]
        figure = _figure(value, unit) if unit else f"{value:,}"
        told.append(f"{formats.escaped(words)}: **{formats.escaped(figure)}**")
    return told


def _chart(result: ToolResult, key: str) -> None:
    found = render.bars(result)
    if found is None:
        return
    label, value, unit, points = found
    is_time = label in ("period", "usage_date")
    shown = points if is_time else points[:_DRAWN]
    rows = [
        {"name": name, "amount": float(amount), "text": _figure(amount, unit)}
        for name, amount in shown
    ]
    shade = palette.slots(charts.theme())[0]
    axis = charts.money_axis(unit) if render.is_money(unit) else alt.Axis(tickCount=5, domain=False)
    amounts: Any = alt.X("amount:Q", title=None, axis=axis)
    names: Any = alt.Y(
        "name:N", title=None, sort=None, axis=alt.Axis(labelLimit=170, ticks=False, domain=False)
    )
    height = 26 * len(rows) + 30
    if is_time:
        amounts = alt.Y("amount:Q", title=None, axis=axis)
        names = alt.X(
            "name:O", title=None, axis=alt.Axis(labelAngle=0, labelOverlap="greedy", ticks=False)
        )
        height = 180
    bar = drawing.chart("bars").mark_bar(color=shade, cornerRadius=2)
    drawn = bar.encode(
        amounts,
        names,
        tooltip=[alt.Tooltip("name:N", title=""), alt.Tooltip("text:N", title=_words(value))],
    )
    name, most = max(shown, key=lambda each: each[1])
    drawing.draw(
        charts.styled(drawn, height=height, padding={"left": 0, "top": 4, "right": 8, "bottom": 0}),
        {"bars": rows},
        key=f"{key}_chart",
        alt_text=f"{_words(value)} by {_words(label).lower()}: the most is {name},"
        f" {_figure(most, unit)}",
    )
    if len(shown) < len(result.rows):
        st.caption(f"The chart has {len(shown)} of the {len(result.rows)} rows, in {unit}.")


def _table(result: ToolResult, key: str) -> None:
    columns = render.columns(result)
    if len(result.rows) <= _AS_TEXT:
        st.table(
            [
                {_heading(name, result): _text(row, name, result) for name in columns}
                for row in result.rows
            ],
            border="horizontal",
            hide_index=True,
        )
        return
    st.dataframe(
        [{_heading(name, result): row.get(name) for name in columns} for row in result.rows],
        hide_index=True,
        key=f"{key}_table",
        alt=f"{len(result.rows)} rows of {result.tool}",
        placeholder="n/a",
        column_config={
            _heading(name, result): st.column_config.NumberColumn(format="%,.2f")
            for name in columns
            if any(isinstance(row.get(name), Decimal) for row in result.rows)
        },
    )


def _sources(result: ToolResult, key: str) -> None:
    with st.container(horizontal=True, vertical_alignment="center"):
        parameters = in_costs(result)
        if parameters:
            links.jump("Open in Costs", "costs", parameters)
        downloads.button(
            "CSV",
            f"{result.tool}_{result.result_id}.csv",
            "text/csv",
            lambda _: rows_csv(result.rows, result.unit),
            about="These rows with every decimal",
            key=f"{key}_csv",
        )
    with st.popover("How this was calculated", icon=":material/code:", type="tertiary"):
        st.markdown("**What was asked**")
        st.table(
            [
                {"Parameter": formats.escaped(name), "Value": formats.escaped(spelled(value))}
                for name, value in result.params.items()
                if value not in (None, [], "")
            ],
            border="horizontal",
            hide_index=True,
        )
        st.markdown("**The SQL**, as role reader with your rows")
        st.code(result.sql or "No SQL: nothing was asked of the marts.", language="sql")
        st.caption(f"Result {result.result_id}")


def in_costs(result: ToolResult) -> dict[str, list[str]] | None:
    """Return the address of Costs with the same question; None where Costs does not answer it."""
    params = result.params
    start, end = params.get("start"), params.get("end")
    if result.tool not in ("get_costs", "explain_change") or not start or not end:
        return None
    wanted: dict[str, list[str]] = {}
    for each in params.get("filters") or ():  # type: ignore[union-attr] # a list of filters
        if isinstance(each, Mapping):
            values = each["values"]
            named = "tagged" if each["dimension"] == "tag" else str(each["dimension"])
            wanted[named] = [values] if isinstance(values, str) else list(values)
    groups = params.get("group_by")
    if isinstance(groups, list) and groups and str(groups[0]) in DIMENSIONS:
        wanted["by"] = [DIMENSIONS[str(groups[0])].label]
    for name, key, spelled in (("grain", "grain", _GRAINS), ("compare_to", "cmp", _COMPARED)):
        if str(params.get(name)) in spelled:
            wanted[key] = [spelled[str(params[name])]]
    if params.get("tag_key"):
        wanted["tag"] = [str(params["tag_key"])]
    currencies = {str(row["billing_currency"]) for row in result.rows if "billing_currency" in row}
    currency = params.get("currency") or (currencies.pop() if len(currencies) == 1 else None)
    if currency:
        wanted["ccy"] = [str(currency)]
    basis = (result.basis or "").split(", ")[0]
    if basis in METRICS:
        wanted["basis"] = [METRICS[basis].label]
    first, after = date.fromisoformat(str(start)), date.fromisoformat(str(end))
    return wanted | links.fixed(DayRange(first, after - timedelta(days=1)))


def _heading(name: str, result: ToolResult) -> str:
    unit = result.unit.get(name)
    words = formats.escaped(_words(name))
    return words if unit in (None, "billing_currency", "unit") else f"{words} ({unit})"


def _words(name: str) -> str:
    # Its unit says percent.
    words = name.removesuffix("_pct").replace("_", " ").strip()
    return words[:1].upper() + words[1:]


def _text(row: Mapping[str, Cell], name: str, result: ToolResult) -> str:
    value = row.get(name)
    if isinstance(value, bool) or not isinstance(value, int | Decimal):
        return formats.escaped(spelled(value))
    return formats.escaped(_figure(Decimal(value), render.unit_of(result, row, name), bare=True))


def _figure(value: Decimal, unit: str, *, bare: bool = False) -> str:
    """Spell a figure, `bare` under a heading that has the unit; amounts of money in cents."""
    if render.is_money(unit):
        return f"{value:,.2f}" if bare else f"{value:,.2f} {unit}"
    spelled = f"{value:,}" if value == value.to_integral_value() else f"{value:,.2f}"
    return spelled if bare or not unit else f"{spelled} {unit}"


def spelled(value: Any) -> str:
    """Spell an argument or a cell in words; filters as conditions."""
    if value is None:
        return "n/a"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, list):
        return ("; " if any(isinstance(each, Mapping) for each in value) else ", ").join(
            spelled(each) for each in value
        )
    if isinstance(value, Mapping):
        if {"dimension", "values"} <= set(value):
            isnt = "is not" if value.get("operator") == "not_in" else "is"
            return f"{value['dimension']} {isnt} {spelled(value['values'])}"
        return ", ".join(f"{name}: {spelled(each)}" for name, each in value.items())
    text = str(value)
    return text if len(text) <= _CELL * 4 else f"{text[: _CELL * 4]}…"

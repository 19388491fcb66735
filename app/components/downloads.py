"""The exports of a table of costs: CSV, Excel with what it is about, and the chart as a picture."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Final

import streamlit as st
import vl_convert

from app.components import access, charts, palette
from app.components.cache import ask
from app.components.scope import Scope
from app.queries import listings, periods
from app.queries.catalog import DIMENSIONS, METRICS, Dimension
from app.queries.compiler import CostQuery, compile_costs
from app.queries.export import as_csv
from app.queries.tables import GroupCost
from app.queries.trace import spelled
from app.queries.workbook import workbook
from app.records import exports
from astraeus_pipeline.contracts.days import DayRange

_EXCEL: Final = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
_DOTS: Final = 2.0  # of the picture to a pixel of the page


def table(
    scope: Scope,
    query: CostQuery,
    compared: DayRange | None,
    dimension: Dimension,
    groups: Sequence[GroupCost],
    whole: Decimal,
) -> None:
    """Offer a table of costs as CSV and Excel, to those who may."""
    if not access.may("export"):
        return
    name = f"costs_{dimension.key}_{query.days.first}_{query.days.last}_{query.currency}"

    def text() -> str:
        _noted(query, name, "csv")
        return as_csv(groups, dimension.label, query.currency, whole)

    def book() -> bytes:
        _noted(query, name, "xlsx")
        about = _about(scope, query, compared, dimension)
        return workbook(groups, dimension.label, query.currency, whole, about)

    for label, extension, mime, data in (
        ("CSV", "csv", "text/csv", text),
        ("Excel", "xlsx", _EXCEL, book),
    ):
        st.download_button(
            label,
            data=data,
            file_name=f"{name}.{extension}",
            mime=mime,
            on_click="ignore",
            icon=":material/download:",
            type="tertiary",
            help="The whole table with every decimal"
            + ("" if extension == "csv" else ", and a sheet that says what it shows"),
        )


def picture(query: CostQuery, chart: Any, title: str, scope: Scope) -> None:
    """Offer a chart as PNG, with its scope beneath the title, to those who may."""
    if not access.may("export"):
        return
    name = f"costs_{query.days.first}_{query.days.last}_{query.currency}"
    subtitle = f"{periods.spell(query.days)}. {_sentence(scope, query)}"
    ink, is_dark = palette.INK[charts.theme()], charts.theme() == "dark"

    def data() -> bytes:
        _noted(query, name, "png")
        drawn = chart.properties(
            width=1100,
            title={
                "text": title,
                "subtitle": subtitle,
                "anchor": "start",
                "color": ink,
                "subtitleColor": ink,
                "offset": 12,
            },
            background="#10151D" if is_dark else "#FFFFFF",
            padding=16,
        )
        return bytes(vl_convert.vegalite_to_png(drawn.to_json(), scale=_DOTS))

    st.download_button(
        "PNG",
        data=data,
        file_name=f"{name}.png",
        mime="image/png",
        on_click="ignore",
        icon=":material/image:",
        type="tertiary",
        help="The chart as a picture",
    )


def _about(
    scope: Scope, query: CostQuery, compared: DayRange | None, dimension: Dimension
) -> dict[str, str]:
    blocked = [row["account_id"] for row in ask(listings.RESIDUALS)]
    statement = compile_costs(query)
    return {
        "Shows": f"Cost by {dimension.label.lower()}",
        "Days (UTC)": periods.spell(query.days),
        "Compared with": "nothing" if compared is None else periods.spell(compared),
        "Basis": f"{METRICS[query.basis].label}: {METRICS[query.basis].description}",
        "Currency": f"{query.currency}, as billed; no rate is applied",
        **{DIMENSIONS[key].label: ", ".join(values) for key, values in query.filters},
        "Data through": scope.through.isoformat(),
        "Ties out": f"no: {', '.join(sorted(set(blocked)))}" if blocked else "yes, every account",
        "Made at": f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC",
        "Made by": access.current().email,
        "Query": _identity(query),
        "SQL": spelled(statement),
    }


def _sentence(scope: Scope, query: CostQuery) -> str:
    where = ", ".join(value for _, values in query.filters for value in values) or "all accounts"
    return f"{METRICS[query.basis].label} cost in {query.currency}, {where}, days in UTC"


def _identity(query: CostQuery) -> str:
    """Return the query's id: the same question has the same."""
    return hashlib.sha256(repr(compile_costs(query)).encode()).hexdigest()[:16]


def _noted(query: CostQuery, name: str, kind: str) -> None:
    """Check the permission once more and write the audit log. Raises: ForbiddenError."""
    who = access.require("export")
    exports.note(who.email, name, kind=kind, query=_identity(query))

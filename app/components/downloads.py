"""The exports of a table of costs: CSV, Excel with what it is about, and the chart as a picture."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from threading import BoundedSemaphore
from typing import Any, Final

import streamlit as st
import vl_convert

from app.auth.principal import Principal
from app.components import access, charts, palette
from app.components.cache import ask_for
from app.components.charts import Picture
from app.components.scope import Scope
from app.queries import execute, listings, periods
from app.queries.catalog import METRICS, Dimension
from app.queries.compiler import CostQuery, Statement, compile_costs
from app.queries.export import as_csv
from app.queries.seen_by import as_seen_by
from app.queries.tables import GroupCost
from app.queries.trace import spelled
from app.queries.workbook import workbook
from app.records import exports
from astraeus_pipeline.contracts.days import DayRange
from astraeus_pipeline.errors import LimitError

_EXCEL: Final = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
# Each is some tens of megabytes while it is made.
_LONG_FILES: Final = BoundedSemaphore(2)
_WAIT_SECONDS: Final = 60
_DOTS: Final = 2.0  # of the picture to a pixel of the page


def button(
    label: str,
    file_name: str,
    mime: str,
    make: Callable[[Principal], str | bytes],
    *,
    icon: str = ":material/download:",
    about: str = "",
    **options: Any,
) -> None:
    """Offer a file to those who may export; each time that it is taken is in the audit log.

    `make` gets who asks and runs outside of any page, when the browser fetches the file.
    """
    who = access.current()
    if not who.may("export"):
        return

    def data() -> str | bytes:
        taker = access.still(who.session, "export")
        made = make(taker)
        exports.note(taker.email, file_name)
        return made

    st.download_button(
        label,
        data=data,
        file_name=file_name,
        mime=mime,
        on_click="ignore",
        icon=icon,
        type="tertiary",
        help=about,
        **options,
    )


def streamed(who: Principal, statement: Statement) -> Iterator[dict[str, Any]]:
    """Yield the rows that a person may see, for a file: fetched as they are written, never kept.

    Raises: LimitError where others take long files, DatabaseError.
    """
    if not _LONG_FILES.acquire(timeout=_WAIT_SECONDS):
        raise LimitError("Others are taking long files.", hint="Try again in a minute.")
    try:
        yield from execute.stream(as_seen_by(who, statement), who.session)
    finally:
        _LONG_FILES.release()


def table(
    scope: Scope,
    query: CostQuery,
    compared: DayRange | None,
    dimension: Dimension,
    groups: Sequence[GroupCost],
    whole: Decimal,
) -> None:
    """Offer a table of costs as CSV and Excel."""
    label = query.label_of(dimension.key)
    of = f"_{query.tag.key}" if dimension.key == "tag" and query.tag else ""
    named = re.sub(r"[^a-z0-9_]+", "", f"{dimension.key}{of}")
    name = f"costs_{named}_{query.days.first}_{query.days.last}_{query.currency}"
    button(
        "CSV",
        f"{name}.csv",
        "text/csv",
        lambda _: as_csv(groups, label, query.currency, whole),
        about="The whole table with every decimal",
    )
    button(
        "Excel",
        f"{name}.xlsx",
        _EXCEL,
        lambda who: workbook(
            groups,
            label,
            query.currency,
            whole,
            _about(who, scope, query, compared, dimension),
        ),
        about="The whole table with every decimal, and a sheet that says what it shows",
    )


def picture(query: CostQuery, made: Picture, title: str) -> None:
    """Offer a chart as PNG, with its scope beneath the title."""
    ink, is_dark = palette.INK[charts.theme()], charts.theme() == "dark"
    heading = {
        "text": title,
        "subtitle": f"{periods.spell(query.days)}. {_sentence(query)}",
        "anchor": "start",
        "color": ink,
        "subtitleColor": ink,
        "offset": 12,
    }

    def png(_: Principal) -> bytes:
        spec = made(
            width=1100,
            title=heading,
            background="#10151D" if is_dark else "#FFFFFF",
            padding=16,
        )
        return bytes(vl_convert.vegalite_to_png(spec, scale=_DOTS))

    button(
        "PNG",
        f"costs_{query.days.first}_{query.days.last}_{query.currency}.png",
        "image/png",
        png,
        icon=":material/image:",
        about="The chart as a picture",
    )


def _about(
    who: Principal, scope: Scope, query: CostQuery, compared: DayRange | None, dimension: Dimension
) -> dict[str, str]:
    blocked = [row["account_id"] for row in ask_for(who, listings.RESIDUALS)]
    statement = as_seen_by(who, compile_costs(query))
    return {
        "Shows": f"Cost by {query.label_of(dimension.key).lower()}",
        "Days (UTC)": periods.spell(query.days),
        "Compared with": "nothing" if compared is None else periods.spell(compared),
        "Basis": f"{METRICS[query.basis].label}: {METRICS[query.basis].description}",
        "Currency": f"{query.currency}, as billed; no rate is applied",
        **{query.label_of(key): ", ".join(values) for key, values in query.filters},
        "Data through": scope.through.isoformat(),
        "Ties out": f"no: {', '.join(sorted(set(blocked)))}" if blocked else "yes, every account",
        "Made at": f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC",
        "Made by": who.email,
        "Query": _identity(query),
        "SQL": spelled(statement),
    }


def _sentence(query: CostQuery) -> str:
    where = ", ".join(value for _, values in query.filters for value in values) or "all accounts"
    return f"{METRICS[query.basis].label} cost in {query.currency}, {where}, days in UTC"


def _identity(query: CostQuery) -> str:
    """Return the query's id: the same question has the same."""
    return hashlib.sha256(repr(compile_costs(query)).encode()).hexdigest()[:16]

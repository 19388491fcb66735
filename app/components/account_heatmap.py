"""Which days of which account have come: a table of letters, so that colour is not alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any, Final

import streamlit as st

from app.components import charts, formats, palette
from app.components.account_words import DAYS
from astraeus_pipeline.contracts.days import DayRange

# background and ink, each pair with a contrast of 4.5 or more.
_SHADES: Final = {
    "light": {
        "final": ("#D3EBE0", "#0B4F3A"),
        "estimated": ("#DCE7FB", "#173E9A"),
        "partial": ("#EFE9FA", "#573A7E"),
        "missing": ("#FBE3C8", "#7A3A06"),
        "blocked": ("#F8D7D3", "#8C1D16"),
        "refused": ("#F8D7D3", "#8C1D16"),
        "not_due": ("transparent", "#5B6779"),
    },
    "dark": {
        "final": ("#143D30", "#8FE0BF"),
        "estimated": ("#1B3262", "#B3CBFF"),
        "partial": ("#37295A", "#D6C4F5"),
        "missing": ("#50330F", "#F6C98C"),
        "blocked": ("#54201C", "#FFB4AC"),
        "refused": ("#54201C", "#FFB4AC"),
        "not_due": ("transparent", "#9AA7B8"),
    },
}
_MOST: Final = 60


def draw(names: Mapping[str, str], cells: Sequence[Mapping[str, Any]], days: DayRange) -> None:
    """Draw the days of accounts, `names` by account id; days without a cell are not expected."""
    states = {(cell["account_id"], cell["usage_date"]): cell["state"] for cell in cells}
    shown = list(names)[:_MOST]
    _legend()
    head = "".join(
        f'<th scope="col"{_gap(day)}>{f"{day:%b}" if day.day == 1 or day == days.first else ""}'
        f"<br>{day.day}</th>"
        for day in days
    )
    rows = "".join(
        f'<tr><th scope="row" title="{escape(names[account])}">{escape(names[account])}</th>'
        + "".join(_cell(states.get((account, day), "not_due"), day) for day in days)
        + "</tr>"
        for account in shown
    )
    st.html(
        f"<style>{_css()}</style>"
        '<div class="heat" tabindex="0" role="region" aria-label="Days of each account">'
        f"<table><thead><tr><th scope='col'>Account</th>{head}</tr></thead>"
        f"<tbody>{rows}</tbody></table></div>"
    )
    if len(names) > len(shown):
        st.caption(f"The first {len(shown)} of {len(names)} accounts; filter by provider for more.")


def _cell(state: str, day: Any) -> str:
    letter, word, _ = DAYS[state]
    return (
        f'<td class="s-{state}{" m" if day.day == 1 else ""}" title="{word}, {formats.day(day)}">'
        f"{letter or '·'}</td>"
    )


def _gap(day: Any) -> str:
    return ' class="m"' if day.day == 1 else ""


def _legend() -> None:
    shades = _SHADES[charts.theme()]
    items = "".join(
        f'<span title="{escape(meaning)}" style="white-space:nowrap"><b'
        ' style="display:inline-block;'
        f"min-width:1.25rem;text-align:center;border-radius:3px;margin-right:.35rem;font-weight:600;"
        f'background:{shades[state][0]};color:{shades[state][1]}">{letter or "·"}</b>{word}</span>'
        for state, (letter, word, meaning) in DAYS.items()
    )
    st.html(
        f'<div style="display:flex;flex-wrap:wrap;gap:.3rem 1.1rem;font-size:.85rem">{items}</div>'
    )


def _css() -> str:
    """Return the styles: a row's name stays in sight while its days are scrolled."""
    name = charts.theme()
    line, back = palette.LINES[name], palette.BACKGROUND[name]
    shades = "".join(
        f".heat td.s-{state}{{background:{background};color:{ink}}}"
        for state, (background, ink) in _SHADES[name].items()
    )
    return (
        # Begins at its end: on a narrow screen the newest days are the ones in sight.
        ".heat{overflow-x:auto;padding-bottom:.4rem;direction:rtl}"
        ".heat table{direction:ltr;border-collapse:separate;border-spacing:2px;font-size:.72rem;"
        "width:100%}"
        ".heat td,.heat thead th{min-width:1.05rem;height:1.35rem;text-align:center;padding:0;"
        "border-radius:3px;border:0;font-weight:500}"
        f".heat thead th{{font-weight:400;color:{palette.INK[name]};line-height:1.05;"
        "vertical-align:bottom}"
        f".heat .m{{border-left:2px solid {line}}}"
        f".heat tbody th,.heat thead th:first-child{{position:sticky;left:0;background:{back};"
        "text-align:left;font-weight:500;padding-right:.7rem;max-width:10.5rem;overflow:hidden;"
        "text-overflow:ellipsis;white-space:nowrap;font-size:.8rem;border:0}"
        f"{shades}"
    )

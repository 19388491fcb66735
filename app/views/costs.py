"""Costs: any period, grouped, compared, drilled into, exported."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any, Final, get_args

import streamlit as st

from app.components import (
    access,
    cards,
    charts,
    downloads,
    drivers,
    filters,
    formats,
    header,
    links,
    states,
    view_list,
)
from app.components.cache import ask
from app.components.scope import Scope
from app.components.tables import group_table, plain_table
from app.queries import periods, tables
from app.queries.catalog import DIMENSIONS, Dimension, Grain, Source, dimension_of
from app.queries.compiler import CostQuery, compile_costs
from app.queries.tables import GroupCost
from app.queries.trace import can_follow
from astraeus_pipeline.contracts.days import DayRange

_GRAINS: Final[dict[str, Grain]] = {"Day": "day", "Week": "week", "Month": "month"}
_STYLES: Final = ("Stacked", "Lines", "Running total")
_COLUMNS: Final = ("cost", "share_percent", "previous", "change", "change_percent")
_MAX_DAILY: Final = 92


@dataclass(frozen=True)
class Choice:
    """What the controls say: the question, what it is compared with, how it is drawn."""

    query: CostQuery
    compared: DayRange | None
    dimension: Dimension
    grain: Grain


def page(scope: Scope) -> None:
    """Draw the page."""
    slot = header.draw("Costs", scope)
    with states.guarded("The costs"):
        choice = _controls(scope)
        view_list.draw(slot, "costs", links.fixed(choice.query.days))
        links.warn()
        filters.chips(choice.query)
        now = ask(compile_costs(choice.query))
        if not now:
            states.nothing_matches(filters.reset)
            return
        before = _before(choice)
        groups = tables.compare(choice.dimension.key, now, before)
        chart, trend = _by_period(choice, groups)
        _cards(scope, choice, groups, now, before)
        with st.container(border=True):
            _chart(scope, choice, groups, chart)
        with st.container(border=True), states.guarded("The drivers"):
            _drivers(scope, choice, now, before)
        with st.container(border=True):
            _table(scope, choice, groups, trend)


def _controls(scope: Scope) -> Choice:
    with st.container(horizontal=True, vertical_alignment="bottom"):
        name = st.segmented_control(
            "Period",
            periods.PRESETS,
            default=periods.PRESETS[0],
            key="period",
            bind="query-params",
            required=True,
        )
        week = (scope.through - timedelta(days=6), scope.through)
        custom = filters.days(week) if name == "Custom" else None
        days = custom or periods.period(str(name), scope.through)
        grain = st.segmented_control(
            "Grain", list(_GRAINS), default="Day", key="grain", bind="query-params", required=True
        )
    with st.container(horizontal=True, vertical_alignment="bottom"):
        # A team's part of a charge has no tags: who sees teams' costs is not offered any.
        sources = ("daily", "allocated") if access.current().is_by_team else get_args(Source)
        labels = [each.label for each in DIMENSIONS.values() if each.source in sources]
        by = st.selectbox("Group by", labels, key="by", bind="query-params", width=190)
        how = st.selectbox(
            "Compare with", periods.COMPARISONS, key="cmp", bind="query-params", width=190
        )
        dimension = dimension_of(by)
        tag, of_tag = filters.tagged(scope.currency, dimension.key)
        borne = filters.borne(scope.currency, dimension.key)
        wanted = (*filters.more(scope), *borne, *of_tag)
        query = CostQuery(
            days,
            scope.currency,
            scope.basis,
            (dimension.key,),
            filters=wanted,
            tag=tag,
            final_through=scope.final_through,
        )
        links.share(days)
        if can_follow(query):
            links.trace(days, wanted, tag=tag.key if tag else None)
    links.check({"period": [str(name)], "grain": [str(grain)], "by": [by], "cmp": [how]})
    chosen = _GRAINS[str(grain)]
    if chosen == "day" and len(days) > _MAX_DAILY:
        chosen = "week"
        st.caption(f"More than {_MAX_DAILY} days are drawn by week.")
    if not can_follow(query):
        st.caption(
            "What a team bears may be a part of charges that are shared, so no charges stand behind"
            " it alone. Take the filter back to follow the number."
        )
    return Choice(query, periods.compared(days, how), dimension, chosen)


def _before(choice: Choice) -> list[dict[str, Any]] | None:
    """Return the groups' costs of the days compared with; None where no day has data."""
    if choice.compared is None:
        return None
    query = replace(choice.query, days=choice.compared)
    return ask(compile_costs(query)) or None


def _by_period(
    choice: Choice, groups: list[GroupCost]
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Return the rows of the chart and those of the small lines; the same where points are few.

    Else the chart has the groups that it names, and the lines have groups at fewer points. Of very
    many groups the dearest have lines: the rest is one sum in either.
    """
    grain, _ = periods.trend(choice.query.days, choice.grain)
    charted = _ranked(choice, groups)
    dearest = dict.fromkeys([*charted, *(each.group for each in groups)])
    lined = tuple(dearest)[: tables.LINES] if len(dearest) > tables.LINES else ()
    lines = ask(compile_costs(replace(choice.query, grain=grain, named=lined)))
    if grain == choice.grain:
        return lines, lines
    named = replace(choice.query, grain=choice.grain, named=tuple(charted))
    return ask(compile_costs(named)), lines


def _ranked(choice: Choice, groups: list[GroupCost]) -> list[str]:
    dimension = choice.dimension
    return tables.named(groups, None if dimension.source == "daily" else dimension.missing)


def _cards(
    scope: Scope,
    choice: Choice,
    groups: list[GroupCost],
    now: list[dict[str, Any]],
    before: list[dict[str, Any]] | None,
) -> None:
    days, compared, currency = choice.query.days, choice.compared, scope.currency
    whole = tables.total(now)
    delivered = periods.covered(days, scope.first_day, scope.through)
    former = None if before is None else tables.total(before)
    former_days, versus = 0, None
    if compared is not None:
        versus = periods.versus(days, compared)
        former_days = periods.covered(compared, scope.first_day, scope.through)
        states.partly_compared(former_days, len(compared), scope.first_day)
    is_whole = compared is not None and former_days == len(compared)
    with cards.grid():
        cards.cost(
            periods.spell(days),
            whole,
            former if is_whole else None,
            currency,
            versus=versus,
            exact=True,
        )
        cards.cost(
            "Daily average",
            tables.average(whole, delivered) or whole,
            tables.average(former, former_days),
            currency,
            versus="the average before",
            exact=True,
            help_text=f"Over {delivered} of {len(days)} days: those delivered.",
        )
        largest = groups[0]
        cards.figure(
            f"Largest {choice.dimension.label.lower()}",
            largest.group,
            formats.percent(largest.share_percent),
            note=formats.money(largest.cost, currency),
            arrow="off",
            help_text=formats.escaped(largest.group),
        )
        cards.figure(
            "Not final yet",
            formats.percent(tables.open_share(now) or 0),
            formats.exact(tables.open_cost(now), currency),
            note="may change",
            arrow="off",
        )


def _chart(
    scope: Scope, choice: Choice, groups: list[GroupCost], rows: list[dict[str, Any]]
) -> None:
    dimension, days = choice.dimension, choice.query.days
    label = choice.query.label_of(dimension.key).lower()
    with st.container(horizontal=True, vertical_alignment="center"):
        st.subheader(f"Cost by {formats.escaped(label)}", anchor=False, width="stretch")
        style = st.segmented_control(
            "Chart",
            _STYLES,
            default=_STYLES[0],
            key="chart",
            bind="query-params",
            required=True,
            label_visibility="collapsed",
        )
    ranked = _ranked(choice, groups)
    cells = tables.charted(dimension.key, rows, ranked)
    # Providers own their colours; other groups take them by rank.
    named = scope.provider_order if dimension.key == "provider" else ranked
    key = f"costs_{dimension.key}_{hash(choice.query)}"
    drawn = charts.costs(
        tables.accumulated(cells) if style == "Running total" else cells,
        tables.ordered(cells, named),
        periods.steps(days, choice.grain),
        scope.currency,
        owners=named,
        key=key,
        alt_text=f"Cost by {label} and {choice.grain}, {periods.spell(days)}."
        f" {groups[0].group} costs the most:"
        f" {formats.exact(groups[0].cost, scope.currency)} of"
        f" {formats.exact(tables.total(rows), scope.currency)}.",
        lines=style != "Stacked",
        height=340,
        on_pick=lambda: pick(key, choice),
    )
    below = filters.DRILL.get(dimension.key)
    hint = ""
    if below and style == _STYLES[0]:
        hint = f"Select a segment to see it by {DIMENSIONS[below].label.lower()}."
    with st.container(horizontal=True, vertical_alignment="center"):
        st.caption(hint, width="stretch")
        downloads.picture(choice.query, drawn, f"Cost by {label}")


def _drivers(
    scope: Scope,
    choice: Choice,
    now: list[dict[str, Any]],
    before: list[dict[str, Any]] | None,
) -> None:
    with st.expander(
        "Why it changed", icon=":material/waterfall_chart:", key="why", on_change="rerun"
    ) as why:
        if why.open:
            former = None if before is None else tables.total(before)
            drivers.draw(scope, choice.query, choice.compared, tables.total(now), former)


def _table(
    scope: Scope, choice: Choice, groups: list[GroupCost], rows: list[dict[str, Any]]
) -> None:
    dimension, days, whole = choice.dimension, choice.query.days, tables.total(rows)
    label, currency, compared = (
        choice.query.label_of(dimension.key),
        scope.currency,
        choice.compared,
    )
    columns = _COLUMNS if compared else _COLUMNS[:2]
    with st.container(horizontal=True, vertical_alignment="center"):
        st.subheader("Breakdown", anchor=False, width="stretch")
        downloads.table(scope, choice.query, compared, dimension, groups, whole)
    key = f"table_{dimension.key}_{hash(choice.query)}"
    group_table(
        groups,
        label,
        currency,
        key=key,
        columns=columns,
        trends=tables.trends(dimension.key, rows, periods.trend(days, choice.grain)[1]),
        on_select=lambda: open_row(key, choice, groups),
    )
    former = [each.previous for each in groups if each.previous is not None]
    st.caption(
        f"Total {formats.money(whole, currency)} in {len(groups)} rows"
        + (f", previous {formats.money(tables.add_up(former), currency)}" if former else "")
        + f". {scope.sentence()}."
    )
    with st.expander("As text", icon=":material/table:", on_change="rerun") as text:
        if text.open:
            plain_table(groups, label, currency, columns)


def pick(key: str, choice: Choice) -> None:
    """Drill into the segment that was clicked."""
    for hit in st.session_state[key].selection.get("pick", [])[:1]:
        filters.drill(choice.dimension, hit["group"], choice.query.tag)


def open_row(key: str, choice: Choice, groups: list[GroupCost]) -> None:
    """Drill into the row that was selected."""
    for number in st.session_state[key].selection.rows[:1]:
        filters.drill(choice.dimension, groups[number].group, choice.query.tag)


if (scope_now := st.session_state.get("scope")) is not None:
    page(scope_now)

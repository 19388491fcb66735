"""Forms that add and change allocation rules, with what they would move."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import streamlit as st

from app.components import drawers, formats, limits, writing
from app.components.cache import ask
from app.components.scope import Scope
from app.queries import allocation, periods, tables
from app.records import allocation as records
from app.records.allocation import Form
from astraeus_pipeline.errors import AstraeusError
from astraeus_pipeline.warehouse.allocation_rules import Conditions, StandingRule

EFFECTS: Final = {
    "value": ("Give it to", "shop", "One name: all of the cost goes there."),
    "tag": ("Give it to whom a tag names", "team", "Key of the tag; without it, the next rule."),
    "shares": ("Split it by fixed shares", "shop = 0.6\ndata = 0.4", "They sum to exactly 1."),
    "proportional_to": (
        "Split it as others' own costs",
        "all",
        "Names parted by commas, or all: what these bear directly on the same day.",
    ),
}


def draw() -> None:
    """Draw the form that lies open, if it is an allocation rule's."""
    drawers.draw(
        {
            "add_allocation": ("Add an allocation rule", _add),
            "edit_allocation": ("Edit the allocation rule", _edit),
        }
    )


def _add(dimension: str) -> None:
    rules = [rule for rule in records.listed() if rule.dimension == dimension]
    form = _form(dimension, None, "n")
    place = st.selectbox(
        "Place in the order",
        range(1, len(rules) + 2),
        index=len(rules),
        key="n_al_place",
        help="The first rule that matches wins.",
    )
    later = [rule.id for rule in rules if rule.position >= place]
    _preview(form, later)
    if st.button("Save the rule", type=drawers.main(), icon=":material/check:", key="n_al_save"):
        drawers.finish(
            writing.attempt("rules", lambda actor: _whole(records.add, form, place, actor))
        )


def _edit(rule_id: int) -> None:
    rules = records.listed()
    found = [rule for rule in rules if rule.id == rule_id]
    if not found:
        st.info("This rule has been removed.")
        return
    [rule] = found
    key = f"e{rule_id}"
    form = _form(rule.dimension, rule, key)
    same = [each for each in rules if each.dimension == rule.dimension]
    # What it decides now it may decide anew, so it counts among the later ones.
    _preview(form, [each.id for each in same if each.position >= rule.position])
    if st.button(
        "Save changes", type=drawers.main(), icon=":material/check:", key=f"{key}_al_save"
    ):
        drawers.finish(
            writing.attempt("rules", lambda actor: _whole(records.change, rule_id, form, actor))
        )
    st.divider()
    place = st.selectbox(
        "Place in the order",
        range(1, len(same) + 1),
        index=rule.position - 1,
        key=f"{key}_al_place",
    )
    with st.container(horizontal=True):
        is_moving = st.button("Move it there", icon=":material/swap_vert:", key=f"{key}_al_move")
        is_removing = st.button("Remove the rule", icon=":material/delete:", key=f"{key}_al_remove")
    if is_moving:
        drawers.finish(
            writing.attempt("rules", lambda actor: _whole(records.move, rule_id, place, actor))
        )
    if is_removing:
        drawers.finish(
            writing.attempt("rules", lambda actor: _whole(records.remove, rule_id, actor))
        )


def _whole(change: Callable[..., str], *about: Any) -> str:
    """Make a change that concerns all costs, for who sees them all."""
    limits.everything()
    return change(*about)


def _form(dimension: str, old: StandingRule | None, prefix: str) -> Form:
    conditions, value = records.spelt(old) if old else ("", "")
    effect_of = next(iter(old.effect.model_fields_set)) if old else "value"
    name = st.text_input("Name", old.name if old else "", key=f"{prefix}_al_name")
    said = st.text_area(
        "When (all costs if empty)",
        conditions,
        key=f"{prefix}_al_when",
        placeholder="account_id = *-prod\nservice_name = *storage*\ntag:team = *",
        help="One condition a line. The same attribute twice: either; different ones: all. `*` is"
        " anything, `?` one character. Attributes: "
        + ", ".join(key for key in Conditions.model_fields if key != "tags")
        + ", and tag:KEY.",
    )
    effects = list(EFFECTS)
    effect = st.selectbox(
        "Then",
        effects,
        index=effects.index(effect_of),
        key=f"{prefix}_al_effect",
        format_func=lambda each: EFFECTS[each][0],
    )
    label, example, about = EFFECTS[effect]
    draw_value = st.text_area if effect == "shares" else st.text_input
    given = draw_value(
        label,
        value if effect == effect_of else "",
        key=f"{prefix}_al_value_{effect}",
        placeholder=example,
        help=about,
    )
    left, right, last = st.columns(3)
    first_day = left.date_input(
        "First day (UTC)", old.valid_from if old else None, key=f"{prefix}_al_first"
    )
    last_day = right.date_input(
        "Last day (UTC)", old.valid_to if old else None, key=f"{prefix}_al_last"
    )
    is_active = last.checkbox("Active", old.is_active if old else True, key=f"{prefix}_al_active")
    return Form(dimension, name, said, effect, given or "", first_day, last_day, is_active)


def _preview(form: Form, later: list[int]) -> None:
    """Draw what the rule would take from whom, over the last 30 days, in the page's currency."""
    scope: Scope = st.session_state.scope
    st.subheader("What it would move", anchor=False)
    try:
        rule = form.read()
    except AstraeusError as error:
        st.caption(formats.escaped(str(error)))
        return
    conditions = rule.conditions.model_dump(mode="json", exclude_none=True)
    if form.effect == "tag" or not allocation.is_exact(conditions):
        st.caption(
            "Resources and tags are told charge by charge: what this rule moves is seen after the"
            " next build."
        )
        return
    days = periods.period("30 days", scope.through)
    rows = ask(
        allocation.compile_moves(
            rule.dimension, conditions, later, days, scope.currency, scope.basis
        )
    )
    if not rows:
        st.caption(
            f"Nothing: no cost in {scope.currency} of the last 30 days, {periods.spell(days)}."
        )
        return
    st.table(
        [
            {
                f"{allocation.DIMENSIONS[rule.dimension]} now": formats.escaped(
                    row["bearer"] or "nobody"
                ),
                f"Cost ({scope.currency})": formats.money(row["cost"], scope.currency),
            }
            for row in rows[:10]
        ],
        border="horizontal",
        hide_index=True,
    )
    st.caption(
        f"{formats.money(tables.total(rows), scope.currency)} of {periods.spell(days)},"
        f" {scope.basis} cost, would be decided by this rule; what earlier rules decide stays."
    )


def open_add(dimension: Any) -> None:
    """Open the form for a new rule of a dimension; for callbacks."""
    drawers.open_("add_allocation", dimension)

"""The tab of rules: what raises alerts, and what gives costs to teams."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import streamlit as st

from app.components import (
    access,
    allocation_form,
    cards,
    drawers,
    formats,
    limits,
    links,
    picked,
    rule_form,
    states,
    writing,
)
from app.components.cache import ask
from app.components.scope import Scope
from app.queries import allocation, periods
from app.queries.catalog import DIMENSIONS
from app.records import allocation as allocations
from app.records import rules as records
from astraeus_pipeline.warehouse.alert_rules import Rule
from astraeus_pipeline.warehouse.allocation_rules import StandingRule

_STATES: Final = {"Active": "green", "Paused": "orange"}


def draw(scope: Scope) -> None:
    """Draw the tab. Raises: DatabaseError."""
    with st.container(border=True), states.guarded("The alert rules"):
        _alert_rules()
    with states.guarded("The allocation rules"):
        _allocation(scope)


def draw_forms() -> None:
    """Draw the form that lies open, if it is a rule's."""
    rule_form.draw()
    allocation_form.draw()


def _alert_rules() -> None:
    with st.container(horizontal=True, vertical_alignment="center"):
        st.subheader("Alert rules", anchor=False, width="stretch")
        if access.may("rules"):
            st.button(
                "Add a rule",
                icon=":material/add:",
                type=drawers.main(),
                key="add_rule",
                on_click=drawers.open_,
                args=("add_rule",),
            )
    seen = limits.accounts()
    rows = [row for row in records.listed() if limits.is_seen(row.filters, seen)]
    if not rows:
        st.caption("No rule yet: nothing raises alerts.")
        return
    names = [row.name for row in rows]
    key = f"rules_{hash(tuple(names))}_{picked.closed('rule')}"
    _rules_table(rows, key, lambda: picked.choose(key, "rule", names))
    with st.expander("As text", icon=":material/table:", on_change="rerun") as text:
        if text.open:
            _rules_as_text(rows)
    asked = picked.of("rule")
    found = [row for row in rows if row.name == asked]
    links.check({"rule": [asked] if asked and found else []})
    _rule(found[0] if found else rows[0])


def _rules_table(rows: Sequence[Rule], key: str, on_select: Any) -> None:
    st.dataframe(
        [
            {
                "Rule": row.name,
                "Kind": rule_form.LABELS[row.kind],
                "Threshold": threshold(row),
                "Where": _where(row),
                "Severity": row.severity.capitalize(),
                "Tells": ", ".join(row.channels) or "nobody",
                "State": ["Active" if row.is_active else "Paused"],
                "Alerts": row.alerts,
            }
            for row in rows
        ],
        hide_index=True,
        key=key,
        height="content" if len(rows) <= 12 else 458,
        placeholder="any",
        on_select=on_select,
        selection_mode="single-row",
        alt="Alert rules by name; the same as text below",
        column_config={
            "Rule": st.column_config.TextColumn(width=190, pinned=True),
            "Kind": st.column_config.TextColumn(width=150),
            "Threshold": st.column_config.TextColumn(width=120),
            "Where": st.column_config.TextColumn(width=170),
            "Severity": st.column_config.TextColumn(width=76),
            "Tells": st.column_config.TextColumn(width=104),
            "State": st.column_config.MultiselectColumn(
                width=78, options=list(_STATES), color=list(_STATES.values())
            ),
            "Alerts": st.column_config.NumberColumn(width=58, help="Raised so far"),
        },
    )


def _rules_as_text(rows: Sequence[Rule]) -> None:
    st.table(
        [
            {
                "Rule": formats.escaped(row.name),
                "Kind": rule_form.LABELS[row.kind],
                "Threshold": threshold(row) or "any",
                "Where": formats.escaped(_where(row)),
                "Tells": formats.escaped(", ".join(row.channels) or "nobody"),
                "State": "Active" if row.is_active else "Paused",
                "Alerts": f"{row.alerts:,}",
            }
            for row in rows
        ],
        border="horizontal",
        hide_index=True,
    )


def _rule(row: Rule) -> None:
    """Draw what can be done with the rule of the address, and its back-test."""
    st.markdown(f"**{formats.escaped(row.name)}**")
    st.caption(
        f"{rule_form.LABELS[row.kind]}, of periods from {formats.day(row.starts_on)} on, entered by"
        f" {formats.escaped(row.owner)}."
        + ("" if row.digest == "none" else f" Messages: in a {row.digest} digest.")
    )
    with st.container(horizontal=True):
        if access.may("rules"):
            st.button(
                "Edit or remove",
                icon=":material/edit:",
                key="rule_edit",
                on_click=drawers.open_,
                args=("edit_rule", row.name),
            )
            st.button(
                "Pause" if row.is_active else "Resume",
                icon=":material/pause:" if row.is_active else ":material/play_arrow:",
                key="rule_pause",
                on_click=_set_active,
                args=(row.name, not row.is_active),
            )
        is_trying = st.button(
            f"Back-test {records.BACK_DAYS} days", icon=":material/history:", key="rule_test"
        )
    if is_trying:
        rule_form.trial_table(records.try_standing(row.name))


def _set_active(name: str, active: bool) -> None:
    writing.act("rules", lambda actor: records.set_active(name, active, actor))


def threshold(rule: Rule) -> str | None:
    """Spell what a rule's finding has to exceed."""
    parts = [
        formats.exact(rule.amount, rule.billing_currency or "") if rule.amount is not None else "",
        f"{formats.spelled(rule.percent)}%" if rule.percent is not None else "",
        f"{rule.days} day{'s' * (rule.days != 1)}" if rule.days is not None else "",
    ]
    return ", ".join(part for part in parts if part) or None


def _where(rule: Rule) -> str:
    parts = [f"{DIMENSIONS[key].label}: {', '.join(of)}" for key, of in rule.filters.items()]
    if rule.split_by:
        parts.append(f"by {DIMENSIONS[rule.split_by].label.lower()}")
    return "; ".join(parts) or "all costs"


def _allocation(scope: Scope) -> None:
    days = periods.period("30 days", scope.through)
    shares = ask(allocation.compile_shares(days, scope.currency, scope.basis))
    rules = allocations.listed()
    with st.container(border=True):
        st.subheader("Allocation rules", anchor=False)
        st.caption(
            "Who bears which cost: per dimension the first rule that matches wins, for the whole"
            f" history. Shares of {periods.spell(days)}, {scope.basis} cost in {scope.currency}."
        )
        with cards.grid(3, 200):
            for row in shares:
                cards.figure(
                    f"Without {allocation.DIMENSIONS[row['dimension']].lower()}",
                    formats.percent(row["unallocated_percent"]),
                    formats.card(row["unallocated"], scope.currency),
                    arrow="off",
                    help_text="No rule gives this cost to anybody.",
                )
        dimension = st.segmented_control(
            "Dimension",
            list(allocation.DIMENSIONS.values()),
            default="Team",
            key="dimension",
            bind="query-params",
            required=True,
            label_visibility="collapsed",
        )
        links.check({"dimension": [str(dimension)]})
        key = next(name for name, label in allocation.DIMENSIONS.items() if label == dimension)
        _allocation_rules(scope, key, [rule for rule in rules if rule.dimension == key])


def _allocation_rules(scope: Scope, dimension: str, rules: Sequence[StandingRule]) -> None:
    days = periods.period("30 days", scope.through)
    decided = {
        row["rule_id"]: row["cost"]
        for row in ask(allocation.compile_by_rule(dimension, days, scope.currency, scope.basis))
    }
    if rules:
        ids = [rule.id for rule in rules]
        key = f"allocation_{dimension}_{hash(tuple(ids))}_{picked.closed('allocation')}"
        _allocation_table(scope, rules, decided, key, lambda: _open(key, ids))
        st.caption(
            "Select a rule to edit, move or remove it."
            if access.may("rules")
            else "In the order in which they are asked."
        )
    else:
        st.caption("No rule yet: all costs are unallocated.")
    if access.may("rules"):
        st.button(
            "Add an allocation rule",
            icon=":material/add:",
            key="add_allocation",
            on_click=allocation_form.open_add,
            args=(dimension,),
        )


def _open(key: str, ids: Sequence[int]) -> None:
    if not access.may("rules"):
        return
    for number in st.session_state[key].selection.rows[:1]:
        drawers.open_("edit_allocation", ids[number])
    picked.close("allocation")


def _allocation_table(
    scope: Scope, rules: Sequence[StandingRule], decided: dict[Any, Any], key: str, on_select: Any
) -> None:
    cost = f"Decides ({scope.currency})"
    st.dataframe(
        [
            {
                "At": rule.position,
                "Rule": rule.name,
                "When": allocations.spelt(rule)[0].replace("\n", "; ") or "always",
                "Then": _then(rule),
                cost: decided.get(rule.id),
                "State": ["Active" if rule.is_active else "Paused"],
            }
            for rule in rules
        ],
        hide_index=True,
        key=key,
        height="content",
        placeholder="0.00",
        on_select=on_select,
        selection_mode="single-row",
        alt="Allocation rules in their order: "
        + "; ".join(f"{rule.position} {rule.name}, {_then(rule)}" for rule in rules),
        column_config={
            "At": st.column_config.NumberColumn(width=40, pinned=True),
            "Rule": st.column_config.TextColumn(width=220, pinned=True),
            "When": st.column_config.TextColumn(width=290),
            "Then": st.column_config.TextColumn(width=170),
            cost: st.column_config.NumberColumn(
                format="%,.2f", width=110, help="Cost of the last 30 days that this rule decides"
            ),
            "State": st.column_config.MultiselectColumn(
                width=78, options=list(_STATES), color=list(_STATES.values())
            ),
        },
    )


def _then(rule: StandingRule) -> str:
    effect = next(iter(rule.effect.model_fields_set))
    value = allocations.spelt(rule)[1].replace("\n", ", ")
    return {
        "value": f"to {value}",
        "tag": f"to whom the tag {value} names",
        "shares": f"split {value}",
        "proportional_to": f"split as the costs of {value}",
    }[effect]

"""Forms that add and change alert rules, with how often they would have fired."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Any, Final

import streamlit as st

from app.components import drawers, formats, limits, writing
from app.components.cache import ask
from app.queries import listings
from app.queries.catalog import DIMENSIONS
from app.queries.compiler import compile_members
from app.records import rules as records
from app.records.rules import Form, Trial
from astraeus_pipeline.contracts.alert_kinds import KINDS, RuleKind
from astraeus_pipeline.contracts.alerting import Timing
from astraeus_pipeline.contracts.money import COST_TYPES
from astraeus_pipeline.errors import AstraeusError
from astraeus_pipeline.warehouse.alert_backtest import Breach
from astraeus_pipeline.warehouse.alert_rules import NewRule

LABELS: Final = {
    "cost_amount": "Cost above an amount",
    "cost_change": "Cost that grows",
    "budget": "Budget thresholds",
    "anomaly": "Anomaly",
    "forecast": "Forecast above an amount",
    "stale_feed": "Late or missing bills",
    "residual": "Figures that do not tie",
    "resource_anomaly": "A resource that jumps",
}
_SHOWN: Final = 8


def draw() -> None:
    """Draw the form that lies open, if it is a rule's."""
    drawers.draw({"add_rule": ("Add a rule", _add), "edit_rule": ("Edit the rule", _edit)})


def _add(_: Any) -> None:
    form = _form(None, "n")
    _trial(form)
    if st.button("Save the rule", type=drawers.main(), icon=":material/check:", key="n_save"):
        drawers.finish(writing.attempt("rules", lambda actor: _save(None, form, actor)))


def _save(name: str | None, form: Form, actor: str) -> str:
    limits.rule(form.filters)
    return records.add(form, actor) if name is None else records.change(name, form, actor)


def _edit(name: str) -> None:
    try:
        standing = records.standing(name)
    except AstraeusError as error:
        st.info(formats.escaped(str(error)))
        return
    form = _form(standing, f"e_{name}")
    _trial(form)
    if st.button("Save changes", type=drawers.main(), icon=":material/check:", key="e_save"):
        drawers.finish(writing.attempt("rules", lambda actor: _save(name, form, actor)))
    st.divider()
    if st.button("Remove the rule", icon=":material/delete:", key="e_remove"):
        drawers.finish(writing.attempt("rules", lambda actor: records.remove(name, actor)))


def _form(old: NewRule | None, prefix: str) -> Form:
    name = st.text_input(
        "Name",
        old.name if old else "",
        key=f"{prefix}_name",
        placeholder="Messages carry it",
    )
    key = st.selectbox(
        "Kind",
        list(KINDS),
        index=list(KINDS).index(old.kind) if old else 0,
        key=f"{prefix}_kind",
        format_func=lambda each: LABELS[each],
    )
    kind = KINDS[key]
    st.caption(f"{kind.says[0].upper()}{kind.says[1:]}.")
    same = old if old and old.kind == key else None
    values = _thresholds(kind, same, f"{prefix}_{key}")
    values |= _what(kind, same, f"{prefix}_{key}")
    values |= _whom(old, prefix)
    return Form(name=name, kind=key, **values)


def _thresholds(kind: RuleKind, old: NewRule | None, prefix: str) -> dict[str, Any]:
    """Draw the parameters that the kind needs or takes."""
    wanted = [*kind.needs, *kind.takes]
    values: dict[str, Any] = {}
    places = iter(st.columns(max(len(wanted) + ("amount" in wanted), 1)))
    for name in ("amount", "percent", "days"):
        if name in wanted:
            standing = getattr(old, name) if old else None
            values[name] = next(places).text_input(
                {"amount": "Amount", "percent": "Percent", "days": "Days"}[name]
                + ("" if name in kind.needs else " (if any)"),
                "" if standing is None else formats.spelled(Decimal(standing)),
                key=f"{prefix}_{name}",
            )
    if "amount" in wanted or "currency" in wanted:
        currencies = [row["currency"] for row in ask(listings.CURRENCIES)]
        standing = old.billing_currency if old else None
        chosen = next(places).selectbox(
            "Currency",
            currencies,
            index=currencies.index(standing) if standing in currencies else 0,
            key=f"{prefix}_currency",
        )
        if "currency" in kind.needs or values.get("amount", "").strip():
            values["currency"] = chosen
    if "budget" in wanted:
        known = records.budget_names()
        options = [None, *known]
        values["budget_id"] = st.selectbox(
            "Budget",
            options,
            index=options.index(old.budget_id) if old and old.budget_id in known else 0,
            key=f"{prefix}_budget",
            format_func=lambda each: "All budgets" if each is None else known[each],
        )
    return values


def _what(kind: RuleKind, old: NewRule | None, prefix: str) -> dict[str, Any]:
    """Draw what narrows and splits the rule, as far as its kind can be."""
    values: dict[str, Any] = {}
    if kind.filters:
        with st.expander(
            "Only some costs", icon=":material/filter_list:", on_change="rerun"
        ) as more:
            if more.open:
                values["filters"] = {
                    key: _members(key, list(old.filters.get(key, ())) if old else [], prefix)
                    for key in kind.filters
                }
            elif old:
                values["filters"] = dict(old.filters)
    left, middle, right = st.columns(3)
    if kind.splits:
        options = [None, *kind.splits]
        values["split_by"] = left.selectbox(
            "Judge one by one",
            options,
            index=options.index(old.split_by) if old and old.split_by in options else 0,
            key=f"{prefix}_split",
            format_func=lambda each: "All together" if each is None else DIMENSIONS[each].label,
        )
    if len(kind.grains) > 1:
        grains: Any = kind.grains
        values["grain"] = middle.selectbox(
            "Period",
            grains,
            index=grains.index(old.grain) if old and old.grain in grains else 0,
            key=f"{prefix}_grain",
            format_func=str.capitalize,
        )
    if kind.key in ("cost_amount", "cost_change"):
        values["cost_type"] = right.selectbox(
            "Cost",
            COST_TYPES,
            index=COST_TYPES.index(old.cost_type) if old and old.cost_type in COST_TYPES else 0,
            key=f"{prefix}_cost",
            format_func=str.capitalize,
        )
    return values


def _members(key: str, chosen: Sequence[str], prefix: str) -> list[str]:
    currency = ask(listings.CURRENCIES)[0]["currency"]
    known = [row["member"] for row in ask(compile_members(key, currency))]
    return st.multiselect(
        DIMENSIONS[key].label,
        list(dict.fromkeys([*known, *chosen])),
        list(chosen),
        key=f"{prefix}_of_{key}",
        placeholder="All",
        accept_new_options=True,
    )


def _whom(old: NewRule | None, prefix: str) -> dict[str, Any]:
    """Draw severity, channels, quiet hours and digests."""
    severities = ("info", "warning", "critical")
    left, right = st.columns([1, 2])
    severity = left.selectbox(
        "Severity",
        severities,
        index=severities.index(old.severity) if old else 1,
        key=f"{prefix}_severity",
        format_func=str.capitalize,
    )
    known = {channel.name: channel.shown_as for channel in records.channels()}
    channels = right.multiselect(
        "Tell",
        list(known),
        [name for name in old.channels if name in known] if old else [],
        key=f"{prefix}_channels",
        placeholder="Nobody: the alert is on the page only" if known else "There is no channel yet",
        help="Channels are added with `astraeus alert channel add`, so that their addresses, which"
        " hold passwords, come from a shell.",
    )
    with st.expander("When messages leave", icon=":material/schedule:"):
        timing = old.timing if old else Timing()
        first, second, third = st.columns(3)
        quiet_from = first.text_input(
            "Quiet from",
            f"{timing.quiet_from:%H:%M}" if timing.quiet_from else "",
            key=f"{prefix}_from",
            placeholder="22:00",
        )
        quiet_until = second.text_input(
            "Quiet until",
            f"{timing.quiet_until:%H:%M}" if timing.quiet_until else "",
            key=f"{prefix}_until",
            placeholder="07:00",
        )
        zone = third.text_input("Time zone", timing.time_zone, key=f"{prefix}_zone")
        passes = st.checkbox(
            "Critical ones leave at once", timing.critical_passes, key=f"{prefix}_passes"
        )
        digests = ("none", "daily", "weekly")
        first, second = st.columns(2)
        digest = first.selectbox(
            "Digest",
            digests,
            index=digests.index(timing.digest),
            key=f"{prefix}_digest",
            format_func=str.capitalize,
            help="One message for all alerts of a day, or of a week on Mondays.",
        )
        digest_at = second.text_input(
            "Digest at", f"{timing.digest_at:%H:%M}", key=f"{prefix}_digest_at"
        )
    return {
        "severity": severity,
        "channels": channels,
        "quiet_from": quiet_from,
        "quiet_until": quiet_until,
        "time_zone": zone,
        "critical_passes": passes,
        "digest": digest,
        "digest_at": digest_at,
    }


def _trial(form: Form) -> None:
    st.subheader("Back-test", anchor=False)
    kind = KINDS[form.kind]
    texts = {"amount": form.amount, "percent": form.percent, "days": form.days}
    if any(name in kind.needs and not text.strip() for name, text in texts.items()):
        st.caption("Enter a threshold: the last 90 days are held against it before it is saved.")
        return
    try:
        limits.rule(form.filters)
        trial = records.try_new(form)
    except AstraeusError as error:
        st.warning(formats.escaped(str(error)), icon=":material/edit:")
        return
    trial_table(trial)


def trial_table(trial: Trial) -> None:
    """Draw how often a rule would have fired, and the last times."""
    st.markdown(f"**{trial.sentence}**")
    if not trial.breaches:
        return
    st.table(
        [
            {
                "Day": formats.day(each.usage_date),
                "Scope": formats.escaped(each.scope_key),
                "Found": _value(each, "observed_value"),
                "Threshold": _value(each, "threshold_value"),
            }
            for each in list(trial.breaches)[: -_SHOWN - 1 : -1]
        ],
        border="horizontal",
        hide_index=True,
    )
    if len(trial.breaches) > _SHOWN:
        st.caption(f"The last {_SHOWN} of {len(trial.breaches)}.")


def _value(breach: Breach, name: str) -> str:
    value = getattr(breach, name)
    if value is None:
        return "n/a"
    if breach.billing_currency:
        return formats.money(value, breach.billing_currency)
    return f"{formats.spelled(value)} {breach.unit}"

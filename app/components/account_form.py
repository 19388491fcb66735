"""Forms that add an account, renew its secrets and ingest its days again. For administrators."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any, Final, Literal, get_args, get_origin

import streamlit as st
from pydantic.fields import FieldInfo

from app.components import access, drawers, formats, ingesting, states, writing
from app.records import accounts as records
from app.records import budgets as calendar
from app.records.accounts import Form
from astraeus_pipeline.contracts.days import DayRange
from astraeus_pipeline.errors import AstraeusError, ConfigError
from astraeus_pipeline.providers import configuration
from astraeus_pipeline.providers.base import Provider

# What most accounts set, first; everything else lies under "More settings".
_USUAL: Final = {
    "aws": ("role_arn", "external_id", "cost_source", "export_url", "discover"),
    "azure": ("tenant_id", "client_id", "subscription_id", "cost_source", "export_url"),
    "focus": ("url", "files"),
    "snowflake": ("account", "user", "role", "warehouse", "costs_from", "credit_price"),
    "openai": ("organization_id",),
}


def add_button() -> None:
    """Offer to add an account, to who may."""
    if not access.may("accounts"):
        return
    st.button(
        "Add an account",
        icon=":material/add:",
        type=drawers.main(),
        key="add_account",
        on_click=drawers.open_,
        args=("add_account",),
    )


def actions(slug: str, state: str) -> None:
    """Offer what can be done with an account."""
    with st.container(horizontal=True):
        st.button(
            "Test",
            icon=":material/network_check:",
            key="account_test",
            on_click=writing.act,
            args=("accounts", lambda actor: records.test(slug, actor)),
            help="The cheapest call that proves the credentials",
        )
        st.button(
            "Ingest days again",
            icon=":material/replay:",
            key="account_ingest",
            on_click=drawers.open_,
            args=("ingest", slug),
        )
        st.button(
            "New secrets",
            icon=":material/key:",
            key="account_rotate",
            on_click=drawers.open_,
            args=("rotate", slug),
        )
        is_paused = state == "paused"
        wanted: Any = "active" if is_paused else "paused"
        st.button(
            "Resume" if is_paused else "Pause",
            icon=":material/play_arrow:" if is_paused else ":material/pause:",
            key="account_pause",
            on_click=writing.act,
            args=("accounts", lambda actor: records.set_state(slug, wanted, actor)),
        )


def draw() -> None:
    """Draw the form that lies open, if it is an account's."""
    drawers.draw(
        {
            "add_account": ("Add an account", _add),
            "rotate": ("New secrets", _rotate),
            "ingest": ("Ingest days again", _ingest),
        }
    )


def _add(_: Any) -> None:
    known = records.providers()
    key = st.selectbox(
        "Provider",
        list(known),
        key="a_provider",
        format_func=lambda each: known[each].label,
    )
    provider = known[key]
    left, right = st.columns(2)
    slug = left.text_input(
        "Slug",
        key="a_slug",
        placeholder="acme-prod",
        help="Its key in links, in Dagster and in the marts; it cannot be changed.",
    )
    name = right.text_input("Name", key="a_name", placeholder="For people")
    settings = _settings(provider)
    st.markdown("**Credentials**")
    st.caption("Sealed when they are kept, and never shown again; only the provider opens them.")
    secrets = _secrets(provider, "a")
    with st.expander("Instead of a secret: a reference", on_change="rerun") as more:
        reference = ""
        if more.open:
            reference = st.text_input(
                "Reference",
                key="a_reference",
                placeholder="env:NAME, aws-profile:NAME or role:ARN",
                help="Read from the environment of the server, or a role that it may assume.",
            )
    form = Form(slug, key, name, settings, secrets, reference)
    with st.container(horizontal=True):
        is_testing = st.button("Test the connection", icon=":material/network_check:", key="a_test")
        is_saving = st.button(
            "Test and add", icon=":material/check:", type=drawers.main(), key="a_save"
        )
    if is_testing:
        _test(form)
    if is_saving:
        is_done = writing.attempt(
            "accounts", lambda actor: records.add(form, actor, is_tested=True)
        )
        if is_done:
            _forget("a_")
        drawers.finish(is_done)


def _test(form: Form) -> None:
    try:
        writing.actor("accounts")
        found = records.test_new(form)
    except AstraeusError as error:
        st.error(formats.escaped(str(error)), icon=":material/error:")
    else:
        st.success(formats.escaped(f"Reached {found}."), icon=":material/check_circle:")


def _settings(provider: Provider) -> dict[str, Any]:
    """Draw the provider's own settings, what it needs first; return what was entered."""
    fields = provider.config_model.model_fields
    needed = [name for name, field in fields.items() if field.is_required()]
    usual = [name for name in _USUAL.get(provider.key, ()) if name in fields]
    entered: dict[str, Any] = {}
    places = st.columns(2)
    for number, name in enumerate(dict.fromkeys([*needed, *usual])):
        with places[number % 2]:
            entered[name] = _setting(name, fields[name])
    rest = {name: field for name, field in fields.items() if name not in entered}
    if rest:
        with st.expander("More settings", icon=":material/tune:", on_change="rerun") as more:
            if more.open:
                entered |= {name: _setting(name, field) for name, field in rest.items()}
    return {name: value for name, value in entered.items() if value not in ("", None)}


def _setting(name: str, field: FieldInfo) -> Any:
    label = name.replace("_", " ").capitalize() + (" *" if field.is_required() else "")
    key, about = f"a_set_{name}", field.description
    if field.annotation is bool:
        return st.checkbox(label, bool(field.default), key=key, help=about)
    if choices := _choices(field.annotation):
        default = field.default if field.default in choices else None
        return st.selectbox(
            label,
            choices,
            index=None if default is None else choices.index(default),
            key=key,
            help=about,
            placeholder="As the provider says",
        )
    is_many = configuration.is_list(field.annotation)
    default = "" if field.is_required() or is_many or field.default is None else field.default
    shown = str(default) if default != "" else ("several, parted by commas" if is_many else "")
    return st.text_input(label, key=key, help=about, placeholder=shown)


def _choices(annotation: Any) -> list[Any]:
    """Return the words of a setting that takes one of a few, none for any other."""
    if get_origin(annotation) is Literal:
        return list(get_args(annotation))
    for each in get_args(annotation):
        if get_origin(each) is Literal and get_origin(annotation) is not tuple:
            return list(get_args(each))
    return []


def _secrets(provider: Provider, prefix: str) -> dict[str, str]:
    if not provider.credential_fields:
        st.caption("This provider needs none.")
    places = st.columns(2 if len(provider.credential_fields) > 1 else 1)
    return {
        field.name: places[number % len(places)].text_input(
            field.label + (" *" if field.required else ""),
            type="password",
            key=f"{prefix}_secret_{provider.key}_{field.name}",
            autocomplete="new-password",
        )
        for number, field in enumerate(provider.credential_fields)
    }


def _rotate(slug: str) -> None:
    account = records.known(slug)
    if account is None:
        st.info("This account has been removed.")
        return
    st.caption(
        f"{formats.escaped(account.name)}: all of its secrets are replaced by what is entered here,"
        " after a call has proved them. What was there before is not shown."
    )
    provider = records.providers()[account.provider]
    secrets = _secrets(provider, "r")
    if st.button("Test and keep", icon=":material/check:", type=drawers.main(), key="r_save"):
        is_done = writing.attempt("accounts", lambda actor: records.rotate(slug, secrets, actor))
        if is_done:
            _forget("r_secret_")
        drawers.finish(is_done)
    st.divider()
    st.caption(
        "To remove the account: its credentials are forgotten, its data stays, and accounts found"
        " below it are paused."
    )
    sure = st.text_input(f"Write {slug} to remove it", key="r_sure")
    if st.button("Remove the account", icon=":material/delete:", key="r_remove"):
        drawers.finish(writing.attempt("accounts", lambda actor: _remove(slug, sure, actor)))


def _remove(slug: str, sure: str, actor: str) -> str:
    if sure.strip() != slug:
        raise ConfigError("The account is not removed.", hint=f"Write {slug} above the button.")
    return records.set_state(slug, "removed", actor)


def _ingest(slug: str) -> None:
    if ingesting.draw():
        return
    with states.guarded("The account"):
        found = records.datasets(slug)
        dataset = st.selectbox("Dataset", found, key="i_dataset", format_func=str.capitalize)
        last = calendar.today()
        picked = st.date_input(
            "Days (UTC)",
            (last - timedelta(days=6), last),
            max_value=last,
            key="i_days",
            help="Read from the provider again; only days that changed are replaced.",
        )
        days = _range(picked)
        if days is None:
            st.caption("Choose the last day, too.")
            return
        st.caption(f"{len(days)} days of {dataset}, as one run of Dagster.")
        if st.button("Ingest", icon=":material/replay:", type=drawers.main(), key="i_start"):
            ingesting.start(slug, dataset, days)
        with st.expander("As a command", icon=":material/terminal:"):
            st.code(records.command(slug, dataset, days), language="bash", wrap_lines=True)


def _range(picked: Any) -> DayRange | None:
    chosen = picked if isinstance(picked, tuple) else (picked,)
    if not chosen or not all(isinstance(each, date) for each in chosen):
        return None
    return DayRange(chosen[0], chosen[-1]) if len(chosen) == 2 else None


def _forget(prefix: str) -> None:
    """Drop what was entered, secrets above all, from the session."""
    for key in [key for key in st.session_state if str(key).startswith(prefix)]:
        del st.session_state[key]

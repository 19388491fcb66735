"""The assistant's tools as forms, made from the arguments that they take: without any model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any, Final

import streamlit as st

from app.assistant.tools.contract import SCOPES, Scope, ToolSpec, acting
from app.assistant.tools.registry import TOOLS
from app.components import access, cache, formats, links, tool_result
from app.components import scope as scopes
from app.queries import listings
from app.queries.catalog import DIMENSIONS
from app.queries.compiler import compile_members
from astraeus_pipeline.errors import AstraeusError

_KEPT: Final = "tool_form_result"


def draw(known: scopes.Scope) -> None:
    """Draw the choice of a tool, its form, and what it last answered."""
    allowed = Scope.of(access.current(), SCOPES).scopes
    specs = {
        each.title: each
        for each in TOOLS.values()
        if each.scope in allowed and each.is_on() and not each.is_outgoing and not each.ends_turn
    }
    with st.container(border=True):
        name = st.selectbox("What to ask", list(specs), key="tool", bind="query-params")
        links.check({"tool": [name]})
        spec = specs[name]
        st.caption(formats.escaped(" ".join(spec.description.split())))
        given = _form(spec, _choices(known))
    if given is not None:
        _answer(spec, given)
    kept = st.session_state.get(_KEPT)
    if kept is not None and kept.tool == spec.name:
        with st.container(border=True):
            st.markdown(f"**{tool_result.title(kept)}**")
            tool_result.draw(kept, "form")


def _choices(known: scopes.Scope) -> dict[str, list[str]]:
    """Return what there is to choose from for arguments that the model leaves open."""
    return {
        "account": [row["account_id"] for row in known.known],
        "account_ids": [row["account_id"] for row in known.known],
        "currency": [row["currency"] for row in cache.ask(listings.CURRENCIES)],
    }


def _form(spec: ToolSpec, choices: Mapping[str, Sequence[str]]) -> dict[str, Any] | None:
    """Return the arguments once they are sent, those left empty apart."""
    schema = spec.input_schema
    needed = schema.get("required", ())
    fields = list(schema.get("properties", {}).items())
    first = [each for each in fields if each[0] in needed or each[0] in ("start", "end")]
    given = {}
    for part in (first, [each for each in fields if each not in first]):
        if part:
            columns = st.columns(2)
            for number, (name, said) in enumerate(part):
                with columns[number % 2]:
                    given[name] = _field(
                        f"{spec.name}_{name}",
                        name + ("" if name not in needed else " *"),
                        _resolved(said, schema),
                        schema,
                        choices.get(name, ()),
                    )
    if not st.button(
        "Do this" if spec.is_write else "Ask",
        type="primary",
        icon=":material/play_arrow:",
        key=f"{spec.name}_send",
    ):
        return None
    return {name: value for name, value in given.items() if value not in (None, "", [])}


def _field(
    key: str, name: str, said: Mapping[str, Any], schema: Mapping[str, Any], choices: Sequence[str]
) -> Any:
    """Draw what an argument wants and return what is in it; JSON Schema says what that is."""
    label = name.replace("_", " ").capitalize()
    about = said.get("description")
    default = said.get("default")
    kind = said.get("type")
    if "enum" in said or (kind == "string" and choices):
        options = [*said.get("enum", choices)]
        at = options.index(default) if default in options else None
        return st.selectbox(label, options, index=at, key=key, help=about, placeholder="Any")
    if kind == "boolean":
        return st.checkbox(label, value=bool(default), key=key, help=about)
    if kind == "integer":
        low, high = said.get("minimum"), said.get("maximum")
        return st.number_input(label, low, high, default, step=1, key=key, help=about)
    if kind == "string" and said.get("format") == "date":
        return st.date_input(
            label,
            value=None if default is None else date.fromisoformat(default),
            format="YYYY-MM-DD",
            key=key,
            help=about,
        )
    if kind == "array":
        return _many(key, label, said, schema, choices)
    return st.text_input(
        label, value=default or "", max_chars=said.get("maxLength"), key=key, help=about
    )


def _many(
    key: str, label: str, said: Mapping[str, Any], schema: Mapping[str, Any], choices: Sequence[str]
) -> list[Any]:
    item = _resolved(said.get("items", {}), schema)
    default = said.get("default") or []
    about = said.get("description")
    if item.get("type") == "object":
        return _objects(key, label, item, schema, int(said.get("maxItems") or 10))
    if "enum" in item or choices:
        return st.multiselect(
            label,
            [*item.get("enum", choices)],
            default,
            key=key,
            help=about,
            max_selections=said.get("maxItems"),
            placeholder="Any",
            accept_new_options="enum" not in item,
        )
    text = st.text_input(
        label, ", ".join(map(str, default)), key=key, help=about, placeholder="a, b, c"
    )
    return _split(text)


def _objects(
    key: str, label: str, item: Mapping[str, Any], schema: Mapping[str, Any], most: int
) -> list[dict[str, Any]]:
    """Draw as many objects as are wanted, one a row; those that lack a part are left out."""
    rows = st.session_state.get(f"{key}_rows", 1)
    found = []
    with st.container(border=True):
        st.caption(label)
        for row in range(rows):
            one: dict[str, Any] = {}
            for (name, said), place in zip(
                item.get("properties", {}).items(),
                st.columns([1, 1, 2][-len(item["properties"]) :]),
                strict=True,
            ):
                # What values there are depends on the dimension, which is drawn before.
                there = _members(str(one.get("dimension") or "")) if name == "values" else ()
                with place:
                    one[name] = _field(
                        f"{key}_{row}_{name}", name, _resolved(said, schema), schema, there
                    )
            if all(one.get(name) for name in item.get("required", ())):
                found.append(one)
        with st.container(horizontal=True):
            what = label.rstrip(" *").removesuffix("s").lower()
            for words, icon, change in (("Add", "add", 1), ("Remove", "remove", -1)):
                st.button(
                    f"{words} a {what}",
                    icon=f":material/{icon}:",
                    type="tertiary",
                    key=f"{key}_{words}",
                    disabled=not 1 <= rows + change <= most,
                    on_click=_count,
                    args=(f"{key}_rows", rows + change),
                )
    return found


def _count(key: str, rows: int) -> None:
    st.session_state[key] = rows


def _members(dimension: str) -> list[str]:
    """Return the values that costs have in a dimension; tags are typed."""
    if dimension not in DIMENSIONS or dimension == "tag":
        return []
    found = [
        row["member"]
        for money in cache.ask(listings.CURRENCIES)
        for row in cache.ask(compile_members(dimension, money["currency"]))
    ]
    return list(dict.fromkeys(found))


def _resolved(said: Mapping[str, Any], schema: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a part of a schema says with references followed, and null left out."""
    found = {key: value for key, value in said.items() if key not in ("$ref", "anyOf")}
    if "$ref" in said:
        found = {**schema["$defs"][said["$ref"].rsplit("/", 1)[1]], **found}
    for each in said.get("anyOf", ()):
        if each.get("type") != "null":
            found = {**_resolved(each, schema), **found}
    return found


def _split(text: str) -> list[str]:
    return [each.strip() for each in text.split(",") if each.strip()]


def _answer(spec: ToolSpec, given: dict[str, Any]) -> None:
    st.session_state.pop(_KEPT, None)
    try:
        # What they may is asked anew: a role that was taken away does not act once more.
        who = access.require("read")
        with acting(Scope.of(who, SCOPES)), st.spinner("Asking"):
            st.session_state[_KEPT] = spec.run(given)
    except AstraeusError as error:
        st.error(formats.escaped(str(error)), icon=":material/error:")

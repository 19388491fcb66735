"""The global filters in the sidebar, kept in the URL, and the scope that they make."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Any

import streamlit as st

from app.components import formats, links
from app.components.cache import ask
from app.queries import listings, periods
from app.queries.catalog import METRICS, Basis, metric_of


@dataclass(frozen=True)
class Scope:
    """What every figure of a page is about."""

    currency: str
    basis: Basis
    providers: tuple[str, ...]
    accounts: tuple[str, ...]
    first_day: date | None
    through: date
    final_through: date | None
    known: tuple[dict[str, Any], ...]

    @property
    def filters(self) -> tuple[tuple[str, tuple[str, ...]], ...]:
        """Filters for the compiler; none where nothing is chosen."""
        chosen = (("provider", self.providers), ("account", self.accounts))
        return tuple((key, values) for key, values in chosen if values)

    @property
    def provider_order(self) -> list[str]:
        """All providers in the order that owns the colours, whatever is filtered."""
        return list(dict.fromkeys(row["provider"] for row in self.known))

    @property
    def account_ids(self) -> tuple[str, ...] | None:
        """The accounts that the filters leave; None where nothing is filtered."""
        if not self.providers and not self.accounts:
            return None
        return tuple(
            row["account_id"]
            for row in self.known
            if (not self.providers or row["provider"] in self.providers)
            and (not self.accounts or row["account_id"] in self.accounts)
        )

    def sentence(self) -> str:
        """Say in words what the figures cover, as Markdown."""
        where = ", ".join(map(formats.escaped, (*self.providers, *self.accounts)))
        basis = METRICS[self.basis].label
        return f"{basis} cost in {self.currency}, {where or 'all accounts'}, days in UTC"


def draw() -> Scope | None:
    """Draw the filters and return the scope; None while there is no data.

    Raises: DatabaseError.
    """
    accounts = ask(listings.ACCOUNTS)
    currencies = [row["currency"] for row in ask(listings.CURRENCIES)]
    delivered = [row for row in accounts if row["data_through"] is not None]
    if not delivered or not currencies:
        return None
    with st.sidebar:
        currency, basis, providers, names = _widgets(accounts, currencies)
    links.check({"ccy": [currency], "basis": [basis], "provider": providers, "account": names})
    chosen = [
        row
        for row in delivered
        if (not providers or row["provider"] in providers)
        and (not names or row["account_id"] in names)
    ] or delivered
    return Scope(
        currency,
        metric_of(basis).key,  # type: ignore[arg-type] # a key of the catalogue
        tuple(providers),
        tuple(names),
        min((row["first_day"] for row in chosen if row["first_day"]), default=None),
        periods.through(chosen),
        periods.final_through(chosen),
        tuple(accounts),
    )


def reset() -> None:
    """Take back the global filters; for callbacks."""
    st.session_state.provider, st.session_state.account = [], []


def _widgets(
    accounts: list[dict[str, Any]], currencies: list[str]
) -> tuple[str, str, list[str], list[str]]:
    bases = [each.label for each in METRICS.values()]
    currency = st.selectbox("Currency", currencies, key="ccy", bind="query-params")
    if len(currencies) > 1:
        others = ", ".join(currencies[1:])
        st.caption(f"{currencies[0]} has the largest cost. Never added up with {others}.")
    basis = st.selectbox(
        "Cost basis",
        bases,
        key="basis",
        bind="query-params",
        help="  \n".join(f"**{each.label}**: {each.description}" for each in METRICS.values()),
    )
    providers = st.multiselect(
        "Provider",
        list(dict.fromkeys(row["provider"] for row in accounts)),
        key="provider",
        bind="query-params",
        placeholder="All providers",
    )
    names = st.multiselect(
        "Account",
        [row["account_id"] for row in accounts],
        key="account",
        bind="query-params",
        placeholder="All accounts",
    )
    return str(currency), str(basis), list(providers), list(names)

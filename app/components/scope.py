"""The global filters in the sidebar, kept in the URL, and the scope that they make."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Any

import streamlit as st

from app.components.cache import ask
from app.queries import listings
from app.queries.catalog import METRICS, Basis, metric_of


@dataclass(frozen=True)
class Scope:
    """What every figure of a page is about."""

    currency: str
    basis: Basis
    providers: tuple[str, ...]
    accounts: tuple[str, ...]
    through: date
    known: tuple[dict[str, Any], ...]

    @property
    def filters(self) -> tuple[tuple[str, tuple[str, ...]], ...]:
        """Filters for the compiler; none where nothing is chosen."""
        chosen = (("provider", self.providers), ("account", self.accounts))
        return tuple((key, values) for key, values in chosen if values)

    def sentence(self) -> str:
        """Say in words what the figures cover."""
        where = ", ".join((*self.providers, *self.accounts)) or "all accounts"
        return f"{METRICS[self.basis].label} cost in {self.currency}, {where}, days in UTC"


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
        currency = st.selectbox("Currency", currencies, key="ccy", bind="query-params")
        basis = st.selectbox(
            "Cost basis",
            [each.label for each in METRICS.values()],
            key="basis",
            bind="query-params",
        )
        providers = st.multiselect(
            "Provider",
            sorted({row["provider"] for row in accounts}),
            key="provider",
            bind="query-params",
        )
        names = st.multiselect(
            "Account", [row["account_id"] for row in accounts], key="account", bind="query-params"
        )
    chosen = [
        row
        for row in delivered
        if (not providers or row["provider"] in providers)
        and (not names or row["account_id"] in names)
    ] or delivered
    if len(currencies) > 1:
        st.sidebar.caption(f"Currencies are never added up: {', '.join(currencies)}.")
    return Scope(
        str(currency),
        metric_of(str(basis)).key,  # type: ignore[arg-type] # a key of the catalogue
        tuple(providers),
        tuple(names),
        # Equal days for all: the last day that every chosen account has delivered.
        min(_active(chosen), default=max(row["data_through"] for row in chosen)),
        tuple(accounts),
    )


def _active(rows: list[dict[str, Any]]) -> list[date]:
    """Return how far the living accounts go; one that ended years ago does not hold back all."""
    newest = max(row["data_through"] for row in rows)
    return [row["data_through"] for row in rows if (newest - row["data_through"]).days <= 7]

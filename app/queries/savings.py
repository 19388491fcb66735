"""Statements about recommendations: what could cost less, and whether it came true."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from app.queries.compiler import Statement

STATES: Final = ("Open", "Dismissed", "Resolved", "Gone", "All")
ROWS: Final = 500


def compile_list(state: str, kinds: Sequence[str], accounts: Sequence[str] | None) -> Statement:
    """Return the statement of findings in a state of STATES, the dearest first.

    What is not priced comes last: unknown is not zero. No `kinds` for all of them.
    """
    return Statement(
        "select recommendation_id, kind, provider, account_id, sub_account_id, region_id,"
        " service_name, resource_id, resource_name, resource_type, action, description, evidence,"
        " monthly_cost, monthly_saving, billing_currency, saving_source, confidence,"
        " counts_in_total, first_seen, last_seen, state, ended_on, state_note, state_by, state_at,"
        " promised_saving, realised_saving, realised from marts.fct_recommendations"
        " where (:state = 'all' or state = :state)"
        " and (cardinality(cast(:kinds as text[])) = 0 or kind = any(:kinds))"
        " and (cast(:accounts as text[]) is null or account_id = any(:accounts))"
        " order by monthly_saving desc nulls last, kind, account_id, resource_id limit :limit",
        (
            ("accounts", _bound(accounts)),
            ("kinds", list(kinds)),
            ("limit", ROWS),
            ("state", state.lower()),
        ),
    )


def compile_totals(accounts: Sequence[str] | None) -> Statement:
    """Return the statement of open findings and what came true, one row per currency.

    `saving` adds up what may be added up; `unpriced` are open findings without a figure, whose
    row has no currency.
    """
    return Statement(
        "select billing_currency as currency,"
        " sum(monthly_saving) filter (where counts_in_total) as saving,"
        " count(*) filter (where state = 'open') as open,"
        " count(*) filter (where state = 'open' and monthly_saving is null) as unpriced,"
        " sum(realised_saving) filter (where realised in ('realised', 'partly')) as realised,"
        " count(*) filter (where realised in ('realised', 'partly')) as came_true,"
        " count(*) filter (where state = 'dismissed') as dismissed"
        " from marts.fct_recommendations"
        " where cast(:accounts as text[]) is null or account_id = any(:accounts)"
        " group by 1 order by 2 desc nulls last, 1",
        (("accounts", _bound(accounts)),),
    )


KINDS: Final = Statement(
    "select kind, count(*) as findings from marts.fct_recommendations"
    " group by 1 order by sum(monthly_saving) desc nulls last, 2 desc, 1",
    (),
)


def _bound(accounts: Sequence[str] | None) -> list[str] | None:
    return None if accounts is None else list(accounts)

"""What stands in the database and in the mailboxes, as invariants want it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from email.message import Message
from typing import Final

from astraeus_pipeline.warehouse.engine import Database
from benchmarks.alerts import text_of
from benchmarks.chaos.bills import Slice
from benchmarks.chaos.invariants import Standing
from tests.fixtures.receivers import Received

_SLICES: Final = """
select account_id, usage_date, count(*), sum(billed_cost),
       sum(hashtextextended((to_jsonb(charges) - 'delivery_id')::text, 0))
from raw.focus_costs as charges group by 1, 2
"""
_MARTS: Final = """
select account_id, usage_date, sum(billed_cost) from marts.fct_daily_costs group by 1, 2
"""
_BLOCKED: Final = """
select distinct account_id, usage_date from marts.fct_reconciliations
where state = 'blocked' and usage_date is not null
"""
# A residual of a day that is in the marts all the same.
_RESIDUALS: Final = """
select count(*) from marts.fct_reconciliations as told
where told.state = 'blocked' and exists (
    select from marts.fct_daily_costs as shown
    where shown.account_id = told.account_id
    and shown.usage_date between told.first_day and told.last_day
)
"""


@dataclass(frozen=True)
class Marts:
    """Billed cost by slice, the slices held back, residuals that hold back nothing."""

    billed: Mapping[Slice, Decimal]
    blocked: list[Slice]
    residuals: int


def slices(database: Database) -> dict[Slice, Standing]:
    """Return what stands of each account and day."""
    with database.connect("admin", autocommit=True) as conn:
        rows = conn.execute(_SLICES).fetchall()
    return {(account, day): Standing(*rest) for account, day, *rest in rows}


def marts(database: Database) -> Marts:
    """Return what the marts show and hold back."""
    with database.connect("operator", autocommit=True) as conn:
        billed = {(account, day): cost for account, day, cost in conn.execute(_MARTS).fetchall()}
        blocked = [(account, day) for account, day in conn.execute(_BLOCKED).fetchall()]
        [(residuals,)] = conn.execute(_RESIDUALS).fetchall()
    return Marts(billed, blocked, residuals)


def told(mail: Received, hook: Received) -> dict[str, Counter[str]]:
    """Return by channel how many ids told each alert, as `<rule> <account>`."""
    letters = {str(each["Message-ID"]): each for each in mail.mails}
    posts = {each["key"]: each for each in hook.posts}
    return {
        "mail": Counter(_of_letter(each) for each in letters.values()),
        "webhook": Counter(
            f"{alert['rule']} {alert['scope']['account'][0]}"
            for each in posts.values()
            for alert in each["alerts"]
        ),
    }


def _of_letter(letter: Message) -> str:
    rule = text_of(letter).split("Rule: ")[1].split(" (")[0]
    account = str(letter["Subject"]).partition("] ")[2].partition(":")[0]
    return f"{rule} {account}"


def copies(*receivers: Received) -> int:
    """Count the messages beyond the first of each id."""
    return sum(count - 1 for each in receivers for count in each.copies().values())

"""Each invariant broken once, on purpose, on the running installation, to see it fail."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Final

from astraeus_pipeline.warehouse import embedded
from benchmarks.chaos import invariants
from benchmarks.chaos.installation import Site

_LOST: Final = """
with lost as (
    delete from raw.focus_costs where (tableoid, ctid) in (
        select tableoid, ctid from raw.focus_costs where billed_cost <> 0 limit 1
    ) returning *
)
insert into planted select * from lost
"""

_DEARER: Final = """
update marts.fct_daily_costs set billed_cost = billed_cost + %s
where (account_id, usage_date) in (
    select min(account_id), min(usage_date) from marts.fct_daily_costs
)
"""
_BIT: Final = Decimal("0.000000001")


def unseen(site: Site) -> list[str]:
    """Plant a fault per invariant, in peace, and take it back; return those that nobody saw."""
    tried: dict[str, Callable[[], list[str]]] = {
        invariants.CHARGES: lambda: _with_a_row_less(site, site.charges),
        invariants.WHOLE: lambda: _with_a_row_less(site, site.halves),
        invariants.TIED: lambda: _with_a_day_dearer(site),
        invariants.ALERTS: lambda: _with_a_message_twice(site),
        invariants.PAGES: lambda: _with_the_database_away(site),
    }
    return [name for name, found in tried.items() if not found()]


def _with_a_row_less(site: Site, check: Callable[[], list[str]]) -> list[str]:
    with site.database.connect("admin", autocommit=True) as conn:
        conn.execute("create table planted (like raw.focus_costs)")
        try:
            conn.execute(_LOST)
            return check()
        finally:
            conn.execute("insert into raw.focus_costs select * from planted")
            conn.execute("drop table planted")


def _with_a_day_dearer(site: Site) -> list[str]:
    with site.database.connect("admin", autocommit=True) as conn:
        conn.execute(_DEARER, [_BIT])
        try:
            return site.untied()
        finally:
            conn.execute(_DEARER, [-_BIT])


def _with_a_message_twice(site: Site) -> list[str]:
    site.bench.cross()
    site.bench.rest()
    site.hook.ids.append(site.hook.ids[-1])
    found = site.misdelivered(0)
    site.hook.ids.pop()
    site.forget_copies()
    return found


def _with_the_database_away(site: Site) -> list[str]:
    embedded.stop(site.home)
    away = site.look()
    assert site.database  # started again
    return invariants.unsaid([], away, is_away=True)

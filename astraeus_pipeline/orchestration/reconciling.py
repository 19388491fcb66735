"""What the reconciliations of a build come to, as a check of their mart.

It blocks nothing: a residual has held back its own account and day already.
"""

# No postponed annotations: Dagster reads them from the functions that it decorates.

from typing import Any, Final

import dagster as dg
import psycopg

from astraeus_pipeline.contracts import money
from astraeus_pipeline.orchestration.resources import IngestionResource

MART: Final = dg.AssetKey(["marts", "fct_reconciliations"])
_STATES: Final = "select state, count(*) from marts.fct_reconciliations group by 1 order by 2 desc"
_WORST: Final = (
    "select account_id, check_name, first_day, last_day, currency, cost_type, residual, cause"
    " from marts.fct_reconciliations where state = 'blocked'"
    " order by abs(residual) desc nulls last, account_id, first_day limit 20"
)


def reconciliations_check() -> dg.AssetChecksDefinition:
    """Return the check that no comparison leaves a residual that nobody has accepted."""

    @dg.asset_check(
        asset=MART,
        name="no_residual",
        description="Every layer ties to the next and to the provider's own totals, to the last"
        " decimal or within the provider's rounding; else the account's day is held back",
    )
    def no_residual(ingestion: IngestionResource) -> dg.AssetCheckResult:
        with ingestion.connection("operator") as conn:
            return evaluate(conn)

    return no_residual


def evaluate(conn: psycopg.Connection) -> dg.AssetCheckResult:
    """Count the comparisons by state and tell the worst of those that block."""
    states: dict[str, int] = dict(conn.execute(_STATES).fetchall())
    worst = conn.execute(_WORST).fetchall()
    blocked = states.get("blocked", 0)
    metadata: dict[str, Any] = {f"{state} comparisons": count for state, count in states.items()}
    if worst:
        metadata["worst"] = dg.MetadataValue.md("\n".join(f"- {_spell(row)}" for row in worst))
        metadata["worst residual"] = _spell(worst[0])
    return dg.AssetCheckResult(
        passed=not blocked,
        severity=dg.AssetCheckSeverity.ERROR,
        metadata=metadata,
        description=f"{blocked} of {sum(states.values())} comparisons block their day"
        if blocked
        else f"{sum(states.values())} comparisons, none blocks",
    )


def _spell(row: tuple[Any, ...]) -> str:
    account, check, first, last, currency, cost_type, residual, cause = row
    days = first if first == last else f"{first}..{last}"
    left = "" if residual is None else f": residual {money.plain(residual)} {currency or ''}"
    because = f" ({cause})" if cause else ""
    return f"{account} {days} {check} {cost_type}{left}".rstrip() + because

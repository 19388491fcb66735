"""Days ingested again, and whether an account's credentials still work."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Annotated, Final

from pydantic import Field

from app.assistant.tools import names
from app.assistant.tools.asking import Asking, Row
from app.assistant.tools.contract import Parameter, ToolResult
from app.assistant.tools.slices import days_of, spelled_days
from app.queries import listings
from app.records import accounts, dagster
from astraeus_pipeline.contracts.columns import Dataset
from astraeus_pipeline.errors import ConfigError, ProviderError

_MOST_DAYS: Final = 92  # some providers charge for each request
Account = Annotated[str, Field(description="Id of the account", max_length=100)]


def sync_resources(
    account: Account,
    start: Annotated[date, Field(description="First UTC day")],
    end: Annotated[date, Field(description="Day after the last, exclusive; today at most")],
    dataset: Annotated[str, Field(description="costs, resources or another of the account's")] = (
        "resources"
    ),
    dry_run: Annotated[bool, Field(description="Only say what would be done")] = True,
) -> ToolResult:
    """Ingest days of an account again, by Dagster; without dry_run=false only say what would be.

    Providers may charge for requests. The figures follow with the next build of the marts.
    """
    asking = Asking()
    asking.by_account_only("Deliveries")
    slug = _account(asking, account)
    days = days_of(start, end, None)
    today = datetime.now(UTC).date()
    if days.last > today:
        raise ConfigError(f"{days.last} has not come yet.", hint=f"Today is {today}, in UTC.")
    if len(days) > _MOST_DAYS:
        raise ConfigError(f"That is more than {_MOST_DAYS} days.", hint="Ask for fewer at once.")
    known = [str(each) for each in accounts.datasets(slug)]
    try:
        wanted: Dataset = names.known("dataset", dataset, known)  # type: ignore[assignment] # of them
    except ValueError as error:
        raise ConfigError(str(error)) from None
    row: Row = {"account": slug, "dataset": wanted, "days": len(days), "state": "planned"}
    if not dry_run:
        row |= {
            "state": "requested",
            "backfill_id": accounts.ingest(slug, wanted, days, asking.who.user_id),
        }
    row |= {"dagster": dagster.address(), "command": accounts.command(slug, wanted, days)}
    params: dict[str, Parameter] = {
        "account": slug,
        "dataset": wanted,
        **spelled_days(days),
        "dry_run": dry_run,
    }
    notes = ["Nothing was done yet: this is what would be."] if dry_run else []
    return asking.result("sync_resources", [row], params, unit={"days": "days"}, notes=notes)


def validate_credentials(account: Account) -> ToolResult:
    """Try an account's stored credentials with the provider's cheapest call; never shows them.

    `works` says whether; `identity` whom they belong to, `problem` what is missing.
    """
    asking = Asking()
    asking.by_account_only("Credentials")
    slug = _account(asking, account)
    try:
        row: Row = {
            "account": slug,
            "works": True,
            "identity": accounts.test(slug, asking.who.user_id),
        }
    except (ConfigError, ProviderError) as error:
        row = {"account": slug, "works": False, "problem": str(error)}
    return asking.result("validate_credentials", [row], {"account": slug})


def _account(asking: Asking, account: str) -> str:
    """Return an account that the caller sees. Raises: ConfigError with the nearest."""
    mine = [row["account_id"] for row in asking.look_up(listings.ACCOUNTS)]
    try:
        return names.known("account", account, mine)
    except ValueError as error:
        raise ConfigError(str(error)) from None

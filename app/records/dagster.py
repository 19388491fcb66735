"""What the app asks of Dagster, over its GraphQL API: ingest days again, and how that goes.

The app starts no runs itself: Dagster's daemon does, in its own pools and with its own locks.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Final

import httpx

from astraeus_pipeline.contracts.days import DayRange
from astraeus_pipeline.errors import AstraeusError
from astraeus_pipeline.settings import Settings

_SECONDS: Final = 20.0
_LAUNCH: Final = """
mutation Ingest($params: LaunchBackfillParams!) {
  launchPartitionBackfill(backfillParams: $params) {
    __typename
    ... on LaunchBackfillSuccess { backfillId }
    ... on PythonError { message }
    ... on UnauthorizedError { message }
    ... on PartitionKeysNotFoundError { message }
  }
}
"""
_PROGRESS: Final = """
query Progress($id: String!) {
  partitionBackfillOrError(backfillId: $id) {
    __typename
    ... on PartitionBackfill {
      status
      numPartitions
      error { message }
      assetBackfillData {
        assetBackfillStatuses {
          ... on AssetPartitionsStatusCounts {
            numPartitionsTargeted
            numPartitionsInProgress
            numPartitionsMaterialized
            numPartitionsFailed
          }
        }
      }
      runs { id status }
    }
    ... on PythonError { message }
    ... on BackfillNotFoundError { message }
  }
}
"""
_CLASS: Final = re.compile(r"^(\w+\.)+\w+:\s*")
# As Dagster spells them.
_UNDER_WAY: Final = frozenset({"REQUESTED", "CANCELING", "FAILING"})


@dataclass(frozen=True)
class Progress:
    """How far a backfill is, in partitions (days of one account)."""

    status: str
    wanted: int
    done: int
    failed: int
    running: int
    runs: tuple[str, ...]

    @property
    def is_over(self) -> bool:
        """Whether nothing more will happen."""
        return self.status not in _UNDER_WAY

    @property
    def is_good(self) -> bool:
        """Whether all of it stands."""
        return self.is_over and not self.failed and self.done == self.wanted

    @property
    def share(self) -> float:
        """How much of it has ended, well or not; for a bar."""
        return min((self.done + self.failed) / self.wanted, 1.0) if self.wanted else 0.0


def address() -> str | None:
    """Return the address of Dagster's web server, None where nobody has told the app."""
    url = Settings.from_env().dagster_url
    return url.rstrip("/") if url else None


def run_page(run_id: str | None) -> str | None:
    """Return the page of a run, None where there is no run or no browser reaches Dagster."""
    base = Settings.from_env().dagster_pages
    return f"{base}/runs/{run_id}" if base and run_id else None


def ingest(table: str, account: str, days: DayRange, actor: str) -> str:
    """Ask for an account's days of a raw table again; return the backfill's id.

    Raises: AstraeusError where Dagster is not there, or refuses.
    """
    answer = _ask(
        _LAUNCH,
        {
            "params": {
                "assetSelection": [{"path": ["raw", table]}],
                # Dimensions in the order of their names: account, day.
                "partitionNames": [f"{account}|{day}" for day in days],
                "title": f"{account}, {days}",
                "tags": [{"key": "astraeus/asked_by", "value": actor[:250]}],
            }
        },
    )["launchPartitionBackfill"]
    if answer["__typename"] != "LaunchBackfillSuccess":
        raise AstraeusError(
            f"Dagster does not take the days: {_said(answer)}.",
            hint="A new account is known to Dagster within a minute; then try again.",
        )
    return str(answer["backfillId"])


def progress(backfill: str) -> Progress:
    """Return how far a backfill is.

    Raises: AstraeusError where Dagster is not there, or does not know it.
    """
    answer = _ask(_PROGRESS, {"id": backfill})["partitionBackfillOrError"]
    if answer["__typename"] != "PartitionBackfill":
        raise AstraeusError(f"Dagster does not know how far it is: {_said(answer)}.")
    counts = ((answer.get("assetBackfillData") or {}).get("assetBackfillStatuses") or [{}])[0]
    return Progress(
        status=answer["status"],
        wanted=counts.get("numPartitionsTargeted") or answer.get("numPartitions") or 0,
        done=counts.get("numPartitionsMaterialized") or 0,
        failed=counts.get("numPartitionsFailed") or 0,
        running=counts.get("numPartitionsInProgress") or 0,
        runs=tuple(run["id"] for run in answer.get("runs") or ()),
    )


def _ask(query: str, variables: dict[str, Any]) -> dict[str, Any]:
    base = address()
    if base is None:
        raise AstraeusError(
            "The app does not know where Dagster is.",
            hint="Set ASTRAEUS_DAGSTER_URL, or start both with `astraeus up`.",
        )
    try:
        answer = httpx.post(
            f"{base}/graphql", json={"query": query, "variables": variables}, timeout=_SECONDS
        )
        content = answer.json()
    except (httpx.HTTPError, ValueError):
        raise AstraeusError(
            f"Dagster at {base} does not answer.", hint="`astraeus up` starts it."
        ) from None
    if not content.get("data"):
        said = (content.get("errors") or [{}])[0].get("message", "no reason given")
        raise AstraeusError(f"Dagster does not understand the question: {str(said)[:200]}.")
    data: dict[str, Any] = content["data"]
    return data


def _said(answer: dict[str, Any]) -> str:
    """Return the first line of what Dagster says, without the class that it puts in front."""
    first = str(answer.get("message") or answer["__typename"]).strip().partition("\n")[0]
    return _CLASS.sub("", first).rstrip(".")[:300]

"""The queue of runs, which limits how many of one account go on at once, wherever they execute."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import dagster as dg

from astraeus_pipeline.orchestration.partitions import (
    ACCOUNT,
    ACCOUNT_TAG,
    RANGE_END,
    RANGE_START,
    account_in,
)

_OF_ONE_PARTITION: Final = f"dagster/partition/{ACCOUNT}"


class AccountQueue(dg.QueuedRunCoordinator):
    """Dagster's queue; a run whose partitions are one account's says so before it waits there.

    A schedule tags its runs itself. Those of a backfill, from Dagster's UI or the app, carry only
    their partitions, and the limit per account in dagster.yaml would let them pass.
    """

    def submit_run(self, context: dg.SubmitRunContext) -> dg.DagsterRun:
        """Enqueue the run, tagged with its account."""
        run = context.dagster_run
        account = account_of(run.tags)
        if account is not None and ACCOUNT_TAG not in run.tags:
            self._instance.add_run_tags(run.run_id, {ACCOUNT_TAG: account})
        return super().submit_run(context)


def account_of(tags: Mapping[str, str]) -> str | None:
    """Return the account that all partitions of a run belong to, None if there is no single one."""
    if _OF_ONE_PARTITION in tags:
        return tags[_OF_ONE_PARTITION]
    first, last = (tags.get(tag) for tag in (RANGE_START, RANGE_END))
    if first is None or last is None:
        return None
    accounts = {account_in(first), account_in(last)}
    return accounts.pop() if len(accounts) == 1 else None

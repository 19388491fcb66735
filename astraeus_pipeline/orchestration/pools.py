"""Pools: how many runs may ask one provider at once, and how many may build the marts."""

from __future__ import annotations

from typing import Final

import dagster as dg

from astraeus_pipeline.providers.registry import PROVIDERS

MARTS: Final = "dbt"


def limits() -> dict[str, int]:
    """Return the pools and how many runs each lets in."""
    return {MARTS: 1, **{key: provider.pool_limit for key, provider in PROVIDERS.items()}}


def set_limits(instance: dg.DagsterInstance) -> None:
    """Give the pools their limits; one that a person has set, in the UI say, stays."""
    storage = instance.event_log_storage
    chosen = {pool.name for pool in storage.get_pool_limits() if not pool.from_default}
    for name, limit in limits().items():
        if name not in chosen:
            storage.set_concurrency_slots(name, limit)

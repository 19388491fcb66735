"""The inventory: every kind of resource that is looked for."""

from __future__ import annotations

from astraeus_pipeline.providers.aws import (
    kinds_compute,
    kinds_databases,
    kinds_network,
    kinds_storage,
)
from astraeus_pipeline.providers.aws.kind import Kind

KINDS: tuple[Kind, ...] = (
    *kinds_compute.KINDS,
    *kinds_storage.KINDS,
    *kinds_network.KINDS,
    *kinds_databases.KINDS,
)
KIND_OF = {kind.resource_type: kind for kind in KINDS}

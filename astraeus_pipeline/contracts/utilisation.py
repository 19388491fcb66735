"""How a resource was used in a UTC day: the same columns from every provider."""

from __future__ import annotations

from typing import Final

from astraeus_pipeline.contracts.columns import Column

UTILISATION_COLUMNS: Final[tuple[Column, ...]] = (
    Column("resource_id", "text", "Id as billed, as in the inventory", nullable=False),
    Column("resource_type", "text", "service:kind, as in the inventory", nullable=False),
    Column("region", "text", "Region code; null where the provider has none"),
    Column("metric", "text", "Metric in the provider's words", nullable=False),
    Column("unit", "text", "Unit of one sample"),
    Column("average", "numeric", "Mean of the day's samples"),
    Column("maximum", "numeric", "Largest of the day's samples"),
    Column("minimum", "numeric", "Smallest of the day's samples"),
    Column("sum", "numeric", "Sum of the day's samples; no total where they are rates or levels"),
    Column("samples", "numeric", "How many samples the day has"),
)

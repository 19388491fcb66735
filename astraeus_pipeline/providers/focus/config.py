"""What an account of FOCUS files says about them: where they lie and how they are written."""

from __future__ import annotations

from pydantic import Field

from astraeus_pipeline.exports.dates import DateOrder
from astraeus_pipeline.exports.place import Place


class FocusConfig(Place):
    """Configuration of a focus account; credentials are apart, and optional."""

    date_order: DateOrder | None = Field(
        default=None, description="How 03/04/2026 is meant, if the files leave it open"
    )

"""Our errors as Dagster's: what may be retried, what may not, and what people read."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import dagster as dg

from astraeus_pipeline.errors import AstraeusError, TransientError
from astraeus_pipeline.orchestration.delivering import next_step

MAX_RETRIES = 3
# In a failure's metadata: seconds after which the same run may succeed; absent if it cannot.
TRY_AGAIN_AFTER: Final = "try again after seconds"
_FIRST_WAIT_SECONDS = 10.0


def raise_for(
    errors: Sequence[AstraeusError],
    retry_number: int,
    metadata: dict[str, dg.MetadataValue],
    *,
    may_wait: bool = True,
) -> None:
    """Raise what Dagster should make of the errors; nothing if there are none.

    One permanent error makes the whole run permanent: a retry would meet it again. A run that may
    not wait leaves the next try to its caller, who has other accounts to see to first.
    Raises: dagster.RetryRequested for transient errors while tries are left, else dagster.Failure.
    """
    if not errors:
        return
    waits = [error.retry_after or 0.0 for error in errors if isinstance(error, TransientError)]
    may_heal = len(waits) == len(errors)
    if may_heal and may_wait and retry_number < MAX_RETRIES:
        backoff = _FIRST_WAIT_SECONDS * 2**retry_number
        raise dg.RetryRequested(
            max_retries=MAX_RETRIES, seconds_to_wait=max([backoff, *waits])
        ) from errors[0]
    raise dg.Failure(
        description="\n".join(next_step(error) for error in errors),
        metadata={**metadata, **({TRY_AGAIN_AFTER: max(waits)} if may_heal else {})},
        allow_retries=False,
    ) from errors[0]

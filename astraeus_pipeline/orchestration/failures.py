"""Our errors as Dagster's: what may be retried, what may not, and what people read."""

from __future__ import annotations

from collections.abc import Sequence

import dagster as dg

from astraeus_pipeline.errors import AstraeusError, TransientError

MAX_RETRIES = 3
_FIRST_WAIT_SECONDS = 10.0


def raise_for(
    errors: Sequence[AstraeusError], retry_number: int, metadata: dict[str, dg.MetadataValue]
) -> None:
    """Raise what Dagster should make of the errors; nothing if there are none.

    One permanent error makes the whole run permanent: a retry would meet it again.
    Raises: dagster.RetryRequested for transient errors while tries are left, else dagster.Failure.
    """
    if not errors:
        return
    waits = [error.retry_after or 0.0 for error in errors if isinstance(error, TransientError)]
    if len(waits) == len(errors) and retry_number < MAX_RETRIES:
        backoff = _FIRST_WAIT_SECONDS * 2**retry_number
        raise dg.RetryRequested(
            max_retries=MAX_RETRIES, seconds_to_wait=max([backoff, *waits])
        ) from errors[0]
    raise dg.Failure(
        description="\n".join(str(error) for error in errors),
        metadata=metadata,
        allow_retries=False,
    ) from errors[0]

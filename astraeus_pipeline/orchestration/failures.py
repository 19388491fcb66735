"""Our errors as Dagster's: what may be retried, what may not, and what people read."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Final

import dagster as dg
import psycopg
from dagster_shared.error import SerializableErrorInfo

from astraeus_pipeline.errors import AstraeusError, TransientError
from astraeus_pipeline.orchestration.delivering import next_step
from astraeus_pipeline.warehouse import refusals

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


@contextmanager
def in_words(about: str, before: Sequence[AstraeusError] = ()) -> Iterator[None]:
    """Fail the run in words where PostgreSQL, or what is ours, fails on the way.

    Dagster would tell a class and its text. `before` are errors that this run has met already.
    Raises: dagster.Failure.
    """
    try:
        yield
    except psycopg.Error as error:
        raise _failed([*before, refusals.told(error, about)]) from error
    except AstraeusError as error:
        raise _failed([*before, error]) from error


def _failed(errors: Sequence[AstraeusError]) -> dg.Failure:
    # An outage of the database fails all in one way: said once.
    told = dict.fromkeys(next_step(error) for error in errors)
    return dg.Failure(description="\n".join(told), allow_retries=False)


def words_of(error: SerializableErrorInfo | None) -> str:
    """Return what a failed step says to a person, from what Dagster has kept of its error.

    Our errors and dbt say it themselves; of others only that nobody has foreseen them, as their
    text may be anything.
    """
    first = error
    while error is not None:
        if error.message.startswith(_SAYS_IT_ITSELF):
            return error.message.partition(": ")[2].strip()
        error = error.cause
    what = f" ({first.cls_name})" if first else ""
    return (
        f"The run failed in a way that nobody has foreseen{what}; its page in Dagster shows where."
    )


_SAYS_IT_ITSELF: Final = ("astraeus_pipeline.errors.", "dagster_dbt.errors.")

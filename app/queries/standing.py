"""The database as it stands: the app starts none, and finds one again that has moved."""

from __future__ import annotations

from collections.abc import Callable

from astraeus_pipeline.errors import AstraeusError, DatabaseError
from astraeus_pipeline.settings import Settings
from astraeus_pipeline.warehouse.engine import Database, standing_database


def opened() -> Database:
    """Return the database that the settings name.

    Raises: DatabaseError if it is the embedded one, and does not run.
    """
    return standing_database(Settings.from_env())


def silent(known: Database, forget: Callable[[], None]) -> AstraeusError:
    """Return what to say of a database that did not answer at the address that was known.

    The embedded one may have been started anew behind another port: then that is forgotten.
    """
    try:
        there = opened()
    except AstraeusError as error:
        return error
    if there.admin_url != known.admin_url:
        forget()
    return DatabaseError(
        "The database did not answer.", hint="Ask who runs it to look at `astraeus doctor`."
    )

"""Errors that are not ours, told in a sentence: the last edge before the terminal."""

from __future__ import annotations

import re

from pydantic import ValidationError
from pydantic_settings import SettingsError

from astraeus_pipeline.errors import AstraeusError, ConfigError, DatabaseError
from astraeus_pipeline.settings import Settings


def translate(error: Exception) -> AstraeusError:
    """Return an error of ours that says what happened; never with a value that was given."""
    import psycopg  # only once something went wrong

    if isinstance(error, ValidationError) and error.title == Settings.__name__:
        first = error.errors(include_input=False, include_url=False)[0]
        return _wrong_setting("_".join(map(str, first["loc"][:1])), first["msg"])
    if isinstance(error, SettingsError):
        named = re.search(r'field "(\w+)"', str(error))
        return _wrong_setting(named[1] if named else "...", "it is no JSON")
    if isinstance(error, psycopg.Error):
        from astraeus_pipeline.warehouse import refusals

        return DatabaseError(
            f"PostgreSQL answered: {refusals.of(error).why}.",
            hint="Run `astraeus doctor`; `--debug` before the command shows where it happened.",
        )
    if isinstance(error, OSError) and error.strerror:
        where = f"{error.filename}: " if error.filename else ""
        return AstraeusError(
            f"{where}{error.strerror}.", hint="Check that path, then run it again."
        )
    return AstraeusError(
        f"Something unforeseen happened ({type(error).__name__}).",
        hint="Run it again with `astraeus --debug ...` to see where, and report it.",
    )


def _wrong_setting(field: str, reason: str) -> ConfigError:
    return ConfigError(
        f"ASTRAEUS_{field.upper()} cannot be used: {reason}.",
        hint="Correct or remove it; .env.example says what it takes.",
    )

"""What PostgreSQL's errors mean for a person: what happened, and what to do next.

The driver tells them in its own words, in those of libpq and in those of the server; where a
connection was never made it tells no code, so that its text has to be read.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

import psycopg

from astraeus_pipeline.errors import DatabaseError

_WHEN_WELL: Final = "Run it again when the database is well; `astraeus doctor` says what is not."


@dataclass(frozen=True)
class Refusal:
    """Half a sentence that says why, and a sentence that says what next."""

    why: str
    hint: str


_FULL: Final = Refusal(
    "all of its connections are taken",
    "Run it again when fewer programs use it, or give it more (max_connections, or the limit of"
    " the role).",
)
_STOPPED: Final = Refusal("it was stopped, or somebody ended the connection", _WHEN_WELL)
_CUT: Final = Refusal("the connection was cut", _WHEN_WELL)
_BUSY: Final = Refusal("it is just starting or stopping", _WHEN_WELL)
_NOBODY: Final = Refusal("nothing answers there", _WHEN_WELL)
_LATE: Final = Refusal("it did not answer in time", _WHEN_WELL)
_SLOW: Final = Refusal("it took too long and was stopped", "Run it again when less is going on.")
_NO_ROOM: Final = Refusal("its disk is full", "Make room there, then run it again.")
_IN_THE_WAY: Final = Refusal("something else changed the same rows", "Run it again.")
_BY_CODE: Final = {
    "53300": _FULL,
    "53100": _NO_ROOM,
    "57P01": _STOPPED,
    "57P02": _CUT,
    "57P03": _BUSY,
    "57P05": _CUT,
    "57014": _SLOW,
    "25P03": _CUT,
    "40001": _IN_THE_WAY,
    "40P01": _IN_THE_WAY,
    "55P03": _IN_THE_WAY,
}
# In this order: a server that was stopped cuts the connection as well.
_BY_WORDS: Final = (
    (r"too many (clients|connections)|connection slots are reserved", _FULL),
    (r"no space left|disk full", _NO_ROOM),
    (r"starting up|shutting down|in recovery|not yet accepting", _BUSY),
    (r"administrator command", _STOPPED),
    (r"connection refused|could not translate|no such file", _NOBODY),
    (r"timeout expired|timed out", _LATE),
    (
        r"connection (is|has been|was|already)? ?(closed|lost|reset|aborted|timed)|closed the conn"
        r"|terminat|bad connection|broken pipe|ssl syscall|unexpected eof|server crash"
        r"|consuming input|sync from server",
        _CUT,
    ),
)
_FATAL: Final = re.compile(r"FATAL:\s*(.+)")


def known(error: psycopg.Error) -> Refusal | None:
    """Return what an error means, None where nobody has foreseen it."""
    if found := _BY_CODE.get(error.sqlstate or ""):
        return found
    if not error.sqlstate:
        for words, refusal in _BY_WORDS:
            if re.search(words, str(error), re.IGNORECASE):
                return refusal
    return None


def of(error: psycopg.Error) -> Refusal:
    """Return what an error means, else the server's own sentence.

    Nothing of the program is in it, neither its classes nor its statements.
    """
    if found := known(error):
        return found
    told = error.diag.message_primary or ""
    if fatal := _FATAL.search(str(error)):
        told = fatal[1]
    return Refusal(told.strip().rstrip(".") or "it did not do what was asked", _WHEN_WELL)


def told(error: psycopg.Error, about: str) -> DatabaseError:
    """Return an error of ours: what was tried, what PostgreSQL did, what to do next."""
    refusal = of(error)
    return DatabaseError(f"{about} failed in PostgreSQL: {refusal.why}.", hint=refusal.hint)

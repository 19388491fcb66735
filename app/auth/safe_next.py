"""Where to go after signing in: a path of this app, and nothing else."""

from __future__ import annotations

from typing import Final
from urllib.parse import urlsplit

_LONGEST: Final = 2000


def safe_next(wanted: str | None) -> str:
    r"""Return the path with its query if it is one of this app, else the first page.

    Browsers read `//host`, `/\host` and a tab inside as another host.
    """
    if not wanted or len(wanted) > _LONGEST or not wanted.isprintable():
        return "/"
    if not wanted.startswith("/") or wanted.startswith("//") or "\\" in wanted:
        return "/"
    try:
        parts = urlsplit(wanted)
    except ValueError:
        return "/"
    if parts.scheme or parts.netloc or parts.path.startswith(("/signin", "/oidc")):
        return "/"
    return wanted

"""What people never type and attackers do, and all that a page has sent to the browser."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any, Final

from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from streamlit.testing.v1 import AppTest

# More of them for a night: ASTRAEUS_FUZZ_EXAMPLES=500 pytest -n 0 tests/app/test_bad_input.py
EXAMPLES: Final = int(os.environ.get("ASTRAEUS_FUZZ_EXAMPLES", "0"))
TEXTS: Final = (
    "",
    " ",
    "\x00",
    "a\x00b",
    "'",
    "' or '1'='1",
    "'; drop table app.users; --",
    ":first",
    "%(id)s %s {} $1",
    "%",
    "\\",
    '"><script>alert(1)</script>',
    "[x](javascript:alert(1)) ![y](http://e.vil/z)",
    "$$\\frac{1}{0}$$ :red[x] :material/bug_report:",
    "../../etc/passwd",
    "https://e.vil/?a=b&c=d#e",
    "\u202eevil\u202c \u200b\ufeff",
    "العربية עברית 中文 🙈🏽",
    "e\u0301" * 40,
    "\u0130\u0131ß\ufb03",
    "\r\nSet-Cookie: a=b",
    "\t\x1b[31m\x7f\x85\u2028",
    "-1",
    "0",
    "1e400",
    "-0.0",
    "NaN",
    "Infinity",
    "99999999999999999999999999999999",
    "1" * 5_000,
    "x" * 9_000,
    "null",
    "None",
    "true",
    "[]",
    '{"a": 1}',
    "٣٤",
    "\U0010ffff\ufffe",
)
DAYS: Final = (
    "0001-01-01",
    "9999-12-31",
    "1969-12-31",
    "2024-02-30",
    "-2024-01-01",
    "12024-01-01",
    "2024-01-01/2023-01-01",
    "today",
    "2026-W01-1",
    "20260101",
    "1/2/26",
)
# Surrogates cannot be sent: neither UTF-8 nor Streamlit's messages have them.
texts: Final = st.one_of(
    st.sampled_from(TEXTS),
    st.sampled_from(DAYS),
    st.text(st.characters(exclude_categories=["Cs"]), max_size=60),
)


def fuzzed(examples: int) -> Any:
    """Return the settings of a test of so many examples, the same in each run."""
    return settings(
        max_examples=EXAMPLES or examples,
        deadline=None,
        derandomize=not EXAMPLES,
        database=None,
        report_multiple_bugs=False,  # else twice as many examples pass before the first is told
        # A page takes a second: what fails is told as it was found, without a hunt for the least.
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )


def sent(at: AppTest) -> Iterator[tuple[str, Any]]:
    """Yield kind and message of each element on the page, in the sidebar and in dialogs."""
    for node in at._tree:
        if getattr(node, "proto", None) is not None:
            yield node.type, node.proto


def shown(at: AppTest) -> str:
    """Return all that the page tells: figures in tables and charts, labels, options, links.

    What gives back the address and what was typed is left out.
    """
    echoes = ("text_input", "text_area", "code", "query_params")
    return "\n".join(
        proto.SerializeToString().decode("utf-8", "ignore")
        for kind, proto in sent(at)
        if kind not in echoes and "The link asks for" not in getattr(proto, "body", "")
    )

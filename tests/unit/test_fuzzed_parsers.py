"""Whatever bytes come, a parser ends in rows, in quarantine or in an error of ours.

`tests/fixtures/corpus` holds files made by hand, and those that once broke something. Each is read
as it is; then hypothesis alters them. ASTRAEUS_FUZZ_EXAMPLES, or `make fuzz`, for more of it.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.assistant.attachments.kinds import kind_of
from app.assistant.attachments.opening import opened
from app.assistant.attachments.sheets import reading_of, rows_of
from astraeus_pipeline.errors import AstraeusError
from astraeus_pipeline.exports import dates, manifests
from astraeus_pipeline.exports.store import StoredFile
from astraeus_pipeline.providers.anthropic import records as anthropic
from astraeus_pipeline.providers.openai import records as openai
from astraeus_pipeline.warehouse.landing import LandingStore
from tests.app.hostile import DAYS, TEXTS, fuzzed
from tests.fixtures.focus_files import OCTOBER, account, deliver

CORPUS: Final = Path(__file__).parents[1] / "fixtures" / "corpus"
SECONDS: Final = 20
_HANDS: Final = (b"\x00", b"\xff", b'"', b"\n", b",", b"[" * 2_000, b"{" * 50, b"9" * 5_000, b"-")


def corpus(kind: str) -> list[Path]:
    return sorted((CORPUS / kind).iterdir())


def read_focus(name: str, content: bytes) -> None:
    with tempfile.TemporaryDirectory() as folder:
        here = Path(folder)
        (here / "bill").mkdir()
        (here / "bill" / f"focus.{name.partition('.')[2]}").write_bytes(content)
        for one in deliver(account(here / "bill"), LandingStore(str(here / "landing")), OCTOBER):
            assert isinstance(one.rows, list)


def read_manifest(_: str, content: bytes) -> None:
    file = StoredFile("export/manifest.json", len(content), datetime(2026, 10, 1, tzinfo=UTC))
    try:
        manifests.parse(file, content, [])
    except AstraeusError as error:
        assert str(error).encode() and "\x00" not in str(error)  # as logs and tables take it
        raise


def read_attachment(_: str, content: bytes) -> None:
    kind = kind_of(content)
    if kind == "csv":
        reading_of(rows_of(content))
        return
    found = opened(kind, content)
    if found.rows:
        reading_of(found.rows)


READERS: Final[dict[str, Callable[[str, bytes], None]]] = {
    "focus": read_focus,
    "manifest": read_manifest,
    "attachment": read_attachment,
}


def ends_well(read: Callable[[str, bytes], None], name: str, content: bytes) -> None:
    started = time.monotonic()
    try:
        read(name, content)
    except AstraeusError as error:
        assert str(error)
    assert time.monotonic() - started < SECONDS


@pytest.mark.parametrize(
    ("kind", "file"),
    [(kind, file) for kind in READERS for file in corpus(kind)],
    ids=lambda each: each if isinstance(each, str) else each.name,
)
def test_each_file_of_the_corpus_ends_well(kind: str, file: Path) -> None:
    ends_well(READERS[kind], file.name, file.read_bytes())


@st.composite
def altered(draw: st.DrawFn, kind: str) -> tuple[str, bytes]:
    """Return a small file of the corpus with bytes cut out, put in or written over."""
    small = [each for each in corpus(kind) if each.stat().st_size < 6_000]
    file = draw(st.sampled_from(small))
    content = file.read_bytes()
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, len(content)))
        width = draw(st.integers(0, 40))
        hand = draw(st.one_of(st.sampled_from(_HANDS), st.binary(max_size=8)))
        content = content[:at] + hand + content[at + width :]
    return file.name, content


@fuzzed(40)
@given(made=altered("focus"))
def test_an_altered_bill_ends_well(made: tuple[str, bytes]) -> None:
    ends_well(read_focus, *made)


@fuzzed(150)
@given(made=altered("manifest"))
def test_an_altered_manifest_ends_well(made: tuple[str, bytes]) -> None:
    ends_well(read_manifest, *made)


# Those that need a process of their own are tried by the corpus alone: half a second each.
@fuzzed(60)
@given(content=st.one_of(st.binary(max_size=300), st.sampled_from(TEXTS).map(str.encode)))
def test_any_table_that_somebody_attaches_ends_well(content: bytes) -> None:
    def read(_: str, content: bytes) -> None:
        if kind_of(content) == "csv":
            reading_of(rows_of(content))

    ends_well(read, "", content)


@fuzzed(300)
@given(
    text=st.one_of(
        st.sampled_from((*TEXTS, *DAYS)),
        st.text("0123456789-/:. TZ+", max_size=30),
    ),
    order=st.sampled_from(["month_first", "day_first", None]),
)
def test_any_text_is_a_time_or_none(text: str, order: Any) -> None:
    found = dates.parse(text, order)
    assert found is None or found.tzinfo is not None or found.year >= 1


# What a provider's JSON can hold in a place that we know.
values = st.recursive(
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(),
        st.decimals(),
        st.sampled_from(TEXTS),
    ),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(st.sampled_from(["amount", "value", "currency", "id"]), inner, max_size=3),
    ),
    max_leaves=6,
)


@fuzzed(300)
@given(amount=values, currency=values, whole=values)
def test_any_amount_of_a_report_is_one_or_said_not_to_be(
    amount: Any, currency: Any, whole: Any
) -> None:
    """These errors are what puts the row into quarantine, with their words."""
    for read, result in (
        (openai.money_of, {"amount": {"value": amount, "currency": currency}}),
        (openai.money_of, {"amount": whole}),
        (anthropic.money_of, {"amount": amount, "currency": currency}),
        (anthropic.money_of, {}),
        (openai.money_of, {}),
    ):
        try:
            unit, money = read(result)  # type: ignore[operator] # each money_of
        except (KeyError, TypeError, ValueError) as error:
            assert str(error)
        else:
            assert money.is_finite() and len(unit) == 3

"""When summaries are due, what they compare, and what they say."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from astraeus_pipeline.alerts import email
from astraeus_pipeline.alerts.address import parse
from astraeus_pipeline.contracts.days import DayRange
from astraeus_pipeline.summaries import links, message, periods, wording
from astraeus_pipeline.summaries.figures import (
    Comparison,
    DayCost,
    Figures,
    Late,
    Scope,
    ServiceCost,
)
from astraeus_pipeline.summaries.periods import PERIODS, Period

WEEK = DayRange(date(2026, 11, 16), date(2026, 11, 22))
BEFORE = DayRange(date(2026, 11, 9), date(2026, 11, 15))
YEAR = DayRange(date(2025, 11, 17), date(2025, 11, 23))
SCOPE = Scope("USD", filters={"account": ["acme"]})
FIGURES = Figures(
    name="Shop <b>",
    period="week",
    scope=SCOPE,
    days=WEEK,
    cost=Decimal("1234.565"),
    open_cost=Decimal("617.2825"),
    before=Comparison(WEEK, BEFORE, Decimal("1234.565"), Decimal(1000)),
    year_before=Comparison(WEEK, YEAR, Decimal("1234.565"), None),
    by_day={day: Decimal(100) for day in (*BEFORE, *WEEK)},
    stacked=[DayCost(day, name, Decimal(50)) for day in WEEK for name in ("Compute & co", None)],
    services=[ServiceCost("Compute & co", Decimal(900), Decimal(800), Decimal(100))],
    as_of=datetime(2026, 11, 24, 7, tzinfo=UTC),
)


@pytest.mark.parametrize(
    ("period", "today", "days"),
    [
        ("week", date(2026, 11, 23), WEEK),  # a Monday: the week that ended yesterday
        ("week", date(2026, 11, 29), WEEK),  # a Sunday: its own week is not over
        ("month", date(2026, 11, 1), DayRange(date(2026, 10, 1), date(2026, 10, 31))),
        ("month", date(2027, 1, 31), DayRange(date(2026, 12, 1), date(2026, 12, 31))),
    ],
)
def test_the_last_whole_period_is_told(period: Period, today: date, days: DayRange) -> None:
    assert periods.last_ended(period, today) == days
    assert periods.beginning(period, days.first) == days


@pytest.mark.parametrize(
    ("period", "days", "last_to_wait"),
    [
        ("week", WEEK, date(2026, 11, 24)),
        ("month", DayRange.of_month(date(2026, 10, 1)), date(2026, 11, 3)),
    ],
)
def test_it_waits_for_bills_until_wednesday_or_the_fourth(
    period: Period, days: DayRange, last_to_wait: date
) -> None:
    def is_due(today: date, complete: bool) -> bool:
        return periods.is_due(period, days, today, is_complete=complete)

    assert not is_due(days.last, True)
    assert is_due(days.last + timedelta(days=1), True)
    assert not is_due(last_to_wait, False)
    assert is_due(last_to_wait + timedelta(days=1), False)


@given(st.dates(date(2000, 1, 1), date(2100, 1, 1)), st.sampled_from(PERIODS))
def test_equally_many_days_are_compared_from_the_first_on(today: date, period: Period) -> None:
    days = periods.last_ended(period, today)
    assert days.last < today <= days.last + timedelta(days=31)
    for former in (periods.before(period, days), periods.year_before(period, days)):
        like, against = periods.alike(days, former)
        assert len(like) == len(against) >= 28 - 21 * (period == "week")
        assert (like.first, against.first) == (days.first, former.first)
        assert like.last <= days.last and against.last <= former.last < days.first
        if period == "week":
            assert (like, against) == (days, former)
            assert like.first.weekday() == against.first.weekday() == 0


def said(**more: Any) -> str:
    return message.compose("key", replace(FIGURES, **more), "https://costs.acme.test").text


def test_numbers_ranges_and_what_is_unknown_are_said() -> None:
    text = said()
    assert (
        "1,234.57 USD, effective cost, 2026-11-16 to 2026-11-22, all teams; account acme." in text
    )
    assert "Not final yet: 617.28 USD (50.0 %)." in text
    assert (
        "The period before: 1,000.00 USD, change +234.57 USD (+23.5 %) (2026-11-16 to 2026-11-22"
        " against 2026-11-09 to 2026-11-15, 7 days each)." in text
    )
    assert "A year before: n/a (2026-11-16 to 2026-11-22 against 2025-11-17 to 2025-11-23" in text
    assert "incomplete" not in text
    assert message.compose("key", FIGURES, None).subject == (
        "Weekly costs: Shop <b>, 2026-11-16 to 2026-11-22: 1,234.57 USD, +23.5 %"
    )


def test_missing_days_are_said_before_any_figure() -> None:
    days = (date(2026, 11, 18), date(2026, 11, 21), date(2026, 11, 22))
    text = said(late=[Late("acme", days, (date(2026, 11, 16),))])
    missing = "acme: missing 2026-11-18, 2026-11-21 to 2026-11-22; held back 2026-11-16"
    assert -1 < text.index("This summary is incomplete") < text.index(missing)
    assert text.index(missing) < text.index("1,234.57")


def test_an_unknown_total_is_not_zero() -> None:
    unknown = replace(FIGURES.before, cost=None)
    text = said(cost=None, open_cost=None, before=unknown, services=[], stacked=[], by_day={})
    assert "n/a, effective cost" in text
    assert " 0.00 USD" not in text
    assert FIGURES.before.change == Decimal("234.565")
    assert unknown.change is None


@pytest.mark.parametrize(
    ("share", "spelled"),
    [
        (None, "n/a"),
        (Decimal("0.2345"), "+23.5 %"),
        (Decimal("-0.5"), "-50.0 %"),
        (Decimal("-0.0001"), "0.0 %"),
        (Decimal(20), "+2,000.0 %"),
    ],
)
def test_shares_are_spelled_with_their_sign(share: Decimal | None, spelled: str) -> None:
    assert wording.percent(share) == spelled


def test_a_link_shows_the_same_days_currency_basis_and_filters() -> None:
    parts = urlsplit(links.costs("https://costs.acme.test/", SCOPE, WEEK, "Service"))
    assert (parts.netloc, parts.path) == ("costs.acme.test", "/costs")
    assert parse_qs(parts.query) == {
        "period": ["Custom"],
        "dates": ["2026-11-16", "2026-11-22"],
        "ccy": ["USD"],
        "basis": ["Effective"],
        "by": ["Service"],
        "account": ["acme"],
    }


def test_the_mail_holds_its_pictures_and_quotes_are_escaped() -> None:
    drawn = message.pictures(FIGURES)
    composed = message.compose("key", FIGURES, None, drawn, is_repeat_possible=True)
    assert "Shop &lt;b&gt;" in composed.html and "Shop <b>" not in composed.html
    assert "Compute &amp; co" in composed.html
    address = parse("email", "smtp://mail.test:25/?from=costs@acme.test&to=team@acme.test&tls=none")
    mail = email.compose(address, composed)
    assert (mail["Message-ID"], mail["X-Astraeus-Repeat"]) == ("<key@acme.test>", "possible")
    pictures = [part for part in mail.walk() if part.get_content_type() == "image/png"]
    assert [part.get_payload(decode=True) for part in pictures] == list(drawn)
    for part in pictures:
        assert part.get_payload(decode=True).startswith(b"\x89PNG")  # type: ignore[union-attr]
        assert f"cid:{part['Content-ID'].strip('<>')}" in composed.html
    page = mail.get_body(("html",))
    plain = mail.get_body(("plain",))
    assert page is not None and plain is not None
    assert "1,234.57 USD" in page.get_content() and "1,234.57 USD" in plain.get_content()

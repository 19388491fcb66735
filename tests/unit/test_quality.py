"""What the checks of quality say, at and beyond their limits."""

from __future__ import annotations

import pytest

from astraeus_pipeline.orchestration.quality import judge_anomalies, judge_feeds, judge_intervals
from astraeus_pipeline.warehouse.quality import Covered, Judged, Late


@pytest.mark.parametrize(
    ("gaps", "held_back", "passes"), [(0, 0, True), (1, 0, False), (0, 2, False)]
)
def test_any_day_missing_or_held_back_warns(gaps: int, held_back: int, passes: bool) -> None:
    assert judge_feeds(Late(gaps, held_back, 3.0)).passed is passes


@pytest.mark.parametrize(
    ("months", "share", "passes"),
    [(40, 0.8, True), (40, 0.69, False), (40, 0.91, False), (29, 0.2, True), (0, None, True)],
)
def test_intervals_too_narrow_or_too_wide_warn(
    months: int, share: float | None, passes: bool
) -> None:
    assert judge_intervals(Covered(months, share)).passed is passes


def test_anomalies_that_most_people_dismiss_warn() -> None:
    assert judge_anomalies(Judged(5, 5)).passed
    assert not judge_anomalies(Judged(4, 6)).passed
    assert judge_anomalies(Judged(0, 9)).passed  # too few to tell
    assert Judged(0, 0).precision is None

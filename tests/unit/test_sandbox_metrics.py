"""The demo's metrics: a day that was once told is told again, whenever the emulators start."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any

from astraeus_pipeline.sandbox import metrics


class _CloudWatch:
    def __init__(self) -> None:
        self.told: dict[date, dict[str, Any]] = {}

    def put_metric_data(self, **request: Any) -> None:
        for each in request["MetricData"]:
            if each["MetricName"] == "Invocations":
                self.told[each["Timestamp"].date()] = each["StatisticValues"]


def test_who_starts_again_on_a_later_day_finds_the_days_of_the_first_start() -> None:
    today = datetime.now(UTC).date()
    made = today - timedelta(days=3)
    again = _CloudWatch()
    metrics.seed(again, {"AWS/Lambda": ["f"]}, "acme", anchor=made)
    assert min(again.told) == made - timedelta(days=metrics.HISTORY_DAYS)
    assert max(again.told) == today - timedelta(days=1)
    fresh = _CloudWatch()
    metrics.seed(fresh, {"AWS/Lambda": ["f"]}, "acme")
    assert len(fresh.told) == metrics.HISTORY_DAYS
    assert {day: again.told[day] for day in fresh.told} == fresh.told

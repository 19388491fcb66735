"""When a message leaves: at once, after quiet hours, with a digest, or after a failed attempt."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from typing import Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from astraeus_pipeline.contracts.alert_kinds import Severity
from astraeus_pipeline.contracts.alerting import Timing
from astraeus_pipeline.errors import ConfigError

# 30 s, then twice as long each time, at most 6 h: a server that is away for two days loses nothing.
FIRST_PAUSE: Final = timedelta(seconds=30)
LONGEST_PAUSE: Final = timedelta(hours=6)
MAX_ATTEMPTS: Final = 16
_MONDAY: Final = 0


def zone(name: str) -> ZoneInfo:
    """Return a time zone. Raises: ConfigError if there is none of that name."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):  # `Europe` is a folder
        raise ConfigError(
            f"There is no time zone {name!r}.", hint="Write it as Europe/Berlin."
        ) from None


def due(timing: Timing, severity: Severity, now: datetime) -> datetime:
    """Return when an alert raised `now` is to leave, in UTC.

    Critical ones wait for no digest and, if the rule lets them pass, for no quiet hours.
    """
    passes = severity == "critical" and timing.critical_passes
    if passes or (timing.digest == "none" and not is_quiet(timing, now)):
        return now
    at = now if timing.digest == "none" else _next_digest(timing, now)
    return after_quiet(timing, at)


def is_in_digest(timing: Timing, severity: Severity) -> bool:
    """Whether an alert of this severity waits for the rule's digest."""
    return timing.digest != "none" and not (severity == "critical" and timing.critical_passes)


def retry_at(timing: Timing, severity: Severity, attempts: int, now: datetime) -> datetime | None:
    """Return when to try again after `attempts` failed ones, None if that was the last."""
    if attempts >= MAX_ATTEMPTS:
        return None
    at = now + min(FIRST_PAUSE * (1 << min(attempts - 1, 30)), LONGEST_PAUSE)
    if severity == "critical" and timing.critical_passes:
        return at
    return after_quiet(timing, at)


def is_quiet(timing: Timing, at: datetime) -> bool:
    """Whether an instant lies in the rule's quiet hours, by the clock on its people's wall."""
    if timing.quiet_from is None or timing.quiet_until is None:
        return False
    clock = at.astimezone(zone(timing.time_zone)).time()
    if timing.quiet_from <= timing.quiet_until:
        return timing.quiet_from <= clock < timing.quiet_until
    return clock >= timing.quiet_from or clock < timing.quiet_until


def after_quiet(timing: Timing, at: datetime) -> datetime:
    """Return the instant itself, or the end of the quiet hours that it lies in, in UTC."""
    if not is_quiet(timing, at) or timing.quiet_until is None:
        return at
    local = at.astimezone(zone(timing.time_zone)).date()
    days = (local, local + timedelta(days=1))
    ends = [end for day in days for end in _instants(timing, day, timing.quiet_until)]
    return min(end for end in ends if end > at and not is_quiet(timing, end))


def _next_digest(timing: Timing, now: datetime) -> datetime:
    local = now.astimezone(zone(timing.time_zone)).date()
    days = [local + timedelta(days=step) for step in range(9)]
    return min(
        at
        for day in days
        if timing.digest == "daily" or day.weekday() == _MONDAY
        # the first of two equal times of the clock: one digest a day
        for at in _instants(timing, day, timing.digest_at)[:1]
        if at > now
    )


def _instants(timing: Timing, day: date, clock: time) -> list[datetime]:
    """Return when the clock shows that time on that day, in UTC: twice where it is put back.

    A time that is skipped when the clock is put forward is that much later.
    """
    local = datetime.combine(day, clock, zone(timing.time_zone))
    return sorted({local.replace(fold=fold).astimezone(UTC) for fold in (0, 1)})

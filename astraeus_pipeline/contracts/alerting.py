"""Values that rules, alerts and channels share."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, time
from decimal import Decimal
from typing import Any, Literal

from astraeus_pipeline.contracts.alert_kinds import Digest, Severity

ChannelKind = Literal["email", "slack", "teams", "webhook", "chat"]
DeliveryKind = Literal["alert", "bundle", "digest"]


@dataclass(frozen=True)
class Timing:
    """When a rule's messages may leave: quiet hours and digests, in a time zone.

    Quiet hours from a later to an earlier time last over midnight.
    """

    time_zone: str = "UTC"
    quiet_from: time | None = None
    quiet_until: time | None = None
    critical_passes: bool = True
    digest: Digest = "none"
    digest_at: time = time(8)


@dataclass(frozen=True)
class Alert:
    """What a rule found, its figures as they were when it was raised.

    `scope` are filters of the Costs page; values are in `billing_currency` where `unit` is
    currency, else in days or rows.
    """

    id: str
    rule_name: str
    kind: str
    severity: Severity
    scope: Mapping[str, list[str]]
    period_start: date
    period_end: date
    usage_date: date
    observed_value: Decimal | None
    threshold_value: Decimal | None
    expected_value: Decimal | None
    unit: str
    billing_currency: str | None
    cost_type: str | None
    data_state: str | None
    evidence: Mapping[str, Any]
    raised_at: datetime


@dataclass(frozen=True)
class Image:
    """A picture that the HTML shows as `cid:<content_id>`."""

    content_id: str
    png: bytes = field(repr=False)


@dataclass(frozen=True)
class Message:
    """What a channel is told; `key` is the same however often it is sent.

    `is_repeat_possible`: an earlier attempt ended without an answer, it may have arrived.
    `images` go with e-mail; other channels get the text.
    """

    key: str
    subject: str
    text: str
    html: str
    content: Mapping[str, Any] = field(default_factory=dict)
    is_critical: bool = False
    is_repeat_possible: bool = False
    images: Sequence[Image] = ()

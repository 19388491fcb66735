"""What an alert says: the number, its scope and basis, the state of the data, and where to look."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC
from decimal import Decimal
from typing import Any, Final

from astraeus_pipeline.alerts import links
from astraeus_pipeline.alerts.html import render
from astraeus_pipeline.contracts import money
from astraeus_pipeline.contracts.alerting import Alert, DeliveryKind, Message

amount: Final = money.spelled
_LABELS: Final = {
    "provider": "provider",
    "category": "service category",
    "service": "service",
    "account": "account",
    "sub_account": "sub account",
    "region": "region",
    "charge": "charge category",
    "resource": "resource",
    "budget": "budget",
}
_STATES: Final = {
    "partial": "partial: more charges may still arrive for these days",
    "estimated": "estimated: settled, but the bill is still open",
    "final": "final by the provider's rule",
    "invoiced": "invoiced",
    "forecast": "a forecast, not a bill",
    "missing": "missing",
    "held back": "held back: the marts keep the last figures that tied",
}


def compose(
    key: str,
    kind: DeliveryKind,
    alerts: Sequence[Alert],
    app_url: str | None,
    *,
    is_repeat_possible: bool = False,
) -> Message:
    """Return the message about one alert, or about those of a digest or bundle.

    The same alerts make the same message, whenever it is sent.
    """
    worst = any(alert.severity == "critical" for alert in alerts)
    sections = [_section(alert, app_url) for alert in alerts]
    return Message(
        key=key,
        subject=_subject(kind, alerts),
        text="\n\n".join(_plain(section) for section in sections) + "\n",
        html=render(_subject(kind, alerts), sections),
        content={"kind": kind, "alerts": [_fields(alert, app_url) for alert in alerts]},
        is_critical=worst,
        is_repeat_possible=is_repeat_possible,
    )


def headline(alert: Alert) -> str:
    """Return one sentence: what, how much, against what, and when."""
    return f"{scope(alert)}: {_HEADLINES[alert.kind](alert)}"


def scope(alert: Alert) -> str:
    """Return what the alert is about, in a few words."""
    if not alert.scope:
        return "All accounts"
    if "budget" in alert.scope:
        return f"Budget {', '.join(alert.scope['budget'])}"
    return ", ".join(", ".join(values) for values in alert.scope.values())


def _subject(kind: DeliveryKind, alerts: Sequence[Alert]) -> str:
    first = alerts[0]
    if kind == "alert":
        return f"[{first.severity}] {headline(first)}"
    what = "Digest" if kind == "digest" else "Alerts"
    worst = "critical" if any(a.severity == "critical" for a in alerts) else first.severity
    plural = "s" if len(alerts) > 1 else ""
    return f"[{worst}] {what} of {first.rule_name}: {len(alerts)} alert{plural}"


def _period(alert: Alert) -> str:
    if alert.period_start == alert.period_end:
        return str(alert.period_start)
    if alert.evidence.get("grain") == "month" or alert.kind == "forecast":
        return f"{alert.period_start:%Y-%m}"
    return f"{alert.period_start} to {alert.period_end}"


def _value(alert: Alert) -> str:
    return amount(alert.observed_value, alert.billing_currency)


def _threshold(alert: Alert) -> str:
    return amount(alert.threshold_value, alert.billing_currency)


def _cost_amount(alert: Alert) -> str:
    return f"{_value(alert)} in {_period(alert)}, above {_threshold(alert)}"


def _cost_change(alert: Alert) -> str:
    before = amount(alert.expected_value, alert.billing_currency)
    share = alert.evidence.get("percent")
    return f"{_value(alert)} in {_period(alert)}, {share} % above {before} before"


def _anomaly(alert: Alert) -> str:
    reason = str(alert.evidence.get("reason", "anomaly")).replace("_", " ")
    return f"{_value(alert)} more than expected, {_period(alert)} ({reason})"


def _budget(alert: Alert) -> str:
    whole = amount(alert.expected_value, alert.billing_currency)
    share = Decimal(str(alert.evidence["share"])) * 100
    has = "forecast at" if alert.evidence["basis"] == "forecast" else "has cost"
    of = f"{money.plain(share)} % of {whole}"
    return f"{_period(alert)} {has} {_value(alert)}, {of} reached"


def _forecast(alert: Alert) -> str:
    return f"{_period(alert)} is forecast at {_value(alert)}, above {_threshold(alert)}"


def _stale_feed(alert: Alert) -> str:
    count = money.plain(alert.observed_value or Decimal(0))
    reason = {"gap": "missing", "late": "late", "empty": "empty"}[alert.evidence["reason"]]
    return f"{count} day{'s' if count != '1' else ''} of costs {reason}, {_period(alert)}"


def _residual(alert: Alert) -> str:
    check = str(alert.evidence.get("check_name", "")).replace("_", " ")
    unit = "" if alert.unit == "currency" else f" {alert.unit}"
    return f"{check} of {_period(alert)} leaves a residual of {_value(alert)}{unit}"


def _resource(alert: Alert) -> str:
    if alert.evidence.get("is_new"):
        return f"new, and {_value(alert)} on {alert.usage_date}"
    usual = amount(alert.expected_value, alert.billing_currency)
    return f"{_value(alert)} on {alert.usage_date}, usually {usual}"


_HEADLINES: Final = {
    "cost_amount": _cost_amount,
    "cost_change": _cost_change,
    "anomaly": _anomaly,
    "budget": _budget,
    "forecast": _forecast,
    "stale_feed": _stale_feed,
    "residual": _residual,
    "resource_anomaly": _resource,
}


def _section(alert: Alert, app_url: str | None) -> dict[str, Any]:
    where = [
        f"{_LABELS.get(key, key.replace('_', ' '))} {', '.join(values)}"
        for key, values in alert.scope.items()
    ]
    facts = [
        ("Rule", f"{alert.rule_name} ({alert.kind.replace('_', ' ')}, {alert.severity})"),
        ("Scope", "; ".join(where) or "all accounts"),
        ("Period", f"{alert.period_start} to {alert.period_end}, days in UTC"),
    ]
    if alert.cost_type:
        facts.append(("Basis", f"{alert.cost_type} cost in {alert.billing_currency}"))
    if alert.data_state:
        facts.append(("Data", _STATES.get(alert.data_state, alert.data_state)))
    facts += _details(alert)
    return {
        "headline": headline(alert),
        "facts": facts,
        "link": links.page(alert, app_url),
        "raised": f"{alert.raised_at.astimezone(UTC):%Y-%m-%d %H:%M} UTC",
    }


def _details(alert: Alert) -> list[tuple[str, str]]:
    told, currency = alert.evidence, alert.billing_currency
    details = []
    if {"lower_cost", "upper_cost"} <= told.keys():
        low, high = (amount(Decimal(told[f"{end}_cost"]), currency) for end in ("lower", "upper"))
        details.append(("Interval", f"{low} to {high} (80 %)"))
    if "booked_cost" in told:
        booked = amount(Decimal(told["booked_cost"]), currency)
        details.append(("Booked", f"{booked} up to {told.get('as_of')}"))
    for driver in told.get("drivers") or []:
        names = [driver.get(key) for key in ("resource_id", "usage_type", "region_id")]
        # a share of a cost, not money
        share = f"{float(driver['share']):.0%}" if driver.get("share") is not None else ""
        details.append(("Driver", " ".join(filter(None, [*names, share]))))
    if told.get("cause"):
        details.append(("Cause", str(told["cause"])))
    return details


def _plain(section: dict[str, Any]) -> str:
    lines = [section["headline"], ""]
    lines += [f"{name}: {value}" for name, value in section["facts"]]
    lines += [f"Raised: {section['raised']}, figures as of then", section["link"]]
    return "\n".join(lines)


def _fields(alert: Alert, app_url: str | None) -> dict[str, Any]:
    """Return the alert for programs: values exact, as text."""
    values = ("observed_value", "threshold_value", "expected_value")
    return {
        "id": alert.id,
        "rule": alert.rule_name,
        "kind": alert.kind,
        "severity": alert.severity,
        "headline": headline(alert),
        "scope": dict(alert.scope),
        "period_start": str(alert.period_start),
        "period_end": str(alert.period_end),
        "usage_date": str(alert.usage_date),
        **{
            name: None if getattr(alert, name) is None else money.plain(getattr(alert, name))
            for name in values
        },
        "unit": alert.unit,
        "billing_currency": alert.billing_currency,
        "cost_type": alert.cost_type,
        "data_state": alert.data_state,
        "raised_at": alert.raised_at.isoformat(),
        "link": links.page(alert, app_url),
    }

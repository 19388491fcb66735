"""`astraeus alert rule`: what raises alerts."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, time, timedelta
from decimal import Decimal, InvalidOperation
from typing import Annotated, Any

import typer

from astraeus_pipeline.cli.context import actor, connected
from astraeus_pipeline.cli.options import Where, day_bounds, filters
from astraeus_pipeline.cli.output import Json, console, print_json, print_records, print_table
from astraeus_pipeline.contracts.alert_kinds import KINDS
from astraeus_pipeline.errors import ConfigError

app = typer.Typer(no_args_is_help=True)

Name = Annotated[str, typer.Argument(help="Name of the rule; messages carry it.")]
Days = Annotated[int, typer.Option("--days-back", help="How many days to look back.")]
_SHOWN = 20


@app.command()
def add(
    name: Name,
    kind: Annotated[str, typer.Option(help=", ".join(KINDS))],
    amount: Annotated[str | None, typer.Option(help="Threshold, as '1000 USD'.")] = None,
    percent: Annotated[
        str | None, typer.Option(help="Threshold of growth: 20 for a fifth.")
    ] = None,
    currency: Annotated[str | None, typer.Option(help="ISO code, where no amount has it.")] = None,
    days: Annotated[int | None, typer.Option(help="Threshold of days without costs.")] = None,
    budget: Annotated[str | None, typer.Option(help="Budget; all if left out.")] = None,
    where: Where = None,
    split_by: Annotated[
        str | None, typer.Option(help="Judge the members of a dimension one by one, as account.")
    ] = None,
    grain: Annotated[str, typer.Option(help="day, week or month")] = "day",
    cost_type: Annotated[
        str, typer.Option(help="effective, billed, list, contracted")
    ] = "effective",
    severity: Annotated[str, typer.Option(help="info, warning or critical")] = "warning",
    since: Annotated[
        str | None, typer.Option(help="First UTC day to alert of; today if left out.")
    ] = None,
    channel: Annotated[list[str] | None, typer.Option(help="Channel; repeatable.")] = None,
    quiet: Annotated[str | None, typer.Option(help="Quiet hours, as 22:00-07:00.")] = None,
    zone: Annotated[str, typer.Option(help="Time zone of quiet hours and digests.")] = "UTC",
    quiet_for_all: Annotated[
        bool, typer.Option("--quiet-for-all", help="Hold back critical ones, too.")
    ] = False,
    digest: Annotated[str, typer.Option(help="none, daily or weekly (Mondays)")] = "none",
    digest_at: Annotated[str, typer.Option(help="Time of the digest.")] = "08:00",
    try_days: Annotated[
        int, typer.Option("--days-back", help="Back-test over so many days; 0 for none.")
    ] = 90,
) -> None:
    """Add a rule, and say how often it would have fired; it alerts of periods from today on."""
    from astraeus_pipeline.alerts.timing import zone as known_zone
    from astraeus_pipeline.contracts.alerting import Timing
    from astraeus_pipeline.warehouse import alert_backtest, alert_rules, alerts

    known_zone(zone)
    value, of = _amount(amount)
    begin, end = _quiet(quiet)
    with connected("app") as conn:
        budget_id = alert_rules.budget_id(conn, budget) if budget else None
    new = alert_rules.NewRule(
        name=name,
        kind=kind,
        filters=filters(where),
        split_by=split_by,
        grain=grain,  # type: ignore[arg-type] # checked with the kind
        cost_type=cost_type,
        billing_currency=of or currency,
        amount=value,
        percent=_number(percent) if percent else None,
        days=days,
        budget_id=budget_id,
        severity=_one_of("severity", severity, ("info", "warning", "critical")),
        timing=Timing(
            time_zone=zone,
            quiet_from=begin,
            quiet_until=end,
            critical_passes=not quiet_for_all,
            digest=_one_of("digest", digest, ("none", "daily", "weekly")),
            digest_at=_time(digest_at),
        ),
        channels=channel or (),
        owner=actor().name,
        starts_on=day_bounds(since, None)[0] if since else None,
    )
    with connected("app") as conn:
        alert_rules.add_rule(conn, new, actor().name)
        console.print(f"Added {name}: {KINDS[kind].says}.")
        if try_days and alerts.is_built(conn):
            _tell(name, alert_backtest.of_rule(conn, name, _since(try_days)), try_days)


@app.command("list")
def list_(as_json: Json = False) -> None:
    """List rules."""
    from astraeus_pipeline.warehouse import alert_rules

    with connected("app") as conn:
        rules = alert_rules.list_rules(conn)
    if as_json:
        print_json([vars(rule) for rule in rules])
        return
    records = [
        {
            "name": rule.name,
            "kind": rule.kind,
            "threshold": _threshold(rule),
            "where": "; ".join(f"{key} {', '.join(of)}" for key, of in rule.filters.items())
            or "all",
            "split": rule.split_by,
            "channels": ", ".join(rule.channels) or None,
            "since": rule.starts_on,
            "state": "active" if rule.is_active else "paused",
            "alerts": rule.alerts,
        }
        for rule in rules
    ]
    print_records("Rules", records, as_json=False, empty="None yet.")


@app.command()
def backtest(name: Name, days_back: Days = 90, as_json: Json = False) -> None:
    """Say how often a rule would have fired, by today's figures."""
    from astraeus_pipeline.warehouse import alert_backtest

    with connected("app") as conn:
        breaches = alert_backtest.of_rule(conn, name, _since(days_back))
    if as_json:
        print_json([vars(each) for each in breaches])
    else:
        _tell(name, breaches, days_back)


@app.command()
def pause(name: Name) -> None:
    """Let a rule raise nothing until it is resumed."""
    _activate(name, active=False)


@app.command()
def resume(name: Name) -> None:
    """Let a paused rule watch again."""
    _activate(name, active=True)


@app.command()
def remove(name: Name) -> None:
    """Remove a rule; the alerts that it raised stay."""
    from astraeus_pipeline.warehouse import alert_rules

    with connected("app") as conn:
        alert_rules.remove_rule(conn, name, actor().name)
    console.print(f"Removed {name}.")


def _activate(name: str, *, active: bool) -> None:
    from astraeus_pipeline.warehouse import alert_rules

    with connected("app") as conn:
        alert_rules.set_active(conn, name, active, actor().name)
    console.print(f"{name} is {'active' if active else 'paused'}.")


def _tell(name: str, breaches: list[Any], days: int) -> None:
    """Print how often it would have fired, and when."""
    per_day = Counter(each.usage_date for each in breaches)
    times = f"{len(breaches)} time{'s' if len(breaches) != 1 else ''}"
    console.print(f"{name} would have fired {times} in the last {days} days.", highlight=False)
    if breaches:
        columns = ("UTC day", "scope", "found", "threshold", "unit", "data")
        cells = [
            [
                each.usage_date,
                each.scope_key,
                each.observed_value,
                each.threshold_value,
                each.billing_currency or each.unit,
                each.data_state,
            ]
            for each in breaches[-_SHOWN:]
        ]
        left_out = len(breaches) - _SHOWN
        title = f"On {len(per_day)} days" + (f"; the last {_SHOWN} of them" * (left_out > 0))
        print_table(title, columns, cells)


def _threshold(rule: Any) -> str | None:
    parts = [
        f"{rule.amount:f} {rule.billing_currency}" if rule.amount is not None else "",
        f"{rule.percent:f} %" if rule.percent is not None else "",
        f"{rule.days} days" if rule.days is not None else "",
    ]
    return ", ".join(filter(None, parts)) or None


def _since(days: int) -> Any:
    return datetime.now(UTC).date() - timedelta(days=days)


def _amount(text: str | None) -> tuple[Decimal | None, str | None]:
    if text is None:
        return None, None
    number, _, currency = text.strip().partition(" ")
    return _number(number), currency.strip() or None


def _number(text: str) -> Decimal:
    try:
        number = Decimal(text.replace(",", ""))
    except InvalidOperation:
        raise ConfigError(f"{text!r} is no number.", hint="Write it as 1000 or 99.5.") from None
    if not number.is_finite():
        raise ConfigError(f"{text!r} is no threshold.", hint="Write a number.")
    return number


def _quiet(text: str | None) -> tuple[time | None, time | None]:
    if text is None:
        return None, None
    begin, _, end = text.partition("-")
    return _time(begin), _time(end)


def _time(text: str) -> time:
    try:
        return time.fromisoformat(text.strip())
    except ValueError:
        raise ConfigError(f"{text!r} is no time.", hint="Write it as 22:00.") from None


def _one_of(what: str, word: str, words: tuple[str, ...]) -> Any:
    if word not in words:
        raise ConfigError(f"There is no {what} {word!r}.", hint=f"Say one of {', '.join(words)}.")
    return word

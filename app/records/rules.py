"""Alert rules as people add, back-test, change, pause and remove them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Final

from app.records import entered
from app.records.connect import as_app
from astraeus_pipeline.alerts.timing import zone as known_zone
from astraeus_pipeline.contracts.alerting import Timing
from astraeus_pipeline.errors import ConfigError
from astraeus_pipeline.warehouse import alert_backtest, alert_channels, alert_rules, budgets
from astraeus_pipeline.warehouse.alert_backtest import Breach
from astraeus_pipeline.warehouse.alert_channels import Channel
from astraeus_pipeline.warehouse.alert_rules import NewRule, Rule

BACK_DAYS: Final = 90


@dataclass(frozen=True)
class Form:
    """A rule as its form holds it: thresholds and times are still text."""

    name: str
    kind: str
    amount: str = ""
    currency: str | None = None
    percent: str = ""
    days: str = ""
    budget_id: int | None = None
    filters: Mapping[str, Sequence[str]] = field(default_factory=dict)
    split_by: str | None = None
    grain: str = "day"
    cost_type: str = "effective"
    severity: str = "warning"
    channels: Sequence[str] = ()
    quiet_from: str = ""
    quiet_until: str = ""
    time_zone: str = "UTC"
    critical_passes: bool = True
    digest: str = "none"
    digest_at: str = "08:00"
    starts_on: date | None = None

    def read(self, owner: str) -> NewRule:
        """Return the rule that is meant. Raises: ConfigError naming the field."""
        begin = entered.clock(self.quiet_from, "The beginning of quiet hours")
        end = entered.clock(self.quiet_until, "The end of quiet hours")
        if (begin is None) != (end is None):
            raise ConfigError("Quiet hours have one end only.", hint="Write both, or neither.")
        known_zone(self.time_zone.strip() or "UTC")
        amount = entered.number_or_none(self.amount, "The amount")
        return NewRule(
            name=self.name.strip(),
            kind=self.kind,
            filters={key: list(values) for key, values in self.filters.items() if values},
            split_by=self.split_by,
            grain=self.grain,  # type: ignore[arg-type] # checked with the kind
            cost_type=self.cost_type,
            billing_currency=self.currency,
            amount=amount,
            percent=entered.number_or_none(self.percent, "The percentage"),
            days=entered.whole_or_none(self.days, "The number of days"),
            budget_id=self.budget_id,
            severity=self.severity,  # type: ignore[arg-type] # one of a list
            timing=Timing(
                time_zone=self.time_zone.strip() or "UTC",
                quiet_from=begin,
                quiet_until=end,
                critical_passes=self.critical_passes,
                digest=self.digest,  # type: ignore[arg-type] # one of a list
                digest_at=entered.clock(self.digest_at or "08:00", "The time of the digest")
                or Timing().digest_at,
            ),
            channels=tuple(self.channels),
            owner=owner,
            starts_on=self.starts_on,
        )


@dataclass(frozen=True)
class Trial:
    """How often a rule would have fired in the last days, by today's figures."""

    breaches: Sequence[Breach]

    @property
    def sentence(self) -> str:
        """Say it in words."""
        count = len(self.breaches)
        days = len(Counter(each.usage_date for each in self.breaches))
        times = f"{count} time{'s' * (count != 1)}"
        on = f", on {days} day{'s' * (days != 1)}" if days and days != count else ""
        return f"It would have fired {times} in {BACK_DAYS} days{on}."


def listed() -> list[Rule]:
    """Return the rules that stand, by name. Raises: DatabaseError."""
    with as_app() as conn:
        return alert_rules.list_rules(conn)


def standing(name: str) -> NewRule:
    """Return what a rule says. Raises: ConfigError, DatabaseError."""
    with as_app() as conn:
        return alert_rules.standing(conn, name)


def channels() -> list[Channel]:
    """Return where messages may go; addresses stay sealed. Raises: DatabaseError."""
    with as_app() as conn:
        return alert_channels.list_channels(conn)


def budget_names() -> dict[int, str]:
    """Return the active budgets by id. Raises: DatabaseError."""
    with as_app() as conn:
        return {row["id"]: row["name"] for row in budgets.list_budgets(conn)}


def try_new(form: Form) -> Trial:
    """Return what the rule would have raised; nothing is kept. Raises: ConfigError."""
    new = form.read("back-test")
    if not new.name:
        new = Form(**{**form.__dict__, "name": "back-test"}).read("back-test")
    with as_app() as conn:
        return Trial(alert_backtest.of_new(conn, new, _since()))


def try_standing(name: str) -> Trial:
    """Return what a standing rule would have raised. Raises: ConfigError."""
    with as_app() as conn:
        return Trial(alert_backtest.of_rule(conn, name, _since()))


def add(form: Form, actor: str) -> str:
    """Add a rule and return the sentence for the page. Raises: ConfigError, DatabaseError."""
    new = form.read(actor)
    with as_app() as conn:
        alert_rules.add_rule(conn, new, actor)
    return f"Added the rule {new.name}. It alerts of periods from today on, within a minute."


def change(name: str, form: Form, actor: str) -> str:
    """Let a rule say something else. Raises: ConfigError, DatabaseError."""
    new = form.read(actor)
    with as_app() as conn:
        alert_rules.change_rule(conn, name, new, actor)
    return f"Changed the rule {new.name}. What it has raised stays."


def set_active(name: str, active: bool, actor: str) -> str:
    """Pause a rule, or let it watch again. Raises: ConfigError, DatabaseError."""
    with as_app() as conn:
        alert_rules.set_active(conn, name, active, actor)
    return f"The rule {name} {'watches again' if active else 'is paused'}."


def remove(name: str, actor: str) -> str:
    """Remove a rule. Raises: ConfigError, DatabaseError."""
    with as_app() as conn:
        alert_rules.remove_rule(conn, name, actor)
    return f"Removed the rule {name}; its alerts stay."


def _since() -> date:
    return datetime.now(UTC).date() - timedelta(days=BACK_DAYS)

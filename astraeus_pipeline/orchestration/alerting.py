"""The sensor that turns breaches into alerts and alerts into messages, and the check on both."""

# No postponed annotations: Dagster reads them from the functions that it decorates.

from datetime import UTC, datetime, timedelta
from typing import Final

import dagster as dg
import psycopg

from astraeus_pipeline.alerts import timing
from astraeus_pipeline.orchestration.alert_sending import Observer, Sender, Sent, ignore
from astraeus_pipeline.orchestration.resources import IngestionResource
from astraeus_pipeline.settings import Settings
from astraeus_pipeline.warehouse import alert_outbox, alerts
from astraeus_pipeline.warehouse.alerts import Raised
from astraeus_pipeline.warehouse.engine import standing_database

MART: Final = dg.AssetKey(["marts", "fct_threshold_breaches"])
# Scores and forecasts follow a build without a mark of their own: look again this often.
_LOOK_AGAIN: Final = timedelta(minutes=5)


def alerts_sensor() -> dg.SensorDefinition:
    """Return the sensor that raises alerts and sends their messages."""

    @dg.sensor(
        name="alerts",
        minimum_interval_seconds=30,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Raise an alert for each new row of marts.fct_threshold_breaches, once per"
        " rule, scope and period; send the messages that are due",
    )
    def alerts_(context: dg.SensorEvaluationContext) -> dg.SkipReason:
        settings = Settings.from_env()
        sender = Sender.from_settings(settings, standing_database(settings))
        with sender.database.connect("app", autocommit=True) as conn:
            raised, cursor = look(conn, context.cursor, datetime.now(UTC))
        # Kept before anything is sent: the alerts stand, whatever becomes of this tick.
        context.update_cursor(cursor)
        return dg.SkipReason(says(raised, sender.send_all()))

    return alerts_


def look(
    conn: psycopg.Connection, cursor: str | None, now: datetime, observe: Observer = ignore
) -> tuple[Raised, str]:
    """Raise alerts if breaches may have changed since the cursor; it only saves work."""
    if not alerts.is_built(conn):
        return Raised(), ""
    version = alerts.version(conn)
    known, _, at = (cursor or "").partition("|")
    if known == version and at and now - datetime.fromisoformat(at) < _LOOK_AGAIN:
        return Raised(), cursor or ""
    observe("found")
    raised = alerts.raise_alerts(conn, timing.due, timing.is_in_digest, now)
    observe("raised")
    return raised, f"{version}|{now.isoformat()}"


def says(raised: Raised, sent: Sent) -> str:
    """Tell a tick in a sentence."""
    return (
        f"{raised.alerts} alerts raised; messages: {sent.sent} sent, {sent.failed} failed,"
        f" {sent.dead} dead, {sent.recovered} of a sender that was gone"
    )


def alerts_check() -> dg.AssetChecksDefinition:
    """Return the check that messages leave."""

    @dg.asset_check(
        asset=MART,
        name="alerts_are_delivered",
        description="No message of an alert is dead, or has failed and waits for another attempt",
    )
    def alerts_are_delivered(ingestion: IngestionResource) -> dg.AssetCheckResult:
        with ingestion.connection("app") as conn:
            return evaluate(conn)

    return alerts_are_delivered


def evaluate(conn: psycopg.Connection) -> dg.AssetCheckResult:
    """Count the messages that did not leave, by channel."""
    troubles = alert_outbox.troubles(conn)
    dead = sum(each.dead for each in troubles)
    lines = [
        f"- {each.channel}: {each.dead} dead, {each.failed} to be tried again. {each.last_error}"
        for each in troubles
    ]
    return dg.AssetCheckResult(
        passed=not troubles,
        severity=dg.AssetCheckSeverity.ERROR if dead else dg.AssetCheckSeverity.WARN,
        metadata={
            "dead messages": dead,
            "failed messages": sum(each.failed for each in troubles),
            "waiting messages": alert_outbox.waiting(conn),
            **({"channels": dg.MetadataValue.md("\n".join(lines))} if lines else {}),
        },
        description=lines[0].removeprefix("- ") if lines else "every message left",
    )

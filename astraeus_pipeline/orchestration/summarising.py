"""Cost summaries as an asset: every morning, those of weeks and months that have come in whole."""

# No postponed annotations: Dagster reads them from the functions that it decorates.

from datetime import UTC, datetime
from typing import Final

import dagster as dg
import psycopg

from astraeus_pipeline.orchestration.ingest import OWNERS
from astraeus_pipeline.orchestration.resources import IngestionResource
from astraeus_pipeline.orchestration.summary_sending import Sender, Sent
from astraeus_pipeline.settings import Settings
from astraeus_pipeline.warehouse import summary_outbox
from astraeus_pipeline.warehouse.engine import standing_database

KEY: Final = dg.AssetKey(["summaries", "cost_summaries"])
JOB: Final = "send_cost_summaries"
_READS: Final = (
    "fct_daily_costs",
    "fct_daily_allocated_costs",
    "fct_freshness",
    "fct_budget_status",
    "fct_cost_anomalies",
    "fct_forecasts",
    "fct_recommendations",
)
# After the daily loads and the build that follows them.
_CRON: Final = "0 7 * * *"


def summarising_asset() -> dg.AssetsDefinition:
    """Return the asset that sends the summaries that are due."""

    @dg.asset(
        key=KEY,
        deps=[dg.AssetKey(["marts", name]) for name in _READS],
        group_name="summaries",
        owners=OWNERS,
        kinds={"python", "jinja"},
        description="Weekly and monthly summaries of costs, by e-mail: once per summary, period"
        " and channel, when all bills of the period have come, or on Wednesday and the 4th anyway",
    )
    def cost_summaries() -> dg.MaterializeResult[None]:
        settings = Settings.from_env()
        sender = Sender.from_settings(settings, standing_database(settings))
        return dg.MaterializeResult(metadata=metadata(sender.send_due(datetime.now(UTC))))

    return cost_summaries


def summaries_job() -> dg.JobDefinition:
    """Return the job that sends them, and its check."""
    return dg.define_asset_job(  # type: ignore[return-value] # resolved when definitions load
        JOB,
        selection=dg.AssetSelection.assets(KEY),
        description="Send the summaries of weeks and months that are due",
    )


def daily_summaries(job: dg.JobDefinition) -> dg.ScheduleDefinition:
    """Return the schedule: each morning it is asked anew what is due."""
    return dg.ScheduleDefinition(
        name=f"daily_{JOB}",
        job=job,
        cron_schedule=_CRON,
        execution_timezone="UTC",
        default_status=dg.DefaultScheduleStatus.RUNNING,
        description="Send summaries once their days have come in, and try failed ones again",
    )


def summaries_check() -> dg.AssetChecksDefinition:
    """Return the check that summaries leave."""

    @dg.asset_check(
        asset=KEY,
        name="summaries_are_delivered",
        description="No summary is dead, or has failed and waits for another attempt",
    )
    def summaries_are_delivered(ingestion: IngestionResource) -> dg.AssetCheckResult:
        with ingestion.connection("app") as conn:
            return evaluate(conn)

    return summaries_are_delivered


def evaluate(conn: psycopg.Connection) -> dg.AssetCheckResult:
    """List the summaries that did not leave."""
    troubles = summary_outbox.deliveries(conn, only_troubles=True)
    dead = sum(each.state == "dead" for each in troubles)
    lines = [
        f"- {each.summary} of {each.period_start} to {each.channel}: {each.state} after"
        f" {each.attempts} attempts. {each.last_error}"
        for each in troubles
    ]
    return dg.AssetCheckResult(
        passed=not troubles,
        severity=dg.AssetCheckSeverity.ERROR if dead else dg.AssetCheckSeverity.WARN,
        metadata={
            "dead summaries": dead,
            "failed summaries": len(troubles) - dead,
            **({"summaries": dg.MetadataValue.md("\n".join(lines))} if lines else {}),
        },
        description=lines[0].removeprefix("- ") if lines else "every summary left",
    )


def metadata(done: Sent) -> dict[str, int | bool | dg.MetadataValue]:
    """Return what a pass came to, for the asset's page."""
    waiting = "\n".join(f"- {name}: {said}" for name, said in done.waiting.items())
    return {
        "sent": done.sent,
        "failed": done.failed,
        "dead": done.dead,
        "of a sender that was gone": done.recovered,
        "another pass was under way": done.is_busy,
        **({"waiting": dg.MetadataValue.md(waiting)} if waiting else {}),
    }

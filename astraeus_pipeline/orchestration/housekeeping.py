"""Once a day what people left behind, and may be kept no longer, is deleted."""

# No postponed annotations: Dagster reads them from the functions that it decorates.

from typing import Final

import dagster as dg

from astraeus_pipeline.orchestration.resources import IngestionResource
from astraeus_pipeline.warehouse import chat_attachments

NAME: Final = "delete_expired_attachments"
# When nothing else is due.
_CRON: Final = "15 3 * * *"


@dg.op(
    name="forget_attachments",
    description="Delete files attached to the chat that are older than they may be kept",
)
def _forget(context: dg.OpExecutionContext, ingestion: IngestionResource) -> None:
    with ingestion.connection("app") as conn:
        gone = chat_attachments.forget_expired(conn)
    context.add_output_metadata({"files deleted": gone})


@dg.job(
    name=NAME,
    description="Delete the files that people attached to the chat more than"
    f" {chat_attachments.KEPT.days} days ago. Nobody can read them any more; this frees the space.",
)
def delete_expired_attachments() -> None:
    """Delete them."""
    _forget()


daily = dg.ScheduleDefinition(
    name=f"daily_{NAME}",
    job=delete_expired_attachments,
    cron_schedule=_CRON,
    execution_timezone="UTC",
    default_status=dg.DefaultScheduleStatus.RUNNING,
    description="Delete attached files whose days are over",
)

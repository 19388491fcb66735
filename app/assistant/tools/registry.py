"""All tools, once: the graph, the servers, the forms and the tests read them here."""

from __future__ import annotations

from typing import Final

from app.assistant.tools import (
    adhoc_sql,
    asking_back,
    attachments,
    changes,
    cloud_sync,
    costs,
    infrastructure,
    invoices,
    llm_analytics,
    names,
    web,
)
from app.assistant.tools.contract import BUDGETS, SQL, SYNC, TRIAGE, Server, ToolSpec
from astraeus_pipeline.errors import ConfigError

TOOLS: Final[dict[str, ToolSpec]] = {
    spec.name: spec
    for spec in (
        ToolSpec(costs.get_costs, "infrastructure", "Costs"),
        ToolSpec(costs.explain_change, "infrastructure", "Why costs changed"),
        ToolSpec(infrastructure.list_metrics, "infrastructure", "What can be asked"),
        ToolSpec(infrastructure.describe_metric, "infrastructure", "Metric or dimension"),
        ToolSpec(infrastructure.get_resources, "infrastructure", "Resources"),
        ToolSpec(infrastructure.get_stats, "infrastructure", "Freshness of the data"),
        ToolSpec(infrastructure.get_budgets, "infrastructure", "Budgets"),
        ToolSpec(infrastructure.get_anomalies, "infrastructure", "Unexpected costs"),
        ToolSpec(infrastructure.get_savings, "infrastructure", "What could cost less"),
        ToolSpec(infrastructure.get_alerts, "infrastructure", "Thresholds crossed"),
        ToolSpec(attachments.get_attachments, "infrastructure", "Attached files"),
        ToolSpec(invoices.compare_invoice, "infrastructure", "Invoice beside billed cost"),
        ToolSpec(
            cloud_sync.sync_resources, "cloud_sync", "Ingest again", scope=SYNC, is_write=True
        ),
        ToolSpec(cloud_sync.validate_credentials, "cloud_sync", "Credentials", scope=SYNC),
        ToolSpec(llm_analytics.analyze_usage, "llm_analytics", "Use of language models"),
        ToolSpec(llm_analytics.optimize_models, "llm_analytics", "Other language models"),
        ToolSpec(adhoc_sql.run_sql, "chat", "Ad-hoc SQL", scope=SQL, is_on=adhoc_sql.is_on),
        ToolSpec(web.search_web, "chat", "The web", is_outgoing=True, is_on=web.is_on),
        ToolSpec(adhoc_sql.list_marts, "chat", "Marts", scope=SQL, is_on=adhoc_sql.is_on),
        ToolSpec(
            changes.acknowledge_anomaly, "chat", "Acknowledge a cost", scope=TRIAGE, is_write=True
        ),
        ToolSpec(
            changes.acknowledge_alert, "chat", "Acknowledge an alert", scope=TRIAGE, is_write=True
        ),
        ToolSpec(changes.create_budget, "chat", "New budget", scope=BUDGETS, is_write=True),
        ToolSpec(changes.change_budget, "chat", "Change a budget", scope=BUDGETS, is_write=True),
        ToolSpec(asking_back.ask_which, "chat", "Which is meant", ends_turn=True),
    )
}


def of_server(server: Server) -> dict[str, ToolSpec]:
    """Return the tools of one server, by name."""
    return {name: spec for name, spec in TOOLS.items() if spec.server == server}


def tool(name: str) -> ToolSpec:
    """Return a tool. Raises: ConfigError with the nearest name if there is none."""
    if name not in TOOLS:
        raise ConfigError(names.unknown("tool", name, TOOLS))
    return TOOLS[name]

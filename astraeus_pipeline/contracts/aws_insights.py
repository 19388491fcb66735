"""Raw tables of what AWS knows beside the bill: use, commitments, own forecast and anomalies."""

from __future__ import annotations

from astraeus_pipeline.contracts.columns import Column, RawTable
from astraeus_pipeline.contracts.utilisation import UTILISATION_COLUMNS

AWS_UTILISATION = RawTable(
    provider="aws",
    dataset="utilisation",
    description="CloudWatch statistics, one row per resource, metric and UTC day",
    vendor_columns=UTILISATION_COLUMNS,
)

AWS_COMMITMENTS = RawTable(
    provider="aws",
    dataset="commitments",
    description="Reserved instances and savings plans, one row per commitment and day of its term;"
    " and per day AWS's totals over them, and how much of the use they cover",
    vendor_columns=(
        Column("record", "text", "commitment, total or coverage", nullable=False),
        Column("commitment_id", "text", "ARN as billed; null in totals and coverage"),
        Column("commitment_type", "text", "reserved-instance or savings-plan", nullable=False),
        Column("owner_account_id", "text", "AWS account that bought it, 12 digits"),
        Column("service", "text", "Service that it covers; null where it covers several"),
        Column("region", "text", "Region code; null where it covers all"),
        Column("plan", "text", "Plan type or offering class, as in Compute or convertible"),
        Column("payment_option", "text", "All Upfront, Partial Upfront or No Upfront"),
        Column("instance_type", "text", "Instance type, class or family that it is bound to"),
        Column("instance_count", "numeric", "Instances that a reservation is for"),
        Column("state", "text", "State in AWS's words; null where only its use is known"),
        Column("term_start", "timestamptz", "Start of the term, UTC"),
        Column("term_end", "timestamptz", "End of the term, UTC"),
        Column("currency", "text", "ISO code of the costs"),
        Column("upfront_cost", "numeric", "Paid at the start of the term, in total"),
        Column("hourly_cost", "numeric", "Recurring charge of an hour of the term, in total"),
        Column("purchased_quantity", "numeric", "Hours of reservation, or commitment, of the day"),
        Column("used_quantity", "numeric", "Of purchased_quantity what was used"),
        Column("unused_quantity", "numeric", "Of purchased_quantity what was not used"),
        Column("quantity_unit", "text", "Hours, or the currency of a commitment"),
        Column("amortized_upfront_cost", "numeric", "The day's share of upfront_cost"),
        Column("amortized_recurring_cost", "numeric", "The day's recurring charges"),
        Column("amortized_cost", "numeric", "The day's cost of the commitment, used or not"),
        Column("unused_cost", "numeric", "The part of amortized_cost that nothing used"),
        Column("on_demand_cost", "numeric", "What the covered use would have cost on demand"),
        Column("net_savings", "numeric", "on_demand_cost less the cost of the commitment"),
        Column("covered_quantity", "numeric", "Coverage: hours, or cost, under commitments"),
        Column("total_quantity", "numeric", "Coverage: hours, or cost, that could be covered"),
    ),
)

AWS_FORECASTS = RawTable(
    provider="aws",
    dataset="forecasts",
    description="Cost Explorer GetCostForecast as AWS made it on usage_date, one row per day ahead",
    vendor_columns=(
        Column("linked_account_id", "text", "Linked account asked for; null: all of the payer's"),
        Column("target_date", "date", "UTC day that is forecast", nullable=False),
        Column("metric", "text", "Cost metric in AWS's words", nullable=False),
        Column("currency", "text", "ISO code of the costs", nullable=False),
        Column("mean_cost", "numeric", "AWS's mean of the day"),
        Column("lower_cost", "numeric", "Lower bound of the interval"),
        Column("upper_cost", "numeric", "Upper bound of the interval"),
        Column("interval_level", "numeric", "Confidence of the interval, in percent"),
    ),
)

AWS_ANOMALIES = RawTable(
    provider="aws",
    dataset="anomalies",
    description="Cost Explorer GetAnomalies as AWS told them on usage_date: those that ended within"
    " 90 days",
    vendor_columns=(
        Column("anomaly_id", "text", "AWS's id", nullable=False),
        Column("monitor_arn", "text", "Monitor that found it"),
        Column("first_day", "date", "First day of the anomaly"),
        Column("last_day", "date", "Last day of the anomaly so far"),
        Column("dimension_value", "text", "What the monitor watches, a service say"),
        Column("currency", "text", "AWS states impacts in US dollars", nullable=False),
        Column("max_impact_cost", "numeric", "Largest impact of a day"),
        Column("total_impact_cost", "numeric", "Actual less expected cost"),
        Column("actual_cost", "numeric", "What was spent during the anomaly"),
        Column("expected_cost", "numeric", "What AWS expected to be spent"),
        Column("max_score", "numeric", "Largest score, 0 to 1"),
        Column("current_score", "numeric", "Latest score, 0 to 1"),
        Column("feedback", "text", "What people told AWS about it: YES, NO, PLANNED_ACTIVITY"),
        Column("root_causes", "jsonb", "Services, regions, accounts and usage types behind it"),
    ),
)

AWS_INSIGHTS: tuple[RawTable, ...] = (
    AWS_UTILISATION,
    AWS_COMMITMENTS,
    AWS_FORECASTS,
    AWS_ANOMALIES,
)

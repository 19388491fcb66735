"""What the invented company wants to spend at most: budgets that hold, and two that do not."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta
from decimal import Decimal

from astraeus_pipeline.warehouse.budgets import NewBudget, period_of


def demo_budgets(today: date) -> Iterator[NewBudget]:
    """Yield budgets per month since the month before last.

    Nobody planned for Amazon Bedrock, so its budget is over three days after it is first used, and
    the data account's, which did well without it, is forecast to be.
    """
    started = today
    for _ in range(2):
        started = period_of(started, "month")[0] - timedelta(days=1)
    since = period_of(started, "month")[0]
    yield NewBudget(
        name="Trials of language models",
        period="month",
        amount=Decimal(200),
        billing_currency="USD",
        starts_on=since,
        filters={"service_name": ["Amazon Bedrock"]},
        owner="ml",
    )
    yield NewBudget(
        name="Data platform on AWS",
        period="month",
        amount=Decimal(17_500),
        billing_currency="USD",
        starts_on=since,
        filters={"account_id": ["acme-data"]},
        owner="data",
    )
    yield NewBudget(
        name="Fabrikam on Azure",
        period="month",
        amount=Decimal(28_000),
        billing_currency="EUR",
        starts_on=since,
        filters={"account_id": ["fabrikam-shop", "fabrikam-data"]},
        owner="finance",
    )
    yield NewBudget(
        name="Team shop, all clouds",
        period="month",
        amount=Decimal(25_000),
        billing_currency="USD",
        starts_on=since,
        filters={"team": ["shop"]},
        owner="shop",
    )

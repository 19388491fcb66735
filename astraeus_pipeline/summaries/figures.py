"""What a summary tells, typed. Amounts are exact, all in the billing currency of the scope."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal

from astraeus_pipeline.contracts import money
from astraeus_pipeline.contracts.days import DayRange
from astraeus_pipeline.summaries.periods import Period


@dataclass(frozen=True)
class Scope:
    """Whose costs: of a team by allocation, or of all (None), narrowed by `filters`.

    `filters` are members by dimension of the Costs page, `cost_type` as effective or billed.
    """

    billing_currency: str
    cost_type: str = "effective"
    team: str | None = None
    filters: Mapping[str, Sequence[str]] = field(default_factory=dict)


@dataclass(frozen=True)
class Comparison:
    """Cost of `days` and of equally many days before; None where nothing is known.

    `missing_days`: days of accounts that never came, among those compared against.
    """

    days: DayRange
    against: DayRange
    cost: Decimal | None
    against_cost: Decimal | None
    missing_days: int = 0

    @property
    def change(self) -> Decimal | None:
        """Cost less the former one; None where either is unknown."""
        return difference(self.cost, self.against_cost)

    @property
    def growth(self) -> Decimal | None:
        """The change as a share of the former cost; None where that is unknown or not positive."""
        return growth(self.change, self.against_cost)


@dataclass(frozen=True)
class ServiceCost:
    """Cost of a service, of all accounts or of one; `before` and `change` on comparable days.

    `before` is None where the former days are unknown.
    """

    service_name: str
    cost: Decimal
    before: Decimal | None
    change: Decimal | None
    account_id: str | None = None


@dataclass(frozen=True)
class DayCost:
    """Cost of one UTC day; `service_name` None for the services that have no colour."""

    day: date
    service_name: str | None
    cost: Decimal


@dataclass(frozen=True)
class Budget:
    """How a budget of the scope stands in its own period, as marts.fct_budget_status says."""

    name: str
    period_start: date
    period_end: date
    budget_amount: Decimal
    actual_cost: Decimal | None
    forecast_cost: Decimal | None
    cost_type: str
    state: str


@dataclass(frozen=True)
class Anomaly:
    """An open incident; `excess_cost` is its impact."""

    account_id: str
    service_name: str
    start_date: date
    end_date: date
    reason: str
    severity: str
    excess_cost: Decimal


@dataclass(frozen=True)
class Forecast:
    """The running month: effective cost without credits; bounds (80 %) of one series only.

    `accounts` of `of_accounts` in scope have a forecast; None where a team's is told.
    """

    month: date
    as_of: date
    forecast_cost: Decimal
    booked_cost: Decimal
    lower_cost: Decimal | None
    upper_cost: Decimal | None
    accounts: int | None
    of_accounts: int | None


@dataclass(frozen=True)
class Savings:
    """Open recommendations: what may be added up, and how many have no known saving."""

    monthly_saving: Decimal | None
    counted: int
    open: int
    unknown: int
    other_currencies: int


@dataclass(frozen=True)
class Late:
    """An account whose days are not, or not newest, in the figures."""

    account_id: str
    missing: tuple[date, ...] = ()
    held_back: tuple[date, ...] = ()


@dataclass(frozen=True)
class Figures:
    """All of a summary. None stands for what is not known, or not known of such a scope.

    `by_day`: cost per day of `days` and of `before.against`; `rest` counts services not listed.
    """

    name: str
    period: Period
    scope: Scope
    days: DayRange
    cost: Decimal | None
    open_cost: Decimal | None
    before: Comparison
    year_before: Comparison
    by_day: Mapping[date, Decimal]
    stacked: Sequence[DayCost] = ()
    services: Sequence[ServiceCost] = ()
    rest: ServiceCost | None = None
    rest_count: int = 0
    movers_up: Sequence[ServiceCost] = ()
    movers_down: Sequence[ServiceCost] = ()
    budgets: Sequence[Budget] | None = ()
    anomalies: Sequence[Anomaly] | None = ()
    more_anomalies: int = 0
    forecast: Forecast | None = None
    savings: Savings | None = None
    late: Sequence[Late] = ()
    data_through: date | None = None
    other_currencies: Sequence[str] = ()
    as_of: datetime | None = None

    @property
    def open_share(self) -> Decimal | None:
        """Share of the cost that is not final yet; None where there is no positive cost."""
        return growth(self.open_cost, self.cost)


def difference(left: Decimal | None, right: Decimal | None) -> Decimal | None:
    """Return left - right, None where either is unknown."""
    return None if left is None or right is None else money.subtract(left, right)


def growth(part: Decimal | None, whole: Decimal | None) -> Decimal | None:
    """Return a ratio for people; None where it would mean nothing."""
    return None if part is None or whole is None or whole <= 0 else part / whole

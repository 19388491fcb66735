"""Cost Explorer's further answers, computed from the estate: commitments, forecast, anomalies.

Requests are checked as AWS checks them; what cannot be is refused with `Refused`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from typing import Any, Final

from astraeus_pipeline.contracts.days import DayRange
from astraeus_pipeline.sandbox import commitments as bought
from astraeus_pipeline.sandbox.commitments import Commitment, Use
from astraeus_pipeline.sandbox.estate import ANOMALIES, AWS_OWNERS, Anomaly, Charge, Estate, Owner

Answer = dict[str, Any]
_ON_DEMAND: Final = Decimal("1.55")  # what an hour of commitment would cost without it, as a factor
_FORECAST_DAYS: Final = 93
_ANOMALY_DAYS: Final = 90


class Refused(ValueError):
    """A request that AWS would answer with an error; `code` is the error's."""

    def __init__(self, message: str, code: str = "ValidationException") -> None:
        super().__init__(message)
        self.code = code


@dataclass(frozen=True)
class Insights:
    """Answers for the company as it stands; `estate` and `today` are asked for each time."""

    estate: Callable[[], Estate]
    today: Callable[[], date]
    page_size: int = 100

    def operations(self) -> dict[str, Callable[[Mapping[str, Any]], Answer]]:
        """Return the operations by their name in AWS's model."""
        return {
            "GetReservationUtilization": self.reservation_utilization,
            "GetReservationCoverage": self.reservation_coverage,
            "GetSavingsPlansUtilization": self.plans_utilization,
            "GetSavingsPlansUtilizationDetails": self.plans_details,
            "GetSavingsPlansCoverage": self.plans_coverage,
            "GetCostForecast": self.cost_forecast,
            "GetAnomalies": self.anomalies,
            "DescribeSavingsPlans": self.savings_plans,
        }

    def _open(
        self, request: Mapping[str, Any], day: date, *kinds: bought.Kind
    ) -> list[tuple[Commitment, Use]]:
        wanted = _dimension(request, "LINKED_ACCOUNT")
        service = _dimension(request, "SERVICE")
        return [
            (each, use)
            for each, use in bought.on_day(bought.company(self.estate().anchor), day, *kinds)
            if wanted in (None, each.owner.number) and service in (None, each.service)
        ]

    def reservation_utilization(self, request: Mapping[str, Any]) -> Answer:
        """Answer GetReservationUtilization: by day, or each reservation over the period."""
        days = _period(request)
        if _dimension(request, "SERVICE") is None:
            raise Refused("SERVICE must be filtered by here")
        if request.get("GroupBy"):
            if request.get("Granularity"):
                raise Refused("Granularity cannot be set with GroupBy")
            return self._each_reservation(request, days)
        return {
            "UtilizationsByTime": [
                {
                    "TimePeriod": _time_period(DayRange(day, day)),
                    "Groups": [],
                    "Total": _reserved(use for _, use in self._open(request, day, "ec2", "rds")),
                }
                for day in days
            ],
            "Total": _reserved(
                use for day in days for _, use in self._open(request, day, "ec2", "rds")
            ),
        }

    def _each_reservation(self, request: Mapping[str, Any], days: DayRange) -> Answer:
        uses: dict[Commitment, list[Use]] = {}
        for day in days:
            for each, use in self._open(request, day, "ec2", "rds"):
                uses.setdefault(each, []).append(use)
        groups = [
            {
                "Key": "SUBSCRIPTION_ID",
                "Value": str(10_000_000 + number),
                "Attributes": _attributes(each),
                "Utilization": _reserved(found),
            }
            for number, (each, found) in enumerate(uses.items())
        ]
        shown, token = self._page(request, groups, "NextPageToken")
        period = {"TimePeriod": _time_period(days), "Groups": shown, "Total": {}}
        return {"UtilizationsByTime": [period], "Total": {}, **token}

    def reservation_coverage(self, request: Mapping[str, Any]) -> Answer:
        """Answer GetReservationCoverage by day, ungrouped."""
        days = _daily(request)
        return {
            "CoveragesByTime": [
                {
                    "TimePeriod": _time_period(DayRange(day, day)),
                    "Groups": [],
                    "Total": _hours_covered(
                        use for _, use in self._open(request, day, "ec2", "rds")
                    ),
                }
                for day in days
            ],
            "Total": {},
        }

    def plans_utilization(self, request: Mapping[str, Any]) -> Answer:
        """Answer GetSavingsPlansUtilization by day."""
        days = _daily(request)
        self._refuse_open_end(days)
        found = {day: self._open(request, day, "savings-plan") for day in days}
        if not any(found.values()):
            raise Refused("there are no savings plans", "DataUnavailableException")
        return {
            "SavingsPlansUtilizationsByTime": [
                {
                    "TimePeriod": _time_period(DayRange(day, day)),
                    **_planned(use for _, use in each),
                }
                for day, each in found.items()
            ],
            "Total": _planned(use for each in found.values() for _, use in each),
        }

    def plans_details(self, request: Mapping[str, Any]) -> Answer:
        """Answer GetSavingsPlansUtilizationDetails: each plan over the period, paged."""
        days = _period(request)
        self._refuse_open_end(days)
        uses: dict[Commitment, list[Use]] = {}
        for day in days:
            for each, use in self._open(request, day, "savings-plan"):
                uses.setdefault(each, []).append(use)
        details = [
            {
                "SavingsPlanArn": each.arn,
                "Attributes": {
                    "AccountId": each.owner.number,
                    "PurchaseOption": each.payment,
                    "SavingsPlansType": f"{each.plan}SavingsPlans",
                    "StartDateTime": f"{each.start}T00:00:00.000Z",
                    "EndDateTime": f"{each.end}T00:00:00.000Z",
                    "Status": "Active",
                },
                **_planned(found),
            }
            for each, found in uses.items()
        ]
        shown, token = self._page(request, details, "NextToken")
        return {
            "SavingsPlansUtilizationDetails": shown,
            "Total": _planned(use for found in uses.values() for use in found),
            "TimePeriod": _time_period(days),
            **token,
        }

    def plans_coverage(self, request: Mapping[str, Any]) -> Answer:
        """Answer GetSavingsPlansCoverage by day, paged."""
        days = _daily(request)
        self._refuse_open_end(days)
        coverages = []
        for day in days:
            spend = self._compute_spend(request, day)
            used = sum(
                (
                    (use.cost - use.unused_cost)
                    for _, use in self._open(request, day, "savings-plan")
                ),
                Decimal(0),
            )
            covered = min(used * _ON_DEMAND, spend)
            coverages.append(
                {
                    "TimePeriod": _time_period(DayRange(day, day)),
                    "Attributes": {},
                    "Coverage": {
                        "SpendCoveredBySavingsPlans": _text(covered),
                        "OnDemandCost": _text(spend - covered),
                        "TotalCost": _text(spend),
                        "CoveragePercentage": _percent(covered, spend),
                    },
                }
            )
        shown, token = self._page(request, coverages, "NextToken")
        return {"SavingsPlansCoverages": shown, **token}

    def savings_plans(self, request: Mapping[str, Any]) -> Answer:
        """Answer DescribeSavingsPlans, paged."""
        plans: list[Answer] = [
            {
                "savingsPlanId": each.identity,
                "savingsPlanArn": each.arn,
                "start": f"{each.start}T00:00:00.000Z",
                "end": f"{each.end}T00:00:00.000Z",
                "state": "active" if each.is_open(self.today()) else "retired",
                "savingsPlanType": each.plan,
                "paymentOption": each.payment,
                "productTypes": ["EC2", "Fargate", "Lambda"],
                "currency": "USD",
                "commitment": f"{each.hourly:f}",
                "upfrontPaymentAmount": f"{each.upfront:f}",
                "recurringPaymentAmount": f"{each.hourly:f}",
                "termDurationInSeconds": each.days * 86_400,
                "tags": {},
            }
            for each in bought.company(self.estate().anchor)
            if each.kind == "savings-plan"
        ]
        shown, token = self._page(request, plans, "nextToken")
        return {"savingsPlans": shown, **token}

    def cost_forecast(self, request: Mapping[str, Any]) -> Answer:
        """Answer GetCostForecast by day: the mean of that weekday's last four."""
        days = _daily(request)
        if days.first > self.today():
            raise Refused("Start date must not be later than the current date")
        if len(days) > _FORECAST_DAYS:
            raise Refused("a daily forecast reaches three months ahead")
        if self.today() - timedelta(days=28) < self.estate().first_day:
            raise Refused("not enough history", "DataUnavailableException")
        field = "effective_cost" if "AMORTIZED" in request["Metric"] else "billed_cost"
        level = Decimal(request.get("PredictionIntervalLevel", 80)) / 1000
        weekdays = {
            number: self._weekday_mean(_owners(request), number, field) for number in range(7)
        }
        means = {day: weekdays[day.weekday()] for day in days}
        return {
            "Total": {"Amount": _text(sum(means.values(), Decimal(0))), "Unit": "USD"},
            "ForecastResultsByTime": [
                {
                    "TimePeriod": _time_period(DayRange(day, day)),
                    "MeanValue": _text(mean),
                    "PredictionIntervalLowerBound": _text(mean * (1 - level)),
                    "PredictionIntervalUpperBound": _text(mean * (1 + level)),
                }
                for day, mean in means.items()
            ],
        }

    def anomalies(self, request: Mapping[str, Any]) -> Answer:
        """Answer GetAnomalies: the planted ones, from the day after they began, paged."""
        interval = request["DateInterval"]
        first = _date(interval["StartDate"])
        last = _date(interval.get("EndDate") or str(self.today()))
        if first < self.today() - timedelta(days=_ANOMALY_DAYS):
            raise Refused("anomalies are available for up to 90 days")
        found = [
            each
            for number, anomaly in enumerate(ANOMALIES)
            for each in self._anomaly(number, anomaly)
            if first <= _date(each["AnomalyEndDate"]) <= last
        ]
        shown, token = self._page(request, found, "NextPageToken")
        return {"Anomalies": shown, **token}

    def _anomaly(self, number: int, anomaly: Anomaly) -> Iterator[Answer]:
        owner = next((each for each in AWS_OWNERS if each.slug == anomaly.slug), None)
        start = self.estate().anchor - timedelta(days=anomaly.starts)
        last = min(start + timedelta(days=anomaly.days), self.today()) - timedelta(days=1)
        if owner is None or last < start:
            return
        charges = [
            each
            for each in self.estate().charges(owner, DayRange(start, last))
            if each.service == anomaly.service and each.category == "Usage"
        ]
        actual = sum((each.effective_cost for each in charges), Decimal(0))
        expected = Decimal(0) if anomaly.factor == 1 else actual / Decimal(repr(anomaly.factor))
        yield {
            "AnomalyId": f"00000000-0000-4000-8000-00000000000{number}",
            "AnomalyStartDate": str(start),
            "AnomalyEndDate": str(last),
            "DimensionValue": anomaly.service,
            "RootCauses": [
                {
                    "Service": anomaly.service,
                    "Region": charges[0].region or "NoRegion",
                    "LinkedAccount": owner.number,
                    "LinkedAccountName": owner.name,
                    "UsageType": charges[0].usage_type,
                    "Impact": {"Contribution": float(actual - expected)},
                }
            ]
            if charges
            else [],
            "AnomalyScore": {"MaxScore": 0.9, "CurrentScore": 0.6},
            "Impact": {
                "MaxImpact": float((actual - expected) / max(1, (last - start).days + 1)),
                "TotalImpact": float(actual - expected),
                "TotalActualSpend": float(actual),
                "TotalExpectedSpend": float(expected),
            },
            "MonitorArn": f"arn:aws:ce::{owner.number}:anomalymonitor/services",
        }

    def _weekday_mean(self, owners: list[Owner], weekday: int, field: str) -> Decimal:
        last = self.today() - timedelta(days=1)
        while last.weekday() != weekday:
            last -= timedelta(days=1)
        days = [last - timedelta(weeks=back) for back in range(4)]
        total = sum(
            (
                getattr(each, field)
                for owner in owners
                for day in days
                for each in _usage(self.estate(), owner, day)
            ),
            Decimal(0),
        )
        return total / 4

    def _compute_spend(self, request: Mapping[str, Any], day: date) -> Decimal:
        return sum(
            (
                each.list_cost
                for owner in _owners(request)
                for each in _usage(self.estate(), owner, day)
                if each.service in (bought.EC2, "AWS Lambda")
            ),
            Decimal(0),
        )

    def _refuse_open_end(self, days: DayRange) -> None:
        if days.end >= self.today():
            raise Refused("End date must be before the current date")

    def _page(
        self, request: Mapping[str, Any], items: list[Any], token: str
    ) -> tuple[list[Any], dict[str, str]]:
        offset = int(request.get(token) or 0)
        following = offset + self.page_size
        more = {token: str(following)} if following < len(items) else {}
        return items[offset:following], more


def _usage(estate: Estate, owner: Owner, day: date) -> Iterator[Charge]:
    return (each for each in estate.charges(owner, DayRange(day, day)) if each.category == "Usage")


def _owners(request: Mapping[str, Any]) -> list[Owner]:
    wanted = _dimension(request, "LINKED_ACCOUNT")
    return [each for each in AWS_OWNERS if wanted in (None, each.number)]


def _dimension(request: Mapping[str, Any], key: str) -> str | None:
    condition = request.get("Filter") or {}
    for each in condition.get("And") or [condition]:
        wanted = each.get("Dimensions") or {}
        if wanted.get("Key") == key:
            return str(wanted["Values"][0])
    return None


def _period(request: Mapping[str, Any]) -> DayRange:
    period = request["TimePeriod"]
    first, end = _date(period["Start"]), _date(period["End"])
    if end <= first:
        raise Refused("Start date should be before end date")
    return DayRange(first, end - timedelta(days=1))


def _daily(request: Mapping[str, Any]) -> DayRange:
    if request.get("Granularity") != "DAILY" or request.get("GroupBy"):
        raise Refused("only DAILY without grouping is served here")
    return _period(request)


def _date(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        raise Refused(str(error)) from None


def _time_period(days: DayRange) -> dict[str, str]:
    return {"Start": str(days.first), "End": str(days.end)}


def _attributes(each: Commitment) -> dict[str, str]:
    return {
        "accountId": each.owner.number,
        "accountName": each.owner.name,
        "endDateTime": f"{each.end}T00:00:00.000Z",
        "instanceType": each.instance_type,
        "leaseId": each.identity,
        "numberOfInstances": str(each.count),
        "region": each.region,
        "startDateTime": f"{each.start}T00:00:00.000Z",
        "subscriptionStatus": "Active",
        "subscriptionType": each.payment,
    }


def _reserved(uses: Iterable[Use]) -> dict[str, str]:
    found = list(uses)
    hours = sum((use.hours for use in found), Decimal(0))
    used = sum((use.used_hours for use in found), Decimal(0))
    cost = sum((use.cost for use in found), Decimal(0))
    unused = sum((use.unused_cost for use in found), Decimal(0))
    on_demand = (cost - unused) * _ON_DEMAND
    return {
        "UtilizationPercentage": _percent(used, hours),
        "PurchasedHours": _text(hours),
        "TotalActualHours": _text(used),
        "UnusedHours": _text(hours - used),
        "OnDemandCostOfRIHoursUsed": _text(on_demand),
        "NetRISavings": _text(on_demand - cost),
        "TotalPotentialRISavings": _text(cost * _ON_DEMAND - cost),
        "AmortizedUpfrontFee": _text(sum((use.upfront for use in found), Decimal(0))),
        "AmortizedRecurringFee": _text(sum((use.recurring for use in found), Decimal(0))),
        "TotalAmortizedFee": _text(cost),
        "RICostForUnusedHours": _text(unused),
    }


def _hours_covered(uses: Iterable[Use]) -> Answer:
    used = sum((use.used_hours for use in uses), Decimal(0))
    running = used * 3  # the estate runs about three hours for each that it has reserved
    return {
        "CoverageHours": {
            "OnDemandHours": _text(running - used),
            "ReservedHours": _text(used),
            "TotalRunningHours": _text(running),
            "CoverageHoursPercentage": _percent(used, running),
        },
        "CoverageCost": {"OnDemandCost": _text((running - used) * Decimal("0.096"))},
    }


def _planned(uses: Iterable[Use]) -> Answer:
    found = list(uses)
    cost = sum((use.cost for use in found), Decimal(0))
    unused = sum((use.unused_cost for use in found), Decimal(0))
    equivalent = (cost - unused) * _ON_DEMAND
    return {
        "Utilization": {
            "TotalCommitment": _text(cost),
            "UsedCommitment": _text(cost - unused),
            "UnusedCommitment": _text(unused),
            "UtilizationPercentage": _percent(cost - unused, cost),
        },
        "Savings": {
            "NetSavings": _text(equivalent - cost),
            "OnDemandCostEquivalent": _text(equivalent),
        },
        "AmortizedCommitment": {
            "AmortizedRecurringCommitment": _text(
                sum((use.recurring for use in found), Decimal(0))
            ),
            "AmortizedUpfrontCommitment": _text(sum((use.upfront for use in found), Decimal(0))),
            "TotalAmortizedCommitment": _text(cost),
        },
    }


def _percent(part: Decimal, whole: Decimal) -> str:
    return _text(part * 100 / whole) if whole else "0"


def _text(amount: Decimal) -> str:
    """Spell an amount as Cost Explorer does, with ten decimals at most."""
    return f"{amount.quantize(Decimal('0.0000000001')).normalize():f}"

"""What alert rules may watch: the parameters of each kind, and which rows it may be narrowed to."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

Kind = Literal[
    "cost_amount",
    "cost_change",
    "budget",
    "anomaly",
    "forecast",
    "stale_feed",
    "residual",
    "resource_anomaly",
]
Grain = Literal["day", "week", "month"]
Severity = Literal["info", "warning", "critical"]
Digest = Literal["none", "daily", "weekly"]

# Dimensions of the Costs page, in the words of its address.
DIMENSIONS: Final = (
    "provider",
    "category",
    "service",
    "account",
    "sub_account",
    "region",
    "charge",
)


@dataclass(frozen=True)
class RuleKind:
    """One kind of rule; its breaches are those of `int_<kind>_breaches`.

    `needs` and `takes` name parameters that a rule must and may have; `filters` the dimensions that
    may narrow it, `splits` those whose members may be judged one by one.
    """

    key: Kind
    says: str
    needs: tuple[str, ...]
    takes: tuple[str, ...] = ()
    filters: tuple[str, ...] = ("provider", "account")
    splits: tuple[str, ...] = ()
    grains: tuple[Grain, ...] = ("day",)


_SERIES: Final = ("provider", "account", "sub_account", "service")

KINDS: Final[dict[str, RuleKind]] = {
    kind.key: kind
    for kind in (
        RuleKind(
            "cost_amount",
            "the cost of a day, week or month above an amount",
            needs=("amount",),
            filters=DIMENSIONS,
            splits=DIMENSIONS,
            grains=("day", "week", "month"),
        ),
        RuleKind(
            "cost_change",
            "a cost that exceeds the one before by a percentage (and by an amount, where one is"
            " given): a day against its weekday in four weeks, a week or month against the last",
            needs=("percent", "currency"),
            takes=("amount",),
            filters=DIMENSIONS,
            splits=DIMENSIONS,
            grains=("day", "week", "month"),
        ),
        RuleKind(
            "budget",
            "the thresholds of one budget or of all, reached by what was spent or is forecast",
            needs=(),
            takes=("budget",),
            filters=(),
        ),
        RuleKind(
            "anomaly",
            "a cost anomaly with an impact of an amount or more",
            needs=("amount",),
            filters=_SERIES,
            splits=("account", "service"),
        ),
        RuleKind(
            "forecast",
            "a month whose forecast lies above an amount",
            needs=("amount",),
            filters=_SERIES,
            splits=_SERIES,
        ),
        RuleKind(
            "stale_feed",
            "costs of an active account that are late, missing or empty for a number of days",
            needs=("days",),
        ),
        RuleKind(
            "residual",
            "figures that do not tie to the provider's own, and are held back",
            needs=(),
            takes=("amount",),
        ),
        RuleKind(
            "resource_anomaly",
            "a cloud resource whose cost of a day jumps by an amount or more above all it used to"
            " cost (and by a percentage, where one is given)",
            needs=("amount",),
            takes=("percent",),
            filters=_SERIES,
        ),
    )
}

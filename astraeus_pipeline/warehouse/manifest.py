"""The manifest of a stored payload: the same fetch always writes the same bytes."""

from __future__ import annotations

import json
from dataclasses import asdict
from datetime import date
from decimal import Decimal
from typing import Any

from astraeus_pipeline.contracts.days import DayRange
from astraeus_pipeline.contracts.delivery import ControlTotal, Fetched, Part, RowCount

VERSION = 1
# What asking cost is a matter of the fetch, not of the bill: it must not change the hash.
_OF_THE_FETCH = ("requests", "request_cost_usd")


def dump(fetched: Fetched) -> bytes:
    """Serialise a delivery's description, keys sorted, decimals and days as text."""
    content = {k: v for k, v in asdict(fetched).items() if k not in _OF_THE_FETCH}
    if fetched.shape is None:  # as it was written before there were shapes
        del content["shape"]
    if not fetched.row_counts:
        del content["row_counts"]
    return json.dumps({"version": VERSION, **content}, sort_keys=True, default=str).encode()


def load(text: bytes) -> Fetched:
    """Read back what `dump` wrote."""
    content: dict[str, Any] = json.loads(text)
    content.pop("version")
    return Fetched(
        **{
            **content,
            "days": _days(content["days"]),
            "parts": tuple(Part(**part) for part in content["parts"]),
            "billing_period": _day(content["billing_period"]),
            "complete_through": _day(content["complete_through"]),
            "controls": tuple(_control(control) for control in content["controls"]),
            "row_counts": tuple(
                RowCount(date.fromisoformat(each["day"]), each["rows"])
                for each in content.get("row_counts", ())
            ),
        }
    )


def _control(content: dict[str, Any]) -> ControlTotal:
    return ControlTotal(
        **{**content, "days": _days(content["days"]), "amount": Decimal(content["amount"])}
    )


def _days(content: dict[str, str]) -> DayRange:
    return DayRange(date.fromisoformat(content["first"]), date.fromisoformat(content["last"]))


def _day(text: str | None) -> date | None:
    return None if text is None else date.fromisoformat(text)

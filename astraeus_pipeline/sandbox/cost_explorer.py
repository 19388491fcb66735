"""A Cost Explorer over HTTP for what moto lacks: GetCostAndUsage on invented charges, and more.

It checks what AWS checks (shapes, dates, granularity, groupings, metrics), pages, and fails on
request. Further operations, Savings Plans' among them, are handed in (see insights.py).
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta
from decimal import Decimal
from http.server import BaseHTTPRequestHandler
from typing import Any, ClassVar, Final

from astraeus_pipeline.sandbox import shapes
from astraeus_pipeline.sandbox.insights import Refused
from astraeus_pipeline.sandbox.loopback import LoopbackServer

_METRICS: Final = {
    "UnblendedCost": "unblended",
    "AmortizedCost": "amortized",
    "NetUnblendedCost": "net_unblended",
    "NetAmortizedCost": "net_amortized",
    "UsageQuantity": "quantity",
}
_DIMENSIONS: Final = {
    "LINKED_ACCOUNT": "linked_account",
    "RECORD_TYPE": "record_type",
    "REGION": "region",
    "SERVICE": "service",
    "USAGE_TYPE": "usage_type",
}
_SERVICE: Final = "AWSInsightsIndexService."
_SAVINGS_PLANS: Final = "/DescribeSavingsPlans"


@dataclass(frozen=True)
class Line:
    """One invented line of the bill as Cost Explorer's dimensions and metrics."""

    day: date
    linked_account: str
    record_type: str
    region: str
    service: str
    usage_type: str
    unblended: Decimal
    amortized: Decimal
    net_unblended: Decimal
    net_amortized: Decimal
    quantity: Decimal = Decimal(0)
    unit: str = "N/A"
    currency: str = "USD"


Lines = Callable[[date, date], Iterable[Line]]  # first day, end (exclusive)
Operation = Callable[[Mapping[str, Any]], dict[str, Any]]


@dataclass
class Faults:
    """What goes wrong next; each is used up as it happens.

    `errors` are (status, code) answers; `hang` seconds of silence; the rest bend good answers.
    """

    errors: list[tuple[int, str]] = field(default_factory=list)
    hang: list[float] = field(default_factory=list)
    cut_body: int = 0
    broken_json: int = 0
    same_token: bool = False
    lose_last_page: bool = False
    headers: dict[str, str] = field(default_factory=dict)
    message: str = "on request"
    further: dict[str, str] = field(default_factory=dict)


class CostExplorerServer(LoopbackServer):
    """Serves on 127.0.0.1 until stopped; `requests` counts what was asked."""

    methods: ClassVar = ("POST",)

    def __init__(
        self,
        lines: Lines,
        is_estimated: Callable[[date], bool],
        *,
        port: int = 0,
        page_size: int = 100,
        further: Mapping[str, Operation] | None = None,
    ) -> None:
        self.lines, self.is_estimated, self.page_size = lines, is_estimated, page_size
        self.operations: dict[str, Operation] = {
            "GetCostAndUsage": self.get_cost_and_usage,
            **(further or {}),
        }
        self.faults = Faults()
        self.requests = 0
        super().__init__(port)

    def answer(self, handler: BaseHTTPRequestHandler) -> None:
        """Answer one operation, or with the fault that is due."""
        self.requests += 1
        body = handler.rfile.read(int(handler.headers.get("content-length", 0)))
        if self.faults.hang:
            time.sleep(self.faults.hang.pop(0))
        if self.faults.errors:
            status, code = self.faults.errors.pop(0)
            _send(
                handler,
                status,
                {"__type": code, "message": f"{code} {self.faults.message}"},
                self.faults.headers,
            )
            return
        service, operation = _asked(handler)
        answering = self.operations.get(operation)
        if answering is None:
            _send(handler, 400, {"__type": "UnknownOperationException", "message": "unknown"})
            return
        try:
            content = _checked_answer(service, operation, answering, json.loads(body or b"{}"))
        except Refused as error:
            _send(handler, 400, {"__type": error.code, "message": str(error)})
            return
        self._send_bent(handler, content)

    def _send_bent(self, handler: BaseHTTPRequestHandler, content: dict[str, Any]) -> None:
        if self.faults.same_token:
            content |= {_token_of(content): "again"}
        if self.faults.lose_last_page and content.pop("NextPageToken", None) is None:
            for result in content.get("ResultsByTime", ()):
                if len(result["Groups"]) > 1:
                    result["Groups"].pop()
        content |= self.faults.further
        for result in content.get("ResultsByTime", ()):
            result |= self.faults.further
            for group in result["Groups"]:
                group |= self.faults.further
        text = json.dumps(content).encode()
        if self.faults.broken_json:
            self.faults.broken_json -= 1
            text = text[: len(text) // 2]
        length = len(text)
        if self.faults.cut_body:
            self.faults.cut_body -= 1
            text = text[: length // 2]
        handler.send_response(200)
        handler.send_header("content-type", "application/x-amz-json-1.1")
        handler.send_header("content-length", str(length))
        handler.end_headers()
        handler.wfile.write(text)
        if len(text) < length:
            handler.close_connection = True

    def get_cost_and_usage(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """Answer as GetCostAndUsage does; pages count groups over all days."""
        first, end, keys, metrics = _checked(request)
        if not 0 < (end - first).days <= 800:
            raise _Invalid("Start date should be before end date")
        cells = _grouped(self.lines(first, end), request.get("Filter"), keys)
        days = [first + timedelta(days=n) for n in range((end - first).days)]
        flat = [(day, group) for day in days for group in sorted(cells.get(day, {}))]
        offset = int(request.get("NextPageToken", 0)) if keys else 0
        shown = flat[offset : offset + self.page_size] if keys else flat
        results = [
            self._result(day, [group for d, group in shown if d == day], cells, keys, metrics)
            for day in days
        ]
        answer: dict[str, Any] = {"ResultsByTime": results, "DimensionValueAttributes": []}
        if keys and offset + self.page_size < len(flat):
            answer["NextPageToken"] = str(offset + self.page_size)
        return answer

    def _result(
        self,
        day: date,
        groups: list[tuple[str, ...]],
        cells: Mapping[date, Mapping[tuple[str, ...], list[Line]]],
        keys: list[str],
        metrics: list[str],
    ) -> dict[str, Any]:
        lines = [line for group in cells.get(day, {}).values() for line in group]
        return {
            "TimePeriod": {"Start": str(day), "End": str(day + timedelta(days=1))},
            "Total": {} if keys else _amounts(lines, metrics),
            "Groups": [
                {"Keys": list(group), "Metrics": _amounts(cells[day][group], metrics)}
                for group in groups
            ]
            if keys
            else [],
            "Estimated": self.is_estimated(day),
        }


class _Invalid(Refused):
    """A request that AWS would call invalid."""


def _asked(handler: BaseHTTPRequestHandler) -> tuple[str, str]:
    """Return AWS's names of the service and operation that a request is for."""
    if handler.path == _SAVINGS_PLANS:
        return "savingsplans", _SAVINGS_PLANS.removeprefix("/")
    return "ce", str(handler.headers.get("x-amz-target", "")).removeprefix(_SERVICE)


def _checked_answer(
    service: str, operation: str, answering: Operation, request: Mapping[str, Any]
) -> dict[str, Any]:
    """Answer a request; both must have the shapes of AWS's own model."""
    faults = shapes.faults_of_request(service, operation, request)
    if faults:
        raise _Invalid(faults)
    content = answering(request)
    faults = shapes.faults_of_answer(service, operation, content)
    if faults:
        raise Refused(f"the fixture is wrong: {faults}", "InternalFailure")
    return content


def _token_of(content: Mapping[str, Any]) -> str:
    """Return the name that an answer's page token has, which AWS spells in three ways."""
    if "savingsPlans" in content:
        return "nextToken"
    is_plan = "SavingsPlansUtilizationDetails" in content or "SavingsPlansCoverages" in content
    return "NextToken" if is_plan else "NextPageToken"


def _checked(request: Mapping[str, Any]) -> tuple[date, date, list[str], list[str]]:
    if request.get("Granularity") != "DAILY":
        raise _Invalid("only DAILY is served here")
    keys = [group["Key"] for group in request.get("GroupBy") or ()]
    if len(keys) > 2 or any(key not in _DIMENSIONS for key in keys):
        raise _Invalid("GroupBy takes at most two known dimensions")
    metrics = list(request.get("Metrics") or ())
    if not metrics or any(metric not in _METRICS for metric in metrics):
        raise _Invalid("Metrics are missing or unknown")
    period = request["TimePeriod"]
    try:
        return date.fromisoformat(period["Start"]), date.fromisoformat(period["End"]), keys, metrics
    except ValueError as error:
        raise _Invalid(str(error)) from None


def _grouped(
    lines: Iterable[Line], condition: Mapping[str, Any] | None, keys: list[str]
) -> dict[date, dict[tuple[str, ...], list[Line]]]:
    cells: dict[date, dict[tuple[str, ...], list[Line]]] = {}
    for line in lines:
        if _matches(line, condition):
            group = tuple(getattr(line, _DIMENSIONS[key]) for key in keys)
            cells.setdefault(line.day, {}).setdefault(group, []).append(line)
    return cells


def _matches(line: Line, condition: Mapping[str, Any] | None) -> bool:
    if not condition:
        return True
    if "And" in condition:
        if len(condition["And"]) < 2:
            raise _Invalid("And takes at least two expressions")
        return all(_matches(line, each) for each in condition["And"])
    wanted = condition["Dimensions"]
    return getattr(line, _DIMENSIONS[wanted["Key"]]) in wanted["Values"]


def _amounts(lines: list[Line], metrics: list[str]) -> dict[str, dict[str, str]]:
    units = {line.unit for line in lines}
    currency = lines[0].currency if lines else "USD"
    return {
        metric: {
            "Amount": f"{sum((getattr(line, _METRICS[metric]) for line in lines), Decimal(0)):f}",
            "Unit": (units.pop() if len(units) == 1 else "N/A")
            if metric == "UsageQuantity"
            else currency,
        }
        for metric in metrics
    }


def _send(
    handler: BaseHTTPRequestHandler,
    status: int,
    content: Mapping[str, str],
    headers: Mapping[str, str] | None = None,
) -> None:
    text = json.dumps(content).encode()
    handler.send_response(status)
    handler.send_header("content-type", "application/x-amz-json-1.1")
    handler.send_header("content-length", str(len(text)))
    for name, value in (headers or {}).items():
        handler.send_header(name, value)
    handler.end_headers()
    handler.wfile.write(text)

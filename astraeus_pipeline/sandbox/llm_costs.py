"""OpenAI's and Anthropic's admin APIs over HTTP: cost and usage reports on invented lines.

It checks what they check (keys, versions, days, groups, limits), pages by buckets, and fails on
request. Shapes: OpenAI API v1, organization costs and usage; Anthropic Admin API 2023-06-01.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler
from typing import Any, ClassVar, Final, Protocol
from urllib.parse import parse_qs, urlsplit

from astraeus_pipeline.sandbox.llm_estate import ANTHROPIC, OPENAI, Organization, Vendor
from astraeus_pipeline.sandbox.loopback import LoopbackServer

_OPENAI_WHO: Final = frozenset({"project_id", "user_id", "api_key_id", "model"})
_OPENAI_GROUPS: Final = {
    "costs": frozenset({"project_id", "line_item", "api_key_id"}),
    "usage/completions": _OPENAI_WHO | {"batch", "service_tier"},
    "usage/embeddings": _OPENAI_WHO,
    "usage/moderations": _OPENAI_WHO,
    "usage/images": _OPENAI_WHO | {"size", "source"},
    "usage/audio_speeches": _OPENAI_WHO,
    "usage/audio_transcriptions": _OPENAI_WHO,
    "usage/vector_stores": frozenset({"project_id"}),
    "usage/code_interpreter_sessions": frozenset({"project_id"}),
}
_ANTHROPIC_GROUPS: Final = {
    "cost_report": frozenset({"workspace_id", "description"}),
    "usage_report/messages": frozenset(
        {"workspace_id", "api_key_id", "model", "service_tier", "context_window", "inference_geo"}
    ),
}
# Told when grouped by description, null otherwise.
_DESCRIBED: Final = (
    "cost_type",
    "model",
    "token_type",
    "service_tier",
    "context_window",
    "inference_geo",
)
_LISTS: Final = ("/projects", "/workspaces", "/me")
_NUMBER: Final = re.compile(r'"#([^"#]+)#"')

Group = Mapping[str, object]


@dataclass(frozen=True)
class CostLine:
    """One invented cost of a day in USD, by the dimensions that the vendor groups by."""

    day: date
    amount: Decimal
    groups: Group
    told_by_description: Group = field(default_factory=dict)
    quantity: int | None = None
    currency: str = "USD"


@dataclass(frozen=True)
class UsageLine:
    """One invented use of a day; a dot in a measure's name leads into an object."""

    day: date
    endpoint: str
    groups: Group
    measures: Mapping[str, int]


class Lines(Protocol):
    """What the emulator serves."""

    def costs(self, vendor: Vendor, first: date, end: date) -> Iterable[CostLine]:
        """Yield costs from `first` to the day before `end`."""
        ...

    def usage(self, vendor: Vendor, first: date, end: date) -> Iterable[UsageLine]:
        """Yield uses of the same days."""
        ...


@dataclass
class Faults:
    """What goes wrong next; lists and counts are used up as it happens, the rest stands.

    `errors` are (status, kind) answers, sent with `headers`; `hang` seconds of silence; `bend`
    changes reports, whose pages are told by their query.
    """

    errors: list[tuple[int, str]] = field(default_factory=list)
    hang: list[float] = field(default_factory=list)
    cut_body: int = 0
    broken_json: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    same_token: bool = False
    fresh_tokens: bool = False
    token: str | None = None
    redirect_to: str | None = None
    now: datetime | None = None
    bend: Callable[[Mapping[str, list[str]], dict[str, Any]], None] | None = None


class LlmCostServer(LoopbackServer):
    """Serves both vendors on 127.0.0.1 until stopped; `asked` keeps the paths with their query."""

    methods: ClassVar = ("GET",)

    def __init__(
        self,
        lines: Callable[[], Lines],
        *,
        organizations: tuple[Organization, ...] = (OPENAI, ANTHROPIC),
        port: int = 0,
        page_size: int = 31,
    ) -> None:
        self.lines, self.page_size = lines, page_size
        self.organizations = {each.vendor: each for each in organizations}
        self.faults = Faults()
        self.forbidden: tuple[str, ...] = ()  # ends of paths that no key may read
        self.asked: list[str] = []
        super().__init__(port)

    @property
    def now(self) -> datetime:
        """The vendors' clock."""
        return self.faults.now or datetime.now(UTC)

    def answer(self, handler: BaseHTTPRequestHandler) -> None:
        """Answer one question, or with the fault that is due."""
        self.asked.append(handler.path)
        faults = self.faults
        if faults.hang:
            time.sleep(faults.hang.pop(0))
        if faults.redirect_to:
            self._send(handler, 307, b"", {"location": faults.redirect_to + handler.path})
        elif faults.errors:
            status, kind = faults.errors.pop(0)
            key = handler.headers.get("authorization") or handler.headers.get("x-api-key") or ""
            self._send(handler, status, _error(kind, f"{kind}: {key}"), faults.headers)
        else:
            try:
                content = self._content(handler)
            except _Refused as error:
                self._send(handler, error.status, _error(error.kind, str(error)))
                return
            self._send_bent(handler, content)

    def _content(self, handler: BaseHTTPRequestHandler) -> dict[str, Any]:
        url = urlsplit(handler.path)
        if self.forbidden and url.path.endswith(self.forbidden):
            raise _Refused(403, "permission_error", "the key may not read this")
        query = parse_qs(url.query, keep_blank_values=True)
        if url.path.startswith("/v1/organization/"):
            report = self._openai(handler, url.path.removeprefix("/v1/organization/"), query)
        else:
            report = self._anthropic(handler, url.path.removeprefix("/v1/organizations/"), query)
        if self.faults.bend and not url.path.endswith(_LISTS):
            self.faults.bend(query, report)
        return report

    def _openai(
        self, handler: BaseHTTPRequestHandler, report: str, query: dict[str, list[str]]
    ) -> dict[str, Any]:
        wanted = f"Bearer {self.organizations['openai'].admin_key}"
        if handler.headers.get("authorization") != wanted:
            raise _Refused(401, "invalid_api_key", "Incorrect API key provided")
        if report == "projects":
            return self._list("openai", query, "after", 100)
        groups = query.get("group_by", []) + query.get("group_by[]", [])
        _check_groups(report, groups, _OPENAI_GROUPS)
        first = _from_seconds(query.get("start_time", [""])[0])
        end = _from_seconds(query["end_time"][0]) if "end_time" in query else self._tomorrow()
        days = self._days(first, end)
        results = (
            self._openai_costs(first, end, groups)
            if report == "costs"
            else self._usage("openai", report.removeprefix("usage/"), first, end, groups)
        )
        limit = 180 if report == "costs" else 31
        data, more = self._page(days, query, limit)
        buckets = [
            {
                "object": "bucket",
                "start_time": _seconds(day),
                "end_time": _seconds(day + timedelta(days=1)),
                "results": results.get(day, []),
            }
            for day in data
        ]
        return {"object": "page", "data": buckets, **more}

    def _anthropic(
        self, handler: BaseHTTPRequestHandler, report: str, query: dict[str, list[str]]
    ) -> dict[str, Any]:
        organization = self.organizations["anthropic"]
        if handler.headers.get("x-api-key") != organization.admin_key:
            raise _Refused(401, "authentication_error", "invalid x-api-key")
        if handler.headers.get("anthropic-version") != "2023-06-01":
            raise _Refused(400, "invalid_request_error", "anthropic-version: header is required")
        if report == "me":
            return {
                "id": organization.number,
                "type": "organization",
                "name": organization.name,
            }
        if report == "workspaces":
            return self._list("anthropic", query, "after_id", 1000)
        groups = query.get("group_by[]", [])
        _check_groups(report, groups, _ANTHROPIC_GROUPS)
        first = _from_text(query.get("starting_at", [""])[0])
        end = _from_text(query["ending_at"][0]) if "ending_at" in query else self._tomorrow()
        days = self._days(first, end)
        results = (
            self._anthropic_costs(first, end, groups)
            if report == "cost_report"
            else self._usage("anthropic", "messages", first, end, groups)
        )
        data, more = self._page(days, query, 31)
        buckets = [
            {
                "starting_at": f"{day}T00:00:00Z",
                "ending_at": f"{day + timedelta(days=1)}T00:00:00Z",
                "results": results.get(day, []),
            }
            for day in data
        ]
        return {"data": buckets, **more}

    def _openai_costs(self, first: date, end: date, groups: list[str]) -> Results:
        found: Results = {}
        lines = self.lines().costs("openai", first, end)
        for day, group, currency, each in _grouped_costs(lines, groups):
            amount = {"value": _number(sum(x.amount for x in each)), "currency": currency.lower()}
            quantities = [x.quantity for x in each]
            told = "line_item" in groups and None not in quantities
            found.setdefault(day, []).append(
                {
                    "object": "organization.costs.result",
                    "amount": amount,
                    "line_item": group.get("line_item"),
                    "project_id": group.get("project_id"),
                    "quantity": sum(filter(None, quantities)) if told else None,
                }
            )
        return found

    def _anthropic_costs(self, first: date, end: date, groups: list[str]) -> Results:
        found: Results = {}
        lines = self.lines().costs("anthropic", first, end)
        for day, group, currency, each in _grouped_costs(lines, groups):
            told = each[0].told_by_description if "description" in groups else {}
            found.setdefault(day, []).append(
                {
                    "amount": f"{sum(x.amount for x in each) * 100:f}",
                    "currency": currency,
                    "description": group.get("description"),
                    "workspace_id": group.get("workspace_id"),
                    **{name: told.get(name) for name in _DESCRIBED},
                }
            )
        return found

    def _usage(
        self, vendor: Vendor, endpoint: str, first: date, end: date, groups: list[str]
    ) -> Results:
        sums: dict[tuple[date, tuple[object, ...]], dict[str, int]] = {}
        for line in self.lines().usage(vendor, first, end):
            if line.endpoint == endpoint:
                key = (line.day, tuple(line.groups.get(name) for name in groups))
                into = sums.setdefault(key, {})
                for name, count in line.measures.items():
                    into[name] = into.get(name, 0) + count
        found: Results = {}
        known = _OPENAI_GROUPS.get(f"usage/{endpoint}", _ANTHROPIC_GROUPS["usage_report/messages"])
        for (day, group), measures in sorted(sums.items(), key=str):
            named = {**dict.fromkeys(sorted(known)), **dict(zip(groups, group, strict=True))}
            kind = {"object": f"organization.usage.{endpoint}.result"} if vendor == "openai" else {}
            found.setdefault(day, []).append({**kind, **_nested(measures), **named})
        return found

    def _list(
        self, vendor: Vendor, query: dict[str, list[str]], cursor: str, most: int
    ) -> dict[str, Any]:
        """List the projects after the one that the cursor names."""
        limit = int(query.get("limit", ["20"])[0])
        if not 1 <= limit <= most:
            raise _Refused(400, "invalid_request_error", f"limit: between 1 and {most}")
        known = self.organizations[vendor].projects
        ids = [number for number, _ in known]
        first = ids.index(query[cursor][0]) + 1 if cursor in query else 0
        shown = known[first : first + min(limit, self.page_size)]
        return {
            "data": [{"id": number, "name": name, "archived_at": None} for number, name in shown],
            "first_id": shown[0][0] if shown else None,
            "last_id": shown[-1][0] if shown else None,
            "has_more": first + len(shown) < len(known),
        }

    def _tomorrow(self) -> date:
        return self.now.date() + timedelta(days=1)

    def _days(self, first: date, end: date) -> list[date]:
        """Return the days of the range that have begun; days without anything are told, too."""
        if first >= end:
            raise _Refused(400, "invalid_request_error", "the end is not after the start")
        last = min(end, self._tomorrow())
        return [first + timedelta(days=n) for n in range((last - first).days)]

    def _page(
        self, days: list[date], query: dict[str, list[str]], most: int
    ) -> tuple[list[date], dict[str, Any]]:
        limit = int(query.get("limit", ["7"])[0])
        if not 1 <= limit <= most:
            raise _Refused(400, "invalid_request_error", f"limit: between 1 and {most}")
        token = query.get("page", ["page_0"])[0]
        if not re.fullmatch(r"page_\d+", token):
            raise _Refused(400, "invalid_request_error", "page: unknown token")
        offset = int(token.removeprefix("page_"))
        until = offset + min(limit, self.page_size)
        more = until < len(days)
        return days[offset:until], {
            "has_more": more,
            "next_page": f"page_{until}" if more else None,
        }

    def _send_bent(self, handler: BaseHTTPRequestHandler, content: dict[str, Any]) -> None:
        faults = self.faults
        if faults.same_token and "data" in content:
            content |= {"has_more": True, "next_page": "page_0"}
        if faults.fresh_tokens and "data" in content:
            content |= {"has_more": True, "next_page": f"page_{10_000 + len(self.asked)}"}
        if faults.token is not None and "data" in content:
            content |= {"has_more": True, "next_page": faults.token}
        text = _NUMBER.sub(r"\1", json.dumps(content, indent=2)).encode()
        if faults.broken_json:
            faults.broken_json -= 1
            text = text[: len(text) // 2]
        length = len(text)
        if faults.cut_body:
            faults.cut_body -= 1
            text = text[: length // 2]
        self._send(handler, 200, text, faults.headers, length)

    def _send(
        self,
        handler: BaseHTTPRequestHandler,
        status: int,
        body: bytes,
        headers: Mapping[str, str] | None = None,
        length: int | None = None,
    ) -> None:
        handler.send_response_only(status)
        handler.send_header("date", format_datetime(self.now, usegmt=True))
        handler.send_header("content-type", "application/json")
        handler.send_header("content-length", str(len(body) if length is None else length))
        if "/v1/organization/" in handler.path:
            handler.send_header("openai-organization", self.organizations["openai"].number)
        for name, value in (headers or {}).items():
            handler.send_header(name, value)
        handler.end_headers()
        handler.wfile.write(body)
        if length is not None and len(body) < length:
            handler.close_connection = True


Results = dict[date, list[dict[str, Any]]]


class _Refused(ValueError):
    """A request that the vendors refuse, with the kind of their error."""

    def __init__(self, status: int, kind: str, message: str) -> None:
        super().__init__(message)
        self.status, self.kind = status, kind


def _error(kind: str, message: str) -> bytes:
    """Spell an error so that both vendors' clients know it."""
    error = {"type": kind, "code": kind, "message": message, "param": None}
    return json.dumps({"type": "error", "error": error}).encode()


def _check_groups(report: str, groups: list[str], known: Mapping[str, frozenset[str]]) -> None:
    if report not in known:
        raise _Refused(404, "not_found_error", f"there is no {report}")
    if not known[report] >= set(groups):
        raise _Refused(400, "invalid_request_error", "group_by: unknown field")


def _grouped_costs(
    lines: Iterable[CostLine], groups: list[str]
) -> Iterator[tuple[date, dict[str, object], str, list[CostLine]]]:
    found: dict[tuple[date, tuple[object, ...], str], list[CostLine]] = {}
    for line in lines:
        key = (line.day, tuple(line.groups.get(name) for name in groups), line.currency)
        found.setdefault(key, []).append(line)
    for (day, group, currency), each in sorted(found.items(), key=lambda item: str(item[0])):
        yield day, dict(zip(groups, group, strict=True)), currency, each


def _nested(measures: Mapping[str, int]) -> dict[str, Any]:
    result: dict[str, Any] = {}
    for name, count in measures.items():
        outer, _, inner = name.partition(".")
        if inner:
            result.setdefault(outer, {})[inner] = count
        else:
            result[outer] = count
    return result


def _number(amount: Decimal | int) -> str:
    """Mark a decimal that is to stand in the JSON as a number, all its digits kept."""
    return f"#{amount:f}#"


def _seconds(day: date) -> int:
    return (day - date(1970, 1, 1)).days * 86_400


def _from_seconds(text: str) -> date:
    try:
        return datetime.fromtimestamp(int(text), UTC).date()
    except (ValueError, OverflowError):
        raise _Refused(400, "invalid_request_error", "start_time: not a time") from None


def _from_text(text: str) -> date:
    try:
        return datetime.fromisoformat(text).astimezone(UTC).date()
    except ValueError:
        raise _Refused(400, "invalid_request_error", "starting_at: not a time") from None

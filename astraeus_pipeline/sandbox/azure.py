"""An Azure over HTTPS on the loopback: sign-in, Resource Graph, Cost Management, Blob Storage.

Shapes follow Microsoft's published examples. It checks what Azure checks as far as the client could
get it wrong (secret, token, query, paging), and fails on request. What it does not prove is how
Azure itself behaves.
"""

from __future__ import annotations

import asyncio
import json
import secrets
import socket
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote, urlsplit

import trustme
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from astraeus_pipeline.contracts.days import DayRange
from astraeus_pipeline.sandbox import azure_blobs, azure_query
from astraeus_pipeline.sandbox.azure_lines import Line

TENANT: Final = "5a1c9c3e-52b1-4bb5-9c2c-1d0f7d1f7a22"
CLIENT: Final = "0d3f8f2e-9d0a-4a8e-8c11-3b5f6c7d8e99"
SECRET: Final = "demo"  # noqa: S105 - opens nothing but this emulator
CA_FILE: Final = "azure-ca.pem"
_COST_HINT: Final = "x-ms-ratelimit-microsoft.costmanagement-{}-retry-after"

Lines = Callable[[DayRange], Iterable[Line]]


@dataclass(frozen=True)
class Subscription:
    """One subscription, with its resources as Resource Graph lists them."""

    id: str
    name: str
    resources: Sequence[Mapping[str, Any]] = ()
    state: str = "Enabled"
    management_group: str | None = None


@dataclass
class Failure:
    """An answer to give instead: status, Azure's code, headers."""

    status: int
    code: str
    headers: dict[str, str] = field(default_factory=dict)


@dataclass
class Faults:
    """What goes wrong next on a path that contains `where`; each is used up as it happens."""

    where: str = "/query"
    failures: list[Failure] = field(default_factory=list)
    hang: list[float] = field(default_factory=list)
    cut_body: int = 0
    broken_json: int = 0
    same_page: bool = False
    foreign_link: bool = False
    lose_last_page: bool = False
    truncated: bool = False
    further_column: bool = False
    clock_skew: timedelta = timedelta(0)


def throttled(hints: Mapping[str, str] | None = None, retry_after: str | None = None) -> Failure:
    """Return a 429 as Cost Management gives it, with its own hints and perhaps the usual one."""
    headers = {_COST_HINT.format(name): value for name, value in (hints or {}).items()}
    if retry_after is not None:
        headers["Retry-After"] = retry_after
    return Failure(429, "TooManyRequests", headers)


class AzureServer:
    """Serves on 127.0.0.1 until stopped.

    `requests` notes method and path of what was asked, `unknown` those that nothing serves: a
    test fails on them, since the real Azure would have answered something else.
    """

    def __init__(
        self,
        subscriptions: Callable[[], Sequence[Subscription]],
        lines: Lines,
        folder: Path,
        *,
        port: int = 0,
        page_size: int = 1000,
        is_enterprise: bool = False,
        token_seconds: int = 3599,
    ) -> None:
        self.subscriptions, self.lines = subscriptions, lines
        self.page_size, self.is_enterprise, self.token_seconds = (
            page_size,
            is_enterprise,
            token_seconds,
        )
        self.files = folder / "blobs"  # a folder for each container
        self.faults = Faults()
        self.requests: list[str] = []
        self.unknown: list[str] = []
        self.device_polls = 1  # how often the person has not entered the code yet
        self.hidden: set[str] = set()  # subscriptions that the credentials may not read
        self._tokens: dict[str, float] = {}
        folder.mkdir(parents=True, exist_ok=True)
        authority, pem = trustme.CA(), folder / "azure-server.pem"
        self.ca_path = folder / CA_FILE
        authority.cert_pem.write_to_path(str(self.ca_path))
        authority.issue_cert("127.0.0.1").private_key_and_cert_chain_pem.write_to_path(str(pem))
        self._socket = socket.socket()
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._socket.bind(("127.0.0.1", port))
        settings = uvicorn.Config(
            Starlette(routes=self._routes()),
            ssl_certfile=str(pem),
            log_level="critical",
            date_header=False,
            lifespan="off",
        )
        self._server = uvicorn.Server(settings)
        self._thread = threading.Thread(
            target=self._server.run, kwargs={"sockets": [self._socket]}, daemon=True
        )

    @property
    def url(self) -> str:
        """Address to put into an account's `authority` and `endpoint_url`."""
        return f"https://127.0.0.1:{self._socket.getsockname()[1]}"

    @property
    def blob_url(self) -> str:
        """Address of the storage account, to put a container and a folder behind."""
        return f"{self.url}/{azure_blobs.STORAGE_ACCOUNT}"

    @property
    def queries(self) -> int:
        """How many pages of cost queries were asked for."""
        return sum("Microsoft.CostManagement/query" in each for each in self.requests)

    def start(self) -> None:
        """Begin to serve."""
        self._thread.start()
        while not self._server.started:
            time.sleep(0.005)

    def stop(self) -> None:
        """End serving."""
        self._server.force_exit = self._server.should_exit = True  # clients keep connections
        self._thread.join(10)
        self._socket.close()

    def __enter__(self) -> AzureServer:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def given_tokens(self) -> tuple[str, ...]:
        """Every token given so far."""
        return tuple(self._tokens)

    # --- routes ---

    def _routes(self) -> list[Route]:
        query = "/subscriptions/{id}/providers/Microsoft.CostManagement/query"
        group = "/providers/Microsoft.Management/managementGroups/{name}/descendants"
        storage = azure_blobs.STORAGE_ACCOUNT
        served: list[tuple[str, str, Callable[[Request], Any]]] = [
            ("GET", "/{tenant}/v2.0/.well-known/openid-configuration", self._openid),
            ("POST", "/{tenant}/oauth2/v2.0/token", self._token),
            ("POST", "/{tenant}/oauth2/v2.0/devicecode", self._device_code),
            ("GET", "/subscriptions", self._guarded(self._subscriptions)),
            ("GET", group, self._guarded(self._descendants)),
            ("POST", "/providers/Microsoft.ResourceGraph/resources", self._guarded(self._graph)),
            ("POST", query, self._guarded(self._query)),
            ("GET", f"/{storage}/{{container}}", self._guarded(self._list_blobs)),
            ("GET", f"/{storage}/{{container}}/{{blob:path}}", self._guarded(self._read_blob)),
        ]
        routes = [
            Route(path, self._watched(answer), methods=[method]) for method, path, answer in served
        ]
        methods = ["GET", "POST", "PUT", "DELETE", "HEAD", "PATCH"]
        return [*routes, Route("/{path:path}", self._watched(self._nothing), methods=methods)]

    def _watched(self, answer: Callable[[Request], Any]) -> Callable[[Request], Any]:
        """Note the request, and give the answer or what is to go wrong."""

        async def endpoint(request: Request) -> Response:
            self.requests.append(f"{request.method} {request.url.path}")
            faults = self.faults
            if faults.where not in request.url.path:
                response = await answer(request)
                return self._dated(response)
            if faults.hang:
                await asyncio.sleep(faults.hang.pop(0))
            if faults.failures:
                failure = faults.failures.pop(0)
                response = _error(failure.status, failure.code, f"{failure.code} on request")
                response.headers.update(failure.headers)
                return self._dated(response)
            return self._dated(self._bent(await answer(request)))

        return endpoint

    def _dated(self, response: Response) -> Response:
        now = datetime.now(UTC) + self.faults.clock_skew
        response.headers["Date"] = format_datetime(now, usegmt=True)
        return response

    def _bent(self, response: Response) -> Response:
        body = bytes(response.body)
        if self.faults.broken_json:
            self.faults.broken_json -= 1
            return Response(body[: len(body) // 2], media_type="application/json")
        if self.faults.cut_body:
            self.faults.cut_body -= 1
            return Response(body[: len(body) // 2], response.status_code, dict(response.headers))
        return response

    def _guarded(self, answer: Callable[[Request], Any]) -> Callable[[Request], Any]:
        """Ask for a valid token first."""

        async def endpoint(request: Request) -> Response:
            token = request.headers.get("authorization", "").removeprefix("Bearer ")
            until = self._tokens.get(token)
            if until is None:
                return _error(401, "InvalidAuthenticationToken", "The access token is invalid.")
            if until < time.monotonic():
                return _error(401, "ExpiredAuthenticationToken", "The access token has expired.")
            response: Response = await answer(request)
            return response

        return endpoint

    async def _nothing(self, request: Request) -> Response:
        self.unknown.append(f"{request.method} {request.url.path}")
        return _error(404, "NotFound", "nothing is served here")

    async def _openid(self, request: Request) -> Response:
        base = f"{self.url}/{request.path_params['tenant']}"
        return JSONResponse(
            {
                "issuer": f"{base}/v2.0",
                "authorization_endpoint": f"{base}/oauth2/v2.0/authorize",
                "token_endpoint": f"{base}/oauth2/v2.0/token",
                "device_authorization_endpoint": f"{base}/oauth2/v2.0/devicecode",
                "tenant_region_scope": "EU",
            }
        )

    async def _token(self, request: Request) -> Response:
        form = await request.form()
        if request.path_params["tenant"] != TENANT:
            return _refused("invalid_request", "AADSTS90002: Tenant not found.", 400)
        if form.get("grant_type") == "client_credentials":
            if (form.get("client_id"), form.get("client_secret")) != (CLIENT, SECRET):
                text = "AADSTS7000215: Invalid client secret provided."
                return _refused("invalid_client", text, 401)
            return JSONResponse(self._new_token())
        if str(form.get("grant_type")).endswith("device_code"):
            if self.device_polls:
                self.device_polls -= 1
                text = "AADSTS70016: OAuth 2.0 device flow error. Authorization is pending."
                return _refused("authorization_pending", text, 400)
            return JSONResponse({**self._new_token(), "id_token": _id_token(self.url)})
        return _refused("unsupported_grant_type", "AADSTS70003: unsupported grant.", 400)

    def _new_token(self) -> dict[str, Any]:
        token = secrets.token_urlsafe(24)
        self._tokens[token] = time.monotonic() + self.token_seconds
        return {
            "token_type": "Bearer",
            "expires_in": self.token_seconds,
            "ext_expires_in": self.token_seconds,
            "access_token": token,
        }

    async def _device_code(self, request: Request) -> Response:
        return JSONResponse(
            {
                "user_code": "DEMO-CODE",
                "device_code": secrets.token_urlsafe(16),
                "verification_uri": f"{self.url}/devicelogin",
                "expires_in": 300,
                "interval": 0,
                "message": "Enter the code DEMO-CODE.",
            }
        )

    async def _subscriptions(self, _: Request) -> Response:
        listed = [
            {
                "id": f"/subscriptions/{each.id}",
                "subscriptionId": each.id,
                "tenantId": TENANT,
                "displayName": each.name,
                "state": each.state,
                "authorizationSource": "RoleBased",
            }
            for each in self.subscriptions()
            if each.id not in self.hidden
        ]
        return JSONResponse({"value": listed, "count": {"type": "Total", "value": len(listed)}})

    async def _descendants(self, request: Request) -> Response:
        """One group below another, two pages, as the real listing mixes groups and pages."""
        name = request.path_params["name"]
        parent = {"id": f"/providers/Microsoft.Management/managementGroups/{name}"}
        listed: list[dict[str, Any]] = [
            {
                "id": f"{parent['id']}-emea",
                "type": "Microsoft.Management/managementGroups",
                "name": f"{name}-emea",
                "properties": {"displayName": "EMEA", "parent": parent},
            }
        ]
        listed += [
            {
                "id": f"/subscriptions/{each.id}",
                "type": "/subscriptions",
                "name": each.id,
                "properties": {"displayName": each.name, "parent": parent},
            }
            for each in self.subscriptions()
            if each.management_group == name
        ]
        offset = int(request.query_params.get("$skiptoken", 0))
        answer: dict[str, Any] = {"value": listed[offset : offset + 2]}
        if offset + 2 < len(listed):
            answer["nextLink"] = self._link(request, offset + 2)
        return JSONResponse(answer)

    async def _graph(self, request: Request) -> Response:
        body = await request.json()
        if "order by id" not in body["query"] or "project id" not in body["query"]:
            return _error(400, "BadRequest", "without id and its order there is no paging")
        found = [
            item
            for each in self.subscriptions()
            if each.id in body["subscriptions"]
            for item in each.resources
        ]
        options = body.get("options") or {}
        size = min(int(options.get("$top", 100)), self.page_size)
        offset = int(options.get("$skipToken") or 0)
        data = [dict(item) for item in found[offset : offset + size]]
        answer: dict[str, Any] = {
            "totalRecords": len(found),
            "count": len(data),
            "data": data,
            "facets": [],
            "resultTruncated": "true" if self.faults.truncated else "false",
        }
        if self.faults.same_page:
            answer["$skipToken"] = "0"
        elif offset + size < len(found) and not self.faults.lose_last_page:
            answer["$skipToken"] = str(offset + size)
        return JSONResponse(answer)

    async def _list_blobs(self, request: Request) -> Response:
        return azure_blobs.list_blobs(request, self.files)

    async def _read_blob(self, request: Request) -> Response:
        return azure_blobs.read_blob(request, self.files)

    async def _query(self, request: Request) -> Response:
        subscription = request.path_params["id"]
        if subscription not in {each.id for each in self.subscriptions()}:
            return _error(403, "AuthorizationFailed", "no permission over the scope")
        definition = await request.json()
        try:
            first, last = azure_query.period(definition)
            mine = (
                line
                for line in self.lines(DayRange(first, last))
                if line.subscription == subscription
            )
            table = azure_query.answer(definition, mine, is_enterprise=self.is_enterprise)
        except azure_query.Invalid as error:
            return _error(400, "BadRequest", str(error))
        if self.faults.further_column:
            table.columns.append({"name": "CostStatus", "type": "String"})
            table.rows = [[*row, "Forecast"] for row in table.rows]
        offset = int(request.query_params.get("$skiptoken", 0))
        link = None
        if self.faults.same_page:
            link = self._link(request, offset)
        elif self.faults.foreign_link:
            link = "https://example.org/steal?$skiptoken=1"
        elif offset + self.page_size < len(table.rows):
            after = offset + 2 * self.page_size
            if not (self.faults.lose_last_page and after >= len(table.rows)):
                link = self._link(request, offset + self.page_size)
        identity = f"subscriptions/{subscription}/{secrets.token_hex(8)}"
        text = azure_query.page(table, offset, self.page_size, link, identity)
        return Response(text, media_type="application/json")

    def _link(self, request: Request, offset: int) -> str:
        version = quote(request.query_params["api-version"])
        path = urlsplit(str(request.url)).path
        return f"{self.url}{path}?api-version={version}&$skiptoken={offset}"


def _error(status: int, code: str, message: str) -> Response:
    return JSONResponse({"error": {"code": code, "message": message}}, status)


def _refused(code: str, text: str, status: int) -> Response:
    return JSONResponse({"error": code, "error_description": text, "error_codes": []}, status)


def _id_token(issuer: str) -> str:
    """Return an unsigned id token: MSAL reads it, the transport vouches for it."""
    import base64

    now = int(time.time())
    claims = {
        "iss": f"{issuer}/{TENANT}/v2.0",
        "aud": CLIENT,
        "sub": "person",
        "oid": "person",
        "tid": TENANT,
        "preferred_username": "person@example.org",
        "iat": now,
        "nbf": now,
        "exp": now + 3600,
        "ver": "2.0",
    }

    def part(content: Mapping[str, Any]) -> str:
        return base64.urlsafe_b64encode(json.dumps(content).encode()).rstrip(b"=").decode()

    return f"{part({'alg': 'none', 'typ': 'JWT'})}.{part(claims)}."

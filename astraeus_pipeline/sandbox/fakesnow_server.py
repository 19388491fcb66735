"""fakesnow behind a log-in that checks keys: the program that runs in fakesnow's own environment.

Imports nothing of ours: it is started by file name with another Python (see `snowflake.py`), reads
what to be from stdin as one JSON object, prints its port, and serves until its stdin closes.

    {"accounts": {"ACME-PROD": {
        "users": {"ASTRAEUS": {"public_key": "-----BEGIN ...", "refusal": null}},
        "rewrites": [[pattern, replacement], ...]}}}

Each account is a fakesnow of its own. `POST /sandbox/<account>` with {"statements": [...],
"tables": {name: {"columns": [...], "rows": [[...]]}}} fills it; cells are text or null.
"""

from __future__ import annotations

import gzip
import json
import re
import secrets
import socket
import sys
import threading
import time
from typing import Any

import fakesnow.server as fs
import jwt
import pyarrow as pa
import uvicorn
from fakesnow.instance import FakeSnow
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

UNKNOWN_COLUMN = re.compile(r'Referenced column "([^"]+)" not found')
_LIFETIME_S = 3600


class Account:
    """One Snowflake account: its users, its data, and what fakesnow has to be told otherwise."""

    def __init__(self, content: dict[str, Any]) -> None:
        self.users: dict[str, dict[str, Any]] = content["users"]
        self.rewrites = [(re.compile(a, re.IGNORECASE), b) for a, b in content["rewrites"]]
        self.instance = FakeSnow()

    def fill(self, content: dict[str, Any]) -> None:
        """Run statements in Snowflake's SQL, then replace the contents of tables."""
        with self.instance.connect(None, None) as connection:
            cursor = connection.cursor()
            for statement in content.get("statements", ()):
                cursor.execute(statement)
            duck = connection._duck_conn
            for name, table in content.get("tables", {}).items():
                arrays = [
                    pa.array([row[index] for row in table["rows"]], pa.string())
                    for index in range(len(table["columns"]))
                ]
                duck.register("fresh", pa.table(arrays, names=table["columns"]))
                duck.execute(f"delete from {name}")  # noqa: S608 - ours
                listed = ", ".join(table["columns"])
                duck.execute(f"insert into {name} ({listed}) select * from fresh")  # noqa: S608
                duck.unregister("fresh")

    def rewritten(self, sql: str) -> str:
        """Return the statement in the part of Snowflake's SQL that fakesnow knows."""
        for pattern, replacement in self.rewrites:
            sql = pattern.sub(replacement, sql)
        return sql


ACCOUNTS: dict[str, Account] = {}
SESSIONS: dict[str, Account] = {}


async def content_of(request: Request) -> dict[str, Any]:
    """Return the request's JSON, unpacked."""
    body = await request.body()
    if request.headers.get("content-encoding") == "gzip":
        body = gzip.decompress(body)
    parsed: dict[str, Any] = json.loads(body)
    return parsed


def replaced(request: Request, content: dict[str, Any]) -> Request:
    """Return the request with another body."""
    body = json.dumps(content).encode()
    if request.headers.get("content-encoding") == "gzip":
        body = gzip.compress(body)
    fresh = Request(request.scope)
    fresh._body = body
    return fresh


def refusal(code: str, message: str, status: int = 200) -> JSONResponse:
    """Answer as Snowflake refuses."""
    content = {"success": False, "code": code, "message": message, "data": {}}
    return JSONResponse(content, status_code=status)


def checked(data: dict[str, Any], now: float) -> tuple[Account | None, JSONResponse | None]:
    """Return the account that the token opens, or the refusal."""
    account = ACCOUNTS.get(str(data.get("ACCOUNT_NAME", "")).upper())
    name = str(data.get("LOGIN_NAME", "")).upper()
    user = account.users.get(name) if account else None
    try:
        if account is None or user is None:
            raise jwt.InvalidTokenError("nobody of this name")
        token = jwt.decode(
            data.get("TOKEN", ""),
            user["public_key"],
            algorithms=["RS256"],
            options={"verify_exp": False, "verify_iat": False},
        )
        if not token["iat"] - 60 <= now <= token["exp"]:
            raise jwt.InvalidTokenError("iat and exp do not enclose the present")
        if f"{data['ACCOUNT_NAME']}.{data['LOGIN_NAME']}".upper() != token["sub"]:
            raise jwt.InvalidTokenError("another subject")
    except jwt.InvalidTokenError:
        return None, refusal("390144", f"JWT token is invalid. [{secrets.token_hex(8)}]")
    if user["refusal"]:
        return None, refusal(*user["refusal"])
    return account, None


async def login(request: Request) -> JSONResponse:
    """Check the key, then log in to the account's fakesnow; x-sandbox-clock shifts our clock."""
    data = (await content_of(request))["data"]
    account, refused = checked(data, time.time() + float(request.headers.get("x-sandbox-clock", 0)))
    if account is None:
        return refused or refusal("390144", "JWT token is invalid.")
    fs.shared_fs = account.instance
    reply = json.loads((await fs.login_request(request)).body)
    SESSIONS[reply["data"]["token"]] = account
    reply["data"] |= {
        "masterToken": reply["data"]["token"],
        "sessionId": secrets.randbelow(2**40),
        "validityInSeconds": _LIFETIME_S,
        "masterValidityInSeconds": 4 * _LIFETIME_S,
    }
    return JSONResponse(reply)


async def renew(request: Request) -> JSONResponse:
    """Renew the session's token, which stays the same."""
    token = fs.to_token(request)
    data = {"sessionToken": token, "masterToken": token, "sessionId": 1}
    lifetimes = {"validityInSecondsST": _LIFETIME_S, "validityInSecondsMT": 4 * _LIFETIME_S}
    return JSONResponse({"success": True, "data": data | lifetimes})


async def query(request: Request) -> JSONResponse:
    """Run a statement, with Snowflake's number for a column that the view lacks."""
    account = SESSIONS.get(fs.to_token(request))
    if account is None:
        return refusal("390104", "User must login again to access the service.", 401)
    content = await content_of(request)
    content["sqlText"] = account.rewritten(content["sqlText"])
    answer: JSONResponse = await fs.query_request(replaced(request, content))
    reply: dict[str, Any] = json.loads(bytes(answer.body))
    if not reply["success"] and (found := UNKNOWN_COLUMN.search(reply["message"] or "")):
        message = f"SQL compilation error: invalid identifier '{found.group(1)}'"
        failed = {"errorCode": "000904", "sqlState": "42000"}
        return JSONResponse(reply | {"code": "000904", "message": message, "data": failed})
    return answer


async def fill(request: Request) -> JSONResponse:
    """Fill an account with what its bill says now."""
    ACCOUNTS[request.path_params["account"]].fill(await content_of(request))
    return JSONResponse({"success": True})


ROUTES = [
    Route("/session/v1/login-request", login, methods=["POST"]),
    Route("/session/token-request", renew, methods=["POST"]),
    Route("/queries/v1/query-request", query, methods=["POST"]),
    Route("/telemetry/send", lambda _: JSONResponse({"success": True}), methods=["POST"]),
    Route("/sandbox/{account}", fill, methods=["POST"]),
]
TAKEN = {route.path for route in ROUTES}


def main() -> None:
    """Be what stdin says."""
    content = json.loads(sys.stdin.readline())
    ACCOUNTS.update({name: Account(each) for name, each in content["accounts"].items()})
    bound = socket.socket()
    bound.bind(("127.0.0.1", 0))
    bound.listen(128)  # who asks before uvicorn runs waits instead of being refused
    routes = [*ROUTES, *(route for route in fs.routes if route.path not in TAKEN)]
    server = uvicorn.Server(uvicorn.Config(Starlette(routes=routes), log_level="error"))

    def end_with_parent() -> None:
        sys.stdin.read()
        server.should_exit = True

    threading.Thread(target=end_with_parent, daemon=True).start()
    print(bound.getsockname()[1], flush=True)  # noqa: T201 - read by whoever started this
    server.run(sockets=[bound])


if __name__ == "__main__":
    main()

"""An emulated Snowflake for the real connector: fakesnow behind a log-in that checks keys.

fakesnow needs an older connector than the product, so it runs as a child with the Python of an
environment of its own (`deploy/fakesnow-venv`); a proxy that can fail stands in front of it.
"""

from __future__ import annotations

import http.client
import json
import subprocess
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from astraeus_pipeline.errors import AstraeusError
from astraeus_pipeline.sandbox.snowflake_faults import Faults, FaultyProxy
from astraeus_pipeline.sandbox.snowflake_views import SHOWN, VIEWS
from astraeus_pipeline.settings import PROJECT_ROOT

_PROGRAM: Final = Path(__file__).with_name("fakesnow_server.py")
# A child that died refuses at once: this waits for a busy machine alone.
_ANSWER_SECONDS: Final = 240

# View -> rows, each a mapping of column to text or None.
Contents = Mapping[str, Iterable[Mapping[str, str | None]]]


@dataclass(frozen=True)
class User:
    """One who may log in with a key; `refusal` is (number, sentence) where Snowflake says no."""

    public_key: str
    role: str = "ASTRAEUS"
    refusal: tuple[str, str] | None = None


@dataclass(frozen=True)
class EmulatedAccount:
    """One Snowflake account and the views that its users may see, all by default."""

    name: str  # organization-account, in upper case
    locator: str
    region: str = "AWS_US_EAST_1"
    users: Mapping[str, User] = field(default_factory=dict)
    views: Sequence[str] = tuple(VIEWS)

    def ddl(self) -> list[str]:
        """Return the statements that make the visible views, as tables."""
        schemas = sorted({view.split(".")[0] for view in (*self.views, *SHOWN)})
        return [
            "create database snowflake",
            *(f"create schema snowflake.{schema}" for schema in schemas),
            *(_create(view, VIEWS[view]) for view in self.views),
            *(_create(name, columns) for name, columns in SHOWN.items()),
        ]

    def content(self) -> dict[str, Any]:
        """Return what the server has to know."""
        organization, account = self.name.split("-", 1)
        words = {
            "current_account": self.locator,
            "current_account_name": account,
            "current_organization_name": organization,
            "current_region": self.region,
            "current_user": next(iter(self.users), "NOBODY"),
            "current_role": next((user.role for user in self.users.values()), "PUBLIC"),
        }
        rewrites = [[rf"\b{word}\(\)", f"'{value}'"] for word, value in words.items()]
        for name, columns in SHOWN.items():
            listed = ", ".join(f'{column} as "{column}"' for column in columns)
            shown = name.split(".")[1].replace("_", " ")
            rewrites.append([rf"^\s*{shown}\s*$", f"select {listed} from snowflake.{name}"])  # noqa: S608 - ours
        users = {
            name: {"public_key": user.public_key, "refusal": user.refusal}
            for name, user in self.users.items()
        }
        return {"users": users, "rewrites": rewrites}


def _create(view: str, columns: Mapping[str, str]) -> str:
    listed = ", ".join(f"{name} {kind}" for name, kind in columns.items())
    return f"create table snowflake.{view} ({listed})"


class SnowflakeServer:
    """Serves on 127.0.0.1 until stopped; `before_login` is the moment to fill in what changed."""

    def __init__(
        self,
        accounts: Sequence[EmulatedAccount],
        before_login: Callable[[SnowflakeServer], None] = lambda _: None,
        *,
        port: int = 0,
    ) -> None:
        self.accounts = {account.name: account for account in accounts}
        self._before_login, self._port = before_login, port

    @property
    def url(self) -> str:
        """Address to put into an account's `endpoint_url`."""
        return f"http://127.0.0.1:{self._proxy.port}"

    @property
    def faults(self) -> Faults:
        """What is to fail next."""
        return self._proxy.faults

    @faults.setter
    def faults(self, faults: Faults) -> None:
        self._proxy.faults = faults

    @property
    def requests(self) -> list[str]:
        """The paths that were asked for."""
        return self._proxy.requests

    def start(self) -> None:
        """Start the child, make the views, begin to serve."""
        self._child = subprocess.Popen(  # noqa: S603 - ours
            [_python(), "-I", str(_PROGRAM)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        assert self._child.stdin is not None and self._child.stdout is not None  # noqa: S101 - pipes
        accounts = {name: account.content() for name, account in self.accounts.items()}
        self._child.stdin.write(json.dumps({"accounts": accounts}) + "\n")
        self._child.stdin.flush()
        port = self._child.stdout.readline().strip()
        if not port:
            raise AstraeusError(
                "fakesnow did not start.", hint=f"`{_python()} {_PROGRAM}` says why; `make setup`."
            )
        self._target = int(port)
        for name, account in self.accounts.items():
            self._post(name, {"statements": account.ddl()})
        self._proxy = FaultyProxy(self._target, lambda: self._before_login(self), self._port)
        self._proxy.start()

    def stop(self) -> None:
        """End both."""
        self._proxy.stop()
        self._child.communicate()  # it ends when its stdin closes

    def __enter__(self) -> SnowflakeServer:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def fill(self, account: str, contents: Contents) -> None:
        """Replace the rows of views of one account."""
        tables = {}
        for view, rows in contents.items():
            columns = list(VIEWS.get(view) or SHOWN[view])
            cells = [[row.get(column) for column in columns] for row in rows]
            tables[f"snowflake.{view}"] = {"columns": columns, "rows": cells}
        self._post(account, {"tables": tables})

    def execute(self, account: str, *statements: str) -> None:
        """Run statements in an account, to make it something else than documented."""
        self._post(account, {"statements": statements})

    def _post(self, account: str, content: Mapping[str, Any]) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", self._target, timeout=_ANSWER_SECONDS)
        try:
            connection.request("POST", f"/sandbox/{account}", json.dumps(content))
            answer = connection.getresponse()
            if answer.status != 200:
                raise AstraeusError(f"fakesnow refused to fill {account}: {answer.read()!r}")
        finally:
            connection.close()


def _python() -> str:
    """Return the Python of fakesnow's environment, made now if `make setup` did not."""
    script = PROJECT_ROOT / "deploy" / "fakesnow-venv"
    made = subprocess.run([script], capture_output=True, text=True, check=False)  # noqa: S603 - ours
    if made.returncode:
        raise AstraeusError(
            f"fakesnow's environment could not be made: {made.stderr.strip()[-300:]}",
            hint=f"`{script}` says more.",
        )
    return made.stdout.strip()


def new_key(passphrase: str | None = None) -> tuple[str, str]:
    """Return a fresh private key in PEM, locked if a passphrase is given, and its public half."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    locked: serialization.KeySerializationEncryption = serialization.NoEncryption()
    if passphrase:
        locked = serialization.BestAvailableEncryption(passphrase.encode())
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, locked
    )
    return private.decode(), public_key(private.decode(), passphrase)


def public_key(private_key: str, passphrase: str | None = None) -> str:
    """Return the public half of a private key, in PEM: what Snowflake is told of a user."""
    secret = passphrase.encode() if passphrase else None
    key = serialization.load_pem_private_key(private_key.encode(), secret)
    return (
        key.public_key()
        .public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
        .decode()
    )

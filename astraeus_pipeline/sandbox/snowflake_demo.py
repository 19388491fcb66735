"""The demo's Snowflake: the estate behind the emulated accounts, and what opens them."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any, Final

from pydantic import SecretStr

from astraeus_pipeline.sandbox.estate import Estate
from astraeus_pipeline.sandbox.snowflake import (
    EmulatedAccount,
    SnowflakeServer,
    User,
    new_key,
    public_key,
)
from astraeus_pipeline.sandbox.snowflake_estate import GLOBEX, PROD, SnowAccount, SnowEstate
from astraeus_pipeline.sandbox.snowflake_rows import account_rows, organization_rows
from astraeus_pipeline.sandbox.snowflake_views import ACCOUNT_VIEWS, VIEWS

_USER: Final = "ASTRAEUS"


@dataclass(frozen=True)
class DemoSnowflake:
    """One account of ours: which emulated one it logs in to, and how."""

    slug: str
    name: str
    account: SnowAccount
    views: tuple[str, ...]
    further: dict[str, str] = field(default_factory=dict)

    @property
    def identifier(self) -> str:
        """organization-account, in upper case."""
        return f"{self.account.organization}-{self.account.name}"

    def config(self, port: int) -> dict[str, Any]:
        """Return the configuration that reaches the emulator."""
        return {
            "account": self.identifier.lower(),
            "user": _USER.lower(),
            "warehouse": "ASTRAEUS_WH",
            "endpoint_url": f"http://127.0.0.1:{port}",
            **self.further,
        }


# One that sees its organization's bill, and a reseller's customer that sees credits alone.
ACCOUNTS: Final = (
    DemoSnowflake("acme-snowflake", "Acme on Snowflake", PROD, tuple(VIEWS)),
    DemoSnowflake(
        "globex-snowflake",
        "Globex on Snowflake",
        GLOBEX,
        tuple(ACCOUNT_VIEWS),
        {"costs_from": "account_usage", "credit_price": "3.30", "storage_price": "25.00"},
    ),
)


def server(
    home: Path, estate: Callable[[], Estate], today: Callable[[], date], port: int = 0
) -> SnowflakeServer:
    """Return the emulator of the demo's accounts; each log-in finds the estate as it is then."""
    user = User(public_key(_private_key(home)))
    emulated = [
        EmulatedAccount(
            each.identifier, each.account.locator, each.account.region, {_USER: user}, each.views
        )
        for each in ACCOUNTS
    ]
    return SnowflakeServer(emulated, _Filling(estate, today), port=port)


def credentials(home: Path) -> dict[str, SecretStr]:
    """Return what opens them, and nothing else."""
    return {"private_key": SecretStr(_private_key(home))}


@dataclass
class _Filling:
    """Fills the accounts when the day or the estate's revision is another than last time."""

    estate: Callable[[], Estate]
    today: Callable[[], date]
    lock: threading.Lock = field(default_factory=threading.Lock)
    filled: tuple[Estate, date] | None = None

    def __call__(self, server: SnowflakeServer) -> None:
        wanted = (self.estate(), self.today())
        with self.lock:
            if self.filled == wanted:
                return
            snow = SnowEstate(*wanted)
            for each in ACCOUNTS:
                rows = dict(_rows(snow, each))
                server.fill(each.identifier, rows)
            self.filled = wanted


def _rows(snow: SnowEstate, each: DemoSnowflake) -> Iterator[tuple[str, Any]]:
    yield from account_rows(snow, each.account).items()
    if set(each.views) > set(ACCOUNT_VIEWS):
        yield from organization_rows(snow).items()


def _private_key(home: Path) -> str:
    """Return the key of the demo's user, made at the first start: its account keeps it sealed."""
    path = home / "sandbox" / "snowflake.pem"
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT, 0o600), "w") as handle:
            handle.write(new_key()[0])
    return path.read_text()

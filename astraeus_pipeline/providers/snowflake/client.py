"""The Snowflake connector at the edge: key, session, answers, and its errors in our words."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Final, Self

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from snowflake import connector
from snowflake.connector import errors as sdk

from astraeus_pipeline.contracts.account import Account
from astraeus_pipeline.errors import (
    AstraeusError,
    AuthError,
    ConfigError,
    PayloadError,
    PermanentError,
    TransientError,
)
from astraeus_pipeline.providers.snowflake.config import SnowflakeConfig

Row = dict[str, Any]

# 390144 JWT invalid, 390100 user or password, 390101 user locked by policy, 390102 user disabled,
# 390189 role not granted, 390201 object or account not found at login, 390318 OAuth token expired,
# 390422/390432 network policy refuses this address, 394300/394304/394400 JWT details.
_AUTH_NUMBERS: Final = frozenset(
    {390100, 390101, 390102, 390103, 390120, 390121, 390144, 390186, 390189, 390190, 390191, 390201}
    | {390318, 390422, 390432, 394300, 394301, 394302, 394303, 394304, 394400}
)
# The session or its renewal has ended; a new log-in helps.
_ENDED_SESSION_NUMBERS: Final = frozenset({390104, 390110, 390111, 390112, 390114, 390115, 390195})
_DENIED_NUMBERS: Final = frozenset({2003, 2043, 3001})  # does not exist or not authorized
_INVALID_JWT: Final = 390144
_UNKNOWN_COLUMN: Final = 904
_NO_WAREHOUSE_NUMBERS: Final = frozenset({606, 57014})
_SUSPENDED_BY_MONITOR: Final = 90073
# What the connector says where Snowflake gave no number of its own.
_REFUSED_STATUS: Final = re.compile(r"error status: 40[13]\b")
_TRANSPORT: Final = re.compile(
    r"after retries|timed? ?out|Invalid Snowflake response|connect|reset|closed|dns", re.I
)


@dataclass(frozen=True)
class Limits:
    """How long the connector tries by itself; longer troubles are for the orchestrator."""

    login_seconds: int = 60
    attempt_seconds: int = 60
    request_seconds: int = 180
    query_seconds: int = 900
    attempts: int = 3
    backoff_ms: int = 250


LIMITS: Final = Limits()


class NotVisible(PermanentError):
    """The role may not see the view, or the account does not have it."""


@dataclass
class SnowflakeSession:
    """One session of an account's user, open as long as the `with` block.

    Raises on entry: AuthError, ConfigError, TransientError.
    """

    account: Account
    config: SnowflakeConfig
    limits: Limits = field(default_factory=lambda: LIMITS)
    statements: int = 0

    def __enter__(self) -> Self:
        key = private_key(self.account)
        # At its first log-in the connector would ask cloud metadata services, and AWS STS with
        # whatever credentials it finds, where it runs: its maker's business, not ours.
        os.environ.setdefault("SNOWFLAKE_DISABLE_PLATFORM_DETECTION", "true")
        with translated(self.account, "logging in"):
            self._connection = connector.connect(**self._settings(key))
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            self._connection.close()
        except sdk.Error:
            # The answers are here already; Snowflake ends an idle session by itself.
            return

    def _settings(self, key: bytes) -> dict[str, Any]:
        limits = self.limits
        return {
            "account": self.config.account,
            "user": self.config.user,
            "role": self.config.role,
            "warehouse": self.config.warehouse,
            "authenticator": "SNOWFLAKE_JWT",
            "private_key": key,
            "application": "astraeus",
            "session_parameters": {
                # ACCOUNT_USAGE tells times in the session's zone; bills are by UTC day.
                "TIMEZONE": "UTC",
                "QUERY_TAG": "astraeus",
                "STATEMENT_TIMEOUT_IN_SECONDS": str(limits.query_seconds),
                "CLIENT_TELEMETRY_ENABLED": False,
            },
            # NUMBER would come as a double otherwise.
            "arrow_number_to_decimal": True,
            "enable_server_session_keep_alive_auto_detection": True,
            "client_out_of_band_telemetry_enabled": False,
            "login_timeout": limits.login_seconds,
            "query_timeout": limits.query_seconds,
            "request_timeout": limits.request_seconds,
            "retry_timeout": limits.attempt_seconds,
            "retry_max_attempts": limits.attempts,
            "retry_backoff_base_ms": limits.backoff_ms,
            "logout_max_attempts": 1,
            "logout_total_timeout_seconds": min(10, limits.request_seconds),
            **self.config.address(),
        }

    def rows(self, about: str, sql: str, values: Mapping[str, Any] | None = None) -> Iterator[Row]:
        """Run one statement and yield its rows, keys in lower case, batch by batch of Arrow.

        Raises: NotVisible, PayloadError if rows are missing, what `translated` raises.
        """
        self.statements += 1
        with translated(self.account, about):
            cursor = self._connection.cursor()
            cursor.execute(sql, dict(values or {}))
            announced, received = cursor.rowcount, 0
            for batch in cursor.fetch_arrow_batches():
                received += batch.num_rows
                names = [name.lower() for name in batch.schema.names]
                for row in batch.to_pylist():
                    yield dict(zip(names, row.values(), strict=True))
        # -1: not announced
        if announced is not None and 0 <= announced != received:
            raise TransientError(
                f"Snowflake account {self.account.slug}: {about}: {announced} rows were announced"
                f" and {received} came.",
                hint="Nothing was loaded; it is tried again by itself.",
            )

    def shown(self, about: str, sql: str) -> list[Row]:
        """Run a SHOW command, whose answer is no Arrow, and return its rows."""
        self.statements += 1
        with translated(self.account, about):
            cursor = self._connection.cursor()
            cursor.execute(sql)
            names = [column.name.lower() for column in cursor.description or ()]
            return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]


def private_key(account: Account) -> bytes:
    """Return the account's private key as unencrypted PKCS#8 DER, the form the connector takes.

    Raises: ConfigError if there is no key, it is no key, or the passphrase does not open it.
    """
    secrets = account.open_secrets()
    if "private_key" not in secrets:
        raise ConfigError(
            f"Snowflake account {account.slug} has no private key.",
            hint=f"Enter it: `astraeus account rotate-secret {account.slug}`.",
        )
    pem = _pem(secrets["private_key"].get_secret_value())
    given = secrets.get("private_key_passphrase")
    passphrase = given.get_secret_value().encode() if given and given.get_secret_value() else None
    try:
        key = serialization.load_pem_private_key(pem.encode(), passphrase)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        # Their texts could quote the input.
        raise ConfigError(
            f"Snowflake account {account.slug}: the private key cannot be read"
            f" ({'with' if passphrase else 'without'} a passphrase).",
            hint="It must be PKCS#8 in PEM (`-----BEGIN ...`), and its passphrase the right one.",
        ) from None
    return key.private_bytes(
        serialization.Encoding.DER,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )


def _pem(text: str) -> str:
    """Return a PEM that lost its line ends on the way (a prompt takes one line) with them again."""
    text = text.strip().replace("\\n", "\n")
    found = re.fullmatch(r"-----BEGIN ([A-Z ]+)-----([^:]+?)-----END \1-----", text)
    if found is None:
        return text
    body = "".join(found.group(2).split())
    lines = [body[start : start + 64] for start in range(0, len(body), 64)]
    label = found.group(1)
    return "\n".join((f"-----BEGIN {label}-----", *lines, f"-----END {label}-----", ""))


@contextmanager
def translated(account: Account, attempt: str) -> Iterator[None]:
    """Turn the connector's errors into ours, naming account and attempt, and no secret.

    Raises: AuthError, NotVisible, PayloadError, PermanentError, TransientError.
    """
    try:
        yield
    except sdk.Error as error:
        raise _translation(error, account, attempt) from None


def _translation(error: sdk.Error, account: Account, attempt: str) -> AstraeusError:
    about = f"Snowflake account {account.slug}: {attempt} failed"
    number, text = _number(error), _first_line(error)
    if number in _ENDED_SESSION_NUMBERS:
        return TransientError(
            f"{about}: the session ended ({number}).", hint="It is tried again with a new log-in."
        )
    if number in _AUTH_NUMBERS or _REFUSED_STATUS.search(text):
        return _auth_error(about, number, text, account)
    if number in _DENIED_NUMBERS:
        return NotVisible(f"{about}: {text}.", hint=_grant_for(attempt))
    if number == _UNKNOWN_COLUMN:
        return PayloadError(
            f"{about}: {text}.", hint="The view is an older or newer one than documented."
        )
    if number in _NO_WAREHOUSE_NUMBERS:
        return PermanentError(
            f"{about}: no warehouse to run it on.",
            hint="Set the account's warehouse and grant the role usage of it.",
        )
    if number == _SUSPENDED_BY_MONITOR:
        return PermanentError(
            f"{about}: a resource monitor has suspended the warehouse.",
            hint="Use another warehouse, or raise the monitor's quota.",
        )
    if isinstance(error, sdk.OperationalError | sdk.InternalError) or _TRANSPORT.search(text):
        return TransientError(f"{about}: {text}.", hint="It is tried again by itself.")
    return PermanentError(f"{about}: {text}.", hint="Check the account's configuration.")


def _auth_error(about: str, number: int, text: str, account: Account) -> AuthError:
    hint = f"Check user, role and network policy, then `astraeus account test {account.slug}`."
    if number == _INVALID_JWT:  # Snowflake does not say which of these it is
        hint = (
            "Register the public key (`alter user ... set rsa_public_key = '...'`), check account"
            " and user, and this machine's clock: a token is valid for two minutes of true time."
        )
    return AuthError(f"{about}: {text}.", hint=hint)


def _grant_for(attempt: str) -> str:
    role = "usage_viewer" if "ACCOUNT_USAGE" in attempt else "organization_billing_viewer"
    return (
        f"Grant it: `grant database role snowflake.{role} to role ...`;"
        " customers of a reseller have no ORGANIZATION_USAGE: set costs_from=account_usage."
    )


def _number(error: sdk.Error) -> int:
    """Return Snowflake's own number of the error, -1 where there is none."""
    number = error.errno if isinstance(error.errno, int) else -1
    if number > 0:
        return number
    found = re.search(r"\b(39\d{4})\b", str(error.raw_msg))
    return int(found.group(1)) if found else -1


def _first_line(error: sdk.Error) -> str:
    lines = [line.strip() for line in str(error.raw_msg or type(error).__name__).splitlines()]
    return " ".join(line for line in lines if line)[:300].rstrip(".")

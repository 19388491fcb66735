"""JSON over HTTPS for providers without an SDK: tries, waits, and errors in our words.

httpx is imported here alone. The key travels in a header to one origin, and nowhere else: redirects
are not followed.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from email.utils import parsedate_to_datetime
from typing import Any, Final, NoReturn, Self

import httpx
from pydantic import SecretStr

from astraeus_pipeline.contracts.account import Account
from astraeus_pipeline.errors import (
    AuthError,
    ConfigError,
    PayloadError,
    PermanentError,
    ProviderError,
    TransientError,
)

Parameters = Sequence[tuple[str, str]]
Content = dict[str, Any]

CREDENTIAL: Final = "admin_key"
_REFUSED: Final = frozenset({401, 403})
_PASSING: Final = frozenset({408, 409, 425, 429})
_AGAIN: Final = "It is tried again by itself."


@dataclass(frozen=True)
class Patience:
    """How often a request is tried and how long it waits between, in seconds.

    A hint longer than `longest_wait` is left to the orchestrator, where others can see it.
    """

    tries: int = 3
    first_wait: float = 1.0
    longest_wait: float = 30.0
    timeout: float = 60.0


PATIENCE = Patience()


@dataclass(frozen=True)
class Answer:
    """One answer: the JSON object, its text as it came, and the headers in lower case."""

    content: Content
    text: str
    headers: dict[str, str]


class JsonApi:
    """One account's requests to one origin, counted; `headers` makes the key's header."""

    def __init__(
        self,
        account: Account,
        label: str,
        base_url: str,
        headers: Callable[[str], dict[str, str]],
    ) -> None:
        self.account, self.requests = account, 0
        self._who = f"{label} account {account.slug}"
        self._key = _key(account, self._who)
        self._patience = PATIENCE
        self._now: datetime | None = None
        self._client = httpx.Client(
            base_url=base_url,
            headers={"user-agent": "astraeus", **headers(self._key.get_secret_value())},
            timeout=self._patience.timeout,
            follow_redirects=False,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._client.close()

    @property
    def today(self) -> date:
        """The UTC day at the provider, by its last answer; ours before the first."""
        return (self._now or datetime.now(UTC)).date()

    def get(self, path: str, parameters: Parameters, attempt: str) -> Answer:
        """Return the JSON object at `path`, after as many tries as patience has.

        Raises: AuthError, TransientError (with the provider's Retry-After), PermanentError,
        PayloadError if the answer is JSON but no object.
        """
        wait = self._patience.first_wait
        for left in reversed(range(self._patience.tries)):
            try:
                return self._once(path, parameters, attempt)
            except TransientError as error:
                pause = wait if error.retry_after is None else error.retry_after
                if not left or pause > self._patience.longest_wait:
                    raise
            time.sleep(pause)
            wait *= 2
        raise AssertionError("patience has at least one try")

    def fail(self, kind: type[ProviderError], attempt: str, what: str) -> NoReturn:
        """Raise an error that names the account, the attempt and the next step."""
        raise kind(
            f"{self._who}: {attempt} {what}.", hint="Nothing was loaded; it can be tried again."
        )

    def _once(self, path: str, parameters: Parameters, attempt: str) -> Answer:
        self.requests += 1
        try:
            response = self._client.get(path, params=list(parameters))
        except httpx.TimeoutException:
            raise self._passing(attempt, "no answer in time") from None
        except httpx.TransportError as error:
            raise self._passing(attempt, f"{type(error).__name__}, cut off or no network") from None
        self._now = _http_date(response.headers.get("date")) or self._now
        if response.status_code != httpx.codes.OK:
            raise self._refused(response, attempt) from None
        try:
            content = json.loads(response.text, parse_float=Decimal, parse_constant=_no_number)
        except ValueError:
            raise self._passing(attempt, "the answer was cut off or no JSON") from None
        if not isinstance(content, dict):
            self.fail(PayloadError, attempt, "answered with JSON that is no object")
        return Answer(content, response.text, {k.lower(): v for k, v in response.headers.items()})

    def _passing(self, attempt: str, why: str, retry_after: float | None = None) -> TransientError:
        return TransientError(
            f"{self._who}: {attempt} failed: {why}.", hint=_AGAIN, retry_after=retry_after
        )

    def _refused(self, response: httpx.Response, attempt: str) -> ProviderError:
        status, (kind, message) = response.status_code, _said(response)
        why = f"HTTP {status}{' ' if kind else ''}{kind}"
        if status in _REFUSED:
            # Without the provider's words: they quote the key in part.
            return AuthError(
                f"{self._who}: {attempt} failed: {why}.",
                hint="It takes an admin key that may read usage and costs: `astraeus account"
                f" rotate-secret {self.account.slug}`.",
            )
        if status in _PASSING or status >= 500:
            return self._passing(attempt, why, _retry_after(response))
        if response.is_redirect:
            return PermanentError(
                f"{self._who}: {attempt} failed: {why}, and redirects are not followed with a key.",
                hint="Correct the account's base_url.",
            )
        message = message.replace(self._key.get_secret_value(), "***")
        return PermanentError(
            f"{self._who}: {attempt} failed: {why}: {message[:300]}",
            hint="Check the account's configuration.",
        )


def _key(account: Account, who: str) -> SecretStr:
    secret = account.open_secrets().get(CREDENTIAL)
    text = secret.get_secret_value() if secret else ""
    if not text:
        raise ConfigError(
            f"{who} has no {CREDENTIAL}.",
            hint=f"Enter one: `astraeus account rotate-secret {account.slug}`.",
        )
    # A line break that came along with a paste would be quoted in the HTTP library's own error.
    if not (text.isascii() and text.isprintable()) or " " in text:
        raise ConfigError(
            f"{who}: its {CREDENTIAL} holds characters that no key has.",
            hint=f"Enter it again: `astraeus account rotate-secret {account.slug}`.",
        )
    return SecretStr(text)


def _said(response: httpx.Response) -> tuple[str, str]:
    """Return the kind and message of {"error": {type, code, message}}, empty where untold."""
    try:
        error = json.loads(response.text)["error"]
        return str(error.get("code") or error.get("type") or ""), str(error.get("message") or "")
    except (ValueError, KeyError, TypeError, AttributeError):
        return "", ""


def _retry_after(response: httpx.Response) -> float | None:
    """Read Retry-After in seconds; a date is measured by the provider's own clock."""
    text = response.headers.get("retry-after", "")
    try:
        return max(0.0, float(text))
    except ValueError:
        until = _http_date(text)
    if until is None:
        return None
    now = _http_date(response.headers.get("date")) or datetime.now(UTC)
    return max(0.0, (until - now).total_seconds())


def _http_date(text: str | None) -> datetime | None:
    try:
        return parsedate_to_datetime(text or "").astimezone(UTC)
    except ValueError:
        return None


def _no_number(text: str) -> NoReturn:
    raise ValueError(f"{text} is no JSON")

"""Azure's SDK at the edge: credentials, clients, retries, and its errors in our words."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from azure.core import exceptions as azure
from azure.core.credentials import TokenCredential
from azure.core.pipeline import PipelineResponse
from azure.core.pipeline.policies import RetryPolicy
from azure.core.rest import HttpRequest

from astraeus_pipeline.contracts.account import Account
from astraeus_pipeline.errors import (
    AstraeusError,
    AuthError,
    ConfigError,
    PayloadError,
    PermanentError,
    TransientError,
)
from astraeus_pipeline.providers.azure.config import AzureConfig

# The clients' modules are slow to import, so each is imported where it is needed.
if TYPE_CHECKING:
    from azure.mgmt.costmanagement import CostManagementClient
    from azure.mgmt.resourcegraph import ResourceGraphClient

_RESOURCE_MANAGER: Final = "https://management.azure.com"
_AGAIN: Final = "It is tried again by itself."
_MAX_PAGES: Final = 10_000
# Hints of when to ask again come under many names; Cost Management's end like the usual header.
_HINT: Final = "retry-after"
_GRAPH_HINT: Final = "x-ms-user-quota-resets-after"  # hh:mm:ss
_CLOCK: Final = re.compile(r"AADSTS7000(24|221)|AADSTS50013|lifetime|not yet valid|nbf|clock", re.I)
_TOLERATED_SKEW: Final = 5  # minutes, as Azure tolerates
_AADSTS: Final = re.compile(r"AADSTS\d+")


@dataclass(frozen=True)
class SdkOptions:
    """How patient the SDK is: a few tries for a hiccup, longer troubles are for the orchestrator.

    `throttle_floor`: seconds to wait at least when throttled (Azure's own hints are often too
    short); `longest_wait`: a longer wait is left to the orchestrator, which others can see.
    """

    tries: int = 4
    throttle_floor: float = 30
    longest_wait: float = 120
    connect_timeout: float = 10
    read_timeout: float = 120
    device_code_timeout: int = 300


class ThrottleRetry(RetryPolicy[Any, Any]):
    """Retries what was throttled, also POSTs, also where no Retry-After says when.

    azure-core would not repeat a POST without that header, and all our queries are POSTs.
    """

    def __init__(self, options: SdkOptions) -> None:
        super().__init__(retry_total=options.tries - 1, retry_status=options.tries - 1)
        self._options = options

    def is_retry(self, settings: dict[str, Any], response: PipelineResponse[Any, Any]) -> bool:
        """Say whether to try again, after writing down when."""
        http = response.http_response
        if http.status_code == 429:
            wait = max(self._options.throttle_floor, wait_of(http.headers) or 0)
            if wait > self._options.longest_wait:
                return False
            http.headers["Retry-After"] = str(wait)
            return bool(settings["total"])
        return super().is_retry(settings, response)


def wait_of(headers: Mapping[str, str]) -> float | None:
    """Return the longest wait in seconds that an answer's headers ask for, None if they say none.

    A hint that is no number is no hint.
    """
    waits = []
    for name, value in headers.items():
        if name.lower() == _HINT or name.lower().endswith(f"-{_HINT}"):
            waits += [float(value)] if re.fullmatch(r"\d+(\.\d+)?", value) else []
        elif name.lower() == _GRAPH_HINT and re.fullmatch(r"\d+:\d\d:\d\d", value):
            hours, minutes, seconds = map(int, value.split(":"))
            waits.append(float(hours * 3600 + minutes * 60 + seconds))
    return max(waits, default=None)


class AzureClients:
    """Clients of one account's credentials, made for one call of the provider.

    `is_attended`: a person is there to sign in with a device code.
    """

    def __init__(
        self,
        account: Account,
        config: AzureConfig,
        *,
        is_attended: bool = False,
        sdk: SdkOptions | None = None,
    ) -> None:
        self.account, self.config = account, config
        self.sdk = sdk or DEFAULT_OPTIONS
        with translated(account, "reading the credentials"):
            self.credential = _credential(account, config, self.sdk, is_attended=is_attended)

    @property
    def base_url(self) -> str:
        """Address of Azure Resource Manager, without a trailing slash."""
        return (self.config.endpoint_url or _RESOURCE_MANAGER).rstrip("/")

    @property
    def transport_options(self) -> dict[str, Any]:
        """What every client of the SDK is told: time-outs, trust, who asks."""
        return {
            "connection_timeout": self.sdk.connect_timeout,
            "read_timeout": self.sdk.read_timeout,
            "connection_verify": self.config.ca_bundle or True,
            "user_agent": "astraeus",
        }

    @cached_property
    def costs(self) -> CostManagementClient:
        """Cost Management; its `send_request` also reaches the rest of Resource Manager."""
        from azure.mgmt.costmanagement import CostManagementClient

        return CostManagementClient(
            self.credential,
            base_url=self.base_url,
            credential_scopes=[f"{_RESOURCE_MANAGER}/.default"],
            retry_policy=ThrottleRetry(self.sdk),
            **self.transport_options,
        )

    @cached_property
    def graph(self) -> ResourceGraphClient:
        """Resource Graph."""
        from azure.mgmt.resourcegraph import ResourceGraphClient

        return ResourceGraphClient(
            self.credential,
            base_url=self.base_url,
            credential_scopes=[f"{_RESOURCE_MANAGER}/.default"],
            retry_policy=ThrottleRetry(self.sdk),
            **self.transport_options,
        )

    def ask(self, method: str, url: str, attempt: str, body: object = None) -> dict[str, Any]:
        """Ask Resource Manager and return the JSON object, with decimals as their literal text.

        Raises: PayloadError if the address is not Resource Manager's (the token would go with the
        question) or the answer is no object; TransientError for one that is cut off; what
        `translated` raises.
        """
        if not _is_same_origin(url, self.base_url):
            raise PayloadError(
                f"Azure account {self.account.slug}: {attempt}: the next page lies at"
                f" {urlsplit(url).netloc}, not at {urlsplit(self.base_url).netloc}.",
                hint="Nothing was loaded; the token was not sent there.",
            )
        request = HttpRequest(method, url, json=body, headers={"ClientType": "astraeus"})
        with translated(self.account, attempt):
            reply = self.costs.send_request(request)
            reply.raise_for_status()
            text = reply.text()
        try:
            answer = json.loads(text, parse_float=str)
        except ValueError:
            raise TransientError(
                f"Azure account {self.account.slug}: {attempt}: the answer was cut off or no JSON.",
                hint=_AGAIN,
            ) from None
        if not isinstance(answer, dict):
            raise PayloadError(
                f"Azure account {self.account.slug}: {attempt}: the answer is no JSON object.",
                hint="Nothing was loaded.",
            )
        return answer

    def pages(self, path: str, attempt: str) -> Iterator[dict[str, Any]]:
        """Follow `nextLink` from a GET of a path to the end, yielding each page.

        Raises: PayloadError if a link comes twice; what `ask` raises.
        """
        links = NextLinks(self.account, attempt)
        url: str | None = f"{self.base_url}{path}"
        while url:
            answer = self.ask("GET", url, attempt)
            yield answer
            url = links.follow(answer.get("nextLink"))


class NextLinks:
    """Guards a chain of pages against going round in a circle."""

    def __init__(self, account: Account, attempt: str) -> None:
        self._account, self._attempt = account, attempt
        self._seen: set[str] = set()

    def follow(self, link: str | None) -> str | None:
        """Return the link if it is new.

        Raises: PayloadError if it came before, or there is no end of them.
        """
        if not link:
            return None
        if link in self._seen or len(self._seen) >= _MAX_PAGES:
            raise PayloadError(
                f"Azure account {self._account.slug}: {self._attempt} gave the same next page"
                " twice.",
                hint="Nothing was loaded; try again later.",
            )
        self._seen.add(link)
        return link


DEFAULT_OPTIONS: Final = SdkOptions()


def _credential(
    account: Account, config: AzureConfig, sdk: SdkOptions, *, is_attended: bool
) -> TokenCredential:
    from azure.identity import ClientSecretCredential, DeviceCodeCredential

    common: dict[str, Any] = {
        "authority": config.authority,
        # A private authority is unknown to Microsoft, where its metadata would be looked up.
        "disable_instance_discovery": not config.is_public_cloud,
        "connection_verify": config.ca_bundle or True,
        "connection_timeout": sdk.connect_timeout,
        "read_timeout": sdk.read_timeout,
        "retry_total": sdk.tries - 1,
    }
    tenant = str(config.tenant_id)
    secret = account.open_secrets().get("client_secret")
    if secret is not None:
        if config.client_id is None:
            raise ConfigError(
                f"Azure account {account.slug} has a client secret and no client_id.",
                hint="Set client_id to the application's id.",
            )
        return ClientSecretCredential(tenant, config.client_id, secret.get_secret_value(), **common)
    if config.sign_in == "device_code" and is_attended:
        arguments = {"client_id": config.client_id} if config.client_id else {}
        return DeviceCodeCredential(
            tenant_id=tenant,
            prompt_callback=_show_code,
            timeout=sdk.device_code_timeout,
            **arguments,
            **common,
        )
    hint = f"Enter one: `astraeus account rotate-secret {account.slug}`."
    if config.sign_in == "device_code":
        hint = f"A device code serves `account test` only. {hint}"
    raise AuthError(f"Azure account {account.slug} has no client secret.", hint=hint)


def _show_code(address: str, code: str, until: datetime) -> None:
    """Tell the person at the terminal; the code is worthless without their own sign-in."""
    sys.stderr.write(f"Open {address} and enter {code} before {until:%H:%M} UTC.\n")
    sys.stderr.flush()


def _is_same_origin(url: str, base_url: str) -> bool:
    return urlsplit(url)[:2] == urlsplit(base_url)[:2]


@contextmanager
def translated(account: Account, attempt: str) -> Iterator[None]:
    """Turn the SDK's errors into ours, naming account and attempt, and no secret.

    Raises: AuthError, TransientError, PermanentError.
    """
    about = f"Azure account {account.slug}: {attempt} failed"
    try:
        yield
    except AstraeusError:
        raise
    except azure.ClientAuthenticationError as error:
        # Some clients call a service's 401 and 403 by the same name as a failed sign-in.
        translate = _from_sign_in if _is_sign_in(error) else _from_answer
        raise translate(error, about, account) from None
    except azure.HttpResponseError as error:
        raise _from_answer(error, about, account) from None
    except (azure.ServiceRequestError, azure.ServiceResponseError) as error:
        raise TransientError(
            f"{about}: Azure did not answer in full ({type(error).__name__}).", hint=_AGAIN
        ) from None
    except azure.AzureError as error:
        raise PermanentError(f"{about}: {type(error).__name__}.") from None


def _from_sign_in(
    error: azure.ClientAuthenticationError, about: str, account: Account
) -> AstraeusError:
    """Name a failed sign-in by its code only: Azure's own text may hold ids."""
    text = str(error.message or "")
    status = getattr(error, "status_code", None)
    if status in (408, 429) or (status or 0) >= 500:
        return TransientError(f"{about}: signing in was answered with {status}.", hint=_AGAIN)
    if _CLOCK.search(text):
        return AuthError(
            f"{about}: the token's time does not fit{_code(text)}.",
            hint=f"Set this machine's clock, then `astraeus account test {account.slug}`.",
        )
    return AuthError(
        f"{about}: the sign-in was refused{_code(text) or _oauth(text)}.",
        hint=f"Check tenant, client id and secret (it may have expired): `astraeus account"
        f" rotate-secret {account.slug}`.",
    )


def _is_sign_in(error: azure.ClientAuthenticationError) -> bool:
    request = getattr(error.response, "request", None)
    return request is None or "/oauth2/" in str(getattr(request, "url", ""))


def _code(text: str) -> str:
    found = _AADSTS.search(text)
    return f" ({found[0]})" if found else ""


def _oauth(text: str) -> str:
    found = re.search(r"invalid_client|invalid_grant|unauthorized_client|expired_token", text)
    return f" ({found[0]})" if found else ""


def _from_answer(error: azure.HttpResponseError, about: str, account: Account) -> AstraeusError:
    status = error.status_code or 0
    code, message = _reason(error)
    if status == 401 and (skew := _skew(error)):
        return AuthError(
            f"{about}: {status} {code}, and this machine's clock is {skew} minutes off.",
            hint=f"Set the clock, then `astraeus account test {account.slug}`.",
        )
    if status in (401, 403):
        return AuthError(
            f"{about}: {status} {code}.".replace(" .", "."),
            hint=f"Check the roles Reader and Cost Management Reader, then `astraeus account test"
            f" {account.slug}`.",
        )
    if status in (408, 429) or status >= 500:
        return TransientError(
            f"{about}: {status} {code}.".replace(" .", "."),
            hint=_AGAIN,
            retry_after=wait_of(_headers(error)),
        )
    if status < 400:  # an answer in a shape that the SDK cannot read: its body ended early
        return TransientError(f"{about}: the answer was cut off or no JSON.", hint=_AGAIN)
    return PermanentError(
        f"{about}: {status} {code}: {message}", hint="Check the account's configuration."
    )


def _headers(error: azure.HttpResponseError) -> Mapping[str, str]:
    return getattr(error.response, "headers", None) or {}


def _skew(error: azure.HttpResponseError) -> int:
    """Return by how many minutes our clock differs from the answer's, 0 if by less than five."""
    stated = _headers(error).get("Date")
    try:
        theirs = parsedate_to_datetime(stated or "")
    except ValueError:
        return 0
    minutes = int(abs((datetime.now(UTC) - theirs).total_seconds()) // 60)
    return minutes if minutes >= _TOLERATED_SKEW else 0


def _reason(error: azure.HttpResponseError) -> tuple[str, str]:
    """Return Azure's own code and message, as far as the answer holds them."""
    if code := _headers(error).get("x-ms-error-code"):  # storage answers in XML
        return code, ""
    try:
        content = json.loads(error.response.text()) if error.response is not None else {}
        reason = content.get("error") or content
        return str(reason.get("code") or ""), " ".join(str(reason.get("message") or "").split())[
            :300
        ]
    except (AttributeError, ValueError):
        return "", " ".join(str(error.reason or "").split())

"""boto3 at the edge: sessions, clients, and its errors in our words. Nobody else imports it."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

import boto3
from botocore import exceptions as aws
from botocore.config import Config
from botocore.credentials import (
    AssumeRoleCredentialFetcher,
    DeferredRefreshableCredentials,
)
from botocore.loaders import Loader
from botocore.parsers import ResponseParserError
from botocore.session import Session, get_session

from astraeus_pipeline.contracts.account import Account
from astraeus_pipeline.errors import (
    AstraeusError,
    AuthError,
    ConfigError,
    PayloadError,
    PermanentError,
    TransientError,
)
from astraeus_pipeline.providers.aws.config import AwsConfig, config_of

_AUTH_CODES: Final = frozenset(
    {
        "403",  # S3 answers HEAD without a body
        "AccessDenied",
        "AccessDeniedException",
        "AuthFailure",
        "ExpiredToken",
        "ExpiredTokenException",
        "InvalidAccessKeyId",
        "InvalidClientTokenId",
        "InvalidSignatureException",
        "OptInRequired",
        "SignatureDoesNotMatch",
        "UnauthorizedOperation",
        "UnrecognizedClientException",
    }
)
_CLOCK_CODES: Final = frozenset({"RequestExpired", "RequestTimeTooSkewed"})
# Services of the JSON protocol call it an invalid signature, and say why in words.
_CLOCK_MESSAGE: Final = re.compile(r"signature (expired|not yet current)", re.IGNORECASE)
_TRANSIENT_CODES: Final = frozenset(
    {
        "InternalError",
        "InternalFailure",
        "LimitExceededException",
        "PreconditionFailed",  # S3: the object changed since it was listed
        "RequestLimitExceeded",
        "RequestTimeout",
        "ServiceUnavailable",
        "SlowDown",
        "Throttling",
        "ThrottlingException",
        "TooManyRequestsException",
    }
)
_BILLING: Final = frozenset({"ce", "savingsplans"})
_TRANSPORT: Final = (aws.HTTPClientError, aws.ConnectionError, aws.IncompleteReadError)
_SDK: Final = Config(
    # A few tries for a hiccup; longer troubles are for the orchestrator, which others can see.
    retries={"mode": "standard", "total_max_attempts": 3},
    connect_timeout=10,
    read_timeout=60,
    user_agent_extra="astraeus",
)


class _Models(Loader):
    """The SDK's models of services, read once for all sessions: EC2's alone takes half a second."""

    @property
    def search_paths(self) -> list[str]:
        """Return a copy: each session of boto3 adds a folder of its own, and ours are many."""
        return list(super().search_paths)


_MODELS: Final = _Models()


class AwsClients:
    """Clients of one account's credentials, made for one call of the provider."""

    def __init__(self, account: Account, config: AwsConfig, sdk: Config = _SDK) -> None:
        self.account, self.config = account, config
        self._sdk = sdk
        self._made: dict[tuple[str, str, str | None], Any] = {}
        self._making = threading.Lock()
        with translated(account, "reading the credentials"):
            self._session = boto3.Session(botocore_session=_session(account, config))

    def client(
        self, service: str, region: str | None = None, endpoint_url: str | None = None
    ) -> Any:
        """Return a boto3 client; the account row may redirect its endpoint."""
        endpoint = endpoint_url or self.config.endpoint_url
        if service in _BILLING:
            endpoint = self.config.cost_explorer_endpoint_url or endpoint
        key = (service, region or self.config.home_region, endpoint)
        # Clients may be shared between threads, sessions may not.
        with self._making, translated(self.account, f"preparing {service}"):
            if key not in self._made:
                self._made[key] = self._session.client(  # type: ignore[call-overload] # by name, many services
                    service, region_name=key[1], endpoint_url=endpoint, config=self._sdk
                )
            return self._made[key]

    def account_id(self) -> str:
        """Return the 12 digits of the account that the credentials belong to."""
        with translated(self.account, "asking for the caller's identity"):
            return str(self.client("sts").get_caller_identity()["Account"])

    def regions(self) -> tuple[str, ...]:
        """Return the configured regions, or all that are enabled."""
        if self.config.regions:
            return self.config.regions
        with translated(self.account, "listing the enabled regions"):
            answer = self.client("ec2").describe_regions(AllRegions=False)
        return tuple(sorted(region["RegionName"] for region in answer["Regions"]))


def _session(account: Account, config: AwsConfig) -> Session:
    """Return a session with the account's credentials, or its parent's, in the account's role."""
    if account.parent is not None:
        # A member's role trusts the account above it, in whatever role that one acts.
        core = _session(account.parent, config_of(account.parent))
    else:
        core = _own_session(account, config)
    if config.role_arn:
        _assume(core, config)
    return core


def _own_session(account: Account, config: AwsConfig) -> Session:
    secrets = account.open_secrets()
    core = get_session()
    core.register_component("data_loader", _MODELS)
    if config.profile:
        core.set_config_variable("profile", config.profile)
    if secrets:
        try:
            core.set_credentials(
                secrets["access_key_id"].get_secret_value(),
                secrets["secret_access_key"].get_secret_value(),
                secrets["session_token"].get_secret_value() if "session_token" in secrets else None,
            )
        except KeyError as missing:
            raise ConfigError(
                f"Account {account.slug} has credentials without {missing.args[0]}.",
                hint=f"Enter both keys: `astraeus account rotate-secret {account.slug}`.",
            ) from None
    return core


def _assume(core: Any, config: AwsConfig) -> None:
    """Exchange the session's credentials for those of a role, renewed when they near their end."""
    source: Any = core.get_credentials()
    extra = {"RoleSessionName": "astraeus"}
    if config.external_id:
        extra["ExternalId"] = config.external_id

    def create_client(service: str, **arguments: Any) -> Any:
        return core.create_client(
            service,
            **{
                "region_name": config.home_region,
                "endpoint_url": config.endpoint_url,
                **arguments,
            },
        )

    fetcher = AssumeRoleCredentialFetcher(
        client_creator=create_client,
        source_credentials=source,
        role_arn=str(config.role_arn),
        extra_args=extra,
    )
    core._credentials = DeferredRefreshableCredentials(
        method="assume-role", refresh_using=fetcher.fetch_credentials
    )


@contextmanager
def translated(account: Account, attempt: str) -> Iterator[None]:
    """Turn the SDK's errors into ours, naming account and attempt, and no secret.

    Raises: AuthError, TransientError, PermanentError, PayloadError, ConfigError.
    """
    about = f"AWS account {account.slug}: {attempt} failed"
    try:
        yield
    except aws.ClientError as error:
        raise _from_answer(error, about, account) from None
    except (aws.NoCredentialsError, aws.PartialCredentialsError, aws.CredentialRetrievalError):
        raise AuthError(
            f"{about}: no usable credentials.",
            hint=f"Give keys or a role: `astraeus account rotate-secret {account.slug}`.",
        ) from None
    except aws.ProfileNotFound:
        raise ConfigError(
            f"{about}: the profile does not exist on this machine.",
            hint="Check the account's profile and the AWS configuration files.",
        ) from None
    except _TRANSPORT as error:
        raise TransientError(
            f"{about}: {type(error).__name__} (the network or AWS did not answer in full).",
            hint="It is tried again by itself.",
        ) from None
    except aws.PaginationError:
        raise PayloadError(
            f"{about}: AWS gave the same page token twice.",
            hint="Nothing was loaded; try again later.",
        ) from None
    except ResponseParserError:
        raise TransientError(
            f"{about}: the answer was cut off or no JSON.", hint="It is tried again by itself."
        ) from None
    except aws.ParamValidationError:
        # We ask what we know to be right: it is a part of a former answer, as a page token.
        raise PayloadError(
            f"{about}: an answer led to a question that AWS does not know.",
            hint="Nothing was loaded; try again later.",
        ) from None


def _from_answer(error: aws.ClientError, about: str, account: Account) -> AstraeusError:
    code = str(error.response.get("Error", {}).get("Code", "unknown"))
    http: dict[str, Any] = dict(error.response.get("ResponseMetadata", {}))
    status = int(http.get("HTTPStatusCode", 0))
    message = str(error.response.get("Error", {}).get("Message", ""))[:300]
    if code in _CLOCK_CODES or _CLOCK_MESSAGE.search(message):
        return AuthError(
            f"{about}: {code} ({error.operation_name}): this machine's clock differs from AWS's.",
            hint="Set the clock by NTP; the keys are not to blame.",
        )
    if code in _AUTH_CODES:
        return AuthError(
            f"{about}: {code} ({error.operation_name}).",
            hint=f"Check keys and permissions, then `astraeus account test {account.slug}`.",
        )
    if code in _TRANSIENT_CODES or status >= 500 or status == 429:
        return TransientError(
            f"{about}: {code} ({error.operation_name}).",
            hint="It is tried again by itself.",
            retry_after=_retry_after(http),
        )
    return PermanentError(
        f"{about}: {code} ({error.operation_name}): {message}",
        hint="Check the account's configuration.",
    )


def _retry_after(http: dict[str, Any]) -> float | None:
    value = str(http.get("HTTPHeaders", {}).get("retry-after", ""))
    return int(value) if value.isdigit() else None

"""Bearer tokens of the issuer that people sign in by: checked by its keys, for one server only."""

from __future__ import annotations

from typing import Any, Final
from urllib.parse import urlsplit

import httpx
import jwt
import structlog
from anyio import to_thread
from mcp.server.auth.provider import AccessToken, TokenVerifier

from astraeus_pipeline.errors import ConfigError

_LOG = structlog.get_logger(__name__)
# Never symmetric ones: the issuer's public key would be their secret.
_ALGORITHMS: Final = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384")
_REQUIRED: Final = ("exp", "sub", "aud", "iss")
_SECONDS: Final = 10
_LOCAL: Final = frozenset({"127.0.0.1", "localhost", "::1"})


class Issuer:
    """An OpenID Connect issuer and its keys, which are read again when an unknown one signs."""

    def __init__(self, address: str) -> None:
        """Read the issuer's metadata. Raises: ConfigError if it does not tell its keys."""
        checked(address, "The issuer")
        try:
            answer = httpx.get(
                f"{address.rstrip('/')}/.well-known/openid-configuration", timeout=_SECONDS
            )
            told = answer.raise_for_status().json()
            # As it is spelled there: tokens are compared with it to the letter.
            self.address, keys = str(told["issuer"]), str(told["jwks_uri"])
        except (httpx.HTTPError, ValueError, KeyError, TypeError) as error:
            raise ConfigError(
                f"The issuer {address} does not tell its keys ({type(error).__name__}).",
                hint="Look at ASTRAEUS_OIDC_ISSUER.",
            ) from error
        if self.address.rstrip("/") != address.rstrip("/"):
            raise ConfigError(
                f"The issuer {address} calls itself {self.address}.",
                hint="Set ASTRAEUS_OIDC_ISSUER to that, if it is the right one.",
            )
        checked(keys, "The address of the issuer's keys")
        self._keys = jwt.PyJWKClient(keys, timeout=_SECONDS)

    def claims(self, token: str, audience: str) -> dict[str, Any]:
        """Return what a token says, if it holds for this audience. Blocking.

        Raises: jwt.PyJWTError.
        """
        key = self._keys.get_signing_key_from_jwt(token)
        return jwt.decode(
            token,
            key,
            algorithms=_ALGORITHMS,
            audience=audience,
            issuer=self.address,
            options={"require": [*_REQUIRED]},
        )


class Bearer(TokenVerifier):
    """Takes tokens of the issuer for one server, which `resource`, its address, names."""

    def __init__(self, issuer: Issuer, resource: str) -> None:
        self._issuer, self._resource = issuer, resource

    async def verify_token(self, token: str) -> AccessToken | None:
        """Return what a token allows; None where it does not hold."""
        try:
            claims = await to_thread.run_sync(self._issuer.claims, token, self._resource)
            return AccessToken(
                token=token,
                client_id=str(claims.get("client_id") or claims.get("azp") or "unknown"),
                scopes=_scopes(claims),
                expires_at=int(claims["exp"]),
                resource=self._resource,
                subject=str(claims["sub"]),
                claims=claims,
            )
        except (jwt.PyJWTError, ValueError) as error:
            _LOG.info("token.refused", reason=type(error).__name__)
            return None


def _scopes(claims: dict[str, Any]) -> list[str]:
    """Return the scopes: a text by the standard, a list by some issuers."""
    told = claims.get("scope", claims.get("scp", ""))
    return told.split() if isinstance(told, str) else [str(each) for each in told or ()]


def checked(address: str, what: str) -> str:
    """Return an address that may be trusted. Raises: ConfigError unless by TLS or on this host."""
    parts = urlsplit(address)
    if parts.scheme != "https" and not (parts.scheme == "http" and parts.hostname in _LOCAL):
        raise ConfigError(f"{what} {address!r} is not https.", hint="Tokens need TLS.")
    return address.rstrip("/")

"""Settings of signing in by an issuer (OpenID Connect), from ASTRAEUS_OIDC_ variables."""

from __future__ import annotations

from pydantic import SecretStr
from pydantic_settings import SettingsConfigDict

from astraeus_pipeline.settings import FromEnvironment


class AuthSettings(FromEnvironment):
    """The issuer, if there is one; without it people sign in with passwords alone."""

    model_config = SettingsConfigDict(env_prefix="ASTRAEUS_OIDC_", frozen=True)

    issuer: str | None = None
    client_id: str | None = None
    client_secret: SecretStr | None = None
    # What the button says.
    name: str = "single sign-on"

    @property
    def is_configured(self) -> bool:
        """Whether people may sign in by the issuer."""
        return bool(self.issuer and self.client_id)

    @property
    def sign_in_name(self) -> str | None:
        """What the button says, None where there is no issuer."""
        return self.name if self.is_configured else None

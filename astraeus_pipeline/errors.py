"""The error tree. Every error says what was tried, for whom, and what to do next.

AstraeusError
├── ConfigError            a setting or an account row is wrong: fix it, then run again
├── ProviderError          the provider's side; `.transient` decides about a retry
│   ├── TransientError     throttled, unavailable, cut off: the same call may succeed later
│   │   └── StoreError     not the provider, but our own store of payloads does not answer
│   └── PermanentError     the same call will fail again
│       ├── AuthError      credentials wrong, expired or too narrow
│       ├── PayloadError   the provider answered, but not in the documented shape
│       └── NotObtainable  the provider cannot tell this (a past inventory, say)
├── LoadError              the payload could not become the standing rows
├── DeliveryError          a channel did not take a message; `.transient` decides about a retry
├── LimitError             money or calls that may be spent are used up
├── ForbiddenError         who asks may not, or is not signed in any more
├── UnforeseenError        nobody has foreseen this: its number finds it in the log
└── DatabaseError          PostgreSQL cannot be reached, started or migrated
"""

from __future__ import annotations


class AstraeusError(Exception):
    """One plain sentence for the person, and the next step.

    `message` must hold no secret: it reaches logs, the Dagster UI and the terminal.
    """

    exit_code = 1

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message} {self.hint}" if self.hint else self.message


class ConfigError(AstraeusError):
    """A setting, an argument or an account's configuration is wrong."""

    exit_code = 2


class ProviderError(AstraeusError):
    """A provider did not give what was asked. Use one of its subclasses."""

    transient = False


class TransientError(ProviderError):
    """Throttling, 5xx, time-out, cut connection: retrying later may succeed.

    `retry_after` is in seconds, None where the provider gave no hint.
    """

    transient = True

    def __init__(
        self, message: str, *, hint: str | None = None, retry_after: float | None = None
    ) -> None:
        super().__init__(message, hint=hint)
        self.retry_after = retry_after


class StoreError(TransientError):
    """The landing store does not answer; nothing of the load stands, the same one may succeed."""


class PermanentError(ProviderError):
    """Retrying the same call cannot help."""


class AuthError(PermanentError):
    """Credentials are wrong, expired, revoked or lack a permission."""


class PayloadError(PermanentError):
    """The answer is not in the documented shape, is cut off, or contradicts itself."""


class NotObtainable(PermanentError):
    """The provider has no way to answer this question (a past day's inventory, say)."""


class LoadError(AstraeusError):
    """A payload could not be turned into standing rows."""


class DeliveryError(AstraeusError):
    """A mail server, chat or webhook did not take a message.

    `transient`: the same message may be taken later. `may_have_arrived`: there was no answer, and
    a message that had been taken would look the same.
    """

    def __init__(
        self,
        message: str,
        *,
        transient: bool,
        may_have_arrived: bool = False,
        hint: str | None = None,
    ) -> None:
        super().__init__(message, hint=hint)
        self.transient = transient
        self.may_have_arrived = may_have_arrived


class LimitError(AstraeusError):
    """What may be spent on models is used up: the figures themselves stay within reach."""


class ForbiddenError(AstraeusError):
    """The person's role does not let them do this, or their session has ended."""


class UnforeseenError(AstraeusError):
    """Something went wrong that no code here has foreseen: raise it from what that was.

    `number` is what a person quotes and the log keeps beside the traceback. The sentence tells
    nothing of the cause, whose words may hold a secret.
    """

    def __init__(
        self,
        message: str = "something unexpected happened.",
        *,
        number: str = "",
        hint: str | None = None,
    ) -> None:
        super().__init__(message, hint=hint)
        self.number = number


class DatabaseError(AstraeusError):
    """PostgreSQL could not be started, reached or migrated."""

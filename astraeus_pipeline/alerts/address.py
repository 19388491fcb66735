"""Where a channel sends to: a URL that may hold passwords and tokens, and shows none."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import parse_qs, unquote, urlsplit

from pydantic import SecretStr

from astraeus_pipeline.contracts.alerting import ChannelKind
from astraeus_pipeline.errors import ConfigError

# The schemes of a kind, and how an address is written. `chat` is whatever else apprise knows.
SCHEMES: Final[Mapping[ChannelKind, tuple[str, ...]]] = {
    "email": ("smtp", "smtps"),
    "slack": ("slack",),
    "teams": ("workflow", "workflows"),
    "webhook": ("json", "jsons"),
    "chat": (),
}
EXAMPLES: Final[Mapping[ChannelKind, str]] = {
    "email": "smtp://user:password@mail.example.com:587/?from=costs@example.com&to=team@example.com",
    "slack": "slack://TokenA/TokenB/TokenC/#channel",
    "teams": "workflows://host/workflow/signature",
    "webhook": "jsons://user:password@example.com/path",
    "chat": "discord://webhook_id/webhook_token",
}
# What apprise would do on the machine itself, or through files on it.
_LOCAL: Final = frozenset(
    {"dbus", "kde", "glib", "qt", "gnome", "macosx", "windows", "syslog", "blink1", "file"}
)
_LEAST_SECRET: Final = 4


@dataclass(frozen=True)
class Address:
    """A channel's kind and URL. `scrub` takes what is secret of it out of any text."""

    kind: ChannelKind
    url: SecretStr = field(repr=False)

    @property
    def shown_as(self) -> str:
        """The address for people: of an e-mail its recipient, else scheme and host alone."""
        parts = urlsplit(self.url.get_secret_value())
        if self.kind == "email":
            return f"{self.option('to')} through {parts.hostname}"
        # In a chat's address even what looks like a host may be a token.
        return f"{parts.scheme}://{parts.hostname if self.kind == 'webhook' else '...'}"

    def option(self, name: str, default: str = "") -> str:
        """Return a parameter of the URL's query."""
        query = parse_qs(urlsplit(self.url.get_secret_value()).query)
        return query.get(name, [default])[0]

    def scrub(self, text: str) -> str:
        """Return the text without anything of the address that may be secret."""
        url = self.url.get_secret_value()
        parts = urlsplit(url)
        words = [url, parts.password or "", parts.netloc if self.kind != "email" else ""]
        if self.kind != "email":
            words += [parts.username or "", *re.split(r"[/?&=]", parts.path + "?" + parts.query)]
            words += [parts.hostname or ""] if self.kind != "webhook" else []
        secrets = {form for word in words for form in (word, unquote(word))}
        for secret in sorted(secrets, key=len, reverse=True):
            if len(secret) >= _LEAST_SECRET:
                text = re.sub(re.escape(secret), "***", text, flags=re.IGNORECASE)
        return text


def parse(kind: str, url: str) -> Address:
    """Read an address. Raises: ConfigError if a channel of this kind cannot be reached by it."""
    if kind not in SCHEMES:
        raise ConfigError(
            f"There is no kind of channel {kind!r}.", hint=f"Say one of {', '.join(SCHEMES)}."
        )
    address = Address(kind, SecretStr(url.strip()))  # type: ignore[arg-type] # a key of SCHEMES
    try:
        parts = urlsplit(url.strip())
        _ = parts.port
    except ValueError:
        raise _wrong(address) from None
    schemes = SCHEMES[address.kind]
    known = parts.scheme in schemes if schemes else parts.scheme not in _LOCAL
    if not known or not parts.netloc or (kind == "email" and not _is_mail(address)):
        raise _wrong(address)
    return address


def _is_mail(address: Address) -> bool:
    has_both = all(_is_mailbox(address.option(name)) for name in ("from", "to"))
    return has_both and address.option("tls", "required") in ("required", "none")


def _is_mailbox(text: str) -> bool:
    return re.fullmatch(r"[^@\s,;<>]+@[^@\s,;<>]+", text) is not None


def _wrong(address: Address) -> ConfigError:
    one = " One recipient; a team has its list, or a channel each." * (address.kind == "email")
    return ConfigError(
        f"That is not the address of a channel of kind {address.kind}.",
        hint=f"Write it as {EXAMPLES[address.kind]}.{one}",
    )

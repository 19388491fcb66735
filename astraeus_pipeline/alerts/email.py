"""E-mail through SMTP, by the standard library: apprise gives each attempt another Message-ID."""

from __future__ import annotations

import smtplib
import ssl
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from email.message import EmailMessage
from email.utils import format_datetime
from typing import Final
from urllib.parse import unquote, urlsplit

from astraeus_pipeline.alerts.address import Address
from astraeus_pipeline.contracts.alerting import Message
from astraeus_pipeline.errors import DeliveryError

TIMEOUT_SECONDS: Final = 20
_PERMANENT: Final = 500


def send(address: Address, message: Message, accepted: Callable[[], None]) -> None:
    """Send a message to the one recipient; call `accepted` once the server has taken it.

    Raises: DeliveryError, permanent where the server answers 5xx.
    """
    mail = compose(address, message)
    is_under_way = False
    try:
        server = _connect(address)
        try:
            is_under_way = True
            server.send_message(mail)
            accepted()
        finally:
            with suppress(smtplib.SMTPException, OSError):
                server.quit()
    except (smtplib.SMTPException, OSError) as error:
        raise _translate(address, error, is_under_way) from None


def compose(address: Address, message: Message) -> EmailMessage:
    """Return the mail. Its Message-ID follows from the key: mailboxes drop a second copy by it."""
    sender = address.option("from")
    mail = EmailMessage()
    mail["Subject"] = message.subject
    mail["From"] = sender
    mail["To"] = address.option("to")
    mail["Date"] = format_datetime(datetime.now(UTC))
    mail["Message-ID"] = f"<{message.key}@{sender.rpartition('@')[2]}>"
    mail["Auto-Submitted"] = "auto-generated"
    if message.is_critical:
        mail["Importance"] = "high"
    if message.is_repeat_possible:
        mail["X-Astraeus-Repeat"] = "possible"
    mail.set_content(message.text)
    mail.add_alternative(message.html, subtype="html")
    page = mail.get_body(("html",))
    for image in message.images:
        page.add_related(  # type: ignore[union-attr] # just added
            image.png,
            "image",
            "png",
            cid=f"<{image.content_id}>",
            disposition="inline",
            filename=f"{image.content_id.partition('.')[0]}.png",
        )
    return mail


def _connect(address: Address) -> smtplib.SMTP:
    """Connect, encrypted unless the address says `tls=none`, and log in if it names a user."""
    parts = urlsplit(address.url.get_secret_value())
    host = parts.hostname or ""
    if parts.scheme == "smtps":
        context = ssl.create_default_context()
        server: smtplib.SMTP = smtplib.SMTP_SSL(
            host, parts.port or 465, timeout=TIMEOUT_SECONDS, context=context
        )
    else:
        server = smtplib.SMTP(host, parts.port or 587, timeout=TIMEOUT_SECONDS)
    try:
        if parts.scheme == "smtp" and address.option("tls", "required") == "required":
            server.starttls(context=ssl.create_default_context())
        if parts.username:
            server.login(unquote(parts.username), unquote(parts.password or ""))
    except BaseException:  # not ours to judge: the socket is closed, the error goes on to `send`
        server.close()
        raise
    return server


def _translate(address: Address, error: Exception, is_under_way: bool) -> DeliveryError:
    if isinstance(error, smtplib.SMTPNotSupportedError):
        return DeliveryError(
            f"The mail server cannot do what the address asks for: {address.scrub(str(error))}",
            transient=False,
            hint="Without STARTTLS and on a network that you trust: add tls=none to the address.",
        )
    code, text = _answer(error)
    if code is None:
        said = address.scrub(text or type(error).__name__)
        return DeliveryError(
            f"No answer from the mail server: {said}", transient=True, may_have_arrived=is_under_way
        )
    return DeliveryError(
        f"The mail server answered {code}: {address.scrub(text)[:300]}",
        transient=code < _PERMANENT,
    )


def _answer(error: Exception) -> tuple[int | None, str]:
    """Return the server's code and words; no code where it did not answer."""
    if isinstance(error, smtplib.SMTPRecipientsRefused):
        code, words = next(iter(error.recipients.values()))
        return code, words.decode(errors="replace")
    if isinstance(error, smtplib.SMTPResponseException):
        said: bytes | str = error.smtp_error
        return error.smtp_code, said.decode(errors="replace") if isinstance(said, bytes) else said
    if isinstance(error, ssl.SSLCertVerificationError):
        return None, f"its certificate is not trusted ({error.verify_message})"
    if isinstance(error, ssl.SSLError):
        return None, "it speaks another TLS than is asked for, or none"
    # Not `str`, which has a number in front that means nothing to people.
    return None, (error.strerror if isinstance(error, OSError) else None) or str(error)

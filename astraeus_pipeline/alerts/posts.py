"""Chats and webhooks, through apprise."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable
from typing import Final

from apprise import Apprise, AppriseAsset, NotifyFormat, NotifyType, PersistentStoreMode
from apprise.plugins.custom_json import NotifyJSON

from astraeus_pipeline.alerts.address import Address
from astraeus_pipeline.contracts.alerting import Message
from astraeus_pipeline.errors import DeliveryError

TIMEOUT_SECONDS: Final = 30
_STATUS: Final = re.compile(r"error=(\d{3})")
# The same request will be refused again; 408 and 429 are about time.
_PERMANENT: Final = frozenset({400, 401, 403, 404, 405, 410, 413, 415, 422})


def send(address: Address, message: Message, accepted: Callable[[], None]) -> None:
    """Post a message; call `accepted` once the receiver has taken it.

    A webhook gets the figures as fields, and the key as header Idempotency-Key.
    Raises: DeliveryError, permanent where the receiver will not take the same again.
    """
    _hush()
    asset = AppriseAsset(
        app_id="Astraeus",
        app_desc="Astraeus alerts",
        storage_mode=PersistentStoreMode.MEMORY,
        secure_logging=True,
    )
    plugin = Apprise.instantiate(address.url.get_secret_value(), asset=asset)
    if plugin is None:
        raise DeliveryError(
            f"The address of the {address.kind} channel is not understood.",
            transient=False,
            hint="Add the channel again with an address as apprise documents it.",
        )
    if isinstance(plugin, NotifyJSON):
        plugin.headers["Idempotency-Key"] = message.key
        plugin.payload_extras = {
            "key": message.key,
            "repeat_possible": message.is_repeat_possible,
            **message.content,
        }
    sender = Apprise(asset=asset)
    sender.add(plugin)
    kind = NotifyType.FAILURE if message.is_critical else NotifyType.WARNING
    repeat = "(May have come before.)\n" if message.is_repeat_possible else ""
    result = sender.notify(
        title=message.subject,
        body=repeat + message.text,
        notify_type=kind,
        body_format=NotifyFormat.TEXT,
        timeout=TIMEOUT_SECONDS,
    )
    if not result:
        raise _refused(address, " ".join(str(entry.message) for entry in result.logs()))
    accepted()


def is_understood(address: Address) -> bool:
    """Whether apprise knows such an address."""
    _hush()
    return Apprise.instantiate(address.url.get_secret_value()) is not None


def _hush() -> None:
    """Keep addresses out of logs, whatever level is asked for: a path may be all of the secret."""
    for name in ("apprise", "urllib3.connectionpool"):
        logger = logging.getLogger(name)
        logger.setLevel(max(logger.level, logging.WARNING))


def _refused(address: Address, said: str) -> DeliveryError:
    found = _STATUS.search(said)
    if found is None:
        return DeliveryError(
            f"The {address.kind} channel did not take it: {address.scrub(said)[:300]}",
            transient=True,
            may_have_arrived=True,
        )
    status = int(found[1])
    return DeliveryError(
        f"The {address.kind} channel answered {status}.", transient=status not in _PERMANENT
    )

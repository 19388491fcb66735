"""A message through a channel, whatever its kind."""

from __future__ import annotations

from collections.abc import Callable

from astraeus_pipeline.alerts.address import Address
from astraeus_pipeline.contracts.alerting import Message


def send(address: Address, message: Message, accepted: Callable[[], None]) -> None:
    """Send a message; `accepted` is called as soon as the other side has taken it.

    Raises: DeliveryError.
    """
    if address.kind == "email":
        from astraeus_pipeline.alerts import email

        email.send(address, message, accepted)
    else:
        from astraeus_pipeline.alerts import posts  # late: apprise takes a while to import

        posts.send(address, message, accepted)

"""What one kind of resource is to the inventory: a call that lists it and what its items mean."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal

from botocore.parsers import ResponseParserError

Item = Mapping[str, Any]
# What may be said of a thing that is paid for whether it is used or not; None: cannot be said.
Attachment = Literal["attached", "idle"]

# Most that tagging calls of load balancers take at once.
_TAGGED_AT_ONCE: Final = 20


def tags_of(item: Item, key: str = "Tags") -> dict[str, str]:
    """Return AWS's list of keys and values as one object."""
    return {tag["Key"]: tag.get("Value", "") for tag in item.get(key) or ()}


@dataclass(frozen=True)
class Place:
    """Where a listing was taken: the client of one service and region, and whose account it is."""

    client: Any
    account_id: str

    def arn(self, service: str, resource: str) -> str:
        """Return the ARN of a resource of this account and region."""
        meta = self.client.meta
        return f"arn:{meta.partition}:{service}:{meta.region_name}:{self.account_id}:{resource}"


def _as_listed(place: Place, items: list[Item]) -> list[Item]:
    del place
    return items


@dataclass(frozen=True)
class Kind:
    """One kind of resource: the paged call that lists it and the row that an item becomes.

    `complete` adds to a page's items what the listing leaves out, under keys that begin with
    "Astraeus". `row` returns the contract's columns that the item knows; missing ones are null.
    """

    resource_type: str
    service: str
    operation: str
    items: Callable[[Item], Iterator[Item]]
    row: Callable[[Item], dict[str, Any]]
    arguments: Mapping[str, Any] = field(default_factory=dict)
    is_global: bool = False
    complete: Callable[[Place, list[Item]], list[Item]] = _as_listed


def under(key: str) -> Callable[[Item], Iterator[Item]]:
    """Return a function that yields what stands in a page under `key`."""
    return lambda page: iter(page.get(key) or ())


def listed(page: Item, key: str) -> list[Any]:
    """Return what a JSON answer lists under `key`, which it has even where the list is empty.

    Raises: ResponseParserError if it is absent: botocore takes a document that is cut off for an
    answer without fields, and nothing would look deleted that is there.
    """
    if key not in page:
        raise ResponseParserError(f"an answer without {key}")
    return list(page[key] or ())


def attachment(is_attached: bool) -> Attachment:
    """Say whether something uses a resource that costs the same unused."""
    return "attached" if is_attached else "idle"


def in_chunks(items: list[Any], size: int = _TAGGED_AT_ONCE) -> Iterator[list[Any]]:
    """Yield the items in lists of at most `size`."""
    return (items[start : start + size] for start in range(0, len(items), size))

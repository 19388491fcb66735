"""Accounts found below others: added once, paused when their provider closes them, else left alone.

What a person did stands: a removed account stays removed, a changed one keeps its changes, and one
that a person paused or resumed is not touched until the provider's own word of it changes.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

import psycopg
from psycopg.rows import dict_row
from psycopg.types.json import Jsonb

from astraeus_pipeline.accounts.store import Actor, audit
from astraeus_pipeline.contracts.account import Account, Discovered

Outcome = Literal["added", "known", "taken", "removed", "paused", "resumed"]
_ACTIVE: Final = "active"


@dataclass(frozen=True)
class Finding:
    """What became of a found account; `reason` in words where there is more to say."""

    slug: str
    name: str
    external_id: str
    parent: str
    outcome: Outcome
    reason: str | None = None


@dataclass(frozen=True)
class Known:
    """An account of the provider as it stands; `external_id` None where a person added it."""

    slug: str
    name: str
    config: Mapping[str, Any]
    state: str
    state_reason: str | None
    parent: str | None
    external_id: str | None


def reconcile(
    conn: psycopg.Connection,
    parent: Account,
    found: Sequence[Discovered],
    actor: Actor,
    *,
    dry_run: bool = False,
) -> list[Finding]:
    """Bring the accounts below `parent` to what was found; nothing is written by a dry run.

    An empty finding changes nothing: it may as well be a permission that is gone.
    """
    if not found:
        return []
    with conn.transaction():
        conn.execute("select pg_advisory_xact_lock(hashtext('astraeus discovery of accounts'))")
        known = _known(conn, parent.provider)
        findings = list(decide(parent, found, known))
        if not dry_run:
            configs = {each.external_id: each.config for each in found}
            for finding in findings:
                _apply(conn, parent, finding, configs.get(finding.external_id, {}), actor)
    return findings


def decide(
    parent: Account, found: Sequence[Discovered], known: Sequence[Known]
) -> Iterator[Finding]:
    """Yield what is to become of each found account, and of those that are not found any more."""
    by_id = {each.external_id: each for each in known if each.external_id}
    by_slug = {each.slug: each for each in known}
    for each in found:
        stands = by_id.get(each.external_id)
        if stands is not None:
            yield _of_known(parent, stands, each.state)
            continue
        own = next((row for row in known if _is_of(row, each.external_id, parent.slug)), None)
        clash = own or by_slug.get(each.slug)
        if clash is None:
            reason = None if each.state == _ACTIVE else each.state
            yield _finding(parent, each.slug, each.name, each.external_id, "added", reason)
        elif clash.state == "removed":
            yield _finding(parent, clash.slug, each.name, each.external_id, "removed", None)
        else:
            reason = "a person's own account" if own else "the slug is another account's"
            yield _finding(parent, clash.slug, each.name, each.external_id, "taken", reason)
    seen = {each.external_id for each in found}
    for row in known:
        if row.parent == parent.slug and row.external_id not in seen:
            yield _of_known(parent, row, f"no longer found below {parent.slug}")


def _of_known(parent: Account, row: Known, provider_state: str) -> Finding:
    """Follow the provider's word where it is news; `state_reason` keeps what was last acted on."""
    outcome: Outcome = "known"
    reason = None if provider_state == _ACTIVE else provider_state
    if row.state == "removed":
        outcome = "removed"
    elif row.parent != parent.slug:
        reason = f"found below {row.parent}"
    elif reason and row.state == _ACTIVE and row.state_reason != reason:
        outcome = "paused"
    elif reason is None and row.state == "paused" and row.state_reason is not None:
        outcome = "resumed"
    return _finding(parent, row.slug, row.name, str(row.external_id), outcome, reason)


def _is_of(row: Known, external_id: str, parent: str) -> bool:
    """Whether a person's account is the found one: its configuration names the same number."""
    if row.external_id is not None or row.slug == parent:
        return False
    texts = [str(value).lower() for value in row.config.values()]
    wanted = external_id.lower()
    return any(text == wanted or f":{wanted}:" in text for text in texts)  # itself, or in an ARN


def _finding(
    parent: Account,
    slug: str,
    name: str,
    external_id: str,
    outcome: Outcome,
    reason: str | None,
) -> Finding:
    return Finding(slug, name, external_id, parent.slug, outcome, reason)


def _known(conn: psycopg.Connection, provider: str) -> list[Known]:
    cursor = conn.cursor(row_factory=dict_row)
    cursor.execute(
        "select slug, name, config, state, state_reason, parent, external_id from app.accounts"
        " where provider = %s order by created_at, slug",
        [provider],
    )
    return [Known(**row) for row in cursor]


def _apply(
    conn: psycopg.Connection,
    parent: Account,
    finding: Finding,
    config: Mapping[str, Any],
    actor: Actor,
) -> None:
    if finding.outcome == "added":
        conn.execute(
            "insert into app.accounts (slug, provider, name, config, credential_ref, parent,"
            " external_id, state, state_reason) values (%s, %s, %s, %s, %s, %s, %s, %s, %s)",
            [
                finding.slug,
                parent.provider,
                finding.name,
                Jsonb(dict(config)),
                f"account:{parent.slug}",
                parent.slug,
                finding.external_id,
                "paused" if finding.reason else _ACTIVE,
                finding.reason,
            ],
        )
    elif finding.outcome in ("paused", "resumed"):
        conn.execute(
            "update app.accounts set state = %s, state_reason = %s,"
            " updated_at = clock_timestamp() where slug = %s",
            [
                "paused" if finding.outcome == "paused" else _ACTIVE,
                finding.reason,
                finding.slug,
            ],
        )
    elif finding.outcome == "known" and finding.reason is None:
        # The provider calls it active again: what a person overruled is settled.
        conn.execute(
            "update app.accounts set state_reason = null where slug = %s and state = 'active'"
            " and state_reason is not null",
            [finding.slug],
        )
    if finding.outcome in ("added", "paused", "resumed"):
        detail = {"parent": parent.slug, "external_id": finding.external_id}
        if finding.reason:
            detail["reason"] = finding.reason
        action = "discover" if finding.outcome == "added" else finding.outcome
        audit(conn, actor, f"account.{action}", finding.slug, detail)

"""app.cost_summaries: added, listed, paused and removed; every change is audited."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Final

import psycopg
from psycopg.rows import dict_row
from psycopg.types.json import Jsonb

from astraeus_pipeline.contracts import money
from astraeus_pipeline.errors import ConfigError
from astraeus_pipeline.summaries.figures import Scope
from astraeus_pipeline.summaries.periods import PERIODS, Period
from astraeus_pipeline.warehouse import audit
from astraeus_pipeline.warehouse.channel_users import ChannelUser, check_cost_type
from astraeus_pipeline.warehouse.summary_scope import DIMENSIONS

_SUMMARIES: Final = ChannelUser(
    table="cost_summaries",
    links="cost_summary_channels",
    key="summary_id",
    noun="summary",
    listing="astraeus summary list",
    action="cost_summary",
)


@dataclass(frozen=True)
class NewSummary:
    """What a summary is made of; `starts_on`: no period that ended before is told, today if None.

    `filters` in dimensions of the Costs page; `team` by allocation, all teams if None.
    """

    name: str
    period: Period
    billing_currency: str
    channels: Sequence[str]
    owner: str
    team: str | None = None
    filters: Mapping[str, Sequence[str]] = field(default_factory=dict)
    cost_type: str = "effective"
    starts_on: date | None = None


@dataclass(frozen=True)
class Summary:
    """A summary that stands, with the ids and names of its channels."""

    id: str
    name: str
    period: Period
    team: str | None
    filters: Mapping[str, Sequence[str]]
    billing_currency: str
    cost_type: str
    owner: str
    is_active: bool
    starts_on: date
    channel_ids: Sequence[str]
    channels: Sequence[str]

    @property
    def scope(self) -> Scope:
        """Whose costs it tells."""
        return Scope(self.billing_currency, self.cost_type, self.team, self.filters)


def add_summary(conn: psycopg.Connection, new: NewSummary, actor: str) -> str:
    """Add a summary and return its id. Connect as app.

    Raises: ConfigError for an unknown period, cost type or dimension, a name that is taken, no
    channel or one that is not there.
    """
    _check(new)
    summary_id = str(uuid.uuid4())
    with conn.transaction():
        try:
            conn.execute(
                "insert into app.cost_summaries (id, name, period, team, filters,"
                " billing_currency, cost_type, owner, starts_on) values (%s, %s, %s, %s, %s, %s,"
                " %s, %s, coalesce(%s, (clock_timestamp() at time zone 'utc')::date))",
                [
                    *(summary_id, new.name, new.period, new.team and new.team.lower()),
                    Jsonb({key: [*of] for key, of in new.filters.items()}),
                    *(new.billing_currency, new.cost_type, new.owner, new.starts_on),
                ],
            )
        except psycopg.errors.UniqueViolation:
            raise _SUMMARIES.taken(new.name) from None
        for channel in new.channels:
            _SUMMARIES.link(conn, summary_id, channel)
        detail = {"period": new.period, "team": new.team, "channels": list(new.channels)}
        audit.note(conn, actor, "cost_summary.add", new.name, **detail)
    return summary_id


def list_summaries(conn: psycopg.Connection) -> list[Summary]:
    """Return the summaries that stand, by name; channels that were removed are left out."""
    cursor = conn.cursor(row_factory=dict_row)
    cursor.execute(
        "select s.id::text, s.name, s.period, s.team, s.filters, s.billing_currency, s.cost_type,"
        " s.owner, s.is_active, s.starts_on,"
        " array(select c.id::text from app.cost_summary_channels l join app.alert_channels c"
        "  on c.id = l.channel_id where l.summary_id = s.id and c.removed_at is null"
        "  order by c.name) as channel_ids,"
        " array(select c.name from app.cost_summary_channels l join app.alert_channels c"
        "  on c.id = l.channel_id where l.summary_id = s.id and c.removed_at is null"
        "  order by c.name) as channels"
        " from app.cost_summaries s where s.removed_at is null order by s.name"
    )
    return [Summary(**row) for row in cursor]


def get_summary(conn: psycopg.Connection, name: str) -> Summary:
    """Return a summary by its name. Raises: ConfigError if there is none."""
    for summary in list_summaries(conn):
        if summary.name == name:
            return summary
    raise _SUMMARIES.unknown(name)


def set_active(conn: psycopg.Connection, name: str, active: bool, actor: str) -> None:
    """Pause a summary, or let it be sent again. Raises: ConfigError if there is none."""
    _SUMMARIES.set_active(conn, name, active, actor)


def remove_summary(conn: psycopg.Connection, name: str, actor: str) -> None:
    """Remove a summary; what is known of its messages stays. Raises: ConfigError."""
    _SUMMARIES.remove(conn, name, actor)


def _check(new: NewSummary) -> None:
    if not new.name.strip():
        raise ConfigError("The summary has no name.", hint="Give it one; its mails carry it.")
    if new.period not in PERIODS:
        raise ConfigError(
            f"There is no period {new.period!r}.", hint=f"Say one of {', '.join(PERIODS)}."
        )
    check_cost_type(new.cost_type)
    money.check_currency(new.billing_currency)
    for key, values in new.filters.items():
        if key not in DIMENSIONS or not values:
            raise ConfigError(
                f"A summary cannot be narrowed by {key!r}.",
                hint=f"It can be by {', '.join(DIMENSIONS)}, or to a team.",
            )
    if not new.channels:
        raise ConfigError(
            "The summary goes to nobody.", hint="Name a channel: `astraeus alert channel list`."
        )

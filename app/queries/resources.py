"""What may be asked of cloud resources, and its SQL: names from here, values always bound."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from typing import Any, Final

from app.queries.catalog import ACCOUNTS, METRICS, PROVIDER_NAME, Basis, Dimension
from app.queries.compiler import Statement
from app.settings import app_settings
from astraeus_pipeline.contracts.days import DayRange

PAGE_ROWS: Final = 50
EXPORT_ROWS: Final = 100_000
NEW_DAYS: Final = 7


@dataclass(frozen=True)
class Status:
    """A condition that a resource is in; `condition` is over the columns of `known`."""

    label: str
    condition: str
    description: str


STATUSES: Final = {
    status.label: status
    for status in (
        Status("Active", "is_active", "In the newest inventory of its account"),
        Status("Idle", "is_active and is_idle", "Paid for, and nothing uses it"),
        Status("New", "is_active and is_new", f"Made or first seen in the last {NEW_DAYS} days"),
        Status("No owner", "is_active and not has_owner", "No tag says whose it is"),
        Status("Gone", "not is_active", "Only in older inventories"),
        Status("All", "true", "Everything that an inventory ever had"),
    )
}
FACETS: Final = {
    facet.key: facet
    for facet in (
        Dimension("provider", "Provider", "provider_name", "No provider"),
        Dimension("account", "Account", "account_id", "No account"),
        Dimension("type", "Type", "resource_type", "No type"),
        Dimension("region", "Region", "region_id", "Global"),
    )
}
ORDERS: Final = {
    # Where the bill names none: what has a size before what has not, security groups say.
    "Cost": "cost desc nulls last, (instance_type is null and size_gb is null), resource_type",
    "Name": "lower(coalesce(resource_name, resource_id))",
    "Type": "resource_type",
    "Newest": "coalesce(created_at, first_seen::timestamptz) desc",
}

# A bill may be of another account than the inventory, of the payer say: the cloud account tells.
_SAME: Final = (
    "costs.resource_id = resources.resource_id and (costs.account_id = resources.account_id"
    " or costs.sub_account_id = resources.sub_account_id)"
)
# The costs beside resources are kept for windows of days that end where accounts' data end.
_WINDOW: Final = (
    "costs.first_day = :first and costs.last_day = :last and costs.billing_currency = :currency"
)
WINDOWS: Final = Statement(
    "select first_day, last_day from marts.fct_recent_resource_costs group by 1, 2 order by 2", ()
)
_NEW: Final = (
    "coalesce((resources.created_at at time zone 'UTC')::date > inventories.last_day - :new_days,"
    # All of an account's first inventory is first seen then, and new only to us.
    " resources.first_seen > greatest(inventories.last_day - :new_days, inventories.first_day))"
)
_SEARCHED: Final = (
    "concat_ws(' ', resource_name, resource_id, resource_type, instance_type, tags::text)"
)


@dataclass(frozen=True)
class ResourceQuery:
    """Which resources; `days`, currency and basis are of the cost shown beside each.

    `is_kept` says that the days are one of WINDOWS, whose sums a mart has; others are summed anew.
    `filters` maps facet keys to the values wanted, with the facet's word for null. Of `words`
    every one must be found in name, id, type, size or tags; `tag_keys` must all be there.
    """

    days: DayRange
    currency: str
    basis: Basis = "billed"
    status: str = "Active"
    filters: tuple[tuple[str, tuple[str, ...]], ...] = ()
    tag_keys: tuple[str, ...] = ()
    words: tuple[str, ...] = ()
    order: str = "Cost"
    is_kept: bool = False


def window(kept: Iterable[dict[str, Any]], through: date) -> DayRange:
    """Return the last of WINDOWS' rows that ends by a day, else the first; with none, that day.

    It may differ from what the rest of a page is of, as it does while marts are built: who shows
    the costs says which days they are of.
    """
    windows = [DayRange(row["first_day"], row["last_day"]) for row in kept]
    ended = [each for each in windows if each.last <= through]
    if ended:
        return ended[-1]
    return windows[0] if windows else DayRange(through, through)


def compile_summary(query: ResourceQuery) -> Statement:
    """Return the statement of the cards: one row of counts over all statuses.

    Columns out: `active`, `idle`, `fresh`, `unowned`, `gone`; of the active: `types`, `accounts`,
    `providers`; `idle_cost` (null where the bill names none of them) and `last_day` (newest
    inventory); shares of the active in percent, null where there is none.
    """
    counts = {
        "active": "is_active",
        "idle": STATUSES["Idle"].condition,
        "fresh": STATUSES["New"].condition,
        "unowned": STATUSES["No owner"].condition,
        "gone": "not is_active",
    }
    # First by what is counted once however often it stands: sorted, all resources would take longer
    # than the rest.
    kinds = (
        *("resource_type", "account_id", "provider_name"),
        *(f"count(*) filter (where {each}) as {name}" for name, each in counts.items()),
        f"sum(cost) filter (where {STATUSES['Idle'].condition}) as idle_cost",
        "max(last_seen) as last_day",
    )
    columns = (
        *(f"coalesce(sum({name}), 0)::bigint as {name}" for name in counts),
        "count(distinct resource_type) filter (where active > 0) as types",
        "count(distinct account_id) filter (where active > 0) as accounts",
        "count(distinct provider_name) filter (where active > 0) as providers",
        "sum(idle_cost) as idle_cost",
        "max(last_day) as last_day",
    )
    # The shares from the counts: what tells an owner is looked for once per resource, not twice.
    select = (
        "select counts.*, 100.0 * unowned / nullif(active, 0) as unowned_percent,"  # noqa: S608 - expressions of this module
        " 100.0 * idle / nullif(active, 0) as idle_percent"
        f" from (select {', '.join(columns)}"
        f" from (select {', '.join(kinds)} from known group by 1, 2, 3) as kinds) as counts"
    )
    return _statement(query, select, with_status=False)


def compile_found(query: ResourceQuery) -> Statement:
    """Return the statement that counts: `resources`, and their `cost` (null where none is named).

    Raises: KeyError for a facet or status that is not listed here.
    """
    return _statement(query, "select count(*) as resources, sum(cost) as cost from known")


def compile_page(query: ResourceQuery, page: int) -> Statement:
    """Return the statement of one page, from 1; the same row never stands on two.

    Columns out: those of marts.dim_resources, `provider_name`, `owner`, `is_new`, `has_owner`,
    `cost`.
    """
    return _listed(query, PAGE_ROWS, (page - 1) * PAGE_ROWS)


def compile_export(query: ResourceQuery) -> Statement:
    """Return the statement of all rows, with the columns of a page; EXPORT_ROWS at most."""
    return _listed(query, EXPORT_ROWS, 0)


def compile_first(query: ResourceQuery, rows: int) -> Statement:
    """Return the statement of the first rows, with the columns of a page.

    Beside these `found` and `found_cost`, of all rows, as `compile_found` has them: asked with the
    rows, what each resource costs is summed once.
    """
    return _listed(query, rows, 0, ", count(*) over () as found, sum(cost) over () as found_cost")


def compile_one(query: ResourceQuery, account_id: str, resource_id: str) -> Statement:
    """Return the statement of one resource, whatever the filters: a page's columns, or no row."""
    bare = ResourceQuery(query.days, query.currency, query.basis, "All", is_kept=query.is_kept)
    return _statement(
        bare,
        "select * from known where account_id = :account_id and resource_id = :resource_id",
        account_id=account_id,
        resource_id=resource_id,
    )


def compile_costs_of(query: ResourceQuery, account_id: str, resource_id: str) -> Statement:
    """Return the statement of one resource's costs by day and service.

    Columns out: `period` (day), `service`, `cost`, `open_cost` (what is not final), `is_final`.
    """
    column = METRICS[query.basis].column
    is_final = "(costs.is_final or costs.usage_date <= accounts.final_through)"
    sql = (
        "select costs.usage_date as period, costs.service_name as service,"  # noqa: S608 - names of the catalogue
        f" sum(costs.{column}) as cost,"
        f" coalesce(sum(costs.{column}) filter (where {is_final} is not true), 0) as open_cost,"
        f" bool_and({is_final} is true) as is_final"
        " from marts.dim_resources as resources"
        f" inner join marts.fct_daily_resource_costs as costs on {_SAME}"
        f" left join {ACCOUNTS} on accounts.account_id = costs.account_id"
        " where resources.account_id = :account_id and resources.resource_id = :resource_id"
        " and costs.usage_date between :first and :last and costs.billing_currency = :currency"
        " group by 1, 2 order by 1, 2"
    )
    return _bound(
        sql, {**_window_values(query), "account_id": account_id, "resource_id": resource_id}
    )


def compile_attribution(query: ResourceQuery) -> Statement:
    """Return the statement that says which part of the bill belongs to resources.

    A row per provider and one of all (`is_total`): `in_inventory`, `elsewhere` (a resource that no
    inventory has), `without` (the bill names no resource), `cost` (their sum, all of the bill) and
    `named_percent` (null for a cost of nothing). Of the query's filters only provider and account;
    its days must be one of WINDOWS.
    """
    values = _window_values(query)
    wanted = [(key, each) for key, each in query.filters if key in ("provider", "account")]
    columns = {"provider": PROVIDER_NAME, "account": "costs.account_id"}
    conditions = [_WINDOW, "not costs.is_repeated"]
    for key, chosen in wanted:
        values[f"wanted_{key}"] = list(chosen)
        conditions.append(f"{columns[key]} = any(:wanted_{key})")
    sql = (
        f"with placed as (select {PROVIDER_NAME} as provider, costs.place,"  # noqa: S608 - names of the catalogue
        f" costs.{METRICS[query.basis].column} as cost"
        " from marts.fct_recent_resource_costs as costs"
        f" left join {ACCOUNTS} on accounts.account_id = costs.account_id"
        f" where {' and '.join(conditions)})"
        " select provider, grouping(provider) = 1 as is_total,"
        " coalesce(sum(cost) filter (where place = 'in_inventory'), 0) as in_inventory,"
        " coalesce(sum(cost) filter (where place = 'elsewhere'), 0) as elsewhere,"
        " coalesce(sum(cost) filter (where place = 'without'), 0) as without,"
        " sum(cost) as cost,"
        " 100 * coalesce(sum(cost) filter (where place <> 'without'), 0) / nullif(sum(cost), 0)"
        " as named_percent"
        " from placed group by grouping sets ((provider), ()) having count(*) > 0"
        " order by is_total, cost desc, provider"
    )
    return _bound(sql, values)


def compile_types(query: ResourceQuery) -> Statement:
    """Return the statement that counts by type: `resource_type`, `resources`, the most first."""
    return _statement(
        query,
        "select coalesce(resource_type, :no_type) as resource_type, count(*) as resources"
        " from known group by 1 order by 2 desc, 1",
        no_type=FACETS["type"].missing,
    )


def compile_members(key: str) -> Statement:
    """Return the statement that lists a facet's values, `member`, the most frequent first.

    Raises: KeyError for a facet that is not listed here.
    """
    facet = FACETS[key]
    sql = (
        f"select coalesce({facet.column}, :missing) as member"  # noqa: S608 - names of the catalogue
        f" from (select resources.*, {PROVIDER_NAME} as provider_name"
        f" from marts.dim_resources as resources left join {ACCOUNTS}"
        " on accounts.account_id = resources.account_id) as known"
        " group by 1 order by count(*) desc, 1"
    )
    return _bound(sql, {"missing": facet.missing})


TAG_KEYS: Final = Statement(
    "select tag.key as member from marts.dim_resources as resources"
    " cross join lateral jsonb_object_keys(resources.tags) as tag (key)"
    " group by 1 order by count(*) desc, 1",
    (),
)


def like(word: str) -> str:
    """Return the pattern of a word anywhere, its own wildcards taken literally."""
    for wildcard in ("\\", "%", "_"):
        word = word.replace(wildcard, f"\\{wildcard}")
    return f"%{word}%"


def _listed(query: ResourceQuery, limit: int, offset: int, more: str = "") -> Statement:
    # Account and id are unique, so that pages neither repeat nor lose a row.
    select = (
        f"select known.*{more} from known order by {ORDERS[query.order]}, account_id, resource_id"  # noqa: S608 - an order of this module
        " limit :limit offset :offset"
    )
    return _statement(query, select, limit=limit, offset=offset)


def _statement(
    query: ResourceQuery, select: str, *, with_status: bool = True, **more: Any
) -> Statement:
    values: dict[str, Any] = {
        **_window_values(query),
        "owner_tags": [tag.lower() for tag in app_settings().owner_tags],
        "new_days": NEW_DAYS,
        **more,
    }
    conditions = _conditions(query, values)
    if with_status:
        conditions.append(STATUSES[query.status].condition)
    # Every name below is this module's or the catalogue's, every value is bound.
    sql = (
        f"with {_spent(query)},"  # noqa: S608 - names of this module and the catalogue
        " inventories as (select account_id, min(first_seen) as first_day,"
        " max(last_seen) as last_day from marts.dim_resources group by 1),"
        f" every as (select resources.*, {PROVIDER_NAME} as provider_name,"
        " (select tag.value from jsonb_each_text(resources.tags) as tag"
        " where lower(tag.key) = any(:owner_tags) and tag.value <> ''"
        " order by array_position(:owner_tags, lower(tag.key)) limit 1) as owner,"
        f" {_NEW} as is_new, {_has_owner(values)} as has_owner, spent.cost"
        " from marts.dim_resources as resources"
        f" left join {ACCOUNTS} on accounts.account_id = resources.account_id"
        " left join inventories on inventories.account_id = resources.account_id"
        " left join spent on spent.account_id = resources.account_id"
        " and spent.resource_id = resources.resource_id),"
        f" known as (select * from every where {' and '.join(conditions)})"
        f" {select}"
    )
    return _bound(sql, values)


def _has_owner(values: dict[str, Any]) -> str:
    """Return whether a tag says whose a resource is, however it is spelt; bind the spellings."""
    conditions = []
    # The usual spellings first: to take the tags of every resource apart is the dear part.
    for place, tag in enumerate(values["owner_tags"]):
        for how, spelt in enumerate((tag, tag.capitalize(), tag.upper())):
            values[f"owner_{place}_{how}"] = spelt
            spelling = f"resources.tags ->> cast(:owner_{place}_{how} as text)"
            conditions.append(f"coalesce({spelling}, '') <> ''")
    conditions.append(
        "exists (select 1 from jsonb_each_text(resources.tags) as tag"
        " where lower(tag.key) = any(:owner_tags) and tag.value <> '')"
    )
    return f"({' or '.join(conditions)})"


def _spent(query: ResourceQuery) -> str:
    """Return `spent`, what each resource of the inventories costs in the days of the query."""
    cost = f"sum({METRICS[query.basis].column}) as cost"
    if query.is_kept:
        return (
            f"spent as (select inventory_account_id as account_id, resource_id, {cost}"  # noqa: S608 - names of the catalogue
            f" from marts.fct_recent_resource_costs as costs where {_WINDOW}"
            " and inventory_account_id is not null group by 1, 2)"
        )
    return (
        f"costs as (select account_id, sub_account_id, resource_id, {cost}"  # noqa: S608 - names of the catalogue
        " from marts.fct_daily_resource_costs where usage_date between :first and :last"
        " and billing_currency = :currency group by 1, 2, 3),"
        " spent as (select resources.account_id, resources.resource_id, sum(costs.cost) as cost"
        f" from marts.dim_resources as resources inner join costs on {_SAME} group by 1, 2)"
    )


def _conditions(query: ResourceQuery, values: dict[str, Any]) -> list[str]:
    conditions = ["true"]
    for key, wanted in query.filters:
        facet = FACETS[key]
        values[f"missing_{key}"] = facet.missing
        values[f"wanted_{key}"] = list(wanted)
        conditions.append(f"coalesce({facet.column}, :missing_{key}) = any(:wanted_{key})")
    if query.tag_keys:
        values["tag_keys"] = list(query.tag_keys)
        conditions.append("tags ?& :tag_keys")
    if query.words:
        values["words"] = [like(word) for word in query.words]
        conditions.append(f"{_SEARCHED} ilike all(:words)")
    return conditions


def _window_values(query: ResourceQuery) -> dict[str, Any]:
    return {"first": query.days.first, "last": query.days.last, "currency": query.currency}


def _bound(sql: str, values: dict[str, Any]) -> Statement:
    return Statement(sql, tuple(sorted(values.items())))

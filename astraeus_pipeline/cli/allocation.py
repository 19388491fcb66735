"""`astraeus allocation`: the rules that give costs to teams, cost centres and environments."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Mapping
from decimal import Decimal
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.markup import escape

from astraeus_pipeline.cli.context import actor, asked_marts, connected
from astraeus_pipeline.cli.options import Accounts, First, Last, day_bounds
from astraeus_pipeline.cli.output import Json, console, print_json, print_records
from astraeus_pipeline.errors import ConfigError

if TYPE_CHECKING:
    from astraeus_pipeline.warehouse.allocation_rules import Rule, StandingRule

app = typer.Typer(no_args_is_help=True)

_NEXT = "The next build of the marts, within a minute of a running `astraeus up`, follows it."
_COSTS = """
select billing_currency as currency, {dimension}, {dimension}_source as how,
    trim_scale(sum(billed_cost)) as billed, trim_scale(sum(effective_cost)) as effective,
    trim_scale(sum(list_cost)) as list, trim_scale(sum(contracted_cost)) as contracted
from marts.fct_daily_allocated_costs
where (%(accounts)s::text[] is null or account_id = any(%(accounts)s))
    and usage_date between %(first)s and %(last)s
group by 1, 2, 3
order by 1, 2 nulls last, 3
"""


class By(StrEnum):
    """What costs are allocated to."""

    TEAM = "team"
    COST_CENTER = "cost_center"
    ENVIRONMENT = "environment"


RuleId = Annotated[int, typer.Argument(help="The rule's id, as `list` shows it.")]
Pairs = list[str] | None


@app.command("list")
def list_(
    by: Annotated[By | None, typer.Option(help="Only the rules of this dimension.")] = None,
    as_json: Json = False,
) -> None:
    """List the rules in their order: per dimension the first that matches wins."""
    from astraeus_pipeline.warehouse import allocation_rules

    with connected("app") as conn:
        rules = allocation_rules.list_rules(conn, by.value if by else None)
    if as_json:
        print_json([rule.model_dump(mode="json", exclude_none=True) for rule in rules])
        return
    print_records(
        "Allocation rules",
        [_record(rule) for rule in rules],
        as_json=False,
        empty="There are no rules yet: all costs are unallocated. Next: `astraeus allocation add`.",
    )


@app.command()
def add(
    name: Annotated[str, typer.Argument(help="Name for people.")],
    dimension: Annotated[By, typer.Option("--for", help="What the rule is about.")] = By.TEAM,
    when: Annotated[
        Pairs,
        typer.Option(
            help="attribute=pattern, as in service_name=*storage* or provider=aws; repeated with"
            " one attribute: either, with several: all."
        ),
    ] = None,
    tag: Annotated[
        Pairs, typer.Option(help="key=pattern of a tag that the charge must have; repeatable.")
    ] = None,
    value: Annotated[str | None, typer.Option(help="Give the cost to this one.")] = None,
    by_tag: Annotated[
        str | None, typer.Option(help="Give it to the one that this tag of the charge names.")
    ] = None,
    share: Annotated[
        Pairs, typer.Option(help="Split it: value=share, as in shop=0.6; shares sum to 1.")
    ] = None,
    proportional_to: Annotated[
        list[str] | None,
        typer.Option(help="Split it by what this one bears directly; repeatable, or `all`."),
    ] = None,
    valid_from: Annotated[str | None, typer.Option("--from", help="First UTC day.")] = None,
    valid_to: Annotated[str | None, typer.Option("--to", help="Last UTC day.")] = None,
    at: Annotated[int | None, typer.Option(help="Position; last if left out.")] = None,
) -> None:
    """Add a rule."""
    from astraeus_pipeline.warehouse import allocation_rules

    conditions: dict[str, Any] = dict(_grouped(when))
    if tag:
        conditions["tags"] = _grouped(tag)
    effect = {
        "value": value,
        "tag": by_tag,
        "shares": {key: share for key, (share, *_) in _grouped(share).items()} or None,
        "proportional_to": "all" if proportional_to == ["all"] else proportional_to or None,
    }
    rule = allocation_rules.parse(
        {
            "dimension": dimension.value,
            "name": name,
            "conditions": conditions,
            "effect": {key: said for key, said in effect.items() if said is not None},
            "valid_from": valid_from,
            "valid_to": valid_to,
        }
    )
    with connected("app") as conn:
        rule_id = allocation_rules.add(conn, rule, actor().name, at)
    console.print(f"Added rule {rule_id}. {_NEXT}", soft_wrap=True)


@app.command()
def move(
    rule_id: RuleId, position: Annotated[int, typer.Argument(help="Its place, from 1.")]
) -> None:
    """Move a rule to another place in the order."""
    from astraeus_pipeline.warehouse import allocation_rules

    with connected("app") as conn:
        allocation_rules.move(conn, rule_id, position, actor().name)
    console.print(f"Rule {rule_id} is at {position}. {_NEXT}", soft_wrap=True)


@app.command()
def remove(rule_id: RuleId) -> None:
    """Remove a rule; the audit log keeps what it said."""
    from astraeus_pipeline.warehouse import allocation_rules

    with connected("app") as conn:
        allocation_rules.remove(conn, rule_id, actor().name)
    console.print(f"Rule {rule_id} is removed. {_NEXT}", soft_wrap=True)


@app.command("import")
def import_(
    file: Annotated[
        Path,
        typer.Argument(help="JSON: a list of rules, as `list --json` prints it; TOML: [[rule]]."),
    ],
    replace: Annotated[
        bool, typer.Option("--replace", help="Let these be all rules, instead of adding them.")
    ] = False,
) -> None:
    """Add the rules of a file in their order, all or none."""
    from astraeus_pipeline.warehouse import allocation_rules

    rules = _read(file)
    with connected("app") as conn, conn.transaction():
        if replace:
            allocation_rules.replace_all(conn, rules, actor().name)
        else:
            for rule in rules:
                allocation_rules.add(conn, rule, actor().name)
    console.print(f"Read {len(rules)} rules. {_NEXT}", soft_wrap=True)


@app.command()
def show(
    by: Annotated[By, typer.Option(help="Team, cost centre or environment.")] = By.TEAM,
    account: Accounts = None,
    first: First = None,
    last: Last = None,
    as_json: Json = False,
) -> None:
    """Show who bears the costs, as the rules say now; unallocated costs are a line of their own."""
    begin, end = day_bounds(first, last)
    records = asked_marts(
        _COSTS.format(dimension=by.value),
        {"accounts": account or None, "first": begin, "last": end},
    )
    print_records(
        f"Costs by {by.value.replace('_', ' ')}",
        records,
        as_json=as_json,
        empty="No costs are known there.",
    )


def _record(rule: StandingRule) -> dict[str, Any]:
    said = rule.model_dump(mode="json", exclude_none=True)
    (effect,) = said["effect"].items()
    return {
        "for": rule.dimension,
        "at": rule.position,
        "id": rule.id,
        "name": rule.name,
        "when": _spelt(said["conditions"]) or "always",
        "then": f"{effect[0]} {_spelt(effect[1])}",
        "days": f"{rule.valid_from or ''}..{rule.valid_to or ''}"
        if rule.valid_from or rule.valid_to
        else None,
        "active": "yes" if rule.is_active else "no",
    }


def _spelt(said: Any) -> str:
    if isinstance(said, Mapping):
        return ", ".join(f"{key}: {_spelt(value)}" for key, value in said.items())
    return " | ".join(said) if isinstance(said, list) else str(said)


def _grouped(pairs: Pairs) -> dict[str, list[str]]:
    grouped: dict[str, list[str]] = {}
    for pair in pairs or []:
        key, sign, value = pair.partition("=")
        if not sign:
            raise ConfigError(
                f"{pair!r} is no pair.", hint="Write key=value, as in service_name=*storage*."
            )
        grouped.setdefault(key, []).append(value)
    return grouped


def _read(file: Path) -> list[Rule]:
    from astraeus_pipeline.warehouse import allocation_rules

    try:
        text = file.read_text()
        if file.suffix == ".toml":
            content = tomllib.loads(text, parse_float=Decimal).get("rule")
        else:
            content = json.loads(text, parse_float=Decimal)
    except (OSError, UnicodeDecodeError, json.JSONDecodeError, tomllib.TOMLDecodeError) as error:
        raise ConfigError(
            f"{escape(str(file))} cannot be read: {error}.", hint="Give a JSON or TOML file."
        ) from None
    if not isinstance(content, list) or not all(isinstance(each, dict) for each in content):
        raise ConfigError(
            f"{file} holds no list of rules.",
            hint='Write a JSON list of {"dimension", "name", "conditions", "effect"}, or TOML'
            " tables [[rule]].",
        )
    standing = {"id", "position", "created_by", "updated_by"}  # as `list --json` prints them
    return [
        allocation_rules.parse({key: each[key] for key in each if key not in standing})
        for each in content
    ]

"""`make eval`: the golden set on a model, or without one the set and its grader themselves."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from decimal import Decimal
from typing import Annotated, get_args

import typer
from rich.console import Console
from rich.progress import track

from app.assistant.policy import Policy, Provider, read_policy
from app.assistant.settings import AssistantSettings
from astraeus_pipeline.errors import AstraeusError, ConfigError
from astraeus_pipeline.settings import Settings
from astraeus_pipeline.warehouse.engine import open_database
from evals import checking, pages
from evals.grading import grade
from evals.oracles import Known
from evals.report import Asked, of_model, of_mutants
from evals.running import Asker, only
from evals.world import World, copied, prepare

_CONSOLE = Console()
_OF_EACH = 25


def main(
    model: Annotated[
        str, typer.Argument(help="provider/model, such as openai/gpt-5-mini; none: no model")
    ] = "",
    repeat: Annotated[int, typer.Option(min=1, help="Ask each question so often")] = 1,
    tag: Annotated[list[str] | None, typer.Option(help="Only cases with this tag")] = None,
    paraphrases: Annotated[bool, typer.Option(help="Ask in all ways, not in one")] = True,
    usd: Annotated[float, typer.Option(help="Stop when so much is spent")] = 20,
) -> None:
    """Ask the golden set on a copy of the demo's database, and grade the answers."""
    try:
        settings, policy = AssistantSettings.from_env(), read_policy()
        chosen = _chosen(model, settings, policy) if model else None
        with _world() as world:
            cases = [each for each in world.cases() if not tag or set(tag) & set(each.tags)]
            known = world.known(cases)
            if chosen is None:
                is_met = _check(world, known)
            else:
                asker = Asker(world, settings, only(policy, *chosen))
                asked = list(_asked(world, asker, known, repeat, paraphrases, Decimal(str(usd))))
                is_met = of_model(*chosen, asked, repeat).publish()
    except (AstraeusError, ValueError) as error:
        _CONSOLE.print(f"[red]{error}[/red]", highlight=False)
        sys.exit(2)
    sys.exit(0 if is_met else 1)


def _chosen(model: str, settings: AssistantSettings, policy: Policy) -> tuple[Provider, str]:
    """Return provider and model. Raises: ConfigError for another provider, or one without a key."""
    known = {name: provider for tier in policy.tiers.values() for provider, name in tier.items()}
    provider, slash, name = model.partition("/")
    if not slash:
        provider, name = known.get(model, ""), model
    for each in get_args(Provider):
        if each == provider:
            if not settings.is_usable(each):
                raise ConfigError(
                    f"There is no key for {each}, so nothing was measured.",
                    hint=f"Set {each.upper()}_API_KEY; without a model the set and its grader are"
                    " checked: `make eval`.",
                )
            return each, name
    raise ConfigError(
        f"{model!r} names no provider that is known.",
        hint=f"Write provider/model, with one of {', '.join(get_args(Provider))}.",
    )


@contextmanager
def _world() -> Iterator[World]:
    with copied(open_database(Settings.from_env())) as database:
        os.environ["ASTRAEUS_DATABASE_URL"] = database.admin_url.render_as_string(
            hide_password=False
        )
        with pages.served() as more:
            os.environ.update(more)
            yield prepare(database)


def _check(world: World, known: Sequence[Known]) -> bool:
    told = [*checking.disagreements(world, known)]
    for each in told:
        _CONSOLE.print(f"[red]{each}[/red]", highlight=False)
    _CONSOLE.print(f"{len(known)} cases, {len(told)} disagreements of tools and oracles")
    alarms = [*checking.false_alarms(world, known)]
    for each in alarms:
        _CONSOLE.print(f"[red]{each}[/red]", highlight=False)
    judged = checking.judged(world, known, _OF_EACH)
    return of_mutants(judged, len(alarms), len(known)).publish() and not told


def _asked(
    world: World,
    asker: Asker,
    known: Sequence[Known],
    repeat: int,
    paraphrases: bool,
    usd: Decimal,
) -> Iterator[Asked]:
    spent = Decimal(0)
    todo = [
        (each, question)
        for each in known
        for question in (each.case.questions if paraphrases else (each.case.ask,))
        for _ in range(repeat)
    ]
    for each, question in track(todo, "Questions", console=_CONSOLE):
        if spent >= usd:
            raise ConfigError(
                f"{usd} USD are spent before the set was through, so nothing is reported.",
                hint="Raise --usd, or ask less: --tag, --no-paraphrases.",
            )
        before = [one.case.ask for one in each.thread[:-1]]
        run = asker.ask(each.case.user, question, before)
        spent += Decimal(run.cost_usd or 0)
        verdict = grade(each, question, run, world.foreign(each.case.user))
        if not verdict.is_pass:
            _CONSOLE.print(f"{each.case.id}: {question}", highlight=False)
            _CONSOLE.print("\n".join(f"  {fault}" for fault in verdict.faults), highlight=False)
        yield Asked(each.case, question, run, verdict)


if __name__ == "__main__":
    typer.run(main)

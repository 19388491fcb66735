"""`reconcile`, `costs` and `delivery accept` on a real ledger and real marts."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result
from typer.testing import CliRunner

from astraeus_pipeline.cli import app
from astraeus_pipeline.contracts.days import DayRange
from astraeus_pipeline.errors import ConfigError
from astraeus_pipeline.orchestration.delivering import Ingestion, deliver
from astraeus_pipeline.providers.focus import FOCUS
from astraeus_pipeline.warehouse.engine import Database
from astraeus_pipeline.warehouse.loader import LoadResult
from tests.fixtures.dbt import Warehouse, warehouse
from tests.fixtures.estate import add_focus_account, installed, write_month

pytestmark = pytest.mark.integration

OCTOBER = DayRange.of_month(date(2026, 10, 1))
FIFTH, SIXTH = date(2026, 10, 5), date(2026, 10, 6)
SCOPE = ("--account", "acme", "--from", "2026-10-01", "--to", "2026-10-31")


@dataclass
class Shop:
    """An installation with one account of files, whose sixth of October does not tie."""

    marts: Warehouse
    folder: Path
    ingestion: Ingestion
    before: datetime
    refused: int

    def build(self) -> None:
        self.marts.build("--select", "+fct_reconciliations", "+fct_cost_history", "+fct_deliveries")


@pytest.fixture(scope="module")
def shop(module_database: Database, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    home = tmp_path_factory.mktemp("home")
    with (
        installed(module_database, home) as settings,
        warehouse(module_database, tmp_path_factory.mktemp("dbt")) as marts,
    ):
        with pytest.raises(ConfigError, match="not been built yet"):
            run("reconcile")
        add_focus_account(module_database, settings, "acme", home / "bills")
        made = Shop(marts, home / "bills", Ingestion.from_settings(settings), datetime.now(UTC), 0)
        bring(made, {FIFTH: ["1.50"], SIXTH: ["2.00", "3.00"]}, {FIFTH: "1.50", SIXTH: "5.00"})
        made.marts.dbt("seed")
        made.build()
        made.before = datetime.now(UTC)
        later = bring(made, {FIFTH: ["1.75"], SIXTH: ["2.00"]}, {FIFTH: "1.75", SIXTH: "5.00"})
        assert (later.days("replaced"), later.days("refused")) == ([FIFTH], [SIXTH])
        made.refused = later.delivery_id
        made.build()
        yield made


def bring(shop: Shop, bill: Mapping[date, list[str]], totals: Mapping[date, str]) -> LoadResult:
    """Deliver the month with the totals that its manifest states."""
    write_month(shop.folder / "2026-10" / "bill.csv", dict(bill))
    stated = [{"day": str(day), "currency": "USD", "BilledCost": t} for day, t in totals.items()]
    manifest = {"files": [{"path": "bill.csv"}], "totals": stated}
    (shop.folder / "2026-10" / "manifest.json").write_text(json.dumps(manifest))
    account = shop.ingestion.account("acme")
    [result] = deliver(shop.ingestion, FOCUS, account, "costs", OCTOBER).results
    return result


def run(*arguments: str) -> Result:
    """Run a command; errors of ours are raised as the command line gets them."""
    result = CliRunner().invoke(app, arguments)
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


def as_json(*arguments: str) -> Any:
    return json.loads(run(*arguments, "--json").stdout)


def words(result: Result) -> str:
    return " ".join(result.output.split())


def test_reconcile_counts_what_ties_and_fails_where_a_day_is_blocked(shop: Shop) -> None:
    counted = run("reconcile", *SCOPE)
    assert counted.exit_code == 1
    for said in ("control_total", "blocked", "exact", "no control total", "delivery accept ID"):
        assert said in words(counted)
    assert run("reconcile", *SCOPE, "--state", "exact").exit_code == 0


def test_reconcile_says_residual_and_cause(shop: Shop) -> None:
    listed = run("reconcile", *SCOPE, "--state", "blocked")
    assert str(SIXTH) in listed.output and "-3" in listed.output
    assert str(FIFTH) not in listed.output
    rows = as_json("reconcile", *SCOPE, "--state", "blocked")
    assert {row["state"] for row in rows} == {"blocked"}
    assert {(row["check"], row["first_day"], row["delivery"]) for row in rows} == {
        (check, str(SIXTH), shop.refused) for check in ("control_total", "delivered_vs_standing")
    }
    [control] = [row for row in rows if row["check"] == "control_total"]
    assert (control["left"], control["right"], control["residual"]) == ("2", "5", "-3")
    assert control["currency"] == "USD" and control["cost_type"] == "billed_cost"
    [arrival] = [row for row in rows if row["check"] == "delivered_vs_standing"]
    assert "manifest of the files states 5" in arrival["cause"]


def test_costs_are_told_as_believed_then_and_now(shop: Shop) -> None:
    def billed(*more: str) -> dict[str, str]:
        return {row["day"]: row["billed"] for row in as_json("costs", *SCOPE, "--by", "day", *more)}

    then = shop.before.isoformat()
    assert billed() == {str(FIFTH): "1.75", str(SIXTH): "5"}  # the refused day as it was
    assert billed("--as-of", then) == {str(FIFTH): "1.5", str(SIXTH): "5"}
    assert billed("--as-of", "2020-01-01") == {}
    shown = run("costs", *SCOPE, "--as-of", then)
    assert f"as believed on {shop.before:%Y-%m-%d %H:%M:%S} UTC" in words(shown)
    assert "6.5" in shown.output


def test_changes_name_the_delivery_that_made_them(shop: Shop) -> None:
    changes = as_json("costs", *SCOPE, "--as-of", shop.before.isoformat(), "--changes")
    [month] = changes["costs"]
    assert (month["believed_then"], month["changed_since"], month["now"]) == ("6.5", "0.25", "6.75")
    [delivery] = changes["deliveries"]
    assert (delivery["delivery"], delivery["billed_change"]) == (shop.refused, "0.25")
    assert (delivery["first_day"], delivery["days"]) == (str(FIFTH), 1)
    shown = words(run("costs", *SCOPE, "--as-of", shop.before.isoformat(), "--changes"))
    assert "Deliveries that changed them" in shown and "0.25" in shown
    nothing = run("costs", *SCOPE, "--as-of", "2099-01-01", "--changes")
    assert "Nothing has changed since 2099-01-01" in words(nothing)


@pytest.mark.parametrize(
    ("arguments", "says", "then"),
    [
        (["reconcile", "--from", "yesterday"], "yesterday", "2026-10-31"),
        (["reconcile", "--from", "2026-10-05", "--to", "2026-10-01"], "ends before", "Exchange"),
        (["reconcile", "--state", "wrong"], "no state 'wrong'", "no control total"),
        (["costs", "--as-of", "soon"], "soon", "2026-04-02"),
        (["costs", "--changes"], "needs an instant", "--as-of"),
        (["delivery", "accept", "999", "--reason", "r"], "no delivery 999", "delivery list"),
    ],
)
def test_bad_input_is_one_sentence_and_the_next_step(
    shop: Shop, arguments: list[str], says: str, then: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        run(*arguments)
    assert says in caught.value.message and then in str(caught.value.hint)
    assert "\n" not in caught.value.message


def test_a_person_lets_in_the_day_that_waits_and_no_other(shop: Shop) -> None:
    """Last in this module: it changes what the others read."""
    accept = ("delivery", "accept", str(shop.refused))
    for more, says in (
        (("--day", "6.10.2026", "--reason", "r"), "6.10.2026"),
        (("--day", str(FIFTH), "--reason", "r"), "nothing waits"),
        (("--day", str(SIXTH), "--reason", " "), "reason is empty"),
    ):
        with pytest.raises(ConfigError, match=says):
            run(*accept, *more)
    done = run(*accept, "--day", str(SIXTH), "--reason", "their total still counts a refund")
    assert f"1 days of delivery {shop.refused} were loaded" in words(done)
    shop.build()
    assert run("reconcile", *SCOPE).exit_code == 0
    accepted = as_json("reconcile", *SCOPE, "--state", "accepted")
    assert {row["accepted_reason"] for row in accepted} == {"their total still counts a refund"}
    assert {row["residual"] for row in accepted if row["check"] == "control_total"} == {"-3"}
    [month] = as_json("costs", *SCOPE)
    assert month["billed"] == "3.75"
    audited = shop.marts.ask(
        "select detail ->> 'reason', detail -> 'days' from app.audit_log"
        " where action = 'delivery.accept'",
        "admin",
    )
    assert audited == [("their total still counts a refund", [str(SIXTH)])]
    with pytest.raises(ConfigError, match="nothing waits"):
        run(*accept, "--reason", "again")

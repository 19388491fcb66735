"""From deliveries through dbt and the detector to incidents that people answer."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta
from decimal import Decimal
from typing import Any, Final

import pytest

from astraeus_pipeline.contracts import FOCUS_COSTS
from astraeus_pipeline.contracts.days import DayRange
from astraeus_pipeline.errors import ConfigError
from astraeus_pipeline.warehouse import anomaly_feedback, anomaly_scores
from astraeus_pipeline.warehouse.engine import Database
from astraeus_pipeline.warehouse.loader import LoadOptions, load
from tests.fixtures.charges import batch, charge, fetched, payload
from tests.fixtures.dbt import TODAY, Warehouse, warehouse

pytestmark = pytest.mark.integration

OPTIONS: Final = LoadOptions(today=TODAY, settle_days=3)
FIRST: Final = date(2026, 5, 1)
SETTLED: Final = TODAY - timedelta(days=3)
SPIKE: Final = date(2026, 9, 16)
GAP: Final = DayRange(date(2026, 10, 6), date(2026, 10, 7))
MODELS: Final = ("+fct_cost_anomalies", "fct_anomaly_scores")
SCORES: Final = (
    "select series_key, usage_date, actual_cost, expected_cost, lower_cost, upper_cost, score,"
    " reason from marts.fct_anomaly_scores order by 1, 2"
)
MUTED: Final = "select anomaly_id from marts.fct_cost_anomalies"
INCIDENTS: Final = (
    "select anomaly_id, start_date, end_date, excess_cost, severity, reason, drivers::text"
    " from marts.fct_cost_anomalies where kind = 'cost' order by 1"
)


def bill(day: date, factors: dict[str, int] | None = None) -> list[dict[str, Any]]:
    """Return a day's charges: two resources of one service, a steady one, and a monthly tax."""
    factors = factors or {}
    wave = (day.toordinal() * 37) % 11 - 5  # some days more, some less, the same every time
    weekend = 40 if day.weekday() >= 5 else 0
    charges = [
        charge(
            day,
            str((100 + wave - weekend) * factors.get(name, 1)),
            service_name="Compute",
            sub_account_id="team",
            resource_id=name,
            sku_meter="hours",
            region_id="eu-west-1",
        )
        for name in ("web", "batch")
    ]
    charges.append(charge(day, str(50 + wave), service_name="Storage", sub_account_id="team"))
    if day.day == 1:
        charges.append(charge(day, "900", service_name="Compute", charge_category="Tax"))
    return charges


def deliver(
    marts: Warehouse,
    days: DayRange,
    factors: dict[date, dict[str, int]] | None = None,
    account_id: str = "acme",
) -> None:
    rows = [each for day in days for each in bill(day, (factors or {}).get(day))]
    with marts.database.connect("loader", autocommit=True) as conn:
        stored = payload(f"{account_id} {days} {factors}")
        description = fetched(days, account_id)
        load(conn, FOCUS_COSTS, description, stored, lambda: [batch(rows)], OPTIONS)


def score(marts: Warehouse) -> anomaly_scores.Summary:
    with marts.database.connect("dbt", autocommit=True) as conn:
        return anomaly_scores.score_changes(conn)


def build_and_score(marts: Warehouse, today: date = TODAY) -> anomaly_scores.Summary:
    marts.build("--select", *MODELS, today=today)
    return score(marts)


@pytest.fixture(scope="module")
def marts(
    module_database: Database, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Warehouse]:
    with warehouse(module_database, tmp_path_factory.mktemp("dbt")) as made:
        until, after = GAP.first - timedelta(days=1), GAP.last + timedelta(days=1)
        deliver(made, DayRange(FIRST, until), {SPIKE: {"batch": 4}})
        deliver(made, DayRange(after, TODAY - timedelta(days=1)))
        deliver(made, DayRange(FIRST, TODAY - timedelta(days=1)), account_id="quiet")
        made.dbt("seed")
        build_and_score(made)
        yield made


def one(marts: Warehouse, query: str) -> Any:
    rows = marts.ask(query)
    assert len(rows) == 1, rows
    return rows[0]


def test_the_planted_spike_is_the_only_incident_of_a_service(marts: Warehouse) -> None:
    found = one(
        marts,
        "select account_id, sub_account_id, service_name, billing_currency, start_date, end_date,"
        " peak_date, peak_cost, excess_cost, reason, severity, state"
        " from marts.fct_cost_anomalies where kind = 'cost' and scope = 'service'",
    )
    assert found[:7] == ("acme", "team", "Compute", "USD", SPIKE, SPIKE, SPIKE)
    wave = (SPIKE.toordinal() * 37) % 11 - 5
    assert found[7] == Decimal(5 * (100 + wave))
    assert Decimal(250) < found[8] < Decimal(350)
    assert found[9:] == ("spike", "medium", "open")


def test_the_account_as_a_whole_shows_it_too(marts: Warehouse) -> None:
    found = one(
        marts,
        "select account_id, service_name, start_date from marts.fct_cost_anomalies"
        " where kind = 'cost' and scope = 'account'",
    )
    assert found == ("acme", None, SPIKE)


def test_its_driver_is_the_resource_that_grew(marts: Warehouse) -> None:
    (drivers,) = one(
        marts,
        "select drivers from marts.fct_cost_anomalies where kind = 'cost' and scope = 'service'",
    )
    assert drivers[0]["resource_id"] == "batch"
    assert (drivers[0]["usage_type"], drivers[0]["region_id"]) == ("hours", "eu-west-1")
    assert 0.9 < drivers[0]["share"] <= 1.01


def test_a_gap_is_a_data_alert_and_no_cost_alert(marts: Warehouse) -> None:
    found = one(
        marts,
        "select account_id, reason, start_date, end_date, severity, excess_cost, billing_currency"
        " from marts.fct_cost_anomalies where kind = 'data' and reason = 'gap'",
    )
    assert found == ("acme", "gap", GAP.first, GAP.last, "data", None, None)


def test_only_settled_days_are_scored(marts: Warehouse) -> None:
    (last,) = one(marts, "select max(usage_date) from marts.fct_anomaly_scores")
    assert last == SETTLED


def test_scoring_again_without_changes_does_nothing(marts: Warehouse) -> None:
    assert score(marts) == anomaly_scores.Summary()


def test_a_score_carries_the_cost_of_the_mart_to_the_last_decimal(marts: Warehouse) -> None:
    differing = marts.ask(
        "select * from marts.fct_anomaly_scores as scores inner join ("
        " select account_id, sub_account_id, service_name, usage_date,"
        " sum(effective_cost) as cost from marts.fct_daily_costs"
        " where charge_category = 'Usage' group by 1, 2, 3, 4"
        ") as daily using (account_id, sub_account_id, service_name, usage_date)"
        " where scores.scope = 'service' and scores.actual_cost <> daily.cost"
    )
    assert differing == []


def test_incremental_scoring_gives_the_rows_of_a_full_one(marts: Warehouse) -> None:
    """A late gap, a restated day with a new spike, days that settle: then all of it from zero."""
    deliver(marts, GAP)
    restated = date(2026, 10, 21)
    deliver(marts, DayRange(restated, restated), {restated: {"web": 3}})
    later = TODAY + timedelta(days=2)
    noted = (
        "select account_id, usage_date, built_at from intermediate.built_slices"
        " where model = 'fct_anomaly_scores'"
    )
    with marts.database.connect("dbt", autocommit=True) as conn:
        before = set(conn.execute(noted).fetchall())
    summary = build_and_score(marts, today=later)
    # Of what stands as it stood not even the note is written again.
    with marts.database.connect("dbt", autocommit=True) as conn:
        written = {row for row in conn.execute(noted) if row not in before}
    assert len([row for row in written if row[0] == "acme"]) == len(GAP) + 1 + 2
    # `quiet` has but the two days that settled meanwhile.
    assert summary.accounts == 2
    (since_gap, settled) = ((SETTLED - GAP.first).days + 3, 2)
    assert summary.series_days == 3 * since_gap + 3 * settled
    assert ("gap",) not in marts.ask("select reason from marts.fct_cost_anomalies")
    scores, incidents = marts.ask(SCORES), marts.ask(INCIDENTS)
    assert {row[1] for row in incidents} == {SPIKE, restated}

    with marts.database.connect("dbt", autocommit=True) as conn:
        conn.execute("delete from intermediate.built_slices where model = 'fct_anomaly_scores'")
        conn.execute("truncate intermediate.anomaly_scores, intermediate.anomaly_incidents")
    full = score(marts)
    assert full.series_days > 10 * summary.series_days / 3
    assert marts.ask(SCORES) == scores
    assert marts.ask(INCIDENTS) == incidents


def test_feedback_outlives_scoring_again(marts: Warehouse) -> None:
    open_ones = "select anomaly_id, state, state_note, state_by from marts.fct_cost_anomalies"
    where = f" where start_date = '{SPIKE}' and scope = 'service'"
    anomaly_id = one(marts, open_ones + where)[0]
    with marts.database.connect("app", autocommit=True) as conn:
        anomaly_feedback.say(conn, anomaly_id, "acknowledged", None, "ann")
        anomaly_feedback.say(conn, anomaly_id, "explained", "load test", "ann")
        audited = conn.execute(
            "select action from app.audit_log where subject = %s order by id", [anomaly_id]
        ).fetchall()
    assert audited == [("anomaly.acknowledged",), ("anomaly.explained",)]
    # The day is restated: its cost changes, the incident and what was said of it stay.
    deliver(marts, DayRange(SPIKE, SPIKE), {SPIKE: {"batch": 5}})
    build_and_score(marts, today=TODAY + timedelta(days=2))
    assert one(marts, open_ones + where) == (anomaly_id, "explained", "load test", "ann")


def test_what_was_dismissed_mutes_its_like_and_nothing_larger(marts: Warehouse) -> None:
    """Two spikes after a dismissed one: a like one, and one of thrice the size."""
    like, larger = date(2026, 9, 29), date(2026, 11, 5)
    deliver(marts, DayRange(like, like), {like: {"batch": 4}})
    deliver(marts, DayRange(larger, larger), {larger: {"batch": 12}})
    build_and_score(marts, today=TODAY + timedelta(days=2))
    states = (
        "select start_date, state, state_note, muted_like from marts.fct_cost_anomalies"
        " where scope = 'service' and kind = 'cost'"
        f" and start_date in ('{SPIKE}', '{like}', '{larger}') order by 1"
    )
    first_id = one(
        marts,
        "select anomaly_id from marts.fct_cost_anomalies"
        f" where start_date = '{SPIKE}' and scope = 'service'",
    )[0]
    assert [row[1] for row in marts.ask(states)] == ["explained", "open", "open"]
    with marts.database.connect("app", autocommit=True) as conn:
        anomaly_feedback.say(conn, first_id, "dismissed", "batch reruns", "ann")
    assert marts.ask(states) == [
        (SPIKE, "dismissed", "batch reruns", None),
        (like, "muted", "batch reruns", first_id),
        (larger, "open", None, None),
    ]
    with marts.database.connect("app", autocommit=True) as conn:
        muted_id = one(marts, f"{MUTED} where start_date = '{like}' and scope = 'service'")[0]
        anomaly_feedback.say(conn, muted_id, "open", None, "bob")
    assert marts.ask(states)[1][:2] == (like, "open")


def test_feedback_on_what_is_no_cost_anomaly_is_refused(marts: Warehouse) -> None:
    with marts.database.connect("app", autocommit=True) as conn:
        with pytest.raises(ConfigError, match="no cost anomaly"):
            anomaly_feedback.say(conn, "nothing", "dismissed", None, "ann")
        with pytest.raises(ConfigError, match="'gone'"):
            anomaly_feedback.say(conn, "nothing", "gone", None, "ann")  # type: ignore[arg-type]


def test_a_day_restated_to_the_ordinary_takes_its_incident_with_it(marts: Warehouse) -> None:
    deliver(marts, DayRange(SPIKE, SPIKE))  # refused: less than half of what stood
    deliver(marts, DayRange(SPIKE, SPIKE))
    build_and_score(marts, today=TODAY + timedelta(days=2))
    assert marts.ask(f"select 1 from marts.fct_cost_anomalies where start_date = '{SPIKE}'") == []

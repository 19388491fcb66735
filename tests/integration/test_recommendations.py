"""Savings from raw rows to the mart: what is advised, what it would save, whether it came true."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any, Final

import pytest

from astraeus_pipeline.contracts import RawTable
from astraeus_pipeline.contracts.aws import AWS_COSTS, AWS_COSTS_FOCUS, AWS_RESOURCES
from astraeus_pipeline.contracts.aws_insights import AWS_UTILISATION
from astraeus_pipeline.contracts.days import DayRange
from astraeus_pipeline.contracts.snowflake import (
    SNOWFLAKE_COSTS,
    SNOWFLAKE_QUERIES,
    SNOWFLAKE_RESOURCES,
)
from astraeus_pipeline.errors import ConfigError
from astraeus_pipeline.warehouse import recommendation_feedback
from astraeus_pipeline.warehouse.engine import Database
from astraeus_pipeline.warehouse.loader import LoadOptions, load
from tests.fixtures.charges import batch, charge, fetched, payload
from tests.fixtures.dbt import TODAY, Warehouse, warehouse

pytestmark = pytest.mark.integration

Row = dict[str, Any]
MODELS: Final = ("+fct_recommendations",)
# Where nothing was delivered, what is above these stays as it is.
OWN_MODELS: Final = (
    "int_recommendation*",
    "int_resource_rates",
    "int_usage_rates",
    "fct_recommendations",
)
DAY: Final = timedelta(days=1)
CHANGED: Final = TODAY + 20 * DAY  # some of the advice has been followed
JUDGED: Final = CHANGED + 20 * DAY  # two weeks later it shows
LONG_AGO: Final = datetime(2025, 1, 1, tzinfo=UTC)
OWNER: Final = "111111111111"
STEADY: Final = f"{OWNER}/Amazon Elastic Compute Cloud"
SNAPSHOT: Final = f"arn:aws:ec2:eu-west-1:{OWNER}:snapshot/snap-old"
# Daily cost of what the export of account `cloud` names: (resource, meter, cost).
BILL: Final = (
    ("vol-idle", "EBS:VolumeUsage.gp3", "0.5"),
    ("vol-used", "EBS:VolumeUsage.gp3", "0.5"),
    ("vol-young", "EBS:VolumeUsage.gp3", "0.5"),
    ("i-idle", "BoxUsage:m5.xlarge", "4.8"),
    ("i-busy", "BoxUsage:m5.xlarge", "4.8"),
    ("i-big", "BoxUsage:m5.2xlarge", "8"),
    ("i-big", "DataTransfer-Out-Bytes", "2"),
    ("i-dark", "BoxUsage:m5.xlarge", "4.8"),
    ("i-old", "BoxUsage:m3.large", "3"),
    ("db-idle", "InstanceUsage:db.m5.large", "6"),
    (SNAPSHOT, "EBS:SnapshotUsage", "0.1"),
)


def resource(name: str, kind: str, **more: Any) -> Row:
    return {
        "resource_id": name,
        "resource_type": kind,
        "owner_account_id": OWNER,
        "region": "eu-west-1",
        "created_at": LONG_AGO,
        **more,
    }


def volume(name: str, attachment: str, **more: Any) -> Row:
    state = "available" if attachment == "idle" else "in-use"
    size = {"instance_type": "gp3", "size_gb": Decimal(500)}
    return resource(
        name, "ec2:volume", attachment_state=attachment, state=state, **{**size, **more}
    )


def machine(name: str, size: str = "m5.xlarge", **more: Any) -> Row:
    usual = {"state": "running", "lifecycle": "on-demand", "platform": "Linux/UNIX"}
    return resource(name, "ec2:instance", instance_type=size, **{**usual, **more})


def database_instance(name: str) -> Row:
    return resource(name, "rds:instance", instance_type="db.m5.large", state="available")


INVENTORY: Final = (
    volume("vol-idle", "idle"),
    volume("vol-used", "attached"),
    volume("vol-young", "idle", created_at=datetime(2026, 11, 18, tzinfo=UTC)),
    resource("eipalloc-idle", "ec2:address", attachment_state="idle", created_at=None),
    machine("i-idle"),
    machine("i-busy"),
    machine("i-big", "m5.2xlarge"),
    machine("i-dark"),
    machine("i-short"),
    machine("i-stopped", state="stopped"),
    machine("i-grouped", tags=json.dumps({"aws:autoscaling:groupName": "web"})),
    machine("i-launched", "m5.2xlarge", created_at=datetime(2026, 11, 15, tzinfo=UTC)),
    machine("i-old", "m3.large"),
    database_instance("db-idle"),
    database_instance("db-busy"),
    resource("snap-old", "ec2:snapshot", size_gb=Decimal(100)),
    resource("snap-young", "ec2:snapshot", created_at=datetime(2026, 10, 1, tzinfo=UTC)),
)
# Highest CPU of a day and bytes in and out.
USE: Final = {
    "i-idle": (2, 1_000),
    "i-busy": (90, 10**9),
    "i-big": (30, 10**9),
    "i-short": (1, 0),
    "i-grouped": (1, 0),
    "i-launched": (20, 10**9),
    "i-old": (80, 10**9),
}


class Cloud:
    """Deliveries into a database that dbt builds as of chosen days."""

    def __init__(self, marts: Warehouse) -> None:
        self.marts = marts
        self.deliveries = 0

    def deliver(self, table: RawTable, account: str, rows: list[Row], today: date) -> None:
        self.deliveries += 1
        items = [{"billing_period": row["usage_date"].replace(day=1), **row} for row in rows]
        days = DayRange(min(r["usage_date"] for r in rows), max(r["usage_date"] for r in rows))
        about = replace(fetched(days, account, complete_through=days.last), dataset=table.dataset)
        with self.marts.database.connect("loader", autocommit=True) as conn:
            stored = payload(f"savings {self.deliveries}")
            options = LoadOptions(today=today, settle_days=2)
            read = batch(items, table=table)
            done = load(conn, table, about, stored, lambda: [read], options)
        assert done.state == "loaded", done

    def costs(self, days: DayRange, without: frozenset[str] = frozenset()) -> list[Row]:
        rows = [
            bill_line(day, name, meter, cost)
            for day in days
            for name, meter, cost in BILL
            if name not in without
        ]
        for day in days:  # a quarter of i-idle is reserved; of the reservation a fifth goes unused
            for row in [r for r in rows if r["usage_date"] == day and r["resource_id"] == "i-idle"]:
                row["effective_cost"] = row["list_cost"] = Decimal("3.6")
                rows.append(committed(day, "i-idle", "Used", "1.2"))
            rows.append(committed(day, "other", "Used", "6.8"))
            rows.append(committed(day, "ri-1", "Unused", "2"))
        return rows

    def build(self, today: date, *models: str) -> None:
        self.marts.build("--select", *(models or MODELS), today=today)

    def found(self, columns: str, where: str = "true") -> list[Any]:
        return self.marts.ask(
            f"select {columns} from marts.fct_recommendations where {where}"
            " order by account_id, kind, resource_id"
        )


def bill_line(day: date, name: str, meter: str, cost: str) -> Row:
    return charge(
        day,
        cost,
        resource_id=name,
        sub_account_id=OWNER,
        service_name="Amazon Elastic Compute Cloud",
        sku_meter=meter,
        pricing_category="Standard",
    )


def committed(day: date, name: str, status: str, cost: str) -> Row:
    """A charge that a commitment covers, at half of the public price."""
    return charge(
        day,
        cost,
        list_cost=2 * Decimal(cost),
        resource_id=name,
        sub_account_id=OWNER,
        service_name="Amazon Elastic Compute Cloud",
        sku_meter="BoxUsage:m5.xlarge",
        commitment_discount_id="ri-1",
        commitment_discount_type="Reserved Instance",
        commitment_discount_status=status,
        pricing_category="Committed",
    )


def metrics(days: DayRange, names: frozenset[str] | None = None) -> list[Row]:
    rows = []
    for day in days:
        for name, (peak, sent) in USE.items():
            if (names is None or name in names) and (
                name != "i-short" or day > TODAY - timedelta(days=11)
            ):
                rows.append(sample(day, name, "ec2:instance", "CPUUtilization", peak))
                rows.append(sample(day, name, "ec2:instance", "NetworkIn", sent))
                rows.append(sample(day, name, "ec2:instance", "NetworkOut", 0))
        for name, connections in (("db-idle", 0), ("db-busy", 12)):
            if names is None or name in names:
                rows.append(sample(day, name, "rds:instance", "CPUUtilization", 70))
                rows.append(sample(day, name, "rds:instance", "DatabaseConnections", connections))
    return rows


def sample(day: date, name: str, kind: str, metric: str, value: int) -> Row:
    return {
        "usage_date": day,
        "resource_id": name,
        "resource_type": kind,
        "metric": metric,
        "average": Decimal(value) / 2,
        "maximum": Decimal(value),
        "sum": Decimal(value),
        "samples": Decimal(24),
    }


def explorer_line(day: date) -> Row:
    """One line of Cost Explorer, which names no resource: 1,000 GiB of gp3 at 0.08."""
    cost = Decimal("2.4")
    return {
        "usage_date": day,
        "linked_account_id": "222222222222",
        "record_type": "Usage",
        "region": "eu-west-1",
        "service": "EC2 - Other",
        "usage_type": "EU-EBS:VolumeUsage.gp3",
        "currency": "EUR",
        "usage_quantity": Decimal(30),
        "usage_unit": "GB-Mo",
        **dict.fromkeys(AWS_COSTS.cost_types, cost),
    }


def snowflake_line(day: date) -> Row:
    return {
        "usage_date": day,
        "account_locator": "AA1",
        "usage_type": "compute",
        "billing_type": "consumption",
        "rating_type": "compute",
        "service_type": "WAREHOUSE_METERING",
        "is_adjustment": False,
        "usage": Decimal(40),
        "currency": "USD",
        "usage_in_currency": Decimal(40),
    }


def asked(day: date, name: str, busy: int, idle: int) -> list[Row]:
    of = {"usage_date": day, "account_locator": "AA1", "warehouse_name": name}
    query = {"user_name": "ANN", "queries": 10, "bytes_scanned": Decimal(10**13)}
    return [
        {**of, **query, "is_idle": False, "credits_attributed": Decimal(busy)},
        {**of, "is_idle": True, "credits_attributed": Decimal(idle)},
    ]


def snow_warehouse(day: date, name: str, seconds: int) -> Row:
    return {
        "usage_date": day,
        "resource_id": f"AA1/warehouse/{name}",
        "resource_type": "snowflake:warehouse",
        "resource_name": name,
        "owner_account_id": "AA1",
        "instance_type": "Small",
        "payload": json.dumps({"auto_suspend": seconds, "max_cluster_count": 1}),
    }


def dated(rows: tuple[Row, ...] | list[Row], day: date) -> list[Row]:
    return [{"usage_date": day, **row} for row in rows]


@pytest.fixture(scope="module")
def cloud(module_database: Database, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    with warehouse(module_database, tmp_path_factory.mktemp("dbt")) as marts:
        made = Cloud(marts)
        month = DayRange(TODAY - 40 * DAY, TODAY - DAY)
        made.deliver(AWS_COSTS_FOCUS, "cloud", made.costs(month), TODAY)
        made.deliver(AWS_RESOURCES, "cloud", dated(INVENTORY, TODAY), TODAY)
        made.deliver(
            AWS_UTILISATION, "cloud", metrics(DayRange(TODAY - 16 * DAY, TODAY - DAY)), TODAY
        )
        made.deliver(AWS_COSTS, "explorer", [explorer_line(day) for day in month], TODAY)
        orphan = volume("vol-orphan", "idle", owner_account_id="222222222222")
        made.deliver(AWS_RESOURCES, "explorer", dated([orphan], TODAY), TODAY)
        made.deliver(SNOWFLAKE_COSTS, "snow", [snowflake_line(day) for day in month], TODAY)
        queries = [
            row
            for day in month
            for row in asked(day, "LATE_WH", 18, 12) + asked(day, "QUICK_WH", 5, 5)
        ]
        made.deliver(SNOWFLAKE_QUERIES, "snow", queries, TODAY)
        warehouses = [snow_warehouse(TODAY, "LATE_WH", 600), snow_warehouse(TODAY, "QUICK_WH", 60)]
        made.deliver(SNOWFLAKE_RESOURCES, "snow", warehouses, TODAY)
        marts.dbt("seed")
        made.build(TODAY)
        yield made


def test_what_is_wrong_is_found_and_nothing_else(cloud: Cloud) -> None:
    assert cloud.found("kind, resource_id", "account_id = 'cloud'") == [
        ("idle_database", "db-idle"),
        ("idle_instance", "i-idle"),
        ("old_generation", "i-old"),
        ("old_snapshot", "snap-old"),
        ("oversized_instance", "i-big"),
        ("unattached_address", "eipalloc-idle"),
        ("unattached_volume", "vol-idle"),
        ("uncovered_usage", STEADY),
        ("unused_commitment", "ri-1"),
    ]
    assert cloud.found("kind, resource_name", "account_id = 'snow'") == [
        ("late_suspend_warehouse", "LATE_WH")
    ]


def test_savings_are_what_the_accounts_own_rates_make_them(cloud: Cloud) -> None:
    found = {
        resource: rest
        for resource, *rest in cloud.found(
            "resource_id, monthly_cost, monthly_saving, billing_currency, saving_source, confidence"
        )
    }
    assert found == {
        "db-idle": [180, 180, "USD", "resource_cost", "high"],
        # 4.80 a day, of which 1.20 is reserved and paid anyway
        "i-idle": [144, 108, "USD", "resource_cost", "high"],
        "i-old": [90, None, "USD", "unknown_share", "medium"],
        "snap-old": [3, 3, "USD", "resource_cost", "medium"],
        # half of the 8.00 for the machine, nothing of the 2.00 for traffic
        "i-big": [300, 120, "USD", "resource_cost", "medium"],
        "eipalloc-idle": [None, None, None, "unknown_cost", "medium"],
        # unattached for a day: not yet high
        "vol-idle": [15, 15, "USD", "resource_cost", "medium"],
        "ri-1": [300, 60, "USD", "commitment_cost", "high"],
        # 30.20 a day for machines on demand, at half of that where it is committed
        STEADY: [906, 453, "USD", "service_cost", "medium"],
        # 500 GiB at 0.08
        "vol-orphan": [40, 40, "EUR", "usage_rate", "medium"],
        # 30 of 40 credits, 40 % of them idle, of which nine tenths lie beyond a minute of ten
        "AA1/warehouse/LATE_WH": [900, 324, "USD", "warehouse_cost", "medium"],
    }


def test_advice_says_on_what_it_rests(cloud: Cloud) -> None:
    [(evidence, sentence)] = cloud.found("evidence, description", "resource_id = 'i-big'")
    assert evidence["days_observed"] == 16
    assert evidence["cpu_peak_percent"] == 30
    assert evidence["smaller_type"] == "m5.xlarge"
    assert evidence["compute_share"] == 0.8
    assert "Memory is not measured" in evidence["caveat"]
    assert sentence == "Never above 30 % of its processors: m5.xlarge would do"


def test_no_saving_is_added_up_twice(cloud: Cloud) -> None:
    counted = cloud.found("resource_id, monthly_saving", "counts_in_total")
    assert STEADY not in dict(counted)
    assert sum(dict(counted).values()) == 180 + 108 + 3 + 120 + 15 + 60 + 40 + 324


def test_another_build_on_the_same_day_changes_nothing(cloud: Cloud) -> None:
    before = cloud.found("*")
    cloud.build(TODAY, *OWN_MODELS)
    assert cloud.found("*") == before
    tested = cloud.marts.dbt(
        "test", "--select", "fct_recommendations", "int_recommendations_judged"
    )
    failed = {name: end for name, end in tested.items() if end not in ("pass", "success")}
    assert not failed and len(tested) > 20


def test_a_person_dismisses_with_a_reason(cloud: Cloud) -> None:
    [(big,)] = cloud.found("recommendation_id", "resource_id = 'i-big'")
    with cloud.marts.database.connect("app", autocommit=True) as conn:
        with pytest.raises(ConfigError, match="reason is empty"):
            recommendation_feedback.say(conn, big, "dismissed", " ", "ann")
        with pytest.raises(ConfigError, match="no recommendation nothing"):
            recommendation_feedback.say(conn, "nothing", "dismissed", "a", "ann")
        recommendation_feedback.say(conn, big, "dismissed", "Black Friday is coming", "ann")
    wanted = "state, state_note, state_by, counts_in_total"
    [said] = cloud.found(wanted, "resource_id = 'i-big'")
    assert said == ("dismissed", "Black Friday is coming", "ann", False)
    with cloud.marts.database.connect("app", autocommit=True) as conn:
        actions = conn.execute(
            "select actor, action from app.audit_log where subject = %s", [big]
        ).fetchall()
    assert actions == [("ann", "recommendation.dismissed")]


def test_what_ended_shows_what_it_saved(cloud: Cloud) -> None:
    changed = [
        machine("i-idle", state="stopped") if row["resource_id"] == "i-idle" else row
        for row in INVENTORY
        if row["resource_id"] not in ("vol-idle", "eipalloc-idle", "snap-old")
    ]
    cloud.deliver(AWS_RESOURCES, "cloud", dated(changed, CHANGED), CHANGED)
    # Metrics of databases do not come any more: their finding is neither confirmed nor ended.
    seen = metrics(DayRange(TODAY, CHANGED - DAY), frozenset({"i-big"}))
    cloud.deliver(AWS_UTILISATION, "cloud", seen, CHANGED)
    cloud.deliver(AWS_COSTS_FOCUS, "cloud", cloud.costs(DayRange(TODAY, CHANGED - DAY)), CHANGED)
    cloud.build(CHANGED)
    assert cloud.found(
        "resource_id, state, last_seen, ended_on, realised",
        "resource_id !~ 'old$|ri-1|warehouse|Cloud'",
    ) == [
        ("db-idle", "open", TODAY, None, None),
        ("i-idle", "resolved", TODAY, CHANGED, "pending"),
        ("i-big", "dismissed", CHANGED, None, None),
        ("eipalloc-idle", "gone", TODAY, CHANGED, "unknown"),
        ("vol-idle", "gone", TODAY, CHANGED, "pending"),
        ("vol-young", "open", CHANGED, None, None),  # not so young any more
        ("vol-orphan", "open", CHANGED, None, None),
    ]
    # The volume is gone from the bill, too; the machine still costs a third; the snapshot's blocks
    # are its neighbour's now, at the same price.
    after = cloud.costs(DayRange(CHANGED, JUDGED - DAY), frozenset({"vol-idle", "i-idle"}))
    after += [
        bill_line(day, "i-idle", "BoxUsage:m5.xlarge", "1.6")
        for day in DayRange(CHANGED, JUDGED - DAY)
    ]
    cloud.deliver(AWS_COSTS_FOCUS, "cloud", after, JUDGED)
    cloud.build(JUDGED)
    wanted = "resource_id, before_monthly_cost, after_monthly_cost, realised_saving, realised"
    assert cloud.found(wanted, "ended_on is not null and account_id = 'cloud'") == [
        ("i-idle", 144, 48, 96, "realised"),
        ("snap-old", 3, 3, 0, "not_realised"),
        ("eipalloc-idle", None, None, None, "unknown"),
        ("vol-idle", 15, 0, 15, "realised"),
    ]


def test_a_full_refresh_keeps_what_was_promised(cloud: Cloud) -> None:
    before = cloud.found("recommendation_id, first_seen, last_seen, ended_on, promised_saving")
    assert TODAY in {first for _, first, *_ in before}
    cloud.build(JUDGED, *OWN_MODELS, "--full-refresh")
    assert (
        cloud.found("recommendation_id, first_seen, last_seen, ended_on, promised_saving") == before
    )


def test_what_comes_back_is_found_anew(cloud: Cloud) -> None:
    cloud.deliver(AWS_RESOURCES, "cloud", dated(INVENTORY, JUDGED), JUDGED)
    cloud.build(JUDGED)
    wanted = "state, first_seen, times_seen, realised"
    assert cloud.found(wanted, "resource_id = 'vol-idle'") == [("open", JUDGED, 2, None)]


def test_a_dismissal_can_be_taken_back(cloud: Cloud) -> None:
    [(big, state)] = cloud.found("recommendation_id, state", "resource_id = 'i-big'")
    assert state == "dismissed"  # after four builds
    with cloud.marts.database.connect("app", autocommit=True) as conn:
        recommendation_feedback.say(conn, big, "open", None, "bob")
    assert cloud.found("state, state_by", "resource_id = 'i-big'") == [("open", "bob")]

"""Marts built by the real dbt project over a few loaded charges, and the app pointed at them."""

from __future__ import annotations

import csv
import io
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from app.assistant.tools import asking
from app.auth import store
from app.components import cache
from app.queries import execute
from app.queries.compiler import Statement
from astraeus_pipeline.contracts import AWS_RESOURCES, FOCUS_COSTS
from astraeus_pipeline.contracts.days import DayRange
from astraeus_pipeline.contracts.delivery import Fetched
from astraeus_pipeline.contracts.people import ROLES, Grant, Role
from astraeus_pipeline.settings import Settings
from astraeus_pipeline.warehouse import sessions, users
from astraeus_pipeline.warehouse.engine import Database
from astraeus_pipeline.warehouse.landing import LandingStore, StoredPayload
from astraeus_pipeline.warehouse.loader import LoadOptions, load
from tests.conftest import fresh_database, made_once
from tests.fixtures.charges import batch, charge, fetched, payload
from tests.fixtures.estate import add_focus_account, installed
from tests.fixtures.parsed import parsed_for, run_dbt

TODAY = datetime.now(UTC).date()
THROUGH = TODAY - timedelta(days=1)
DAYS = DayRange(THROUGH - timedelta(days=69), THROUGH)
SERVICES = [f"Service {letter}" for letter in "ABCDEFGHIJK"]
# Which resource a service's charges name; the others name none.
CHARGED = {"Service B": "i-001", "Service C": "i-elsewhere", "Service D": "i-shared"}
# How a service's charges are tagged; the others have no tags.
TAGS = {
    "Service B": '{"Cost-Center": "R&D", "env": "prod"}',
    "Service C": '{"user:cost_center": " r&d ", "env": ""}',
    "Service D": '{"CostCenter": "", "cost_center": "Ops"}',
    "Service E": '{"CostCenter": "first", "cost_center": "second"}',
    "Service F": '{"env": "test"}',
}
FIRST_INVENTORY = THROUGH - timedelta(days=30)


@pytest.fixture(scope="session")
def built(database_server: Database, template: Database, run_home: Path) -> tuple[Database, Path]:
    """Return the run's database with these marts, and its installation's home."""
    home = run_home / "built"

    def fill(made: Database) -> None:
        with installed(made, home) as settings:
            for slug in ("acme", "beta"):
                add_focus_account(made, settings, slug, home / slug)
            _load(made, "acme", "USD", "10.123456789")
            _load(made, "beta", "EUR", "3.5")
            for day in (FIRST_INVENTORY, THROUGH):
                take_inventory(made, "acme", day, _acme(day))
                take_inventory(made, "beta", day, _beta())
            add_people(made)
            build(made, home)

    return made_once("built", database_server, fill, template), home


@pytest.fixture(scope="session")
def built_of_nothing(
    database_server: Database, template: Database, run_home: Path
) -> tuple[Database, Path]:
    """Return the run's database with marts of no costs, and its installation's home."""
    home = run_home / "built_of_nothing"

    def fill(made: Database) -> None:
        with installed(made, home):
            add_people(made)
            build(made, home)

    return made_once("built_of_nothing", database_server, fill, template), home


@pytest.fixture(scope="module")
def marts(
    database_server: Database,
    built: tuple[Database, Path],
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Database]:
    with _copied(database_server, *built, tmp_path_factory.mktemp("home")) as made:
        yield made


@pytest.fixture
def empty(
    database_server: Database, built_of_nothing: tuple[Database, Path], tmp_path: Path
) -> Iterator[Database]:
    with _copied(database_server, *built_of_nothing, tmp_path) as made:
        yield made


@contextmanager
def _copied(server: Database, original: Database, its_home: Path, home: Path) -> Iterator[Database]:
    """Copy an installation, and point this process and the app at the copy."""
    shutil.copytree(its_home, home, dirs_exist_ok=True)
    with fresh_database(server, original) as made:
        with made.connect("admin", autocommit=True) as conn:
            # Functions are text, and name their database.
            for (function,) in conn.execute(
                "select pg_get_functiondef(oid) from pg_proc"
                " where pronamespace = 'marts'::regnamespace"
            ).fetchall():
                names = (str(each.admin_url.database) for each in (original, made))
                conn.execute(function.replace(*names))
        with installed(made, home):
            forget()
            yield made
    forget()


def add_people(database: Database) -> None:
    """Sign in a person per role, whose name is the role; they see everything."""
    for role in ROLES:
        sign_in(database, role, role)


def sign_in(database: Database, name: str, role: Role, *grants: Grant) -> dict[str, str]:
    """Add a person with a live session; return what `AppTest.user` is for them."""
    with database.connect("app", autocommit=True) as conn:
        user = users.add(conn, f"{name}@example.org", name, role, grants, actor="test")
        sessions.begin(conn, user.id, "password", token=f"token of {name}")
    return user_of(name)


def user_of(name: str) -> dict[str, str]:
    """Return what `AppTest.user` is for a person that `sign_in` added."""
    return {"session": sessions.key_of(f"token of {name}")}


def ask(statement: Statement, who: str = "admin") -> list[dict[str, Any]]:
    """Return what a person gets from the query layer."""
    return execute.run(statement, user_of(who)["session"])


def build(database: Database, home: Path) -> None:
    """Build the marts as of today."""
    models = ("build", "--exclude-resource-type", "test", "--exclude-resource-type", "unit_test")
    results = run_dbt(parsed_for(database), home / "target", models).results
    assert {each.node.name: each.message for each in results if each.status != "success"} == {}


def forget() -> None:
    """Drop cached answers and connections: the next question goes to the current database."""
    cache.forget_all()
    asking.forget()
    execute.forget_engine()
    store.forget()


def _load(database: Database, account: str, currency: str, cost: str) -> None:
    charges = [
        charge(
            day,
            cost,
            billing_currency=currency,
            service_name=service,
            service_category="Compute",
            region_id=None if service.endswith("A") else "eu-1",
            sub_account_id="s-1",
            resource_id=CHARGED.get(service),
            tags=TAGS.get(service),
            billing_account_id="b-1",
            provider_name="Example",
            publisher_name="Example",
            invoice_issuer_name="Example",
            invoice_id="INV" if day < DAYS.last - timedelta(days=20) else None,
            charge_period_end=datetime(day.year, day.month, day.day, tzinfo=UTC)
            + timedelta(days=1),
            billing_period_start=datetime(day.year, day.month, 1, tzinfo=UTC),
            billing_period_end=datetime(day.year, day.month, 28, tzinfo=UTC),
        )
        for day in DAYS
        for number, service in enumerate(SERVICES)
        for _ in range(1 + number % 3)
    ]
    description, stored = _stored(account, charges)
    with database.connect("loader", autocommit=True) as conn:
        result = load(
            conn,
            FOCUS_COSTS,
            description,
            stored,
            lambda: [batch(charges)],
            LoadOptions(date(2100, 1, 1), 0),
        )
    assert result.state == "loaded"


def _stored(account: str, charges: list[dict[str, Any]]) -> tuple[Fetched, StoredPayload]:
    """Keep the charges as the file that a provider would have sent."""
    text = io.StringIO()
    writer = csv.writer(text)
    columns = ("usage_date", "service_name", "resource_id", "billed_cost", "billing_currency")
    writer.writerow(columns)
    writer.writerows([each.get(name) for name in columns] for each in charges)
    store = LandingStore.from_settings(Settings.from_env())
    part = store.put(f"{account}.csv", [text.getvalue().encode()], "csv")
    description = replace(fetched(DAYS, account), parts=(part,))
    return description, store.put_manifest(description)


def take_inventory(
    database: Database, account: str, day: date, items: list[dict[str, Any]]
) -> None:
    """Load what stood in an account on a day."""
    rows = batch(
        [{"usage_date": day, "billing_period": day.replace(day=1), **item} for item in items],
        table=AWS_RESOURCES,
    )
    description = replace(
        fetched(DayRange(day, day), account, complete_through=day), dataset="resources"
    )
    stored = payload(f"inventory {account} {day}")
    with database.connect("loader", autocommit=True) as conn:
        result = load(
            conn, AWS_RESOURCES, description, stored, lambda: [rows], LoadOptions(TODAY, 0)
        )
    assert result.state == "loaded"


def _acme(day: date) -> list[dict[str, Any]]:
    """54 machines, an unused volume with a name that a spreadsheet would run; one more comes."""
    long_ago = datetime(2025, 1, 1, tzinfo=UTC)
    machines = [
        {
            "resource_id": f"i-{number:03}",
            "resource_type": "ec2:instance",
            "resource_name": f"web_{number:03}",
            "region": "eu-1",
            "instance_type": "m6i.large",
            "state": "running",
            "created_at": long_ago,
            "tags": '{"Team": "shop"}' if number % 2 else '{"env": "prod", "owner": ""}',
        }
        for number in range(54)
    ]
    volume = {
        "resource_id": "vol-1",
        "attachment_state": "idle",
        "resource_type": "ec2:volume",
        "resource_name": "=1+1",
        "region": "eu-2",
        "size_gb": Decimal(500),
        "iops": 4000,
        "created_at": long_ago,
    }
    gone = {"resource_id": "b-gone", "resource_type": "s3:bucket", "resource_name": "100%"}
    new = {"resource_id": "b-new", "resource_type": "s3:bucket", "tags": '{"owner": "ml"}'}
    return [*machines, volume, gone if day == FIRST_INVENTORY else new]


def _beta() -> list[dict[str, Any]]:
    """A machine that another account's bill names: the cloud account is the same."""
    return [
        {
            "resource_id": "i-shared",
            "resource_type": "ec2:instance",
            "owner_account_id": "s-1",
            "region": "eu-1",
            "tags": '{"team": "data"}',
        }
    ]

"""What `dbt docs` shows: each relation that a build makes, and each of its columns, described."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, Final

import pytest

from astraeus_pipeline.warehouse.engine import Database
from tests.fixtures.dbt import warehouse

pytestmark = pytest.mark.integration

Shown = dict[str, tuple[dict[str, Any], dict[str, Any]]]
KINDS: Final = ("nodes", "sources")
FILES: Final = ("manifest", "catalog")


@pytest.fixture(scope="module")
def shown(module_database: Database, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shown]:
    """Return what the manifest says and what the database has, of all that was built from zero."""
    with warehouse(module_database, tmp_path_factory.mktemp("dbt")) as made:
        made.dbt("seed")
        made.build()
        made.invoke("docs", "generate", "--no-compile")
        made.project.write(str(made.target / "manifest.json"))  # dbt writes only what it parsed
        manifest, catalog = (
            json.loads((made.target / f"{name}.json").read_text()) for name in FILES
        )
        yield {
            name: (said, catalog[kind].get(name, {"columns": {}}))
            for kind in KINDS
            for name, said in manifest[kind].items()
            if said["resource_type"] in ("model", "seed", "source")
        }


def test_everything_built_is_described(shown: Shown) -> None:
    assert len(shown) > 100
    assert [name for name, (_, found) in shown.items() if not found["columns"]] == []
    assert [name for name, (said, _) in shown.items() if not said["description"].strip()] == []


def test_every_column_is_described_and_no_other(shown: Shown) -> None:
    """Columns of relations without a contract drift unseen: yml and database are compared."""
    missing: list[str] = []
    extra: list[str] = []
    for name, (said, found) in shown.items():
        there = set(found["columns"])
        described = {
            column for column, each in said["columns"].items() if each["description"].strip()
        }
        # Of what people entered dbt reads some columns only.
        if not name.startswith("source."):
            missing += [f"{name}.{column}" for column in sorted(there - described)]
        extra += [f"{name}.{column}" for column in sorted(set(said["columns"]) - there)]
    assert missing == []
    assert extra == []

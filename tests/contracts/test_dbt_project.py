"""The dbt project against the contracts: nothing undescribed, untyped or unreadable."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from dbt.cli.main import dbtRunner

from astraeus_pipeline.contracts import FOCUS_COSTS, RAW_TABLES, RawTable
from astraeus_pipeline.contracts.columns import ColumnType
from astraeus_pipeline.settings import PROJECT_ROOT

PROJECT = PROJECT_ROOT / "dbt_project"
FOCUS_CATEGORIES = frozenset(
    {
        "AI and Machine Learning",
        "Analytics",
        "Business Applications",
        "Compute",
        "Databases",
        "Developer Tools",
        "Identity",
        "Integration",
        "Internet of Things",
        "Management and Governance",
        "Media",
        "Migration",
        "Mobile",
        "Multicloud",
        "Networking",
        "Other",
        "Security",
        "Storage",
        "Web",
    }
)
_TYPES: dict[ColumnType, str] = {"timestamptz": "timestamp with time zone"}
Node = dict[str, Any]


@pytest.fixture(scope="module")
def manifest(tmp_path_factory: pytest.TempPathFactory) -> Node:
    """Parse the project without any variable set and without a database."""
    target = tmp_path_factory.mktemp("dbt")
    folders = ["--project-dir", str(PROJECT), "--profiles-dir", str(PROJECT)]
    with pytest.MonkeyPatch.context() as patch:
        for name in ("HOST", "PORT", "USER", "PASSWORD", "DBNAME"):
            patch.delenv(f"ASTRAEUS_DBT_{name}", raising=False)
        result = dbtRunner().invoke(
            ["parse", *folders, "--target-path", str(target), "--log-path", str(target), "--quiet"]
        )
    assert result.success, result.exception
    parsed: Node = json.loads((target / "manifest.json").read_text())
    return parsed


def models(manifest: Node) -> Iterator[Node]:
    nodes = manifest["nodes"].values()
    return (node for node in nodes if node["resource_type"] == "model")


def test_project_sends_and_downloads_nothing() -> None:
    assert "send_anonymous_usage_stats: false" in (PROJECT / "dbt_project.yml").read_text()
    assert not (PROJECT / "packages.yml").exists()
    assert not (PROJECT / "dependencies.yml").exists()


@pytest.mark.parametrize("table", RAW_TABLES, ids=lambda table: table.name)
def test_source_says_what_the_contract_says(manifest: Node, table: RawTable) -> None:
    source = manifest["sources"][f"source.astraeus.raw.{table.name}"]
    assert source["description"] == table.description
    assert [
        (column["name"], column["data_type"], column["description"])
        for column in source["columns"].values()
    ] == [
        (column.name, _TYPES.get(column.type, column.type), column.description)
        for column in table.columns
    ]


@pytest.mark.parametrize("schema", ["raw", "app"])
def test_ledger_source_names_the_columns_of_its_migration(manifest: Node, schema: str) -> None:
    folder = PROJECT_ROOT / "astraeus_pipeline" / "warehouse" / "migrations"
    tables = _tables("\n".join(path.read_text() for path in sorted(folder.glob("*.sql"))))
    sources = [s for s in manifest["sources"].values() if s["schema"] == schema]
    for source in (each for each in sources if f"{schema}.{each['name']}" in tables):
        name, columns = source["name"], tables[f"{schema}.{source['name']}"]
        assert all(column["description"] for column in source["columns"].values()), name
        assert set(source["columns"]) <= columns, name
        # Of the ledger everything, of accounts only what is not sealed.
        assert schema == "app" or set(source["columns"]) == columns, name


def test_no_source_speaks_of_credentials(manifest: Node) -> None:
    accounts = manifest["sources"]["source.astraeus.app.accounts"]
    assert not {"sealed_credentials", "credential_ref", "config"} & set(accounts["columns"])


def test_every_model_and_column_is_described(manifest: Node) -> None:
    for model in models(manifest):
        assert model["description"], model["name"]
        assert model["columns"], model["name"]
        for column in model["columns"].values():
            assert column["description"], f"{model['name']}.{column['name']}"


def test_every_mart_has_an_enforced_contract_and_readers(manifest: Node) -> None:
    marts = [model for model in models(manifest) if model["schema"] == "marts"]
    assert len(marts) >= 10
    for mart in marts:
        assert mart["contract"]["enforced"], mart["name"]
        assert all(column["data_type"] for column in mart["columns"].values()), mart["name"]
        hooks = [hook["sql"] for hook in mart["config"]["post-hook"]]
        assert any("secure_mart" in hook for hook in hooks), mart["name"]


def test_a_build_takes_no_view_of_the_marts_away(manifest: Node) -> None:
    """What is a table is replaced by every build, and views of it are gone until it ends."""
    nodes = manifest["nodes"]

    def replaced(unique_id: str) -> set[str]:
        found: set[str] = set()
        for name in nodes[unique_id]["depends_on"]["nodes"]:
            kind = nodes[name]["config"]["materialized"] if name in nodes else ""
            if kind in ("view", "ephemeral"):
                found |= replaced(name)
            elif kind == "table":
                found.add(nodes[name]["name"])
        return found

    views = [
        model["unique_id"]
        for model in models(manifest)
        if model["schema"] == "marts" and model["config"]["materialized"] == "view"
    ]
    assert len(views) >= 8
    taken = {nodes[view]["name"]: replaced(view) for view in views if replaced(view)}
    # Two tables of findings, small and replaced at the end of a build, just before their view.
    taken.pop("fct_recommendations", None)
    assert taken == {}


def test_money_is_numeric_without_scale(manifest: Node) -> None:
    for model in models(manifest):
        for name, column in model["columns"].items():
            if re.search(r"(_cost|_price|_usd|delta|residual)$", name) and column["data_type"]:
                assert column["data_type"] == "numeric", f"{model['name']}.{name}"


@pytest.mark.parametrize(
    "model",
    [
        "stg_aws__costs",
        "stg_aws__costs_cur",
        "stg_aws__costs_focus",
        "stg_focus__costs",
        "stg_snowflake__costs",
        "stg_openai__costs",
        "stg_anthropic__costs",
        "fct_charges",
    ],
)
def test_charges_have_the_columns_of_focus(manifest: Node, model: str) -> None:
    columns = manifest["nodes"][f"model.astraeus.{model}"]["columns"]
    wanted = [column.name for column in FOCUS_COSTS.vendor_columns]
    assert len(wanted) == 57
    assert [name for name in columns if name in wanted] == wanted


def test_staging_reads_one_source_each_and_nothing_else_reads_raw_costs(manifest: Node) -> None:
    costs = {f"source.astraeus.raw.{table.name}" for table in RAW_TABLES}
    for model in models(manifest):
        if model["name"] == "int_raw_sums":  # what staging is held against
            continue
        sources = costs & set(model["depends_on"]["nodes"])
        assert len(sources) == (1 if model["schema"] == "staging" else 0), model["name"]


def test_seeded_services_are_in_categories_of_focus() -> None:
    lines = (PROJECT / "seeds" / "service_categories.csv").read_text().splitlines()[1:]
    services, categories = zip(*(line.rsplit(",", 1) for line in lines), strict=True)
    assert set(categories) <= FOCUS_CATEGORIES
    assert len(set(services)) == len(services)


def test_every_file_of_models_is_sql_or_its_yml() -> None:
    folders = [PROJECT / "models" / name for name in ("staging", "intermediate", "marts")]
    for path in (path for folder in folders for path in folder.glob("*.sql")):
        assert Path(path).with_suffix(".yml").exists(), path.name


def _tables(ddl: str) -> dict[str, set[str]]:
    found = re.findall(r"create table ([a-z_.]+) \((.*?)\n\);", ddl, re.DOTALL)
    added = re.findall(r"alter table ([a-z_.]+) add column ([a-z_]+)", ddl)
    return {
        name: {column for table, column in added if table == name}
        | {
            line.split()[0]
            for line in body.strip().splitlines()
            if line.startswith("    ")
            and line.split()[0] not in ("check", "primary", "unique", "foreign")
        }
        | {body.strip().split()[0]}
        for name, body in found
    }

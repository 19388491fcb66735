"""Every provider is complete, and an incomplete one tells its author what is missing."""

from __future__ import annotations

import importlib
import shutil
from pathlib import Path

import pytest

from astraeus_pipeline.providers.registry import PROVIDERS
from astraeus_pipeline.settings import PROJECT_ROOT
from tests.contracts.provider_checklist import STEPS, Project, missing_steps
from tests.fixtures.faults import Fault, fault_tables

KEYS = sorted(PROVIDERS)


@pytest.fixture(scope="module")
def project() -> Project:
    """Return this project, with what its tests say about faults."""
    paths = sorted((PROJECT_ROOT / "tests").glob("*/test_*.py"))
    telling = [path for path in paths if "fixtures.faults import" in path.read_text()]
    names = [".".join(path.relative_to(PROJECT_ROOT).with_suffix("").parts) for path in telling]
    own = [name for name in names if name != __name__]
    return Project(PROJECT_ROOT, fault_tables(map(importlib.import_module, own)))


@pytest.mark.parametrize("key", KEYS)
def test_a_provider_is_complete(key: str, project: Project) -> None:
    missing = missing_steps(key, PROVIDERS[key], project)
    assert missing == []


def test_every_folder_of_providers_is_registered(project: Project) -> None:
    assert project.provider_folders() == KEYS


def test_every_client_of_the_fault_table_is_a_provider_s(project: Project) -> None:
    assert {client.partition("/")[0] for client in project.fault_tables} <= set(KEYS)


@pytest.fixture
def planted(tmp_path: Path) -> Project:
    """Return a tree with one new folder, and nothing else that belongs to it."""
    for path in (
        "pyproject.toml",
        "README.md",
        "dbt_project/models/staging/sources.yml",
        "dbt_project/macros/engines/rows.sql",
    ):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(PROJECT_ROOT / path, tmp_path / path)
    package = tmp_path / "astraeus_pipeline" / "providers" / "nimbus"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("import nimbus_sdk.billing\n")
    return Project(tmp_path)


def test_a_new_folder_tells_its_author_what_is_missing(planted: Project) -> None:
    assert planted.provider_folders() == ["nimbus"]
    found = missing_steps("nimbus", None, planted)
    for sentence in (
        "Registry: providers/nimbus is in no line of PROVIDERS in providers/registry.py",
        "Contract: contracts/nimbus.py with its RawTables is missing",
        "Package: providers/nimbus/client.py is missing (or a reason in EXCUSED of the checklist)",
        "Sources: sources.yml does not describe raw.nimbus_costs",
        "Staging: dbt_project/models/staging/stg_nimbus__costs.sql is missing",
        "Staging: macros/engines/rows.sql has no arm for stg_nimbus__costs",
        "Sandbox: astraeus_pipeline/sandbox/nimbus.py, the emulator of demo and tests, is missing",
        "Tests: there is no tests/*/test_nimbus*.py",
        "Import contracts: no import contract keeps nimbus_sdk.billing where nimbus is",
        "README: the table of providers in README.md has no row `nimbus`",
        "FOCUS policy: conformance/policy/nimbus.toml, what FOCUS may ask of it, is missing",
    ):
        assert sentence in found
    assert sum(each.startswith("Fault table: ") for each in found) == len(Fault)


def test_a_provider_with_lapses_is_told_each(planted: Project) -> None:
    """A registered object in a tree that knows nothing of it, and that is not what it says."""
    found = missing_steps("nimbus", PROVIDERS["aws"], planted)
    assert "Registry: the provider registered as 'nimbus' calls itself 'aws'" in found
    assert "Contract: aws_costs belongs to the provider 'aws', not to 'nimbus'" in found
    assert "Staging: dbt_project/models/staging/stg_aws__costs.sql is missing" in found


def test_the_recipe_names_every_step() -> None:
    recipe = (PROJECT_ROOT / "docs" / "adding-a-provider.md").read_text()
    headings = [line.removeprefix("## ") for line in recipe.splitlines() if line.startswith("## ")]
    assert [heading for heading in headings if heading in STEPS] == list(STEPS)

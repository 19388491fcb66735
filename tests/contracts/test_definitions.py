"""The code location loads from nothing and offers what the data team expects."""

from __future__ import annotations

import subprocess
import sys

import dagster as dg
import pytest

from astraeus_pipeline.orchestration.code_location import build_definitions
from astraeus_pipeline.orchestration.ingest import asset_key
from astraeus_pipeline.orchestration.manifest import PROJECT
from astraeus_pipeline.providers.registry import PROVIDERS
from astraeus_pipeline.settings import PROJECT_ROOT


@pytest.fixture(scope="module")
def definitions() -> dg.Definitions:
    return build_definitions()


def test_definitions_load_in_an_empty_environment_without_a_network() -> None:
    code = (
        "import socket\n"
        "def refuse(*_, **__): raise OSError('no network while definitions load')\n"
        "socket.socket.connect = refuse\n"
        "from astraeus_pipeline.definitions import defs\n"
        "print(len(list(defs.resolve_all_asset_specs())))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={"HOME": "/nonexistent"},
        cwd=PROJECT_ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert int(done.stdout.split()[-1]) > 15


def test_every_dataset_has_an_asset_a_schedule_and_blocking_checks(
    definitions: dg.Definitions,
) -> None:
    specs = {spec.key: spec for spec in definitions.resolve_all_asset_specs()}
    schedules = {schedule.name for schedule in definitions.schedules or ()}
    checks = definitions.get_repository_def().asset_graph
    for provider in PROVIDERS.values():
        for table in provider.tables.values():
            spec = specs[asset_key(table)]
            assert spec.description and spec.owners and spec.group_name == f"raw_{provider.key}"
            assert f"daily_{table.name}" in schedules
            names = {key.name for key in checks.asset_check_keys if key.asset_key == spec.key}
            assert {"row_counts", "nothing_held_back"} <= names
            assert ("tie_out" in names) == bool(table.cost_types)


def test_accounts_are_looked_for_every_day(definitions: dg.Definitions) -> None:
    daily = {each.name: each for each in definitions.schedules or ()}["daily_discover_accounts"]
    assert daily.job_name == "discover_accounts"


def test_summaries_are_sent_and_checked_every_morning(definitions: dg.Definitions) -> None:
    from astraeus_pipeline.orchestration import summarising

    daily = {each.name: each for each in definitions.schedules or ()}["daily_send_cost_summaries"]
    assert (daily.job_name, daily.cron_schedule) == (summarising.JOB, "0 7 * * *")
    job = definitions.resolve_job_def(summarising.JOB)
    keys = job.asset_layer.asset_graph.asset_check_keys if job.asset_layer else set()
    assert keys == {dg.AssetCheckKey(summarising.KEY, "summaries_are_delivered")}


def test_reconciliations_are_checked_with_every_build(definitions: dg.Definitions) -> None:
    from astraeus_pipeline.orchestration import reconciling, sensors

    job = definitions.resolve_job_def(sensors.MARTS_JOB)
    keys = job.asset_layer.asset_graph.asset_check_keys if job.asset_layer else set()
    assert dg.AssetCheckKey(reconciling.MART, "no_residual") in keys


def test_every_rule_of_the_marts_is_a_check_of_an_asset(definitions: dg.Definitions) -> None:
    """A rule over several models names the asset that it judges; else Dagster logs it only."""
    checks = {key.name for key in definitions.resolve_asset_graph().asset_check_keys}
    assert {path.stem for path in (PROJECT / "tests").glob("*.sql")} <= checks


def test_lineage_leads_from_raw_to_the_marts(definitions: dg.Definitions) -> None:
    graph = definitions.get_repository_def().asset_graph
    found = graph.get(dg.AssetKey(["marts", "fct_daily_costs"]))
    ancestors = graph.get_ancestor_asset_keys(found.key)
    assert dg.AssetKey(["raw", "aws_costs"]) in ancestors
    assert dg.AssetKey(["raw", "focus_costs"]) in ancestors


def test_every_asset_has_a_description_and_an_owner(definitions: dg.Definitions) -> None:
    for spec in definitions.resolve_all_asset_specs():
        if (
            spec.key.path[0] in ("raw", "staging", "intermediate", "marts")
            and spec.group_name != "default"
        ):
            assert spec.description, spec.key
            assert spec.owners, spec.key

"""dbt's models as assets, with lineage from the raw tables; one invocation per run."""

# No postponed annotations: Dagster reads them from the functions that it decorates.

import importlib.metadata
import shutil
from collections.abc import Iterator, Mapping, Sequence
from datetime import timedelta
from functools import cached_property
from typing import Any, Final

import dagster as dg
from dagster_dbt import (
    DagsterDbtTranslator,
    DagsterDbtTranslatorSettings,
    DbtCliResource,
    DbtProject,
    dbt_assets,
)
from packaging import version

from astraeus_pipeline.orchestration import manifest, pools
from astraeus_pipeline.orchestration.ingest import OWNERS, asset_key
from astraeus_pipeline.orchestration.locks import alone
from astraeus_pipeline.orchestration.manifest import MANIFEST, PROJECT
from astraeus_pipeline.orchestration.resources import IngestionResource
from astraeus_pipeline.providers.registry import PROVIDERS
from astraeus_pipeline.settings import Settings

# Unit tests judge the code, whatever the data: they are for `dbt test`, not for each night's build.
_BUILD: Final = ["build", "--exclude-resource-type", "unit_test"]


# A dataset is one asset, in however many raw tables its rows stand.
_ASSET_OF: Final = {
    shape.name: asset_key(table)
    for provider in PROVIDERS.values()
    for dataset, table in provider.tables.items()
    for shape in provider.shapes(dataset)
}


class Translator(DagsterDbtTranslator):
    """Names dbt's nodes as the data team knows them."""

    def get_asset_key(self, dbt_resource_props: Mapping[str, Any]) -> dg.AssetKey:
        """Take the raw assets as sources; name models and seeds by schema."""
        if dbt_resource_props["resource_type"] == "source":
            name = dbt_resource_props["name"]
            return _ASSET_OF.get(name, dg.AssetKey([dbt_resource_props["source_name"], name]))
        return dg.AssetKey([dbt_resource_props["schema"], dbt_resource_props["name"]])

    def get_group_name(self, dbt_resource_props: Mapping[str, Any]) -> str:
        """Group by layer."""
        return str(dbt_resource_props["schema"])

    def get_owners(self, dbt_resource_props: Mapping[str, Any]) -> list[str]:
        """Everything belongs to the data team."""
        return OWNERS


def transformation_assets() -> list[dg.AssetsDefinition]:
    """Return the dbt assets; none while the project has not been parsed (`make manifest`)."""
    if not MANIFEST.exists():
        return []
    project = DbtProject(PROJECT, profiles_dir=PROJECT)

    @dbt_assets(
        manifest=MANIFEST,
        project=project,
        dagster_dbt_translator=Translator(
            DagsterDbtTranslatorSettings(enable_duplicate_source_asset_keys=True)
        ),
        name="marts",
        pool=pools.MARTS,
    )
    def marts(
        context: dg.AssetExecutionContext, dbt: DbtCliResource, ingestion: IngestionResource
    ) -> Iterator[Any]:
        """Build what changed: the incremental models find the changed slices by themselves."""
        target = Settings.from_env().home / "dbt" / context.run.run_id
        target.mkdir(parents=True, exist_ok=True)
        try:
            with alone(ingestion):
                manifest.hand_over(target)
                yield from dbt.cli(_BUILD, context=context, target_path=target).stream()
                manifest.take_back(target)
        except KeyError as unknown:  # dagster-dbt's, for a node that its manifest lacks
            raise dg.Failure(
                f"dbt built {unknown}, which Dagster does not know: the project was changed after"
                " it was parsed. Run `make manifest` and reload the code location.",
                allow_retries=False,
            ) from unknown
        finally:
            shutil.rmtree(target, ignore_errors=True)

    return [
        marts.map_asset_specs(
            lambda spec: (
                spec.replace_attributes(
                    freshness_policy=dg.FreshnessPolicy.time_window(fail_window=timedelta(hours=50))
                )
                if spec.group_name == "marts"
                else spec
            )
        )
    ]


def dbt_resource() -> DbtCliResource:
    """Return dbt's command line, run from the environment of this interpreter."""
    return _Dbt(
        project_dir=str(PROJECT),
        profiles_dir=str(PROJECT),
        dbt_executable=str(manifest.dbt_executable()),
        global_config_flags=[
            *("--no-send-anonymous-usage-stats", "--no-version-check"),
            # Its debug log lies in the run's target folder and goes with it: seconds for nothing.
            *("--log-level-file", "none"),
            # Nor is its manifest read, of 10 MB and written twice: what was built, its events tell.
            "--no-write-json",
        ],
    )


class _Dbt(DbtCliResource):
    """dbt's command line without what its resource does first, at 3 CPU seconds a build."""

    @cached_property
    def _cli_version(self) -> version.Version:
        """Ask the environment, not `dbt --version`, which also asks PyPI for newer ones."""
        return version.parse(importlib.metadata.version("dbt-core"))

    def _initialize_dbt_core_adapter(self, args: Sequence[str]) -> Any:
        """Make none: only metadata of columns and counts of rows, which we do not fetch, ask it."""
        return None

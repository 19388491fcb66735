"""The Helm values: what can be known of them without a cluster."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import dagster as dg
import pytest
import yaml
from dagster._config import process_config, resolve_to_config_type
from dagster_k8s.job import construct_dagster_k8s_job
from dagster_k8s.launcher import K8sRunLauncher

from astraeus_pipeline.orchestration.run_queue import AccountQueue
from astraeus_pipeline.settings import PROJECT_ROOT

FOLDER = PROJECT_ROOT / "deploy" / "kubernetes"
# As the chart's template of the instance spells them.
SPELLED = {
    "imagePullPolicy": "image_pull_policy",
    "loadInclusterConfig": "load_incluster_config",
    "failPodOnRunFailure": "fail_pod_on_run_failure",
    "volumeMounts": "volume_mounts",
    "volumes": "volumes",
    "resources": "resources",
    "envVars": "env_vars",
}
OF_RUNS = {
    "containerConfig": "container_config",
    "podSpecConfig": "pod_spec_config",
    "jobSpecConfig": "job_spec_config",
}


@pytest.fixture(scope="module")
def values() -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((FOLDER / "values.yaml").read_text())
    return found


@pytest.fixture
def launcher(values: dict[str, Any], tmp_path: Path) -> K8sRunLauncher:
    """Return the launcher of these values, checked by Dagster; it is asked for no cluster."""
    of_chart = dict(values["runLauncher"]["config"]["k8sRunLauncher"])
    config = {
        "dagster_home": "/opt/dagster/dagster_home",
        "instance_config_map": "astraeus-instance",
        "postgres_password_secret": values["global"]["postgresqlSecretName"],
        "service_account_name": values["global"]["serviceAccountName"],
        "env_secrets": [each["name"] for each in of_chart.pop("envSecrets")],
        "env_config_maps": of_chart.pop("envConfigMaps"),
        "run_k8s_config": {
            OF_RUNS[name]: value for name, value in of_chart.pop("runK8sConfig").items()
        },
        **{SPELLED[name]: value for name, value in of_chart.items()},
    }
    (tmp_path / "kube").write_text(
        "apiVersion: v1\nkind: Config\ncurrent-context: none\n"
        "clusters: [{name: none, cluster: {server: 'https://127.0.0.1:1'}}]\n"
        "contexts: [{name: none, context: {cluster: none, user: none}}]\n"
        "users: [{name: none, user: {}}]\n"
    )
    elsewhere = {"load_incluster_config": False, "kubeconfig_file": str(tmp_path / "kube")}
    checked = process_config(
        resolve_to_config_type(K8sRunLauncher.config_type()), {**config, **elsewhere}
    )
    assert checked.success, checked.errors
    return K8sRunLauncher(**checked.value)


def test_the_launcher_makes_a_job_with_limits_and_secrets(
    values: dict[str, Any], launcher: K8sRunLauncher
) -> None:
    context = launcher.get_container_context_for_run(dg.DagsterRun(job_name="ingest"))
    image = values["dagsterWebserver"]["image"]
    job = construct_dagster_k8s_job(
        context.get_k8s_job_config(f"{image['repository']}:{image['tag']}", launcher),
        ["dagster", "api", "execute_run"],
        "astraeus-run",
        user_defined_k8s_config=context.run_k8s_config,
    ).to_dict()
    pod = job["spec"]["template"]["spec"]
    [container] = pod["containers"]
    assert container["image"] == "registry.example.com/astraeus:0.1.0"
    assert container["resources"]["limits"] == {"cpu": "2", "memory": "4Gi"}
    assert [each["secret_ref"]["name"] for each in container["env_from"]] == ["astraeus"]
    assert container["security_context"]["run_as_non_root"] is True
    assert job["spec"]["backoff_limit"] == 0
    assert pod["termination_grace_period_seconds"] == 60
    assert pod["service_account_name"] == "astraeus"


def test_the_cluster_has_the_limits_and_the_queue_of_one_machine(values: dict[str, Any]) -> None:
    here = yaml.safe_load((PROJECT_ROOT / "dagster.yaml").read_text())
    there = values["additionalInstanceConfig"]["concurrency"]
    limits = here["concurrency"]["runs"]["tag_concurrency_limits"]
    assert there["runs"]["tag_concurrency_limits"] == limits
    assert there["pools"] == here["concurrency"]["pools"]
    queue = values["dagsterDaemon"]["runCoordinator"]["config"]["customRunCoordinator"]
    assert (queue["module"], queue["class"]) == (AccountQueue.__module__, AccountQueue.__name__)
    assert {key: here["run_coordinator"][key] for key in ("module", "class")} == {
        key: queue[key] for key in ("module", "class")
    }


def test_every_process_is_of_one_image_and_has_the_secret(values: dict[str, Any]) -> None:
    [code] = values["dagster-user-deployments"]["deployments"]
    processes = (values["dagsterWebserver"], values["dagsterDaemon"], code)
    for each in processes:
        assert each["image"] == values["dagsterWebserver"]["image"]
        assert each["envSecrets"] == [{"name": "astraeus"}]
        assert each["resources"]["limits"]["memory"]
    text = (FOLDER / "values.yaml").read_text()
    assert "password:" not in text and "MASTER_KEYS:" not in text

"""dbt on Spark in its own environment: two executors as processes of their own, nothing shared."""

from __future__ import annotations

import os
import subprocess
from dataclasses import dataclass
from pathlib import Path

from astraeus_pipeline.settings import PROJECT_ROOT

# Two executors of one core and 1 GB, beside the driver.
MASTER = "local-cluster[2,1,1024]"


@dataclass(frozen=True)
class Spark:
    """An environment with pyspark and dbt-spark, and a folder for its catalogue and logs."""

    python: Path
    folder: Path

    @classmethod
    def find(cls, folder: Path) -> Spark:
        """Return the environment of deploy/spark.lock; it is made where it is missing."""
        made = subprocess.run(
            [PROJECT_ROOT / "deploy" / "spark-venv"], capture_output=True, text=True, check=False
        )
        if made.returncode:
            raise SystemExit(f"deploy/spark-venv failed:\n{made.stderr[-2000:]}")
        folder.mkdir(parents=True, exist_ok=True)
        return cls(Path(made.stdout.strip()), folder)

    def version(self) -> str:
        """Return the version of pyspark."""
        code = "from importlib.metadata import version; print(version('pyspark'))"
        return subprocess.check_output([self.python, "-c", code], text=True).strip()

    def build(self, landing: str, order: str, master: str = MASTER) -> None:
        """Build the models of line items over an order, and write the charges below it, too.

        Exits with dbt's words where it fails.
        """
        dbt, target = str(self.python.with_name("dbt")), str(self.folder / "target")
        project = str(PROJECT_ROOT / "dbt_project")
        done = subprocess.run(
            [
                *(dbt, "build", "--target", "spark", "--select", "tag:line_items"),
                *("--resource-type", "seed", "--resource-type", "model", "--no-version-check"),
                *("--project-dir", project, "--profiles-dir", project),
                *("--target-path", target, "--log-path", target),
                *("--vars", "{write_line_items: true}"),
            ],
            cwd=self.folder,
            env=self._environment(landing, order, master),
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise SystemExit(done.stdout[-4000:] + done.stderr[-2000:])

    def _environment(self, landing: str, order: str, master: str) -> dict[str, str]:
        foreign = {"PYTHONPATH", "MALLOC_ARENA_MAX"}
        kept = {name: value for name, value in os.environ.items() if name not in foreign}
        options = " ".join(
            f"--conf {each}"
            for each in (
                "spark.ui.enabled=false",
                "spark.driver.host=127.0.0.1",
                "spark.sql.shuffle.partitions=8",
                f"spark.sql.warehouse.dir={self.folder}/warehouse",
            )
        )
        return kept | {
            "ASTRAEUS_LINE_ITEMS": landing,
            "ASTRAEUS_LINE_ITEMS_ORDER": order,
            "SPARK_LOCAL_IP": "127.0.0.1",
            "PYSPARK_SUBMIT_ARGS": f"--master {master} --driver-memory 1g {options} pyspark-shell",
            "DBT_SEND_ANONYMOUS_USAGE_STATS": "false",
        }

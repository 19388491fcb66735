"""dlt in a virtual environment of its own, so that its dependencies never meet the project's."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.data import cache_folder
from benchmarks.measure import Cost

VERSION = "1.31.0"
_PACKAGES = (f"dlt[postgres,parquet]=={VERSION}", "adbc-driver-postgresql==1.13.0")


@dataclass(frozen=True)
class Venv:
    """The environment's interpreter."""

    python: Path

    def load(self, paths: Sequence[Path], url: str) -> Cost:
        """Load the Parquet files; the cost is dlt's own, without its start and the server's part.

        Raises: subprocess.CalledProcessError if dlt fails.
        """
        done = subprocess.run(
            [self.python, Path(__file__).with_name("dlt_child.py"), url, *paths],
            check=True,
            stdout=subprocess.PIPE,
            text=True,
            cwd=cache_folder(),
            env={"PATH": os.environ["PATH"], "RUNTIME__DLTHUB_TELEMETRY": "false"},
        )
        answer = json.loads(done.stdout.splitlines()[-1])
        return Cost(answer["wall"], answer["cpu"], 0)


def venv() -> Venv:
    """Return the environment, made once beside the generated files."""
    folder = cache_folder() / f"dlt-{VERSION}"
    python = folder / "bin" / "python"
    if not (folder / "complete").exists():
        subprocess.run([sys.executable, "-m", "venv", folder], check=True)
        subprocess.run([python, "-m", "pip", "install", "--quiet", *_PACKAGES], check=True)
        (folder / "complete").touch()
    return Venv(python)

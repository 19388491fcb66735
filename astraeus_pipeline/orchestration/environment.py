"""The environment that Dagster, dbt and the app are started with."""

from __future__ import annotations

import os
import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from astraeus_pipeline.orchestration import manifest
from astraeus_pipeline.settings import PROJECT_ROOT, Settings
from astraeus_pipeline.warehouse import tls
from astraeus_pipeline.warehouse.engine import Database

# Arrow's usual pool keeps far more than it uses, and glibc an arena for each thread: with these a
# 2 GB CSV is loaded in two thirds of the memory (benchmarks/memory.py).
ALLOCATORS: Final = {
    "ARROW_DEFAULT_MEMORY_POOL": "jemalloc",
    "JE_ARROW_MALLOC_CONF": "narenas:1,dirty_decay_ms:0,muzzy_decay_ms:0",
    "MALLOC_ARENA_MAX": "1",
}

# For runs inside a command: it writes what they print to its own log, and capturing it run by run
# redirects the whole process's output, which two runs at the same time cannot share.
COMMANDS_FILE: Final = "commands.yaml"
_NO_CAPTURE: Final = """\
compute_logs:
  module: dagster._core.storage.noop_compute_log_manager
  class: NoOpComputeLogManager
"""


def child_environment(settings: Settings, database: Database) -> dict[str, str]:
    """Return what our processes need beside their parent's environment; it holds passwords."""
    dbt = database.url("dbt")
    dagster = database.url("dagster", "psycopg2").update_query_dict(
        {"options": "-csearch_path=dagster"}
    )
    return {
        "ASTRAEUS_HOME": str(settings.home),
        "DAGSTER_HOME": str(dagster_home(settings)),
        # psycopg2 spelled out: Dagster's notifications do not work over psycopg 3.
        "DAGSTER_PG_URL": dagster.render_as_string(hide_password=False),
        "DAGSTER_EVENT_BATCH_SIZE": "500",
        # Seconds for questions that are being answered when a code server ends; else a minute.
        "DAGSTER_GRPC_SHUTDOWN_GRACE_PERIOD": "5",
        "DAGSTER_DISABLE_TELEMETRY": "yes",
        "DO_NOT_TRACK": "1",
        "DBT_SEND_ANONYMOUS_USAGE_STATS": "false",
        # Its notes about forks are of no use to anybody.
        "GRPC_VERBOSITY": "ERROR",
        "STREAMLIT_BROWSER_GATHER_USAGE_STATS": "false",
        "ASTRAEUS_DBT_HOST": dbt.host or "",
        "ASTRAEUS_DBT_PORT": str(dbt.port or 5432),
        "ASTRAEUS_DBT_USER": dbt.username or "",
        "ASTRAEUS_DBT_PASSWORD": str(dbt.password or ""),
        "ASTRAEUS_DBT_DBNAME": dbt.database or "",
        **{f"ASTRAEUS_DBT_{name.upper()}": value for name, value in tls.options(dbt).items()},
        # Not asked of the terminal of whoever starts us.
        "PYTHONUNBUFFERED": "1",
        **ALLOCATORS,
    }


def dagster_home(settings: Settings) -> Path:
    """Return DAGSTER_HOME."""
    return settings.home / "dagster"


def prepare(settings: Settings, database: Database) -> Mapping[str, str]:
    """Write Dagster's home, parse dbt's project where it changed, set this process's environment.

    Returns what was set. Raises: ConfigError if the dbt project does not parse.
    """
    home = dagster_home(settings)
    home.mkdir(parents=True, exist_ok=True)
    content = (PROJECT_ROOT / "dagster.yaml").read_text()
    _place(home / "dagster.yaml", content)
    _place(home / COMMANDS_FILE, f"{content}\n{_NO_CAPTURE}")
    values = child_environment(settings, database)
    os.environ.update(values)
    manifest.refresh()  # in that environment, as dbt takes no parse that was made for another port
    return values


def _place(path: Path, content: str) -> None:
    """Write a file that other processes of this home may be reading."""
    fresh = path.with_name(f"{path.name}.{secrets.token_hex(4)}")
    fresh.write_text(content)
    fresh.replace(path)

"""dbt as of the set day, without the library that sets it.

libfaketime makes threads of Python that wait for one another spin, which dbt's would do all the
time. Only its `today` reads a clock in this process; whatever else asks, asks PostgreSQL.
"""

from __future__ import annotations

import os
import sys
from datetime import UTC, datetime, timedelta, tzinfo
from pathlib import Path
from typing import Any, Final

from astraeus_pipeline.settings import PROJECT_ROOT
from benchmarks.years.clock import SECONDS

_SCRIPT: Final = """\
#!{python}
import sys
sys.path.insert(0, {root!r})
from benchmarks.years.dated_dbt import main
main()
"""


class _Set(datetime):
    @classmethod
    def now(cls, tz: tzinfo | None = None) -> Any:
        return datetime.now(tz or UTC) + timedelta(seconds=float(os.environ[SECONDS]))


def executable(folder: Path) -> Path:
    """Write the command that takes dbt's place, and return it."""
    path = folder / "dbt-of-the-day"
    path.write_text(_SCRIPT.format(python=sys.executable, root=str(PROJECT_ROOT)))
    path.chmod(0o755)
    return path


def main() -> None:
    """Run dbt's command line."""
    from dbt.cli.main import cli
    from dbt.context import base

    exports = base.get_datetime_module_context

    def context() -> dict[str, Any]:
        return {**exports(), "datetime": _Set}

    base.get_datetime_module_context = context
    cli()

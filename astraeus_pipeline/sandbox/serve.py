"""The sandbox as a process: `python -m astraeus_pipeline.sandbox.serve HOME`, until it is ended."""

from __future__ import annotations

import logging
import os
import signal
import sys
import threading
from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path
from types import FrameType

from astraeus_pipeline.sandbox import (
    aws_lines,
    azure_exports,
    azure_fleet,
    azure_lines,
    cur_lines,
    exported_bill,
    focus_files,
    reservations,
    resources,
    snowflake_demo,
    state,
)
from astraeus_pipeline.sandbox.azure import AzureServer, Subscription
from astraeus_pipeline.sandbox.cost_explorer import CostExplorerServer, Line
from astraeus_pipeline.sandbox.estate import AZURE_OWNERS
from astraeus_pipeline.sandbox.insights import Insights
from astraeus_pipeline.sandbox.llm_costs import LlmCostServer
from astraeus_pipeline.sandbox.llm_estate import LlmEstate
from astraeus_pipeline.sandbox.llm_lines import EstateLines
from astraeus_pipeline.sandbox.state import SandboxState


def serve(home: Path) -> None:
    """Write the FOCUS files, start the emulators on the noted ports, and wait to be ended."""
    from moto.server import ThreadedMotoServer  # heavy

    noted = state.read(home) or SandboxState(_today())
    os.environ["MOTO_EC2_LOAD_DEFAULT_AMIS"] = "false"
    logging.getLogger("werkzeug").setLevel(logging.ERROR)  # not a line for each request
    moto = ThreadedMotoServer(ip_address="127.0.0.1", port=noted.moto_port, verbose=False)
    moto.start()
    reservations.install(lambda: _current(home, noted).anchor)
    _, moto_port = moto.get_host_and_port()
    explorer = CostExplorerServer(
        lambda first, end: _lines(home, first, end),
        lambda day: not _current(home).estate.is_final(day),
        port=noted.cost_explorer_port,
        further=Insights(lambda: _current(home).estate, _today).operations(),
    )
    explorer.start()
    payer_explorer = CostExplorerServer(
        lambda first, end: cur_lines.totals(_current(home).estate, _today(), first, end),
        lambda day: not _current(home).estate.is_final(day),
        port=noted.payer_explorer_port,
    )
    payer_explorer.start()
    llm_costs = LlmCostServer(
        lambda: EstateLines(LlmEstate(_current(home).estate), _today()), port=noted.llm_costs_port
    )
    llm_costs.start()
    azure = _azure(home, noted.azure_port)
    azure.start()
    snowflake = snowflake_demo.server(
        home, lambda: _current(home).estate, _today, port=noted.snowflake_port
    )
    snowflake.start()
    resources.seed(f"http://127.0.0.1:{moto_port}", _current(home, noted).estate.anchor)
    ready = replace(
        _current(home, noted),
        moto_port=moto_port,
        cost_explorer_port=int(explorer.url.rsplit(":", 1)[1]),
        payer_explorer_port=int(payer_explorer.url.rsplit(":", 1)[1]),
        llm_costs_port=int(llm_costs.url.rsplit(":", 1)[1]),
        azure_port=int(azure.url.rsplit(":", 1)[1]),
        snowflake_port=int(snowflake.url.rsplit(":", 1)[1]),
    )
    exported_bill.write(f"http://127.0.0.1:{moto_port}", ready.estate, _today())
    focus_files.write(ready.estate, state.bills(home), _today())
    azure_exports.write(ready.estate, state.azure_blobs(home), _today())
    state.write(home, ready)
    print("ready", flush=True)  # noqa: T201 - read by whoever started this
    _wait()
    llm_costs.stop()
    azure.stop()
    snowflake.stop()
    payer_explorer.stop()
    explorer.stop()
    moto.stop()


def _azure(home: Path, port: int) -> AzureServer:
    subscriptions = [
        Subscription(
            owner.number, owner.name, azure_fleet.items(owner), management_group="fabrikam"
        )
        for owner in AZURE_OWNERS
    ]
    return AzureServer(
        lambda: subscriptions,
        lambda days: azure_lines.lines(_current(home).estate, _today(), days),
        state.azure(home),
        port=port,
    )


def _current(home: Path, otherwise: SandboxState | None = None) -> SandboxState:
    return state.read(home) or otherwise or SandboxState(_today())


def _lines(home: Path, first: date, end: date) -> Iterable[Line]:
    return aws_lines.lines(_current(home).estate, _today(), first, end)


def _today() -> date:
    return datetime.now(UTC).date()


def _wait() -> None:
    ended = threading.Event()

    def end(_: int, __: FrameType | None) -> None:
        ended.set()

    for kind in (signal.SIGINT, signal.SIGTERM):
        signal.signal(kind, end)
    ended.wait()


if __name__ == "__main__":
    serve(Path(sys.argv[1]))

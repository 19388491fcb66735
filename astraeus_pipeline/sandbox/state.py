"""What a sandbox is between its starts: the day it was made, its revision, its ports."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, replace
from datetime import date
from pathlib import Path

from astraeus_pipeline.sandbox.estate import Estate


@dataclass(frozen=True)
class SandboxState:
    """Kept in `<home>/sandbox/state.json`; port 0: not chosen yet."""

    anchor: date
    revision: int = 0
    moto_port: int = 0
    cost_explorer_port: int = 0
    payer_explorer_port: int = 0
    llm_costs_port: int = 0
    azure_port: int = 0
    snowflake_port: int = 0

    @property
    def estate(self) -> Estate:
        """The estate in this state."""
        return Estate(self.anchor, self.revision)


def path(home: Path) -> Path:
    """Return where the state lies."""
    return home / "sandbox" / "state.json"


def bills(home: Path) -> Path:
    """Return the folder of FOCUS files."""
    return home / "sandbox" / "bills"


def azure(home: Path) -> Path:
    """Return the folder of the emulated Azure: its certificate authority, its exports."""
    return home / "sandbox" / "azure"


def azure_blobs(home: Path) -> Path:
    """Return the folder behind the emulated Blob Storage."""
    return azure(home) / "blobs"


def read(home: Path) -> SandboxState | None:
    """Return the state, None if there is no sandbox in this home."""
    try:
        content = json.loads(path(home).read_text())
    except FileNotFoundError:
        return None
    return SandboxState(**{**content, "anchor": date.fromisoformat(content["anchor"])})


def write(home: Path, state: SandboxState) -> None:
    """Keep the state."""
    target = path(home)
    target.parent.mkdir(parents=True, exist_ok=True)
    fresh = target.with_suffix(".new")
    fresh.write_text(json.dumps(asdict(state), default=str))
    fresh.replace(target)


def revise(home: Path, revision: int) -> None:
    """Move the estate to another revision; running emulators follow at once."""
    state = read(home)
    if state is not None:
        write(home, replace(state, revision=revision))

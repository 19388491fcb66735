"""What left this machine, noted before the database knows.

A message is accepted by a server in one moment and marked as sent in the database in another. A
process that is killed between the two leaves a note here, so that the next one does not send again.
What stays open is the time from a server's acceptance to its answer having been read.
"""

from __future__ import annotations

import os
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Journal:
    """One empty file per accepted message, named by its key; deleted once it is marked."""

    folder: Path

    def note(self, key: str) -> None:
        """Note that a message was accepted; on disk when this returns."""
        self.folder.mkdir(parents=True, exist_ok=True)
        os.close(os.open(self.folder / key, os.O_CREAT | os.O_WRONLY, 0o600))
        folder = os.open(self.folder, os.O_RDONLY)
        try:
            os.fsync(folder)  # the file is its own name: its folder is what holds it
        finally:
            os.close(folder)

    def has(self, key: str) -> bool:
        """Whether a message was noted as accepted."""
        return (self.folder / key).exists()

    def keys(self) -> list[str]:
        """Return the keys of all notes: those that a killed process left, or that are at work."""
        return [path.name for path in self.folder.iterdir()] if self.folder.exists() else []

    def forget(self, key: str) -> None:
        """Delete a note, once the database knows."""
        with suppress(FileNotFoundError):
            (self.folder / key).unlink()

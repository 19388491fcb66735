"""A small disk that can be filled to the last byte: a tmpfs, where root may mount one."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from benchmarks.data import cache_folder

MEGABYTES: Final = 2500
_MB: Final = 1 << 20


class Disk:
    """A mounted file system."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._filler = folder / "filler"

    def fill(self, left: int) -> None:
        """Leave so many bytes to everybody."""
        with self._filler.open("ab") as handle:
            if (more := self.free() - left) > 0:
                os.posix_fallocate(handle.fileno(), handle.tell(), more)

    def clear(self) -> None:
        """Give back what was filled."""
        self._filler.unlink(missing_ok=True)

    def free(self) -> int:
        """Bytes that are left."""
        found = os.statvfs(self.folder)
        return found.f_bavail * found.f_frsize


@contextmanager
def disk() -> Iterator[Disk | None]:
    """Mount a disk, and remove it on the way out; None where we may not."""
    folder = Path(tempfile.mkdtemp(prefix="disk-", dir=cache_folder()))
    try:
        words = ["mount", "-t", "tmpfs", "-o", f"size={MEGABYTES}m,mode=755", "tmpfs", str(folder)]
        if os.geteuid() != 0 or subprocess.run(words, check=False).returncode:
            yield None
            return
        try:
            yield Disk(folder)
        finally:
            subprocess.run(["umount", "--lazy", str(folder)], check=True)
    finally:
        shutil.rmtree(folder, ignore_errors=True)

"""What requirements.lock pins, and what installed packages say of themselves."""

from __future__ import annotations

import re
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, metadata
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parent.parent
LOCK: Final = ROOT / "requirements.lock"
_PIN: Final = re.compile(r"^([\w.-]+)(?:\[[^\]]*\])?==([^\s;\\]+)", re.MULTILINE)
# Words that packages use for what has a short name (SPDX's, where there is one).
_SAME: Final = {
    "mit license": "MIT",
    "apache software license": "Apache-2.0",
    "apache license 2.0": "Apache-2.0",
    "apache 2.0": "Apache-2.0",
    "bsd license": "BSD",
    "3-clause bsd license": "BSD-3-Clause",
    "bsd 3-clause license": "BSD-3-Clause",
    "new bsd": "BSD-3-Clause",
    "isc license (iscl)": "ISC",
    "python software foundation license": "PSF-2.0",
    "mozilla public license 2.0 (mpl 2.0)": "MPL-2.0",
    "gnu library or lesser general public license (lgpl)": "LGPL",
    "gnu general public license (gpl)": "GPL",
    "gnu general public license v2 or later (gplv2+)": "GPL-2.0-or-later",
    "artistic license": "Artistic",
}
# Said beside a licence, and none.
_NOISE: Final = frozenset({"osi approved", "dfsg approved"})


@dataclass(frozen=True, order=True)
class Package:
    """A pinned package; `licence` is None where it is not installed, '' where it says none."""

    name: str
    version: str
    licence: str | None


def packages(lock: Path = LOCK) -> list[Package]:
    """Return what a lock pins, by name; of several versions each."""
    pins = sorted({(name.lower(), version) for name, version in _PIN.findall(lock.read_text())})
    return [Package(name, version, _licence(name)) for name, version in pins]


def _licence(name: str) -> str | None:
    try:
        said = metadata(name)
    except PackageNotFoundError:
        return None
    if expressions := said.get_all("License-Expression"):
        return str(expressions[0]).strip()
    classified = [
        each.rsplit("::", 1)[-1].strip()
        for each in said.get_all("Classifier") or ()
        if each.startswith("License ::")
    ]
    found = sorted({_short(each) for each in classified if each.lower() not in _NOISE})
    if found:
        return " OR ".join(found)
    lines = str((said.get_all("License") or [""])[0]).strip().splitlines()
    # Some put the whole text there, whose first line is its title or a copyright.
    return _short(lines[0].strip()) if lines and len(lines[0]) < 60 else ""


def _short(words: str) -> str:
    return _SAME.get(words.lower(), words)

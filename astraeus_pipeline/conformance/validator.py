"""The official FOCUS validator as it has to be run: its own Python 3.12, its own lock, offline.

Source: focus-validator 2.2.1. On Python 3.11 pip silently takes an obsolete release, on 3.13 its
numpy has no wheel; it opens its currency list relative to the working directory, and exits with 0
whatever it finds.
"""

from __future__ import annotations

import hashlib
import re
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from astraeus_pipeline.errors import AstraeusError, ConfigError
from astraeus_pipeline.settings import PROJECT_ROOT

FOCUS_VERSION: Final = "1.2"
LOCK: Final = PROJECT_ROOT / "deploy" / "focus-validator.lock"
ENVIRONMENT: Final = PROJECT_ROOT / ".venv-focus"
_BUILD_BACKENDS: Final = frozenset({"poetry-core", "setuptools", "wheel"})
_STAMP: Final = ".installed"
_PYTHON: Final = "3.12"


class ValidatorError(AstraeusError):
    """The validator could not be installed, or did not come to a report."""


def find_python(named: Path | None) -> Path | None:
    """Return a real Python 3.12: the one named, pyenv's newest, or that of the PATH; else None.

    Raises: ConfigError if the named one is no Python 3.12.
    """
    if named is not None:
        if not _is_right(named):
            raise ConfigError(
                f"FOCUS_PYTHON={named} is no Python {_PYTHON}.",
                hint=f"Name the binary of a Python {_PYTHON}, not a shim.",
            )
        return named
    return next(filter(_is_right, _candidates()), None)


def _candidates() -> Iterator[Path]:
    pyenv = Path.home() / ".pyenv" / "versions"
    yield from sorted(pyenv.glob(f"{_PYTHON}.*/bin/python"), key=_patch, reverse=True)
    for name in (f"python{_PYTHON}", "python3", "python"):
        if found := shutil.which(name):
            yield Path(found)


def _patch(python: Path) -> int:
    number = python.parents[1].name.rpartition(".")[2]
    return int(number) if number.isdigit() else -1


def _is_right(python: Path) -> bool:
    code = "import sys, venv, ensurepip; print('%d.%d' % sys.version_info[:2])"
    try:
        # A pyenv shim answers for whatever version is chosen, or for none.
        done = subprocess.run(  # noqa: S603 - a Python that the user or the system names
            [python, "-c", code], capture_output=True, text=True, timeout=20, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.stdout.strip() == _PYTHON


class Validator:
    """An installed validator."""

    def __init__(self, environment: Path) -> None:
        self._bin = environment / "bin"
        self._python = self._bin / "python"
        [self.package] = environment.glob("lib/python3.*/site-packages/focus_validator")

    @property
    def rules_file(self) -> Path:
        """JSON with every rule of FOCUS 1.2: function, keyword, sentence."""
        [path] = self.package.glob(f"rules/model-{FOCUS_VERSION}*.json")
        return path

    def run(self, data: Path, criteria: Sequence[str], folder: Path) -> Path:
        """Validate a Parquet file in `folder`; return the XML report's path.

        Raises: ValidatorError if no report came out.
        """
        folder.mkdir(parents=True, exist_ok=True)
        link, report = folder / "focus_validator", folder / "report.xml"
        link.unlink(missing_ok=True)
        link.symlink_to(self.package)
        report.unlink(missing_ok=True)
        words = ["--data-file", str(data), "--validate-version", FOCUS_VERSION, "--block-download"]
        if criteria:
            words += ["--applicability-criteria", ",".join(criteria)]
        words += ["--output-type", "unittest", "--output-destination", report.name]
        done = _run([self._python, "-I", self._bin / "focus-validator", *words], folder)
        if done.returncode != 0 or not report.exists():
            raise ValidatorError(
                f"The FOCUS validator came to no report about {data.name}: {_last_line(done)}",
                hint=f"Its log lies in {folder}.",
            )
        return report


def install(python: Path, environment: Path = ENVIRONMENT, lock: Path = LOCK) -> Validator:
    """Return the validator of this lock, made with `python` unless it stands already.

    Raises: ValidatorError if pip cannot install it.
    """
    wanted = hashlib.sha256(lock.read_bytes()).hexdigest()
    stamp = environment / _STAMP
    if not stamp.exists() or stamp.read_text() != wanted:
        shutil.rmtree(environment, ignore_errors=True)
        _make([python, "-I", "-m", "venv", environment])
        # Published as source only: what builds it, and what its build imports, stands before it.
        for number, text in enumerate(_split(lock.read_text())):
            part = environment / f"part-{number}.lock"
            part.write_text(text)
            pip: list[str | Path] = [
                environment / "bin" / "python",
                "-I",
                "-m",
                "pip",
                "install",
                "--quiet",
            ]
            pip += ["--disable-pip-version-check", "--no-deps", "--require-hashes"]
            _make([*pip, "--no-build-isolation", "-r", part])
        stamp.write_text(wanted)
    return Validator(environment)


def _split(lock: str) -> tuple[str, ...]:
    """Return the lock in three: what builds packages, the packages, the validator itself."""
    parts: tuple[list[str], ...] = ([], [], [])
    for entry in re.split(r"^(?=\S)", lock, flags=re.M):
        name = entry.partition("==")[0]
        parts[0 if name in _BUILD_BACKENDS else 2 if name == "focus-validator" else 1].append(entry)
    return tuple(map("".join, parts))


def _make(command: Sequence[str | Path]) -> None:
    done = _run(command, PROJECT_ROOT)
    if done.returncode != 0:
        raise ValidatorError(
            f"The FOCUS validator could not be installed: {_last_line(done)}",
            hint="Check that the package index can be reached, then run it again.",
        )


def _run(command: Sequence[str | Path], folder: Path) -> subprocess.CompletedProcess[str]:
    # -I in every command: our own packages must not leak into an environment they conflict with.
    return subprocess.run(  # noqa: S603 - commands of this module
        command, cwd=folder, capture_output=True, text=True, check=False
    )


def _last_line(done: subprocess.CompletedProcess[str]) -> str:
    lines = (done.stderr.strip() or done.stdout.strip() or "it said nothing").splitlines()
    return f"exit code {done.returncode}, {lines[-1]}"

"""Processes told apart by number and birth, whatever becomes of the clock."""

from __future__ import annotations

import os
import subprocess
import sys

import psutil
import pytest

from astraeus_pipeline.births import birth_of, is_alive
from astraeus_pipeline.cli.children import Mark
from astraeus_pipeline.orchestration import recovery


def test_a_process_stays_itself_when_the_clock_is_set(monkeypatch: pytest.MonkeyPatch) -> None:
    birth, mark, tag = birth_of(), Mark.of(os.getpid()), recovery.process_tag()
    began, booted = psutil.Process().create_time(), psutil.boot_time()
    monkeypatch.setattr(psutil._psplatform, "boot_time", lambda: booted + 3600)
    assert psutil.Process().create_time() == began + 3600
    assert is_alive(os.getpid(), birth) and mark.is_alive()
    assert birth_of() == birth and recovery.process_tag() == tag


def test_what_an_earlier_version_noted_in_unix_time_is_understood() -> None:
    began = psutil.Process().create_time()
    assert is_alive(os.getpid(), began) and Mark(os.getpid(), began).is_alive()
    assert not is_alive(os.getpid(), began - 1)


def test_a_zombie_is_gone() -> None:
    child = subprocess.Popen([sys.executable, "-c", ""])
    birth = birth_of(child.pid)
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
    assert not is_alive(child.pid, birth)
    child.wait()
    assert not is_alive(child.pid, birth)

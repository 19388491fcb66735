"""Hosts of our own: network namespaces with addresses on one bridge, made and removed here.

Needs root and Debian's iproute2. A cut host is silent: nothing on either side is closed.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Final

_FIRST: Final = 11


@dataclass(frozen=True)
class Hosts:
    """Hosts by name, and the address of this machine that they reach; they reach no other."""

    tag: str
    net: str
    names: tuple[str, ...]

    @property
    def here(self) -> str:
        """This machine's address on the bridge."""
        return f"{self.net}.1"

    def address(self, name: str) -> str:
        """Return a host's own address."""
        return f"{self.net}.{_FIRST + self.names.index(name)}"

    def command(self, name: str, words: Sequence[str]) -> list[str]:
        """Return a command that runs on a host."""
        return ["ip", "netns", "exec", self._space(name), *words]

    def cut(self, name: str) -> None:
        """Pull a host's cable."""
        _ip("link", "set", self._plug(name), "down")

    def mend(self, name: str) -> None:
        """Put the cable back."""
        _ip("link", "set", self._plug(name), "up")

    def _space(self, name: str) -> str:
        return f"{self.tag}-{name}"

    def _plug(self, name: str) -> str:
        return f"{self.tag}{_FIRST + self.names.index(name)}"

    def _make(self) -> None:
        _ip("link", "add", self.tag, "type", "bridge")
        _ip("addr", "add", f"{self.here}/24", "dev", self.tag)
        _ip("link", "set", self.tag, "up")
        for name in self.names:
            space, plug = self._space(name), self._plug(name)
            _ip("netns", "add", space)
            _ip("link", "add", plug, "type", "veth", "peer", "name", "eth0", "netns", space)
            _ip("link", "set", plug, "master", self.tag, "up")
            inside = ("-n", space)
            _ip(*inside, "addr", "add", f"{self.address(name)}/24", "dev", "eth0")
            _ip(*inside, "link", "set", "eth0", "up")
            _ip(*inside, "link", "set", "lo", "up")

    def _remove(self) -> None:
        for name in self.names:
            with suppress(subprocess.CalledProcessError):
                _ip("netns", "del", self._space(name))  # its end of the cable goes with it
        with suppress(subprocess.CalledProcessError):
            _ip("link", "del", self.tag)


@contextmanager
def hosts(*names: str) -> Iterator[Hosts]:
    """Make the hosts, and remove them on the way out. What runs on them must have ended by then."""
    made = Hosts(f"ast{os.getpid() % 100_000}", f"10.213.{os.getpid() % 250 + 1}", names)
    try:
        made._make()
        yield made
    finally:
        made._remove()


def _ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True, capture_output=True)

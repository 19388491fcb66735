"""Whether a process of this installation is well: `python -m astraeus_pipeline.probe ADDRESS`.

The standard library alone, as a container's health check starts it every few seconds.
"""

from __future__ import annotations

import socket
import sys
import urllib.error
import urllib.request


def answers(url: str) -> bool:
    """Whether an address answers: http:// with success, tcp:// at all."""
    try:
        if url.startswith("tcp://"):
            host, _, port = url.removeprefix("tcp://").partition(":")
            socket.create_connection((host, int(port)), timeout=2).close()
            return True
        with urllib.request.urlopen(url, timeout=2) as response:  # noqa: S310 - our own address
            return bool(response.status == 200)
    except (urllib.error.URLError, OSError):
        return False


if __name__ == "__main__":
    sys.exit(0 if len(sys.argv) == 2 and answers(sys.argv[1]) else 1)

"""Whether a worker answers through Redis: `python -m astraeus_pipeline.worker_probe [NAME]`.

A worker listens on no port. Celery's ping goes the way that steps go, and is answered by the
process that takes them, also while all of its children are at one. It is asked of the worker of
this host alone, and without Dagster, which would take seconds to import.
"""

from __future__ import annotations

import socket
import sys
from typing import Final

from astraeus_pipeline.settings import Settings

_PATIENCE: Final = 5.0  # seconds, to reach Redis and again to be answered


def answers(settings: Settings, name: str = "worker") -> bool:
    """Whether this host's worker of a name answers; False too while Redis is away."""
    from celery import Celery
    from kombu.exceptions import OperationalError

    if settings.celery_broker is None:
        return False
    app = Celery(broker=settings.celery_broker.get_secret_value())
    app.conf.broker_transport_options = {
        "socket_timeout": _PATIENCE,
        "socket_connect_timeout": _PATIENCE,
    }
    try:
        with app.connection(connect_timeout=_PATIENCE) as connection:
            connection.ensure_connection(max_retries=1)
            asked = [f"{name}@{socket.gethostname()}"]
            return bool(app.control.ping(asked, timeout=_PATIENCE, connection=connection))
    except (OperationalError, OSError):
        return False


if __name__ == "__main__":
    sys.exit(0 if answers(Settings.from_env(), *sys.argv[1:2]) else 1)

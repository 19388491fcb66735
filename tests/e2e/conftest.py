"""The app's marts, built once for all files of a process."""

from tests.app.conftest import built, empty, marts

__all__ = ["built", "empty", "marts"]

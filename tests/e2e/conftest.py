"""The app's marts, built once for all files of a run."""

from tests.app.conftest import built, built_of_nothing, empty, marts

__all__ = ["built", "built_of_nothing", "empty", "marts"]

"""Finding unexpected cost: expectations from a bounded past, rules on top, incidents out of flags.

Pure arithmetic over arrays; what is read and where scores are kept is the warehouse's.
"""

from __future__ import annotations

from typing import Final

# Part of every score's key: another method keeps its own rows. Raised when figures would change.
METHOD: Final = "burst_level_1"

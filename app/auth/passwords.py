"""argon2id hashes, two at once: each takes 64 MiB and a processor for a while."""

from __future__ import annotations

from typing import Final

from anyio import CapacityLimiter, to_thread
from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

MINIMUM_LENGTH: Final = 12
# Beyond this, hashing is only a way to keep the server busy.
MAXIMUM_LENGTH: Final = 256
_HASHER: Final = PasswordHasher(time_cost=3, memory_cost=64 * 1024, parallelism=4)
# Of a password that nobody has: an unknown account takes as long as a wrong password.
_DUMMY: Final = (
    "$argon2id$v=19$m=65536,t=3,p=4$V1hSc0pQb0pHZHhLZ2ZJUQ"
    "$N1xLrIRvzSnTjKpqlpIDJWC6fHyEFYxCVnPPPRMeRsM"
)
_AT_ONCE: Final = CapacityLimiter(2)


def hashed(password: str) -> str:
    """Return the hash of a password, with its salt and cost."""
    return _HASHER.hash(password)


def holds(kept: str | None, password: str) -> bool:
    """Whether a password is that of a hash; as slow, and never true, where there is none."""
    try:
        is_right = _HASHER.verify(kept or _DUMMY, password)
    except (VerificationError, InvalidHashError):
        return False
    return is_right and kept is not None


async def hashed_soon(password: str) -> str:
    """Hash in a thread, after at most one other."""
    return await to_thread.run_sync(hashed, password, limiter=_AT_ONCE)


async def holds_soon(kept: str | None, password: str) -> bool:
    """Check in a thread, after at most one other."""
    return await to_thread.run_sync(holds, kept, password, limiter=_AT_ONCE)


def objection(password: str, email: str) -> str | None:
    """Say what speaks against a new password; None: nothing."""
    if len(password) < MINIMUM_LENGTH:
        return f"Choose at least {MINIMUM_LENGTH} characters."
    if len(password) > MAXIMUM_LENGTH:
        return f"Choose at most {MAXIMUM_LENGTH} characters."
    if len(set(password)) < 5 or email.split("@")[0] in password.lower():
        return "Choose one that is harder to guess."
    return None

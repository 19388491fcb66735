"""argon2id hashes of people's passwords."""

from __future__ import annotations

import secrets
from typing import Final

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

MINIMUM_LENGTH: Final = 12
# Beyond this, hashing is only a way to keep the server busy.
MAXIMUM_LENGTH: Final = 256
_HASHER: Final = PasswordHasher(time_cost=3, memory_cost=64 * 1024, parallelism=4)
# Of a password that nobody has: an unknown account takes as long as a wrong password.
_DUMMY: Final = (
    "$argon2id$v=19$m=65536,t=3,p=4$fpMEDr6QIrecYobtwKqF/w"
    "$FV7kvHptx9o5X1zU2OVhnPhKb03NqCexek4GYAcrYY0"
)


def fresh() -> str:
    """Return a password that nobody has chosen."""
    return secrets.token_urlsafe(12)


def hashed(password: str) -> str:
    """Return the hash of a password, with its salt and cost."""
    return _HASHER.hash(password)


def holds(kept: str | None, password: str) -> bool:
    """Whether a password is that of a hash; as slow, and never true, where there is no hash."""
    try:
        is_right = _HASHER.verify(kept or _DUMMY, password)
    except (VerificationError, InvalidHashError):
        return False
    return is_right and kept is not None


def objection(password: str, email: str) -> str | None:
    """Say what speaks against a new password; None: nothing."""
    if len(password) < MINIMUM_LENGTH:
        return f"Choose at least {MINIMUM_LENGTH} characters."
    if len(password) > MAXIMUM_LENGTH:
        return f"Choose at most {MAXIMUM_LENGTH} characters."
    if len(set(password)) < 5 or email.split("@")[0].lower() in password.lower():
        return "Choose one that is harder to guess, without your name."
    return None

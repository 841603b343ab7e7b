"""Passwords: kept as argon2id hashes, compared in the same time for everybody."""

from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import Final

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from hutch.contract.problems import InvalidInputError

SHORTEST: Final = 8
LONGEST: Final = 1_024
"""In characters; a bound on the work that a stranger can ask for."""

_AT_ONCE: Final = 2
"""Passwords that are hashed at a time: each takes a core and 19 MiB."""


@cache
def _hasher() -> PasswordHasher:
    # OWASP's smallest argon2id setting: 19 MiB, two passes.
    return PasswordHasher(time_cost=2, memory_cost=19 * 1024, parallelism=1)


@cache
def _hands() -> ThreadPoolExecutor:
    # Threads of their own: malloc keeps what a thread has freed for that thread, and
    # forty strangers at once would leave their memory behind in forty threads.
    return ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="passwords")


@cache
def _nobody() -> str:
    return _hasher().hash("the password of nobody")


def hash_password(password: str) -> str:
    """Compute what is stored of a new password.

    Raises:
        InvalidInputError: If it is too short or too long.
    """
    if not SHORTEST <= len(password) <= LONGEST:
        raise InvalidInputError(
            f"password: has {len(password)} characters; give {SHORTEST} to {LONGEST}",
            field="password",
        )
    try:
        return _hands().submit(_hasher().hash, password).result()
    except UnicodeEncodeError as error:
        raise InvalidInputError(
            "password: holds half a character", field="password"
        ) from error


def fits(password: str, stored: str | None) -> bool:
    """Tell whether a password is the right one.

    Args:
        password: What was typed.
        stored: The hash; None if there is no such user, which takes as long.
    """
    if len(password) > LONGEST:
        return False
    try:
        _hands().submit(_verify, stored, password).result()
    except (VerificationError, InvalidHashError, UnicodeEncodeError):
        return False
    return stored is not None


def _verify(stored: str | None, password: str) -> None:
    _hasher().verify(_nobody() if stored is None else stored, password)

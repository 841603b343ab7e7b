"""Wrong passwords in a row, by name, so that nobody can guess for long.

They are counted for names that do not exist as well: the answers must not tell
which names do.
"""

from datetime import timedelta
from typing import Final

from sqlalchemy import delete
from sqlalchemy.dialects import postgresql, sqlite
from sqlmodel import col

from hutch.contract.problems import TooManyAttemptsError
from hutch_api.services.work import Work
from hutch_api.store.requests import LoginFailure

FREE: Final = 5
"""Wrong passwords in a row before waiting begins."""
FIRST_WAIT: Final = timedelta(seconds=5)
LONGEST_WAIT: Final = timedelta(minutes=15)
_MOST_DOUBLINGS: Final = 10
"""More would only make large numbers: the longest wait is reached before."""
FORGOTTEN_AFTER: Final = timedelta(days=1)


def wait_after(count: int) -> timedelta:
    """Compute how long nobody may try after so many wrong passwords in a row."""
    if count < FREE:
        return timedelta()
    doublings = min(count - FREE, _MOST_DOUBLINGS)
    return min(FIRST_WAIT * (1 << doublings), LONGEST_WAIT)


def require_patience(work: Work, name: str) -> None:
    """Refuse an attempt that comes too early; the password is not even looked at.

    Raises:
        TooManyAttemptsError: With ``retry_after`` in whole seconds.
    """
    row = work.session.get(LoginFailure, name)
    if row is None:
        return
    left = row.last + wait_after(row.count) - work.now
    if left > timedelta():
        seconds = -(-left // timedelta(seconds=1))
        raise TooManyAttemptsError(
            f"too many wrong passwords for {name}; try again in {seconds} seconds",
            retry_after=seconds,
        )


def count(work: Work, name: str) -> None:
    """Count a wrong password, and drop the counts that nobody needs any more."""
    old = work.now - FORGOTTEN_AFTER
    work.session.exec(delete(LoginFailure).where(col(LoginFailure.last) < old))
    dialect = work.session.get_bind().dialect.name
    insert = postgresql.insert if dialect == "postgresql" else sqlite.insert
    work.session.exec(
        insert(LoginFailure)
        .values(name=name, count=1, since=work.now, last=work.now)
        .on_conflict_do_update(
            index_elements=["name"],
            set_={"count": col(LoginFailure.count) + 1, "last": work.now},
        )
    )


def forget(work: Work, name: str) -> None:
    """Begin to count anew: the right password came."""
    work.session.exec(delete(LoginFailure).where(col(LoginFailure.name) == name))

"""What the database's own errors mean, and how to show them."""

from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError, StatementError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from hutch.contract.problems import DatabaseUnavailableError


def as_database_fault(error: BaseException) -> DatabaseUnavailableError | None:
    """Recognise that the database is down, busy or out of connections.

    The driver's words are not passed on: they name hosts and users.

    Returns:
        The error to raise in its place; None if it is something else.
    """
    gone = isinstance(error, DBAPIError) and error.connection_invalidated
    down = isinstance(error, OperationalError | InterfaceError | PoolTimeoutError)
    if not (gone or down):
        return None
    return DatabaseUnavailableError(
        "the database does not answer or is too busy; try again in a moment"
    )


def hide_values(error: BaseException) -> None:
    """Keep the values of SQL statements out of an error's text and its causes'.

    They hold hashes of passwords and tokens.
    """
    seen: set[int] = set()
    link: BaseException | None = error
    while link is not None and id(link) not in seen:
        seen.add(id(link))
        if isinstance(link, StatementError):
            link.hide_parameters = True
        link = link.__cause__ or link.__context__

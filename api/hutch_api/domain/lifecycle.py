"""The states of a dataset and the ways between them."""

from typing import Final

from hutch.contract.problems import (
    DatasetBusyError,
    DatasetClosedError,
    DatasetOpenError,
    DeletedError,
)
from hutch.contract.wire.datasets import State

WAYS: Final[dict[State, frozenset[State]]] = {
    State.OPEN: frozenset({State.CLOSING, State.DELETING}),
    State.CLOSING: frozenset({State.OPEN, State.CLOSED}),
    State.CLOSED: frozenset({State.DELETING}),
    State.DELETING: frozenset({State.DELETED}),
    State.DELETED: frozenset(),
}


def may_become(state: State, wanted: State) -> bool:
    """Tell whether one step leads from a state to another."""
    return wanted in WAYS[state]


def require_open(state: State, *, name: str) -> None:
    """Refuse what only an open dataset allows.

    Raises:
        DatasetClosedError: It is closed: make a correction instead.
        DatasetBusyError: It is being closed or deleted.
        DeletedError: It is gone.
    """
    match state:
        case State.OPEN:
            return
        case State.CLOSED:
            raise DatasetClosedError(
                f"{name} is closed and stays as it is; to correct it, derive a new "
                "dataset from it with 'hutch derive --revision'",
                state=state,
            )
        case State.DELETED:
            raise DeletedError(f"{name} was deleted", state=state)
        case _:
            raise DatasetBusyError(
                f"{name} is {state}; try again when that is over", state=state
            )


def require_closed(state: State, *, name: str) -> None:
    """Refuse what only a closed dataset allows.

    Raises:
        DatasetOpenError: It is open or being closed.
        DatasetBusyError: It is being deleted.
        DeletedError: It is gone.
    """
    match state:
        case State.CLOSED:
            return
        case State.DELETED:
            raise DeletedError(f"{name} was deleted", state=state)
        case State.DELETING:
            raise DatasetBusyError(f"{name} is being deleted", state=state)
        case _:
            raise DatasetOpenError(
                f"{name} is {state}; close it first with 'hutch close'", state=state
            )


def require_readable(state: State, *, name: str) -> None:
    """Refuse to hand out files of what is being deleted or is gone.

    Raises:
        DeletedError: In both cases.
    """
    if state in {State.DELETING, State.DELETED}:
        raise DeletedError(f"{name} was deleted; its record stays", state=state)

"""The states of a run and the ways between them."""

from typing import Final

from hutch.contract.wire.runs import ENDED, Reason, RunState

WAYS: Final[dict[RunState, frozenset[RunState]]] = {
    RunState.WAITING: frozenset({RunState.QUEUED, RunState.FAILED, RunState.CANCELLED}),
    RunState.QUEUED: frozenset({RunState.RUNNING, RunState.FAILED, RunState.CANCELLED}),
    RunState.RUNNING: frozenset(
        {RunState.QUEUED, RunState.CLOSING, RunState.FAILED, RunState.CANCELLED}
    ),
    RunState.CLOSING: frozenset({RunState.SUCCEEDED, RunState.FAILED}),
    RunState.SUCCEEDED: frozenset(),
    RunState.FAILED: frozenset(),
    RunState.CANCELLED: frozenset(),
}
LIVE: Final = tuple(state for state in RunState if state not in ENDED)
"""States of runs that still want something."""


def may_become(state: RunState, wanted: RunState) -> bool:
    """Tell whether one step leads from a state to another."""
    return wanted in WAYS[state]


def may_be_tried_again(reason: Reason, *, attempts: int, retries: int) -> bool:
    """Tell whether a failure is one of the system, and a try is left.

    Args:
        reason: Of the attempt that failed.
        attempts: How many there were, that one included.
        retries: How often the definition allows to try again.
    """
    return reason is Reason.LOST and attempts <= retries

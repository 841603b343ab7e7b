"""Which runs want something still, and which are tried again."""

from typing import Final

from hutch.contract.wire.runs import ENDED, Reason, RunState

LIVE: Final = tuple(state for state in RunState if state not in ENDED)
"""States of runs that still want something."""


def may_be_tried_again(reason: Reason, *, attempts: int, retries: int) -> bool:
    """Tell whether a failure is one of the system, and a try is left.

    Args:
        reason: Of the attempt that failed.
        attempts: How many there were, that one included.
        retries: How often the definition allows to try again.
    """
    return reason is Reason.LOST and attempts <= retries

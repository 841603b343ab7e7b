"""The life of store accounts, exhaustively; and that each guard is needed."""

from collections.abc import Callable

import pytest

from tests.laws.conftest import Count
from tests.laws.model.accounts import GUARDS, Accounts
from tests.laws.model.checker import explore

_TOGETHER = {
    "open-to-live": "retire-creating",
    "retire-creating": "open-to-live",
}
"""Guards of which either is enough: a push must not sign once a close has begun."""


def test_no_order_of_creation_loss_and_deletion_breaks_a_law(
    count: Count, scaled: Callable[[int, int], int]
) -> None:
    explored = explore(
        Accounts(generations=scaled(2, 3), servers=2, refusals=scaled(0, 1))
    )
    assert explored.violation is None, explored.violation
    assert explored.settled
    count("states of store accounts", explored.states)


@pytest.mark.parametrize("guard", GUARDS)
def test_each_guard_of_the_accounts_is_needed(guard: str) -> None:
    without = frozenset({guard, _TOGETHER.get(guard, guard)})
    refusals = 1 if guard == "ended-once" else 0
    explored = explore(Accounts(without=without, refusals=refusals))
    assert explored.violation is not None, GUARDS[guard]
    print(f"without '{GUARDS[guard]}': {explored.violation}")  # noqa: T201 -- for -s

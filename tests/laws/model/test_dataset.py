"""The life of a dataset, exhaustively within bounds; and that each guard is needed.

The bounds: one path, as many uploads, servers and closes as a scope says; a PUT or a
server may be slow, but neither lasts longer than the worker waits for what is late.
"""

from dataclasses import replace

import pytest

from tests.laws.conftest import SOAK, Count
from tests.laws.model.checker import explore
from tests.laws.model.dataset import Dataset
from tests.laws.model.scopes import LARGER, SCOPES
from tests.laws.model.world import GUARDS

_FOUND_IN = {
    "base-at-commit": "files are removed and pushed again",
    "completing-only": "two clients push",
    "open-at-commit": "close",
    "give-up-once": "two clients push",
    "create-only": "two clients push",
    "supersede": "two clients replace a file",
    "note-live": "close",
    "begun-anew": "two clients push",
    "opening": "two clients replace a file",
    "list-first": "two clients replace a file",
    "late": "two clients push",
    "end-intents": "close",
    "settle": "close",
    "end-uploads": "close",
    "keep-unnoted": "close",
    "ended-once": "close",
    "fence": "close --drop",
    "decided-once": "close",
    "is-ours": "close --adopt",
    "adopt-base": "adopt",
    "adopt-open": "adopt",
    "adopt-running": "close --adopt",
    "sweep-state": "two clients push",
    "same-records": "sweep of a restored backup",
}
_TOGETHER = {"open-at-commit": "end-intents", "end-intents": "open-at-commit"}
"""Guards of which either is enough: what is pushed may not arrive during a close."""


@pytest.mark.parametrize("scope", [*SCOPES, *(LARGER if SOAK else ())])
def test_no_order_of_steps_breaks_a_law(scope: str, count: Count) -> None:
    explored = explore(Dataset({**SCOPES, **LARGER}[scope]), most=30_000_000)
    assert explored.violation is None, explored.violation
    assert explored.settled
    count(f"states: {scope}", explored.states)


@pytest.mark.parametrize("guard", GUARDS)
def test_each_guard_is_needed(guard: str) -> None:
    without = frozenset({guard, _TOGETHER.get(guard, guard)})
    bounds = replace(SCOPES[_FOUND_IN[guard]], without=without)
    explored = explore(Dataset(bounds))
    assert explored.violation is not None, GUARDS[guard]
    print(f"without '{GUARDS[guard]}': {explored.violation}")  # noqa: T201 -- for -s


def test_what_the_checker_finds_is_told_in_the_fewest_steps(
    count: Count,
) -> None:
    bounds = replace(SCOPES["close"], without=frozenset({"settle"}))
    found = explore(Dataset(bounds)).violation
    assert found is not None
    assert found.law == "a URL works on a closed dataset"
    assert found.trace[-1] == "the close is committed"
    assert str(found).startswith("a URL works on a closed dataset, after\n  1. ada")
    count("guards of a dataset", len(GUARDS))

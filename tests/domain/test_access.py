"""Tokens only take away, whatever their scopes and filters."""

from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from hutch.contract.wire.accounts import Scope
from hutch.contract.wire.datasets import Right
from hutch_api.domain.access import EVERYTHING, Limits, holds

datasets = st.sampled_from([UUID(int=n) for n in range(4)])
limits = st.builds(
    Limits,
    st.frozensets(st.sampled_from(list(Scope))),
    st.none() | st.frozensets(datasets),
)


@given(limits, limits, datasets)
def test_included_limits_reach_nothing_more(
    outer: Limits, inner: Limits, dataset: UUID
) -> None:
    if outer.includes(inner):
        assert inner.scopes <= outer.scopes
        assert outer.reaches(dataset) or not inner.reaches(dataset)


@given(limits)
def test_everything_includes_all_and_each_includes_itself(some: Limits) -> None:
    assert EVERYTHING.includes(some)
    assert some.includes(some)


@given(limits, limits, limits)
def test_a_token_of_a_token_of_a_token_still_takes_away(
    one: Limits, two: Limits, three: Limits
) -> None:
    if one.includes(two) and two.includes(three):
        assert one.includes(three)


def test_a_right_holds_the_weaker_ones() -> None:
    rights = [None, Right.READ, Right.WRITE, Right.OWN]
    for above, given_right in enumerate(rights):
        held = [right for right in rights[1:] if right and holds(given_right, right)]
        assert held == rights[1 : above + 1]

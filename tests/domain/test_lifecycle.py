"""The law as a state machine: whatever the order, what is closed stays as it was."""

from collections.abc import Callable
from dataclasses import dataclass, field

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, invariant, rule

from hutch.contract import manifest
from hutch.contract.problems import (
    DatasetBusyError,
    DatasetClosedError,
    DatasetOpenError,
    DeletedError,
    HutchError,
)
from hutch.contract.wire.datasets import State
from hutch_api.domain import lifecycle

Refusal = type[HutchError] | None


@pytest.mark.parametrize(
    ("state", "to_open", "to_closed", "to_read"),
    [
        (State.OPEN, None, DatasetOpenError, None),
        (State.CLOSING, DatasetBusyError, DatasetOpenError, None),
        (State.CLOSED, DatasetClosedError, None, None),
        (State.DELETING, DatasetBusyError, DatasetBusyError, DeletedError),
        (State.DELETED, DeletedError, DeletedError, DeletedError),
    ],
)
def test_each_state_allows_what_it_should(
    state: State, to_open: Refusal, to_closed: Refusal, to_read: Refusal
) -> None:
    for require, refusal in (
        (lifecycle.require_open, to_open),
        (lifecycle.require_closed, to_closed),
        (lifecycle.require_readable, to_read),
    ):
        if refusal is None:
            require(state, name="scan")
        else:
            with pytest.raises(refusal, match="scan"):
                require(state, name="scan")


def test_there_is_no_way_back_from_closed() -> None:
    reached: set[State] = set()
    frontier = {State.CLOSED}
    while frontier:
        state = frontier.pop()
        following = {s for s in State if lifecycle.may_become(state, s)}
        frontier |= following - reached
        reached |= following
    assert reached == {State.DELETING, State.DELETED}


@dataclass
class Row:
    """A dataset as the pure rules see it."""

    state: State = State.OPEN
    files: dict[str, str] = field(default_factory=dict)
    parents: list[tuple["Row", str]] = field(default_factory=list)
    digest: str | None = None

    def become(self, wanted: State) -> bool:
        if lifecycle.may_become(self.state, wanted):
            self.state = wanted
            return True
        return False


def refused(require: Callable[..., None], row: Row) -> bool:
    try:
        require(row.state, name="scan")
    except HutchError:
        return True
    return False


class LifeOfDatasets(RuleBasedStateMachine):
    """Any order of calls on any number of datasets."""

    datasets = Bundle("datasets")

    def __init__(self) -> None:
        super().__init__()
        self.rows: list[Row] = []
        self.sealed: dict[int, str] = {}

    @rule(target=datasets)
    def create(self) -> Row:
        self.rows.append(Row())
        return self.rows[-1]

    @rule(dataset=datasets, name=st.sampled_from("abc"), sha=st.sampled_from("01"))
    def add_a_file(self, dataset: Row, name: str, sha: str) -> None:
        if not refused(lifecycle.require_open, dataset):
            dataset.files[name] = sha * 64

    @rule(dataset=datasets, name=st.sampled_from("abc"))
    def remove_a_file(self, dataset: Row, name: str) -> None:
        if not refused(lifecycle.require_open, dataset):
            dataset.files.pop(name, None)

    @rule(dataset=datasets, wanted=st.sampled_from(list(State)))
    def go_on(self, dataset: Row, wanted: State) -> None:
        if dataset.become(wanted) and wanted is State.CLOSED:
            dataset.digest = digest(dataset)
            self.sealed[id(dataset)] = dataset.digest

    @rule(target=datasets, parents=st.lists(datasets, min_size=1, max_size=3))
    def derive(self, parents: list[Row]) -> Row:
        child = Row()
        if not any(refused(lifecycle.require_closed, parent) for parent in parents):
            child.parents = [(p, p.digest or "") for p in parents]
        self.rows.append(child)
        return child

    @invariant()
    def closed_datasets_never_change(self) -> None:
        for row in self.rows:
            if id(row) in self.sealed:
                assert digest(row) == self.sealed[id(row)] == row.digest

    @invariant()
    def closed_datasets_never_reopen(self) -> None:
        for row in self.rows:
            if id(row) in self.sealed:
                assert row.state in {State.CLOSED, State.DELETING, State.DELETED}

    @invariant()
    def children_name_what_their_parents_held_when_closed(self) -> None:
        for row in self.rows:
            for parent, held in row.parents:
                assert held == self.sealed[id(parent)]


def digest(row: Row) -> str:
    return manifest.digest(
        manifest.Entry(path, 1, sha) for path, sha in sorted(row.files.items())
    )


LifeOfDatasets.TestCase.settings = settings(
    deadline=None, max_examples=100, stateful_step_count=30
)
TestLifeOfDatasets = LifeOfDatasets.TestCase

"""A run that may not go on is stopped, whatever its program thinks of that."""

import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from uuid import UUID, uuid4

import pytest

from hutch.contract.wire.runs import Reason, RunOut, RunState
from hutch_api.services import tokens, users
from tests.derivations.real.stage import (
    GONE_S,
    SMALL,
    Person,
    Stage,
    processes_with,
)

pytestmark = pytest.mark.timeout(900)
LONG = replace(SMALL, walltime_s=3_600)


@dataclass(frozen=True, kw_only=True)
class Case:
    """A run that goes on, on the rights of its owner to somebody else's dataset.

    Attributes:
        word: By which its processes are known.
    """

    owner: Person
    scan: UUID
    run: RunOut
    attempt: UUID
    word: str


def cancel(_: Stage, case: Case, __: Person) -> None:
    case.owner.client.runs.cancel(case.run.id)


def revoke(stage: Stage, case: Case, _: Person) -> None:
    with stage.site.begin() as work:
        tokens.revoke_token(work, case.owner.actor, case.owner.token)


def unshare(stage: Stage, case: Case, giver: Person) -> None:
    stage.world.unshare(giver.actor, case.scan, f"user:{case.owner.actor.name}")


def disable(stage: Stage, case: Case, _: Person) -> None:
    with stage.site.begin() as work:
        users.disable_user(work, case.owner.actor.name)


Way = Callable[[Stage, Case, Person], None]
WAYS: dict[Way, str] = {
    cancel: "it was cancelled",
    revoke: "token",
    unshare: "may not read the input scan any more",
    disable: "token",
}
"""How a run is stopped, and what is said of it."""


@pytest.fixture(scope="module")
def cases(
    stage: Stage, anna: Person, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[dict[Way, Case]]:
    """A run for each way, all of them at once; their programs sleep."""
    begun = {}
    for way in WAYS:
        owner = stage.person("owner")
        given = stage.closed(anna, tmp_path_factory.mktemp("given"), {"a": "a\n"})
        stage.world.share(anna.actor, given, f"user:{owner.actor.name}")
        word = uuid4().hex
        run = stage.start(owner, given, "wait", word, resources=LONG)
        begun[way] = (owner, given, run, word)
    yield {
        way: Case(
            owner=owner,
            scan=given,
            run=run,
            attempt=stage.until_running(run.id),
            word=word,
        )
        for way, (owner, given, run, word) in begun.items()
    }
    for _, _, run, _ in begun.values():
        stage.until_ended(run.id)


@pytest.mark.parametrize("way", WAYS)
def test_a_run_is_stopped_within_a_minute(
    stage: Stage, anna: Person, cases: dict[Way, Case], way: Way, neighbour: None
) -> None:
    case = cases[way]
    stage.until_said(case.owner, case.run.id, b"waiting")
    assert processes_with(case.word)
    began = time.monotonic()
    way(stage, case, anna)
    stage.gone_after(case.attempt, step="main")
    ended = stage.until_ended(case.run.id)
    took = time.monotonic() - began
    sys.stdout.write(f"stopped after {took:.1f} s by {way.__name__}\n")
    assert took < GONE_S
    assert (ended.state, ended.reason) == (RunState.CANCELLED, Reason.CANCELLED)
    assert WAYS[way] in ended.detail
    assert not processes_with(case.word)
    stage.gone_after(case.attempt)
    if way is disable:  # what somebody has who was disabled stays until it is given
        assert stage.row(case.run.id).dataset_id is None
    else:
        stage.require_no_output(case.run.id)

"""Programs that take more than they were given, and others that run beside them."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from uuid import UUID

import pytest

from hutch.contract.wire.definitions import Resources
from hutch.contract.wire.runs import RunOut
from hutch_api.adapters.containment import PROCESSES
from tests.derivations.real.stage import SMALL, Ended, Person, Stage

pytestmark = pytest.mark.timeout(900)
MIB = 1024 * 1024
CPU = 0.5
GIVEN: dict[str, Resources] = {
    "memory": SMALL,
    "shared-memory": SMALL,
    "processes": replace(SMALL, memory_mib=1_024),
    "one-file": SMALL,
    "many-files": SMALL,
    "hidden-files": SMALL,
    "empty-files": SMALL,
    "hours": replace(SMALL, walltime_s=3),
    "spin": replace(SMALL, cpu=CPU),
}
Bomb = Callable[[str], Ended]


@pytest.fixture(scope="module")
def bomb(stage: Stage, anna: Person, scan: UUID) -> Iterator[Bomb]:
    """Tell how a bomb ended; all go off at once, and somebody works meanwhile."""
    runs: dict[str, RunOut] = {}
    neighbours: list[RunOut] = []
    for number, (kind, given) in enumerate(GIVEN.items()):
        runs[kind] = stage.start(anna, scan, "bombs", kind, resources=given)
        if number % 3 == 0:
            neighbours.append(stage.start(anna, scan, "good"))
    yield lambda kind: stage.wait(anna, runs[kind])
    ends = [stage.wait(anna, one).end for one in neighbours]
    assert ends == [("succeeded", None)] * 3
    for kind, run in runs.items():
        tries = [(a.reason, a.detail) for a in stage.wait(anna, run).run.attempts]
        assert len(tries) == 1, (kind, tries)


@pytest.mark.parametrize("kind", ["memory", "shared-memory"])
def test_who_takes_too_much_memory_is_killed(bomb: Bomb, kind: str) -> None:
    ended = bomb(kind)
    assert ended.end == ("failed", "oom")
    assert "128 MiB are allowed" in ended.run.detail
    assert ended.run.attempts[0].exit_code == 137


def test_processes_have_an_end(bomb: Bomb) -> None:
    ended = bomb("processes")
    assert ended.end == ("succeeded", None)
    assert 100 < ended.report["processes"] <= PROCESSES


def test_a_file_has_an_end(bomb: Bomb) -> None:
    ended = bomb("one-file")
    assert ended.end == ("succeeded", None)
    assert ended.report == {"size": 16 * MIB, "error": "File too large"}


@pytest.mark.parametrize("kind", ["many-files", "hidden-files", "empty-files"])
def test_who_fills_the_disk_is_ended(stage: Stage, bomb: Bomb, kind: str) -> None:
    ended = bomb(kind)
    assert ended.end == ("failed", "output-rejected")
    assert "more than 16 MiB" in ended.run.detail
    stage.require_no_output(ended.run.id)


def test_who_takes_too_long_is_ended_and_not_asked(bomb: Bomb) -> None:
    ended = bomb("hours")
    assert ended.end == ("failed", "timeout")
    assert "longer than 3 s" in ended.run.detail


def test_who_computes_in_many_processes_has_the_cores_that_were_given(
    bomb: Bomb,
) -> None:
    ended = bomb("spin")
    assert ended.end == ("succeeded", None)
    assert ended.report["cores"] < CPU * 1.3

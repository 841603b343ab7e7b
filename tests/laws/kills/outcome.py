"""The law of runs: one outcome, and nothing of what else was tried."""

from itertools import pairwise
from typing import TYPE_CHECKING
from uuid import UUID

from sqlmodel import col, select

from hutch.contract.wire.datasets import State
from hutch.contract.wire.runs import Reason, RunState
from hutch_api.domain.layout import prefix_of
from hutch_api.store.run_tables import Attempt, Claim, Run
from hutch_api.store.tables import Dataset, File
from tests.agreement import disagreements

if TYPE_CHECKING:
    from tests.laws.kills.run_world import RunWorld


def require_one_outcome(world: "RunWorld", run: UUID, *, ends: Reason | None) -> None:
    """See that a run has ended as it has to, and left nothing else.

    Args:
        world: Where it was run.
        run: Which run.
        ends: Why it failed; None if it has succeeded.
    """
    row, tries = world.row(run), world.attempts(run)
    wanted = RunState.SUCCEEDED if ends is None else RunState.FAILED
    assert (row.state, row.reason) == (wanted, ends), (row.detail, tries)
    _require_consistent(row, tries)
    _require_no_claim(world, tries)
    made = _datasets(world, row, tries)
    alive = [one.id for one in made if one.state is not State.DELETED]
    assert alive == ([row.dataset_id] if ends is None else [])
    for one in made:
        if one.id != row.dataset_id:
            assert list(world.site.objects.versions(prefix_of(one.id))) == []
    found = disagreements(world.site, datasets=[one.id for one in made])
    assert not found, found
    assert world.left(run) == []
    if ends is None:
        _require_made(world, row, tries[-1])


def _require_consistent(row: Run, tries: list[Attempt]) -> None:
    assert [one.number for one in tries] == list(range(1, row.attempts + 1))
    assert (row.holder, row.leased_until) == (None, None)
    assert row.attempt_id == tries[-1].id
    assert all(one.cleared and one.ended_at is not None for one in tries)
    assert all(one.reason is Reason.LOST for one in tries[:-1])
    assert tries[-1].reason is row.reason
    for one, after in pairwise(tries):
        assert one.ended_at is not None
        assert one.ended_at <= after.started_at


def _require_no_claim(world: "RunWorld", tries: list[Attempt]) -> None:
    with world.site.look() as work:
        live = work.session.exec(
            select(Claim).where(
                col(Claim.attempt_id).in_([one.id for one in tries]),
                col(Claim.used_at).is_(None),
            )
        ).all()
    assert not live


def _datasets(world: "RunWorld", row: Run, tries: list[Attempt]) -> list[Dataset]:
    """Read all datasets that the run can have made."""
    ids = [one.dataset_id for one in tries]
    with world.site.look() as work:
        found = work.session.exec(
            select(Dataset).where(
                (col(Dataset.name) == row.name) | col(Dataset.id).in_(ids)
            )
        ).all()
    assert {one.id for one in found} == set(ids)
    return list(found)


def _require_made(world: "RunWorld", row: Run, last: Attempt) -> None:
    """What was made is closed, seen once, and a copy of the input."""
    assert row.dataset_id is not None
    assert last.dataset_id == row.dataset_id
    assert last.exit_code == 0
    client = world.world.library
    seen = [one for one in client.datasets.iterate() if one.name == row.name]
    assert [(one.id, one.state) for one in seen] == [(row.dataset_id, State.CLOSED)]
    assert seen[0].run is not None
    assert seen[0].run["attempt"] == last.number
    assert _content(world, row.dataset_id) == _content(world, world.scan)
    log = b"".join(client.runs.read_log(row.id))
    assert log.endswith(b"copied\n")
    assert log.count(b"copied") == 1


def _content(world: "RunWorld", dataset: UUID) -> dict[str, str]:
    with world.site.look() as work:
        files = work.session.exec(select(File).where(File.dataset_id == dataset)).all()
    return {file.path: file.sha256 for file in files}

"""What happens in each cell of the kill matrix: step by process by store.

Somebody stands at the step, in the middle of a workload that leads there; the victim
is killed with SIGKILL, which may be the one who stands there or another one; what
died is started again, and the person runs the same command again. Then everything
that was acknowledged is there, once and exact.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Final

from sqlmodel import col, select

from hutch.cli.exits import Exit
from hutch.contract.steps import Step
from hutch.contract.wire.datasets import State
from hutch.contract.wire.transfer import AbortIn, UploadIn, UploadsIn
from hutch.workdir.directory import find_workdir
from hutch.workdir.journal import Entry, open_journal
from hutch_api.services import operations, sweep, upkeep
from hutch_api.store.tables import (
    LIVE_INTENTS,
    Account,
    AccountState,
    Intent,
    IntentState,
    Superseded,
)
from tests.laws.kills.tools import adopt, put_foreign
from tests.laws.kills.world import Role, World, tree, write
from tests.steps import OF_RUNS, Hold
from tests.zygote import Process

PROCESSES: Final[tuple[Role, ...]] = ("client", "api", "worker")
WITH_STORE: Final = (
    Step.UPLOAD_OPENED,
    Step.ACCOUNT_MADE,
    Step.FILE_SENT,
    Step.PART_SENT,
    Step.COMPLETING_WRITTEN,
    Step.UPLOAD_COMPLETED,
    Step.ARRIVAL_SEEN,
    Step.ACCOUNT_ENDED,
    Step.CLOSE_COMPARED,
    Step.SEAL_WRITTEN,
    Step.VERSIONS_DELETED,
    Step.ADOPTED_WRITTEN,
    Step.DROP_ANNOUNCED,
    Step.SWEEP_REMOVED,
)
"""Steps next to a write of the store: there the store is killed as well."""
CELLS: Final[tuple[tuple[Step, Role], ...]] = (
    *((step, victim) for step in Step if step not in OF_RUNS for victim in PROCESSES),
    *((step, "store") for step in WITH_STORE),
)
_MOMENT: Final = timedelta(seconds=30)
"""Beyond a limit, so that the clock is surely past it."""


def _between(first: Step, last: Step) -> frozenset[Step]:
    """Give the steps from one to another, in the order of the writes."""
    order = list(Step)
    return frozenset(order[order.index(first) : order.index(last) + 1])


_BY_CLIENT: Final = frozenset(
    {
        Step.PUSH_NOTED,
        Step.UPLOADS_NOTED,
        Step.FILE_SENT,
        Step.PART_SENT,
        Step.SENT_NOTED,
        Step.FINISH_ANSWERED,
        Step.FILES_NOTED,
    }
)
_ACCOUNT: Final = _between(Step.ACCOUNT_WRITTEN, Step.ACCOUNT_LIVE)
_FINISH: Final = _between(Step.UPLOAD_COMPLETED, Step.FILES_COMMITTED)
_CLOSE: Final = _between(Step.ACCOUNT_ENDED, Step.CLOSED_WRITTEN)
_DELETE: Final = _between(Step.DELETING_WRITTEN, Step.DELETED_WRITTEN)
_ADOPT: Final = _between(Step.ADOPTED_READ, Step.DROP_ANNOUNCED)
_SWEEP: Final = _between(Step.SWEEP_LEASED, Step.SWEEP_NOTED)
_CHORE: Final = _between(Step.SUPERSEDED_DELETED, Step.REMAINS_CLEARED)


def run(world: World, step: Step, victim: Role) -> None:
    """Kill one process at one step, and see that nothing is lost."""
    cell = Cell(world, step, victim)
    try:
        if step in _CLOSE:
            close(cell)
        elif step in _DELETE:
            delete(cell)
        elif step in _ADOPT:
            adopt(cell)
        elif step in _SWEEP:
            swept(cell)
        elif step in _CHORE:
            chore(cell)
        elif step in _FINISH and victim == "worker":
            finish(cell)
        else:
            push(cell)
    finally:
        world.steps.release_all()
        world.start_missing()


@dataclass(frozen=True, slots=True)
class Cell:
    """One kill."""

    world: World
    step: Step
    victim: Role

    def strike(self, client: Process, hold: Hold) -> None:
        """Kill the victim while somebody stands at the step; start it again."""
        if self.victim == "client":
            assert not client.has_ended(), client.text()
            client.kill()
        else:
            self.world.kill(self.victim)
            self.world.start(self.victim)
        hold.release()


def push(cell: Cell) -> None:
    """A push of a new and a changed file, and of a deletion."""
    world, step = cell.world, cell.step
    root = world.workdir(files=0)
    if step not in _ACCOUNT | {Step.PUSH_NOTED}:
        write(root / "changed")
        write(root / "gone")
        world.push(root)
        (root / "gone").unlink()
    write(root / "changed")
    write(root / "new")
    hold = world.steps.hold(step, "client" if step in _BY_CLIENT else "api")
    pushing = world.hutch("push", "--delete", where=root)
    hold.wait()
    cell.strike(pushing, hold)
    status = pushing.wait()
    known = acknowledged(root)
    if cell.victim == "client":
        assert status < 0
    elif cell.victim == "worker" or step in _BY_CLIENT:
        assert status == 0, pushing.text()  # it did not even notice
    require_there(world, root, known)
    if step in _ACCOUNT:
        wait_for_account(world, root)
    world.must("push", "--delete", where=root)
    world.require_exact(root)


def acknowledged(root: Path) -> dict[str, Entry]:
    """Read from the journal what the client was told to be in the dataset."""
    with open_journal(find_workdir(root)) as journal:
        return {entry.path: entry for entry in journal.entries()}


def require_there(world: World, root: Path, known: Mapping[str, Entry]) -> None:
    """What a client was told is there, if the push has not come to change it."""
    there, here = world.files(root), tree(root)
    for path, entry in known.items():
        now = hashlib.sha256(here[path]).hexdigest() if path in here else None
        held = there[path].sha256 if path in there else None
        assert held in {entry.sha256, now}, path


def wait_for_account(world: World, root: Path) -> None:
    """Have the worker end an account whose making was interrupted."""

    def stuck() -> bool:
        with world.site.look() as work:
            rows = work.session.exec(
                select(Account).where(
                    Account.dataset_id == world.id_of(root),
                    col(Account.state).in_(
                        [AccountState.CREATING, AccountState.DELETING]
                    ),
                )
            ).all()
        return bool(rows)

    if stuck():
        world.clock.move(timedelta(minutes=1) + _MOMENT)
        world.until(lambda: not stuck(), "the end of an account")


def finish(cell: Cell) -> None:
    """The worker goes on with a finish that API and client did not survive."""
    world = cell.world
    root = world.pushed(files=1)
    write(root / "f0")
    write(root / "new")
    begun = world.steps.hold(Step.COMPLETING_WRITTEN, "api")
    pushing = world.hutch("push", where=root)
    begun.wait()
    world.kill("api")
    pushing.kill()
    hold = world.steps.hold(cell.step, "worker")
    world.clock.move(upkeep.STUCK + _MOMENT)
    hold.wait()
    cell.strike(pushing, hold)
    world.clock.move(upkeep.STUCK + _MOMENT)
    world.until(lambda: _live(world, root) == 0, "the end of the finish")
    world.start("api")
    assert world.files(root).keys() == tree(root).keys()
    world.must("push", where=root)
    world.require_exact(root)


def _live(world: World, root: Path) -> int:
    with world.site.look() as work:
        return len(
            work.session.exec(
                select(Intent).where(
                    Intent.dataset_id == world.id_of(root),
                    col(Intent.state).in_(LIVE_INTENTS),
                )
            ).all()
        )


def close(cell: Cell) -> None:
    """A close: by the API while its client waits, or by the worker after that."""
    world = cell.world
    root = world.pushed(files=2)
    ended_by(cell, root, Step.CLOSING_WRITTEN, "close")
    require_state(world, root, State.CLOSED)
    again = world.hutch("close", where=root)
    assert again.wait() == Exit.STATE, again.text()
    assert "[dataset-closed]" in again.text()
    world.require_exact(root)


def delete(cell: Cell) -> None:
    """A deletion, as a close."""
    world = cell.world
    root = world.pushed(files=2)
    ended_by(cell, root, Step.DELETING_WRITTEN, "rm", root.name, "--yes")
    require_state(world, root, State.DELETED)
    world.require_gone(root)


def ended_by(cell: Cell, root: Path, begin: Step, *words: str) -> None:
    """Kill the victim in an operation that the API or the worker carries out."""
    world = cell.world
    first = world.steps.hold(begin, "api")
    asking = world.hutch(*words, where=root)
    first.wait()
    if cell.step is begin:
        cell.strike(asking, first)
    elif cell.victim == "worker":
        # The API is so slow that its lease runs out; it goes on after all is over.
        hold = world.steps.hold(cell.step, "worker")
        world.clock.move(operations.LEASE + _MOMENT)
        hold.wait()
        cell.strike(asking, hold)
        world.clock.move(operations.LEASE + _MOMENT)
        world.until(lambda: _is_over(world, root), "the end of the operation")
        first.release()
    else:
        hold = world.steps.hold(cell.step, "api")
        first.release()
        hold.wait()
        cell.strike(asking, hold)
    if cell.victim in {"api", "store"}:
        world.clock.move(operations.LEASE + _MOMENT)
    world.until(lambda: _is_over(world, root), "the end of the operation")
    asking.wait()


def _is_over(world: World, root: Path) -> bool:
    return world.row(root).state in {State.CLOSED, State.DELETED}


def require_state(world: World, root: Path, state: State) -> None:
    assert world.row(root).state is state


def swept(cell: Cell) -> None:
    """A sweep of a closed dataset into which another tool has written."""
    world, step = cell.world, cell.step
    root = world.pushed()
    world.must("close", where=root)
    put_foreign(world, root)
    other, pushing, standing = bystander(cell)
    hold = world.steps.hold(step, "worker")
    world.clock.move(sweep.AFTER[0] + _MOMENT)
    hold.wait()
    cell.strike(pushing, hold)
    standing.release()
    if cell.victim in {"worker", "store"}:
        world.clock.move(sweep.LEASE + _MOMENT)
    world.until(lambda: world.row(root).sweeps > 0, "a sweep")
    assert "foreign" in world.swept_paths(root), "it was removed in silence"
    world.require_exact(root)
    pushing.wait()
    world.must("push", where=other)
    world.require_exact(other)


def bystander(cell: Cell) -> tuple[Path, Process, Hold]:
    """Have somebody push meanwhile: a client to be killed, or one who goes on."""
    world = cell.world
    root = world.workdir()
    hold = world.steps.hold(Step.UPLOADS_NOTED, "client")
    pushing = world.hutch("push", where=root)
    hold.wait()
    return root, pushing, hold


def chore(cell: Cell) -> None:
    """The worker removes a replaced version, or what an ended upload left."""
    world, step = cell.world, cell.step
    root = world.pushed()
    if step is Step.SUPERSEDED_DELETED:
        write(root / "f0")
        world.push(root)
        left = _superseded
    else:
        leave_upload(world, root)
        left = _uncleared
    assert left(world, root)
    other, pushing, standing = bystander(cell)
    hold = world.steps.hold(step, "worker")
    world.clock.move(upkeep.LATE + _MOMENT)
    hold.wait()
    cell.strike(pushing, hold)
    standing.release()
    world.until(lambda: not left(world, root), "the end of what was left")
    world.require_exact(root)
    pushing.wait()
    world.must("push", where=other)
    world.require_exact(other)


def leave_upload(world: World, root: Path) -> None:
    """Announce a replacement of a file, and end its upload."""
    (file,) = world.files(root).values()
    pushes = world.library.pushes
    begun = pushes.start(world.id_of(root)).id
    wanted = UploadIn(path=file.path, size=5, base=file.version)
    (made,) = pushes.announce(begun, UploadsIn(files=(wanted,))).files
    assert made.intent is not None
    pushes.abort(begun, AbortIn(intents=(made.intent,)))


def _superseded(world: World, root: Path) -> bool:
    with world.site.look() as work:
        query = select(Superseded).where(Superseded.dataset_id == world.id_of(root))
        return work.session.exec(query).first() is not None


def _uncleared(world: World, root: Path) -> bool:
    with world.site.look() as work:
        query = select(Intent).where(
            Intent.dataset_id == world.id_of(root),
            Intent.state == IntentState.ABORTED,
            col(Intent.cleared).is_(other=False),
        )
        return work.session.exec(query).first() is not None

"""Looks at what a race left, and ways to start one."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta
from itertools import count
from uuid import UUID

import pytest
from sqlmodel import col, select

from hutch.contract.problems import HutchError
from hutch.contract.wire.datasets import (
    OperationOut,
    PrincipalKind,
    Right,
    State,
)
from hutch.contract.wire.transfer import (
    FinishItem,
    UploadOut,
)
from hutch_api.adapters.memory import MemoryStore
from hutch_api.domain.access import Actor
from hutch_api.services import (
    operations,
    revocation,
    sharing,
    upkeep,
)
from hutch_api.store.tables import (
    LIVE_INTENTS,
    Account,
    AccountState,
    Dataset,
    File,
    Intent,
    Operation,
)
from tests.conftest import Clock
from tests.transfer.flow import Flow


def memory(flow: Flow) -> MemoryStore:
    assert isinstance(flow.site.objects, MemoryStore)
    return flow.site.objects


def interrupted(
    flow: Flow, act: Callable[[], object], other: Callable[[], object], *, at: int
) -> bool:
    """Run an act, and another one inside its ``at``-th store call.

    Returns:
        Whether the act came so far.
    """
    calls = count(1)
    store = memory(flow)

    def before(_: str) -> None:
        if next(calls) == at:
            store.before = lambda _: None
            with suppress(HutchError):
                other()

    store.before = before
    with suppress(HutchError):
        act()
    came = store.before is not before
    store.before = lambda _: None
    return came


@dataclass
class Turn:
    """One meeting of two, at a store call of the first.

    Attributes:
        name: For a dataset of this turn.
        came: Whether the first came as far as that call.
    """

    flow: Flow
    at: int
    came: bool = False

    @property
    def name(self) -> str:
        return f"d{self.at}"

    def meet(self, act: Callable[[], object], other: Callable[[], object]) -> bool:
        """Run an act, and another one inside its store call; tells whether it came."""
        self.came = interrupted(self.flow, act, other, at=self.at)
        return self.came


def turns(flow: Flow) -> Iterator[Turn]:
    """Give turns at one store call after another, to the first that is not reached."""
    for at in count(1):
        turn = Turn(flow, at)
        yield turn
        if not turn.came:
            return


@contextmanager
def left_to_a_worker() -> Iterator[None]:
    """Have every close and deletion that begins wait for a worker, however small."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(operations, "INLINE", -1)
        yield


def operation(flow: Flow, begun: OperationOut) -> Operation:
    """Read the row of an operation."""
    with flow.site.look() as work:
        return work.session.get_one(Operation, begun.id)


def announced(flow: Flow, actor: Actor, push: UUID, got: list[UploadOut]) -> None:
    got += flow.announce(actor, push, {"a": b"1"})


def state(flow: Flow, dataset: UUID) -> State:
    with flow.site.look() as work:
        return work.session.get_one(Dataset, dataset).state


def paths(flow: Flow, dataset: UUID) -> list[str]:
    with flow.site.look() as work:
        query = select(File.path).where(File.dataset_id == dataset)
        return list(work.session.exec(query.order_by(File.path)).all())


def usable(flow: Flow, dataset: UUID) -> list[Account]:
    with flow.site.look() as work:
        return list(
            work.session.exec(
                select(Account).where(
                    Account.dataset_id == dataset,
                    col(Account.state).in_([AccountState.CREATING, AccountState.LIVE]),
                )
            ).all()
        )


def live(flow: Flow, dataset: UUID) -> list[Intent]:
    with flow.site.look() as work:
        return list(
            work.session.exec(
                select(Intent).where(
                    Intent.dataset_id == dataset, col(Intent.state).in_(LIVE_INTENTS)
                )
            ).all()
        )


def sent(
    flow: Flow, actor: Actor, dataset: UUID, path: str, data: bytes
) -> tuple[UUID, FinishItem]:
    """Bring a file to the store that is not finished yet."""
    push = flow.start(actor, dataset)
    [upload] = flow.announce(actor, push, {path: data}, force=True)
    return push, flow.carry(actor, push, upload, data)


def share(flow: Flow, owner: Actor, dataset: UUID, name: str) -> None:
    flow.share(owner, dataset, to=name, right=Right.WRITE)


def unshare(flow: Flow, owner: Actor, dataset: UUID, name: str) -> None:
    with flow.site.begin() as work:
        sharing.unshare(work, owner, dataset, kind=PrincipalKind.USER, name=name)
    revocation.settle(flow.site)


def settle_down(flow: Flow, clock: Clock) -> None:
    """Let the worker do what is due until nothing is."""
    for _ in range(3):
        clock.move(timedelta(hours=3))
        while upkeep.run_once(flow.site):
            pass

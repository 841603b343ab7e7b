"""What is cut short, by a kill of the store or of the server, is not lost."""

from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlmodel import col, select

from hutch.contract.problems import StoreUnavailableError
from hutch.contract.steps import Step, observing
from hutch.contract.wire.datasets import State
from hutch.contract.wire.transfer import Finished
from hutch_api.domain.layout import key_of, prefix_of
from hutch_api.services import upkeep
from hutch_api.services.sweep import sweep
from hutch_api.store.tables import Audit
from tests.conftest import Clock
from tests.transfer.flow import Flow
from tests.transfer.race import memory, state

NEW = b"what replaces it"


class KilledError(Exception):
    """The server dies here."""


def twice(flow: Flow, dataset: UUID) -> Finished:
    """Replace a file; the store is killed inside Complete, and forgets that it did."""
    ada, store, key = flow.user("ada"), memory(flow), key_of(dataset, "a")
    base = {p: f.version or "" for p, f in flow.push(ada, dataset, {"a": b"1"}).items()}
    push = flow.start(ada, dataset)
    (upload,) = flow.announce(ada, push, {"a": NEW}, base=base)
    item = flow.carry(ada, push, upload, NEW)
    complete = store.complete_upload

    def die(*_: Any, crc64nvme: str) -> None:
        twin = store.create_upload(key, intent=item.intent)
        store._uploads[twin].parts[1] = NEW
        complete(key, twin, item.parts, crc64nvme=crc64nvme)
        raise StoreUnavailableError("it was killed")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(store, "complete_upload", die)
        flow.finish(ada, push, [item])
    (done,) = flow.finish(ada, push, [item]).files
    assert done.problem is None
    assert len(versions(flow, dataset)) == 3
    return done


def versions(flow: Flow, dataset: UUID) -> list[str]:
    return [v.version for v in flow.site.objects.versions(prefix_of(dataset))]


@pytest.mark.rules
def test_a_version_made_twice_does_not_keep_a_dataset_open(flow: Flow) -> None:
    dataset = flow.dataset(flow.user("ada")).id
    done = twice(flow, dataset)
    flow.close(flow.user("ada"), dataset)
    assert state(flow, dataset) is State.CLOSED
    assert versions(flow, dataset) == [done.version]


@pytest.mark.rules
def test_the_worker_removes_a_version_made_twice(flow: Flow, clock: Clock) -> None:
    dataset = flow.dataset(flow.user("ada")).id
    done = twice(flow, dataset)
    clock.move(upkeep.LATE + timedelta(minutes=1))
    while upkeep.run_once(flow.site):
        pass
    assert versions(flow, dataset) == [done.version]


@pytest.mark.rules
def test_a_sweep_says_what_goes_before_it_is_gone(flow: Flow) -> None:
    dataset = flow.closed(flow.user("ada"), {"a": b"1"})
    memory(flow).write(key_of(dataset, "foreign"), b"not ours")

    def die(step: Step) -> None:
        if step is Step.SWEEP_REMOVED:
            raise KilledError

    with observing(die), pytest.raises(KilledError):
        sweep(flow.site, dataset)
    assert len(versions(flow, dataset)) == 1
    with flow.site.look() as work:
        rows = work.session.exec(
            select(Audit).where(Audit.dataset_id == dataset).order_by(col(Audit.id))
        ).all()
    assert rows[-1].facts["removed_paths"] == ["foreign"]

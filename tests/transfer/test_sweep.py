"""Sweeps: plain listing shows what hutch says, and nothing of others is touched."""

from datetime import timedelta
from uuid import uuid4

import pytest
from sqlmodel import select

from hutch.contract.problems import StoreError
from hutch_api.domain import instance
from hutch_api.domain.layout import INSTANCE, key_of, prefix_of, seal_of
from hutch_api.services import deletion, upkeep
from hutch_api.services.sweep import AFTER, sweep
from hutch_api.store.tables import Audit, Dataset
from tests.conftest import Clock
from tests.transfer.flow import Flow
from tests.transfer.foreign import Foreign

pytestmark = pytest.mark.foreign


def listed(flow: Flow, dataset: object) -> list[str]:
    return [
        v.key.rpartition("/")[2] for v in flow.site.objects.versions(f"d/{dataset}/")
    ]


def test_late_writes_are_removed_and_said_so(flow: Flow, foreign: Foreign) -> None:
    ada = flow.user("ada")
    dataset = flow.closed(ada, {"a": b"1", "b": b"2"})
    foreign.put(key_of(dataset, "a"), b"late")
    foreign.delete(key_of(dataset, "b"))
    foreign.put(key_of(dataset, "c"), b"late")
    swept = sweep(flow.site, dataset)
    assert (swept.removed, swept.missing) == (3, 0)
    rows = list(flow.site.objects.versions(prefix_of(dataset)))
    assert [(r.key, r.is_latest) for r in rows] == [
        (key_of(dataset, "a"), True),
        (key_of(dataset, "b"), True),
    ]
    with flow.site.look() as work:
        row = work.session.exec(select(Audit).where(Audit.action == "sweep")).one()
    assert row.facts["removed"] == 3


def test_a_missing_file_is_named(flow: Flow) -> None:
    ada = flow.user("ada")
    dataset = flow.closed(ada, {"a": b"1", "b": b"2"})
    [version] = list(flow.site.objects.versions(key_of(dataset, "a")))
    flow.site.objects.delete([(version.key, version.version)])
    swept = sweep(flow.site, dataset)
    assert (swept.missing, swept.paths) == (1, ("a",))


@pytest.mark.rules
def test_open_datasets_are_never_swept(flow: Flow, foreign: Foreign) -> None:
    ada = flow.user("ada")
    dataset = flow.dataset(ada).id
    foreign.put(key_of(dataset, "a"), b"somebody's data")
    assert sweep(flow.site, dataset).removed == 0
    assert listed(flow, dataset) == ["a"]


@pytest.mark.parametrize("end", ["close", "delete"])
def test_an_upload_that_nobody_knows_ends_with_its_dataset(
    flow: Flow, end: str
) -> None:
    # The network may double the request that opens one: nobody gets the first id.
    ada = flow.user("ada")
    dataset = flow.dataset(ada).id
    large, key = b"x" * (17 * 1024**2), key_of(dataset, "a")
    flow.push(ada, dataset, {"a": large})
    store = flow.site.objects
    store.create_upload(key, intent=uuid4())
    if end == "close":
        flow.close(ada, dataset)
    else:
        deletion.delete(flow.site, ada, dataset)
    assert store.uploads(key) == []
    store.create_upload(key, intent=uuid4())
    sweep(flow.site, dataset)
    assert store.uploads(key) == []


def test_what_lands_after_a_deletion_goes(flow: Flow, foreign: Foreign) -> None:
    ada = flow.user("ada")
    dataset = flow.closed(ada, {"a": b"1"})
    deletion.delete(flow.site, ada, dataset)
    foreign.put(key_of(dataset, "a"), b"late")
    assert sweep(flow.site, dataset).removed == 1
    assert listed(flow, dataset) == []


def test_a_bucket_of_another_installation_is_not_touched(
    flow: Flow, foreign: Foreign
) -> None:
    ada = flow.user("ada")
    dataset = flow.closed(ada, {"a": b"1"})
    foreign.put(key_of(dataset, "b"), b"not ours to judge")
    own = flow.site.objects.get_record(INSTANCE)
    assert own is not None
    try:
        flow.site.objects.put_record(INSTANCE, instance.encode(uuid4()))
        with pytest.raises(StoreError, match="another installation"):
            sweep(flow.site, dataset)
    finally:
        flow.site.objects.put_record(INSTANCE, own)
    assert listed(flow, dataset) == ["a", "b"]


def test_records_that_differ_from_the_database_stop_a_sweep(
    flow: Flow, foreign: Foreign
) -> None:
    ada = flow.user("ada")
    dataset = flow.closed(ada, {"a": b"1"})
    foreign.put(key_of(dataset, "b"), b"evidence")
    other = flow.closed(ada, {"a": b"2"}, "other")
    flow.site.objects.put_record(
        seal_of(dataset), flow.site.objects.get_record(seal_of(other)) or b""
    )
    with pytest.raises(StoreError, match="differ"):
        sweep(flow.site, dataset)
    assert listed(flow, dataset) == ["a", "b"]


def test_sweeps_come_again_at_growing_distances(
    flow: Flow, foreign: Foreign, clock: Clock
) -> None:
    ada = flow.user("ada")
    dataset = flow.closed(ada, {"a": b"1"})
    for wait in (*AFTER, AFTER[-1]):
        foreign.put(key_of(dataset, "late"), b"late")
        clock.move(wait - timedelta(seconds=1))
        upkeep.run_once(flow.site)
        assert listed(flow, dataset) == ["a", "late"]
        clock.move(timedelta(seconds=2))
        upkeep.run_once(flow.site)
        assert listed(flow, dataset) == ["a"]
        with flow.site.begin() as work:  # count from now, not from when it ran
            row = work.session.get_one(Dataset, dataset)
            row.sweep_at = clock() + AFTER[min(row.sweeps, len(AFTER) - 1)]

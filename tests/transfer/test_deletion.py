"""Deletion deletes: the bytes are gone, what children need stays."""

import pytest

from hutch.contract.problems import DeletedError, ForbiddenError
from hutch.contract.wire.datasets import (
    OperationState,
    Right,
    State,
)
from hutch.contract.wire.transfer import DownloadsIn, FileRef
from hutch_api.domain.layout import prefix_of
from hutch_api.services import deletion, files, upkeep
from hutch_api.services.datasets import get_dataset
from hutch_api.services.downloads import sign_downloads
from tests.transfer.flow import Flow, sha256
from tests.transfer.foreign import Foreign
from tests.transfer.race import left_to_a_worker, state


def test_deleting_an_open_dataset_removes_every_version(flow: Flow) -> None:
    ada = flow.user("ada")
    dataset = flow.dataset(ada).id
    flow.push(ada, dataset, {"a": b"1", "b": b"2"})
    flow.push(ada, dataset, {"a": b"3"}, force=True)
    flow.announce(ada, flow.start(ada, dataset), {"c": b"4"})
    out = deletion.delete(flow.site, ada, dataset)
    assert (out.state, state(flow, dataset)) == (OperationState.DONE, State.DELETED)
    assert list(flow.site.objects.versions(prefix_of(dataset))) == []
    assert list(flow.site.accounts.key_ids()) == []


def test_a_tombstone_keeps_what_children_need(flow: Flow) -> None:
    ada = flow.user("ada")
    parent = flow.closed(ada, {"a": b"1"})
    child = flow.dataset(ada, "child", inputs=(parent,))
    deletion.delete(flow.site, ada, parent)
    with flow.site.look() as work:
        row = get_dataset(work, ada, parent)
        kept = get_dataset(work, ada, child.id).inputs
    assert row.state is State.DELETED
    assert [(i.digest, i.seal) for i in kept] == [(row.digest, row.seal)]
    text = b"".join(files.manifest(flow.site, ada, parent)).decode()
    assert text == f"{sha256(b'1')}  1  a\n"


@pytest.mark.rules
def test_files_of_a_deleted_dataset_are_not_handed_out(flow: Flow) -> None:
    ada = flow.user("ada")
    dataset = flow.closed(ada, {"a": b"1"})
    deletion.delete(flow.site, ada, dataset)
    wanted = DownloadsIn(files=(FileRef(path="a", version="x"),))
    with pytest.raises(DeletedError):
        sign_downloads(flow.site, ada, dataset, wanted)
    with pytest.raises(DeletedError):
        deletion.delete(flow.site, ada, dataset)


@pytest.mark.rules
def test_only_the_owner_deletes(flow: Flow) -> None:
    ada, bob = flow.user("ada"), flow.user("bob")
    dataset = flow.dataset(ada).id
    flow.share(ada, dataset, to="bob", right=Right.WRITE)
    with pytest.raises(ForbiddenError):
        deletion.delete(flow.site, bob, dataset)


@pytest.mark.rules
def test_the_name_of_a_deleted_dataset_is_free_again(flow: Flow) -> None:
    ada = flow.user("ada")
    dataset = flow.closed(ada, {"a": b"1"}, "scan")
    deletion.delete(flow.site, ada, dataset)
    assert flow.dataset(ada, "scan").state is State.OPEN


@pytest.mark.rules
def test_a_large_deletion_is_an_operation_for_the_worker(flow: Flow) -> None:
    ada = flow.user("ada")
    dataset = flow.dataset(ada).id
    flow.push(ada, dataset, {"a": b"1"})
    with left_to_a_worker():
        out = deletion.delete(flow.site, ada, dataset)
        again = deletion.delete(flow.site, ada, dataset)
    assert (out.state, out.id) == (OperationState.RUNNING, again.id)
    upkeep.go_on(flow.site)
    assert state(flow, dataset) is State.DELETED


@pytest.mark.foreign
def test_what_tools_wrote_below_the_dataset_goes_too(
    flow: Flow, foreign: Foreign
) -> None:
    ada = flow.user("ada")
    dataset = flow.dataset(ada).id
    flow.push(ada, dataset, {"a/f": b"1"})
    foreign.put(f"{prefix_of(dataset)}a/f/g", b"hidden on some stores")
    foreign.delete(f"{prefix_of(dataset)}a/f")
    deletion.delete(flow.site, ada, dataset)
    assert list(flow.site.objects.versions(prefix_of(dataset))) == []

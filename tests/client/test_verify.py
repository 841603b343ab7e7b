"""Verification: what it recomputes, confirms and finds."""

import os
from types import SimpleNamespace

import pytest

from hutch import (
    Client,
    Workdir,
    push,
    verify_dataset,
    verify_lineage,
    verify_workdir,
)
from hutch.contract.parts import MIB
from hutch.contract.wire.datasets import (
    DatasetIn,
    DatasetOut,
    PrincipalKind,
    Right,
    State,
)
from hutch.errors import CorruptDataError, LocalChangesError
from hutch.workdir.journal import open_journal
from tests.client.live import Live, write

TREE = {"a": b"1", "sub/b": b"22", "empty": b"", "large": os.urandom(17 * MIB)}


@pytest.fixture
def workdir(live: Live, anna: Client) -> Workdir:
    workdir = live.workdir(anna, TREE)
    push(workdir, anna)
    return workdir


def _close(client: Client, workdir: Workdir) -> DatasetOut:
    client.datasets.wait(client.datasets.close(workdir.dataset))
    return client.datasets.get(workdir.dataset)


def test_a_working_directory_as_pushed_is_fine(anna: Client, workdir: Workdir) -> None:
    report = verify_workdir(workdir, anna)
    assert (report.files, report.problems) == (len(TREE), ())
    assert report.bytes == sum(len(data) for data in TREE.values())


def test_every_difference_is_named(anna: Client, workdir: Workdir) -> None:
    write(workdir.root, {"a": b"x", "new": b"new"})
    (workdir.root / "sub/b").unlink()
    report = verify_workdir(workdir, anna)
    assert [(p.path, type(p.error)) for p in report.problems] == [
        ("a", LocalChangesError),
        ("new", LocalChangesError),
        ("sub/b", LocalChangesError),
    ]


def test_bytes_that_rot_unseen_are_corrupt(anna: Client, workdir: Workdir) -> None:
    write(workdir.root, {"a": b"x"})
    with open_journal(workdir) as journal:  # as if the disk had done it by itself
        entry = journal.entry("a")
        assert entry is not None
        stamp = type(entry.stamp)
        stat = (workdir.root / "a").stat()
        journal.record([entry.renewed(stamp.of(stat), now_ns=2**62)])
    (problem,) = verify_workdir(workdir, anna).problems
    assert isinstance(problem.error, CorruptDataError)


def test_a_closed_dataset_becomes_confirmed_once(
    live: Live, anna: Client, ben: Client, workdir: Workdir
) -> None:
    assert verify_dataset(anna, anna.datasets.get(workdir.dataset)).confirmed == 0
    dataset = _close(anna, workdir)
    anna.datasets.share(
        dataset.id,
        kind=PrincipalKind.USER,
        name=ben.account.whoami().user.name,
        right=Right.READ,
    )
    first = verify_dataset(ben, dataset)
    assert (first.files, first.confirmed, first.problems) == (len(TREE), len(TREE), ())
    assert verify_dataset(anna, dataset).confirmed == 0
    assert all(f.confirmed for f in anna.files.iterate(dataset.id))
    assert live.line.sent > 0


def test_a_wrong_checksum_of_the_uploader_is_found(
    live: Live, anna: Client, workdir: Workdir, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(workdir.root, {"wrong": b"one thing"})
    with monkeypatch.context() as patched:
        patched.setattr(
            "hutch.transfer.checksums.hashlib", SimpleNamespace(sha256=_Wrong)
        )
        push(workdir, anna)
    report = verify_dataset(anna, _close(anna, workdir))
    assert [(p.path, type(p.error)) for p in report.problems] == [
        ("wrong", CorruptDataError)
    ]
    assert report.confirmed == len(TREE)
    assert live.url


class _Wrong:
    def update(self, _data: bytes) -> None:
        """Ignore the bytes."""

    def hexdigest(self) -> str:
        return "0" * 64


def test_a_lineage_is_recomputed_up_to_its_roots(
    live: Live, anna: Client, workdir: Workdir
) -> None:
    parent = _close(anna, workdir)
    child = anna.datasets.create(DatasetIn(name="child", inputs=(parent.id,)))
    below = live.workdir(anna, {"result": b"42"}, dataset=child)
    push(below, anna)
    child = _close(anna, below)
    checks = list(verify_lineage(anna, child))
    assert [(c.dataset, c.errors, c.skipped) for c in checks] == [
        (child.id, (), None),
        (parent.id, (), None),
    ]


def test_what_may_not_be_read_is_skipped_and_said(
    live: Live, anna: Client, ben: Client, workdir: Workdir
) -> None:
    parent = _close(anna, workdir)
    child = anna.datasets.create(DatasetIn(name="child", inputs=(parent.id,)))
    below = live.workdir(anna, {"result": b"42"}, dataset=child)
    push(below, anna)
    child = _close(anna, below)
    anna.datasets.share(
        child.id,
        kind=PrincipalKind.USER,
        name=ben.account.whoami().user.name,
        right=Right.READ,
    )
    checks = list(verify_lineage(ben, ben.datasets.get(child.id)))
    assert [c.errors for c in checks] == [()] * len(checks)
    assert [c.skipped is None for c in checks if c.dataset == child.id] == [True]
    assert all(c.skipped for c in checks if c.dataset == parent.id)


def test_a_manifest_outlives_the_files(anna: Client, workdir: Workdir) -> None:
    dataset = _close(anna, workdir)
    anna.datasets.wait(anna.datasets.delete(dataset.id))
    dead = anna.datasets.get(dataset.id)
    assert dead.state is State.DELETED
    (check,) = verify_lineage(anna, dead)
    assert (check.errors, check.skipped) == ((), None)

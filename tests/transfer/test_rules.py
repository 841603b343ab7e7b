"""What may be pushed, by whom and over what: rules that the database keeps."""

import pytest
from sqlmodel import select

from hutch.contract.problems import (
    DatasetClosedError,
    ForbiddenError,
    NotFoundError,
    StoreUnavailableError,
)
from hutch.contract.wire.datasets import Right
from hutch.contract.wire.transfer import (
    AbortIn,
    DeletionsIn,
    FileRef,
    PartIn,
    PartsIn,
)
from hutch_api.services import uploads
from hutch_api.services.files import list_files
from hutch_api.services.removals import remove_files
from hutch_api.store.tables import Audit, Superseded
from tests.transfer.flow import Flow, code, crc, sha256
from tests.transfer.held import held, stored

BIG = b"0123456789abcdef" * (1024 * 1024 + 1)  # just above what one PUT carries

pytestmark = pytest.mark.rules


def test_a_push_makes_one_revision_and_counts_files(flow: Flow) -> None:
    ada = flow.user("ada")
    dataset = flow.dataset(ada).id
    flow.push(ada, dataset, {"a": b"1", "b": b"22"})
    with flow.site.look() as work:
        page = list_files(work, ada, dataset, after=None, limit=10)
    assert (page.revision, [f.path for f in page.items]) == (1, ["a", "b"])
    assert [f.sha256 for f in page.items] == [sha256(b"1"), sha256(b"22")]
    assert [f.confirmed for f in page.items] == [False, False]


def test_pages_follow_the_bytes_of_the_paths(flow: Flow) -> None:
    ada = flow.user("ada")
    dataset = flow.dataset(ada).id
    names = ["Y", "a-b", "a/b", "a0", "z", "~", "ä"]
    flow.push(ada, dataset, {n: n.encode() for n in names})
    seen, after = [], None
    while True:
        with flow.site.look() as work:
            page = list_files(work, ada, dataset, after=after, limit=2)
        seen += [f.path for f in page.items]
        if (after := page.next) is None:
            break
    assert seen == names == sorted(names, key=str.encode)


def test_a_file_that_others_changed_is_not_replaced(flow: Flow) -> None:
    ada = flow.user("ada")
    dataset = flow.dataset(ada).id
    flow.push(ada, dataset, {"a": b"first"})
    push = flow.start(ada, dataset)
    [refused] = flow.announce(ada, push, {"a": b"mine"})
    assert code(refused.problem) == "file-changed"
    assert refused.problem is not None
    assert refused.problem["by"] == "ada"
    assert stored(flow, dataset, "a") == b"first"


def test_a_change_between_announcing_and_finishing_is_found(flow: Flow) -> None:
    ada = flow.user("ada")
    dataset = flow.dataset(ada).id
    flow.push(ada, dataset, {"a": b"first"})
    old = held(flow, dataset)["a"]
    push = flow.start(ada, dataset)
    [upload] = flow.announce(ada, push, {"a": b"mine"}, base={"a": old})
    item = flow.carry(ada, push, upload, b"mine")
    with flow.site.begin() as work:
        remove_files(
            work,
            ada,
            flow.start(ada, dataset),
            DeletionsIn(files=(FileRef(path="a", version=old),)),
        )
    [done] = flow.finish(ada, push, [item]).files
    assert code(done.problem) == "file-changed"
    assert held(flow, dataset) == {}


def test_force_replaces_what_others_changed(flow: Flow) -> None:
    ada = flow.user("ada")
    dataset = flow.dataset(ada).id
    flow.push(ada, dataset, {"a": b"first"})
    flow.push(ada, dataset, {"a": b"mine"}, force=True)
    assert stored(flow, dataset, "a") == b"mine"


def test_what_a_push_committed_itself_is_no_change_by_others(flow: Flow) -> None:
    ada = flow.user("ada")
    dataset = flow.dataset(ada).id
    push = flow.start(ada, dataset)
    for data in (b"one", b"two"):  # the answer to the first never reached the journal
        [upload] = flow.announce(ada, push, {"a": data})
        flow.finish(ada, push, [flow.carry(ada, push, upload, data)])
    assert stored(flow, dataset, "a") == b"two"


def test_the_second_pusher_of_a_path_hears_who_and_since_when(flow: Flow) -> None:
    ada, bob = flow.user("ada"), flow.user("bob")
    dataset = flow.dataset(ada).id
    flow.share(ada, dataset, to="bob", right=Right.WRITE)
    first = flow.start(ada, dataset)
    flow.announce(ada, first, {"a": b"hers"})
    second = flow.start(bob, dataset)
    [refused] = flow.announce(bob, second, {"a": b"his"}, force=True)
    assert code(refused.problem) == "path-busy"
    assert refused.problem is not None
    assert refused.problem["by"] == "ada"
    assert "since" in refused.problem
    assert "intent" not in refused.problem


def test_an_owner_takes_an_upload_over(flow: Flow) -> None:
    ada, bob = flow.user("ada"), flow.user("bob")
    dataset = flow.dataset(ada).id
    flow.share(ada, dataset, to="bob", right=Right.WRITE)
    his = flow.start(bob, dataset)
    [upload] = flow.announce(bob, his, {"a": b"his"})
    item = flow.carry(bob, his, upload, b"his")
    flow.push(ada, dataset, {"a": b"hers"}, force=True)
    [late] = flow.finish(bob, his, [item]).files
    assert code(late.problem) == "upload-gone"
    assert stored(flow, dataset, "a") == b"hers"


def test_two_pushes_of_the_same_new_path_leave_one(flow: Flow) -> None:
    ada = flow.user("ada")
    dataset = flow.dataset(ada).id
    first, second = flow.start(ada, dataset), flow.start(ada, dataset)
    [upload] = flow.announce(ada, first, {"a": b"1"})
    [refused] = flow.announce(ada, second, {"a": b"2"})
    assert code(refused.problem) == "path-busy"
    flow.finish(ada, first, [flow.carry(ada, first, upload, b"1")])
    [changed] = flow.announce(ada, second, {"a": b"2"})
    assert code(changed.problem) == "file-changed"


@pytest.mark.parametrize(
    ("there", "new"),
    [
        ("a", "a/b"),
        ("a/b", "a"),
        ("a/b/c", "A"),
        ("Data.TIF", "data.tif"),
        ("STRASSE", "straße"),
        ("A", "a/b/c"),
    ],
)
def test_paths_that_no_disk_could_hold_together_clash(
    flow: Flow, there: str, new: str
) -> None:
    ada = flow.user("ada")
    dataset = flow.dataset(ada).id
    flow.push(ada, dataset, {there: b"1"})
    [refused] = flow.announce(ada, flow.start(ada, dataset), {new: b"2"})
    assert code(refused.problem) == "path-clash"


@pytest.mark.parametrize(("first", "second"), [("a", "a/b"), ("a/b", "a"), ("B", "b")])
def test_paths_clash_within_a_batch_and_with_uploads_under_way(
    flow: Flow, first: str, second: str
) -> None:
    ada = flow.user("ada")
    dataset = flow.dataset(ada).id
    push = flow.start(ada, dataset)
    one, two = flow.announce(ada, push, {first: b"1", second: b"2"})
    assert (one.problem, code(two.problem)) == (None, "path-clash")
    [again] = flow.announce(ada, flow.start(ada, dataset), {second: b"2"})
    assert code(again.problem) == "path-clash"


@pytest.mark.parametrize(("first", "second"), [("B", "b"), ("B", "b/c")])
def test_a_clash_names_the_other_path_as_it_is_written(
    flow: Flow, first: str, second: str
) -> None:
    ada = flow.user("ada")
    dataset = flow.dataset(ada).id
    push = flow.start(ada, dataset)
    _, within = flow.announce(ada, push, {first: b"1", second: b"2"})
    [under_way] = flow.announce(ada, push, {second: b"2"})
    for refused in (within, under_way):
        assert refused.problem is not None
        assert refused.problem["other"] == first
        assert repr(first) in str(refused.problem["detail"])


@pytest.mark.parametrize("path", ["../up", "/abs", ".hutch/journal", "a//b", "x\n"])
def test_a_path_that_is_not_allowed_is_named_and_the_rest_goes_on(
    flow: Flow, path: str
) -> None:
    ada = flow.user("ada")
    dataset = flow.dataset(ada).id
    bad, good = flow.announce(ada, flow.start(ada, dataset), {path: b"1", "ok": b"2"})
    assert code(bad.problem) == "path-invalid"
    assert good.request is not None


def test_parts_of_an_ended_upload_are_not_signed(flow: Flow) -> None:
    ada = flow.user("ada")
    dataset = flow.dataset(ada).id
    push = flow.start(ada, dataset)
    [upload] = flow.announce(ada, push, {"big": BIG})
    assert upload.intent is not None
    uploads.abort(flow.site, ada, push, AbortIn(intents=(upload.intent,)))
    part = PartIn(intent=upload.intent, number=1, crc64nvme=crc(BIG))
    [refused] = uploads.sign_parts(flow.site, ada, push, PartsIn(parts=(part,))).parts
    assert code(refused.problem) == "upload-gone"


def test_removed_files_leave_the_dataset(flow: Flow) -> None:
    ada = flow.user("ada")
    dataset = flow.dataset(ada).id
    flow.push(ada, dataset, {"a": b"1", "b": b"2"})
    versions = held(flow, dataset)
    push = flow.start(ada, dataset)
    wanted = DeletionsIn(
        files=(
            FileRef(path="a", version=versions["a"]),
            FileRef(path="b", version="another"),
            FileRef(path="never", version="x"),
        )
    )
    with flow.site.begin() as work:
        out = remove_files(work, ada, push, wanted)
    assert [code(f.problem) for f in out.files] == [None, "file-changed", None]
    assert list(held(flow, dataset)) == ["b"]
    with flow.site.look() as work:
        assert [s.path for s in work.session.exec(select(Superseded))] == ["a"]


def test_upload_to_a_closed_dataset_is_refused(flow: Flow) -> None:
    ada = flow.user("ada")
    dataset = flow.dataset(ada).id
    push = flow.start(ada, dataset)
    flow.push(ada, dataset, {"a": b"1"})
    flow.close(ada, dataset)
    with pytest.raises(DatasetClosedError):
        flow.announce(ada, push, {"b": b"2"})
    with pytest.raises(DatasetClosedError):
        flow.start(ada, dataset)


def test_strangers_and_readers_do_not_push(flow: Flow) -> None:
    ada, bob, eve = flow.user("ada"), flow.user("bob"), flow.user("eve")
    dataset = flow.dataset(ada).id
    flow.share(ada, dataset, to="bob", right=Right.READ)
    with pytest.raises(ForbiddenError):
        flow.start(bob, dataset)
    with pytest.raises(NotFoundError):
        flow.start(eve, dataset)
    push = flow.start(ada, dataset)
    with pytest.raises(NotFoundError):
        flow.announce(bob, push, {"a": b"1"})


def test_every_change_leaves_one_audit_row(flow: Flow) -> None:
    ada = flow.user("ada")
    dataset = flow.dataset(ada).id
    flow.push(ada, dataset, {"a": b"1", "b": b"2"})
    with flow.site.look() as work:
        rows = work.session.exec(select(Audit).where(Audit.dataset_id == dataset)).all()
    assert [r.action for r in rows][-3:] == ["push", "announce", "commit"]
    assert rows[-1].facts["files"] == 2


def test_a_store_account_under_way_elsewhere_asks_for_patience(flow: Flow) -> None:
    ada = flow.user("ada")
    dataset = flow.dataset(ada).id
    push = flow.start(ada, dataset)

    create = flow.site.accounts.create

    def slow(_: object, *args: object, **kwargs: object) -> None:
        with pytest.raises(StoreUnavailableError) as caught:
            flow.announce(ada, push, {"b": b"2"})
        assert caught.value.facts["retry_after"] == 1
        create(*args, **kwargs)  # type: ignore[arg-type]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(type(flow.site.accounts), "create", slow)
        flow.announce(ada, push, {"a": b"1"})


def test_bytes_that_a_push_committed_itself_are_not_sent_again(flow: Flow) -> None:
    ada = flow.user("ada")
    dataset = flow.dataset(ada).id
    push = flow.start(ada, dataset)
    [upload] = flow.announce(ada, push, {"a": b"one"})
    [done] = flow.finish(ada, push, [flow.carry(ada, push, upload, b"one")]).files
    [again] = flow.announce(ada, push, {"a": b"one"})
    assert code(again.problem) == "file-changed"
    assert again.problem is not None
    assert again.problem["version"] == done.version

"""Files on their way into an open dataset."""

from datetime import timedelta

from sqlmodel import select

from hutch.contract.wire.datasets import PrincipalKind, Right
from hutch.contract.wire.transfer import (
    AbortIn,
    DeletionsIn,
    DownloadsIn,
    FileRef,
    FinishItem,
    Verb,
)
from hutch_api.domain.layout import key_of
from hutch_api.services import revocation, sharing, upkeep, uploads
from hutch_api.services.downloads import sign_downloads
from hutch_api.services.removals import remove_files
from hutch_api.store.tables import Intent, IntentState
from tests.conftest import Clock
from tests.transfer.flow import Flow, code, crc, sha256
from tests.transfer.held import held, stored

BIG = b"0123456789abcdef" * (1024 * 1024 + 1)  # just above what one PUT carries


def test_small_files_arrive(flow: Flow) -> None:
    ada = flow.user("ada")
    dataset = flow.dataset(ada).id
    files = {"a.tif": b"one", "b/c.tif": b"two", "b/empty": b"", "ümläut +&.dat": b"x"}
    done = flow.push(ada, dataset, files)
    assert all(f.problem is None for f in done.values())
    assert {p: stored(flow, dataset, p) for p in files} == files


def test_a_large_file_arrives_in_parts(flow: Flow) -> None:
    ada = flow.user("ada")
    dataset = flow.dataset(ada).id
    done = flow.push(ada, dataset, {"big.h5": BIG})
    assert done["big.h5"].problem is None
    assert stored(flow, dataset, "big.h5") == BIG


def test_a_replaced_file_keeps_its_old_version_while_urls_may_work(
    flow: Flow, clock: Clock
) -> None:
    ada = flow.user("ada")
    dataset = flow.dataset(ada).id
    flow.push(ada, dataset, {"a": b"old"})
    old = held(flow, dataset)["a"]
    flow.push(ada, dataset, {"a": b"new"}, base={"a": old})
    key = key_of(dataset, "a")
    assert stored(flow, dataset, "a") == b"new"
    clock.move(upkeep.LATE - timedelta(minutes=1))
    upkeep.run_once(flow.site)
    assert flow.site.objects.stat(key, old) is not None
    clock.move(timedelta(minutes=2))
    upkeep.run_once(flow.site)
    assert flow.site.objects.stat(key, old) is None
    assert stored(flow, dataset, "a") == b"new"


def test_finish_believes_the_store_and_not_the_client(flow: Flow) -> None:
    ada = flow.user("ada")
    dataset = flow.dataset(ada).id
    push = flow.start(ada, dataset)
    [upload] = flow.announce(ada, push, {"a": b"never sent"})
    assert upload.intent is not None
    item = FinishItem(
        intent=upload.intent, crc64nvme=crc(b"never sent"), sha256="0" * 64
    )
    [done] = flow.finish(ada, push, [item]).files
    assert code(done.problem) == "upload-incomplete"
    assert held(flow, dataset) == {}


def test_parts_that_are_missing_are_found_at_finish(flow: Flow) -> None:
    ada = flow.user("ada")
    dataset = flow.dataset(ada).id
    push = flow.start(ada, dataset)
    [upload] = flow.announce(ada, push, {"big": BIG})
    assert upload.intent is not None
    item = FinishItem(intent=upload.intent, crc64nvme=crc(BIG), sha256=sha256(BIG))
    [done] = flow.finish(ada, push, [item]).files
    assert code(done.problem) == "upload-incomplete"


def test_finishing_twice_gives_the_same_answer(flow: Flow) -> None:
    ada = flow.user("ada")
    dataset = flow.dataset(ada).id
    push = flow.start(ada, dataset)
    files = {"a": b"1", "big": BIG}
    ups = flow.announce(ada, push, files)
    items = [flow.carry(ada, push, u, files[u.path]) for u in ups]
    first, second = flow.finish(ada, push, items), flow.finish(ada, push, items)
    assert first == second
    assert first.revision == 1


def test_announcing_again_goes_on_with_the_same_upload(flow: Flow) -> None:
    ada = flow.user("ada")
    dataset = flow.dataset(ada).id
    push = flow.start(ada, dataset)
    files = {"a": b"1", "big": BIG}
    before = flow.announce(ada, push, files)
    big = before[1]
    flow.send_parts(ada, push, big, BIG)
    after = flow.announce(ada, push, files)
    assert [u.intent for u in before] == [u.intent for u in after]
    assert [p.size for p in after[1].held] == [len(BIG)]


def test_announcing_other_bytes_ends_the_upload_before(flow: Flow) -> None:
    ada = flow.user("ada")
    dataset = flow.dataset(ada).id
    push = flow.start(ada, dataset)
    [before] = flow.announce(ada, push, {"a": b"1"})
    old = flow.carry(ada, push, before, b"1")
    [after] = flow.announce(ada, push, {"a": b"2"})
    assert (after.intent != before.intent, after.verb) == (True, Verb.MULTIPART)
    new = flow.carry(ada, push, after, b"2")
    gone, done = flow.finish(ada, push, [old, new]).files
    assert (code(gone.problem), done.problem) == ("upload-gone", None)
    assert stored(flow, dataset, "a") == b"2"


def test_a_put_repeated_after_a_lost_answer_is_recognised(flow: Flow) -> None:
    ada = flow.user("ada")
    dataset = flow.dataset(ada).id
    push = flow.start(ada, dataset)
    [upload] = flow.announce(ada, push, {"a": b"1"})
    assert upload.request is not None
    assert flow.send(upload.request, b"1") == 200
    assert flow.send(upload.request, b"1") == 412
    [done] = flow.finish(ada, push, [flow.carry(ada, push, upload, b"1")]).files
    assert done.problem is None


def test_a_crash_inside_finish_is_mended_by_the_worker(
    flow: Flow, clock: Clock
) -> None:
    ada = flow.user("ada")
    dataset = flow.dataset(ada).id
    push = flow.start(ada, dataset)
    files = {"a": b"1", "big": BIG}
    for upload in flow.announce(ada, push, files):
        data = files[upload.path]
        item = flow.carry(ada, push, upload, data)
        with flow.site.begin() as work:  # as far as a killed server came
            row = work.session.get_one(Intent, item.intent)
            row.state, row.crc64nvme = IntentState.COMPLETING, crc(data)
            row.sha256 = sha256(data)
    clock.move(timedelta(minutes=2))
    upkeep.run_once(flow.site)
    assert {p: stored(flow, dataset, p) for p in files} == files


def test_a_crash_inside_finish_is_mended_by_announcing_again(flow: Flow) -> None:
    ada = flow.user("ada")
    dataset = flow.dataset(ada).id
    push = flow.start(ada, dataset)
    [upload] = flow.announce(ada, push, {"a": b"1"})
    item = flow.carry(ada, push, upload, b"1")
    with flow.site.begin() as work:
        row = work.session.get_one(Intent, item.intent)
        row.state, row.sha256 = IntentState.COMPLETING, item.sha256
    flow.announce(ada, push, {"a": b"1"})
    assert list(held(flow, dataset)) == ["a"]


def test_idle_uploads_end_after_a_week(flow: Flow, clock: Clock) -> None:
    ada = flow.user("ada")
    dataset = flow.dataset(ada).id
    push = flow.start(ada, dataset)
    uploads_out = flow.announce(ada, push, {"a": b"1", "big": BIG})
    clock.move(timedelta(days=7, minutes=1))
    upkeep.run_once(flow.site)
    clock.move(timedelta(hours=3))
    upkeep.run_once(flow.site)
    with flow.site.look() as work:
        rows = work.session.exec(select(Intent)).all()
    assert {(r.state, r.cleared) for r in rows} == {(IntentState.ABORTED, True)}
    assert flow.site.objects.uploads(key_of(dataset, "big")) == []
    assert len(uploads_out) == 2


def test_aborted_uploads_leave_nothing(flow: Flow, clock: Clock) -> None:
    ada = flow.user("ada")
    dataset = flow.dataset(ada).id
    push = flow.start(ada, dataset)
    files = {"a": b"1", "big": BIG}
    ups = flow.announce(ada, push, files)
    for upload in ups:
        flow.carry(ada, push, upload, files[upload.path])
    ids = tuple(u.intent for u in ups if u.intent)
    uploads.abort(flow.site, ada, push, AbortIn(intents=ids))
    assert flow.site.objects.uploads(key_of(dataset, "big")) == []
    clock.move(timedelta(hours=3))
    upkeep.run_once(flow.site)
    assert list(flow.site.objects.versions(f"d/{dataset}/")) == []


def test_a_removed_file_can_be_pushed_again(flow: Flow) -> None:
    ada = flow.user("ada")
    dataset = flow.dataset(ada).id
    flow.push(ada, dataset, {"a": b"1"})
    ref = FileRef(path="a", version=held(flow, dataset)["a"])
    with flow.site.begin() as work:
        remove_files(work, ada, flow.start(ada, dataset), DeletionsIn(files=(ref,)))
    flow.push(ada, dataset, {"a": b"again"})
    assert stored(flow, dataset, "a") == b"again"


def test_who_loses_write_loses_uploads_and_urls_at_once(flow: Flow) -> None:
    ada, bob = flow.user("ada"), flow.user("bob")
    dataset = flow.dataset(ada).id
    flow.share(ada, dataset, to="bob", right=Right.WRITE)
    push = flow.start(bob, dataset)
    [upload] = flow.announce(bob, push, {"a": b"1"})
    with flow.site.begin() as work:
        sharing.unshare(work, ada, dataset, kind=PrincipalKind.USER, name="bob")
    revocation.settle(flow.site)
    assert upload.request is not None
    assert flow.send(upload.request, b"1") == 403
    with flow.site.look() as work:
        [intent] = work.session.exec(select(Intent)).all()
    assert intent.state is IntentState.ABORTED


def test_reads_are_signed_for_the_pinned_version_only(flow: Flow) -> None:
    ada = flow.user("ada")
    dataset = flow.dataset(ada).id
    flow.push(ada, dataset, {"a": b"1"})
    old = held(flow, dataset)["a"]
    flow.push(ada, dataset, {"a": b"2"}, base={"a": old})
    wanted = DownloadsIn(
        files=(
            FileRef(path="a", version=old),
            FileRef(path="a", version=held(flow, dataset)["a"]),
            FileRef(path="b", version="x"),
        )
    )
    out = sign_downloads(flow.site, ada, dataset, wanted)
    assert [code(f.problem) for f in out.files] == [
        "file-changed",
        None,
        "file-changed",
    ]
    request = out.files[1].request
    assert request is not None
    assert flow.send(request, b"") == 200

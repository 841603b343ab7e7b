"""Guards that a good client never meets."""

from dataclasses import replace
from datetime import timedelta
from uuid import UUID, uuid4

import pytest
from sqlmodel import col, select

from hutch.contract.problems import (
    DatasetClosedError,
    DatasetOpenError,
    InvalidInputError,
    StoreUnavailableError,
    UnauthenticatedError,
)
from hutch.contract.wire.datasets import State
from hutch.contract.wire.transfer import (
    AbortIn,
    Confirmation,
    ConfirmationsIn,
    DeletionsIn,
    FileRef,
    FinishItem,
    PartIn,
    PartsIn,
    UploadIn,
    UploadsIn,
    Verb,
)
from hutch_api.adapters.memory import MemoryStore
from hutch_api.domain.access import Actor
from hutch_api.domain.layout import key_of
from hutch_api.services import (
    deletion,
    files,
    revocation,
    store_accounts,
    upkeep,
    uploads,
)
from hutch_api.services.removals import remove_files
from hutch_api.services.work import Work
from hutch_api.store.tables import (
    Dataset,
    File,
    Intent,
    IntentState,
    Push,
    Token,
)
from tests.conftest import Clock
from tests.transfer.flow import Flow, code, crc, sha256
from tests.transfer.held import held, stored
from tests.transfer.race import sent

pytestmark = pytest.mark.rules
BIG = b"x" * (17 * 1024**2)


def intents(flow: Flow) -> list[Intent]:
    with flow.site.look() as work:
        return list(work.session.exec(select(Intent).order_by(col(Intent.path))).all())


def token_of(work: Work, actor: Actor) -> Token:
    token = Token(
        id=uuid4(),
        user_id=actor.user,
        name="t",
        hash="h",
        scopes=[],
        created_at=work.now,
        expires_at=work.now + timedelta(days=1),
    )
    work.session.add(token)
    work.session.flush()
    return token


# ---- scopes


def test_a_revoked_token_is_refused_under_the_lock(flow: Flow) -> None:
    ada = flow.user("ada")
    dataset = flow.dataset(ada).id
    with flow.site.begin() as work:
        token = token_of(work, ada)
        token.revoked_at = work.now
        late = replace(ada, token=token.id)
    with pytest.raises(UnauthenticatedError):
        flow.start(late, dataset)


def test_revoking_a_token_ends_the_urls_of_its_user(flow: Flow) -> None:
    ada = flow.user("ada")
    dataset = flow.dataset(ada).id
    [upload] = flow.announce(ada, flow.start(ada, dataset), {"a": b"1"})
    with flow.site.begin() as work:
        revocation.token_revoked(work, token=token_of(work, ada).id)
    revocation.settle(flow.site)
    assert upload.request is not None
    assert flow.send(upload.request, b"1") == 403


# ---- another push's uploads


def test_a_push_reaches_its_own_uploads_only(flow: Flow) -> None:
    ada = flow.user("ada")
    dataset = flow.dataset(ada).id
    push, other = flow.start(ada, dataset), flow.start(ada, dataset)
    [upload] = flow.announce(ada, push, {"big": BIG})
    item = flow.carry(ada, push, upload, BIG)
    [done] = flow.finish(ada, other, [item]).files
    assert code(done.problem) == "upload-gone"
    part = PartIn(intent=item.intent, number=1, crc64nvme=crc(BIG))
    [signed] = uploads.sign_parts(flow.site, ada, other, PartsIn(parts=(part,))).parts
    assert code(signed.problem) == "upload-gone"
    uploads.abort(flow.site, ada, other, AbortIn(intents=(item.intent,)))
    [done] = flow.finish(ada, push, [item]).files
    assert done.problem is None


def test_a_finished_upload_is_not_aborted(flow: Flow) -> None:
    ada = flow.user("ada")
    dataset = flow.dataset(ada).id
    push, item = sent(flow, ada, dataset, "a", b"1")
    flow.finish(ada, push, [item])
    uploads.abort(flow.site, ada, push, AbortIn(intents=(item.intent,)))
    assert [i.state for i in intents(flow)] == [IntentState.DONE]


# ---- agreement of announcement, parts and finish


def test_a_small_file_is_announced_with_its_checksum(flow: Flow) -> None:
    ada = flow.user("ada")
    push = flow.start(ada, flow.dataset(ada).id)
    wanted = UploadsIn(files=(UploadIn(path="a", size=1),))
    [refused] = uploads.announce(flow.site, ada, push, wanted).files
    assert code(refused.problem) == "invalid-input"


def test_finishing_with_another_checksum_than_announced_is_refused(flow: Flow) -> None:
    ada = flow.user("ada")
    dataset = flow.dataset(ada).id
    push, item = sent(flow, ada, dataset, "a", b"1")
    wrong = FinishItem(intent=item.intent, crc64nvme=crc(b"2"), sha256=sha256(b"2"))
    [done] = flow.finish(ada, push, [wrong]).files
    assert code(done.problem) == "invalid-input"
    [done] = flow.finish(ada, push, [item]).files
    assert done.problem is None


def test_announcing_another_size_is_another_upload(flow: Flow) -> None:
    ada = flow.user("ada")
    push = flow.start(ada, flow.dataset(ada).id)
    [before] = flow.announce(ada, push, {"big": BIG})
    [after] = flow.announce(ada, push, {"big": BIG + b"y"})
    assert before.intent != after.intent


def test_an_upload_in_use_does_not_expire(flow: Flow, clock: Clock) -> None:
    ada = flow.user("ada")
    dataset = flow.dataset(ada).id
    push = flow.start(ada, dataset)
    ups = flow.announce(ada, push, {"a": b"1", "big": BIG})
    clock.move(timedelta(days=6))
    flow.announce(ada, push, {"a": b"1"})
    flow.send_parts(ada, push, ups[1], BIG)
    clock.move(timedelta(days=6))
    upkeep.run_once(flow.site)
    assert {i.state for i in intents(flow)} == {IntentState.URL}
    with flow.site.look() as work:
        used = work.session.get_one(Push, push).used_at
    assert used == clock() - timedelta(days=6)


def test_what_a_key_has_held_is_never_sent_in_one_put(flow: Flow) -> None:
    ada = flow.user("ada")
    dataset = flow.dataset(ada).id
    push = flow.start(ada, dataset)
    flow.push(ada, dataset, {"removed": b"1", "there": b"1"})
    refs = [FileRef(path="removed", version=held(flow, dataset)["removed"])]
    with flow.site.begin() as work:
        remove_files(work, ada, push, DeletionsIn(files=tuple(refs)))
    [aborted] = flow.announce(ada, push, {"aborted": b"1"})
    assert aborted.intent is not None
    uploads.abort(flow.site, ada, push, AbortIn(intents=(aborted.intent,)))
    names = ("aborted", "new", "removed", "there")
    ups = flow.announce(ada, push, dict.fromkeys(names, b"2"), force=True)
    assert [u.verb for u in ups] == [
        Verb.MULTIPART,
        Verb.SINGLE,
        Verb.MULTIPART,
        Verb.MULTIPART,
    ]


def test_a_long_name_is_sent_in_parts(flow: Flow) -> None:
    ada = flow.user("ada")
    push = flow.start(ada, flow.dataset(ada).id)
    one, two = flow.announce(ada, push, {"n" * 240: b"1", "m" * 241: b"1"})
    assert (one.verb, two.verb) == (Verb.SINGLE, Verb.MULTIPART)


def test_an_upload_that_the_store_forgot_starts_again(flow: Flow) -> None:
    ada = flow.user("ada")
    dataset = flow.dataset(ada).id
    push = flow.start(ada, dataset)
    [upload] = flow.announce(ada, push, {"big": BIG})
    [row] = intents(flow)
    assert row.upload is not None
    flow.site.objects.abort_upload(key_of(dataset, "big"), row.upload)
    [again] = flow.announce(ada, push, {"big": BIG})
    assert (again.intent, again.held) == (upload.intent, ())


@pytest.mark.parametrize("method", ["complete_upload", "versions"])
def test_a_store_that_fails_in_a_finish_leaves_it_to_be_finished(
    flow: Flow, clock: Clock, method: str
) -> None:
    ada = flow.user("ada")
    dataset = flow.dataset(ada).id
    push, item = sent(flow, ada, dataset, "big", BIG)

    def down(called: str) -> None:
        if called == method:
            raise StoreUnavailableError("the store does not answer")

    assert isinstance(flow.site.objects, MemoryStore)
    flow.site.objects.before = down
    [done] = flow.finish(ada, push, [item]).files
    assert code(done.problem) == "store-unavailable"
    with pytest.raises(StoreUnavailableError):
        flow.announce(ada, push, {"big": BIG})
    flow.site.objects.before = lambda _: None
    assert [i.state for i in intents(flow)] == [IntentState.COMPLETING]
    clock.move(timedelta(minutes=2))
    upkeep.resolve_finishes(flow.site)
    assert stored(flow, dataset, "big") == BIG


@pytest.mark.foreign
@pytest.mark.parametrize("lie", ["intent", "size", "crc64nvme"])
def test_a_version_is_ours_only_if_everything_agrees(
    flow: Flow, clock: Clock, lie: str
) -> None:
    ada = flow.user("ada")
    dataset = flow.dataset(ada).id
    push, item = sent(flow, ada, dataset, "a", b"1")
    with flow.site.begin() as work:
        row = work.session.get_one(Intent, item.intent)
        if lie == "size":
            row.size = 2
        elif lie == "crc64nvme":
            row.crc64nvme = crc(b"2")
    if lie == "intent":
        assert isinstance(flow.site.objects, MemoryStore)
        [version] = flow.site.objects.versions(key_of(dataset, "a"))
        flow.site.objects.delete([(version.key, version.version)])
        flow.site.objects._add(key_of(dataset, "a"), b"1", crc64nvme=crc(b"1"))
    given = FinishItem(
        intent=item.intent,
        crc64nvme=crc(b"2") if lie == "crc64nvme" else crc(b"1"),
        sha256=item.sha256,
    )
    [done] = flow.finish(ada, push, [given]).files
    assert code(done.problem) == "upload-incomplete"
    clock.move(timedelta(hours=3))
    upkeep.clear_ended_uploads(flow.site)
    assert len(list(flow.site.objects.versions(key_of(dataset, "a")))) == 1


def test_a_replaced_file_is_counted_once_and_not_confirmed(flow: Flow) -> None:
    ada = flow.user("ada")
    dataset = flow.dataset(ada).id
    flow.push(ada, dataset, {"a": b"1"})
    with flow.site.begin() as work:
        work.session.get_one(File, (dataset, "a")).confirmed = True
    flow.push(ada, dataset, {"a": b"333"}, force=True)
    with flow.site.look() as work:
        row = work.session.get_one(Dataset, dataset)
        assert (row.files, row.bytes) == (1, 3)
        assert work.session.get_one(File, (dataset, "a")).confirmed is False


# ---- removal


def test_removing_by_force_and_twice_in_one_request(flow: Flow) -> None:
    ada = flow.user("ada")
    dataset = flow.dataset(ada).id
    flow.push(ada, dataset, {"a": b"1"})
    ref = FileRef(path="a", version="another")
    with flow.site.begin() as work:
        out = remove_files(
            work,
            ada,
            _push_of(flow),
            DeletionsIn(files=(ref, ref), force=True),
        )
    assert [f.problem for f in out.files] == [None, None]
    with flow.site.look() as work:
        assert work.session.get_one(Dataset, dataset).files == 0


def _push_of(flow: Flow) -> UUID:
    with flow.site.look() as work:
        return work.session.exec(select(Push.id)).one()


def test_nothing_is_removed_from_a_closed_dataset(flow: Flow) -> None:
    ada = flow.user("ada")
    dataset = flow.closed(ada, {"a": b"1"})
    ref = FileRef(path="a", version=held(flow, dataset)["a"])
    with pytest.raises(DatasetClosedError), flow.site.begin() as work:
        remove_files(work, ada, _push_of(flow), DeletionsIn(files=(ref,)))


def test_nothing_is_signed_or_finished_on_a_closed_dataset(flow: Flow) -> None:
    ada = flow.user("ada")
    dataset = flow.dataset(ada).id
    push, item = sent(flow, ada, dataset, "big", BIG)
    flow.close(ada, dataset, abandon=True, empty=True)
    part = PartIn(intent=item.intent, number=1, crc64nvme=crc(BIG))
    with pytest.raises(DatasetClosedError):
        uploads.sign_parts(flow.site, ada, push, PartsIn(parts=(part,)))
    [done] = flow.finish(ada, push, [item]).files
    assert code(done.problem) == "upload-gone"
    with pytest.raises(DatasetClosedError):
        store_accounts.usable_account(flow.site, ada, push)


# ---- confirming and reading


def test_a_confirmation_has_to_fit_what_is_recorded(flow: Flow) -> None:
    ada = flow.user("ada")
    dataset = flow.dataset(ada).id
    flow.push(ada, dataset, {"a": b"1"})
    version = held(flow, dataset)["a"]
    right = Confirmation(path="a", version=version, sha256=sha256(b"1"))
    with pytest.raises(DatasetOpenError), flow.site.begin() as work:
        files.confirm(work, ada, dataset, ConfirmationsIn(files=(right,)))
    with pytest.raises(DatasetOpenError):
        files.manifest(flow.site, ada, dataset)
    flow.close(ada, dataset)

    def confirm(version: str, data: bytes) -> int:
        given = Confirmation(path="a", version=version, sha256=sha256(data))
        with flow.site.begin() as work:
            wanted = ConfirmationsIn(files=(given,))
            return files.confirm(work, ada, dataset, wanted).confirmed

    assert confirm("another", b"1") == 0
    with pytest.raises(InvalidInputError):
        confirm(version, b"2")
    assert (confirm(version, b"1"), confirm(version, b"1")) == (1, 0)


def test_files_of_a_deleted_dataset_are_not_listed(flow: Flow) -> None:
    ada = flow.user("ada")
    dataset = flow.closed(ada, {"a": b"1"})
    deletion.delete(flow.site, ada, dataset)
    with flow.site.look() as work, pytest.raises(Exception, match="was deleted"):
        files.list_files(work, ada, dataset, after=None, limit=1)


def test_nothing_is_committed_into_a_dataset_that_is_not_open(flow: Flow) -> None:
    ada = flow.user("ada")
    dataset = flow.dataset(ada).id
    push, item = sent(flow, ada, dataset, "a", b"1")
    assert isinstance(flow.site.objects, MemoryStore)

    def closing(_: str) -> None:
        with flow.site.begin() as work:
            work.session.get_one(Dataset, dataset).state = State.CLOSING

    flow.site.objects.before = closing
    [done] = flow.finish(ada, push, [item]).files
    flow.site.objects.before = lambda _: None
    assert code(done.problem) == "dataset-busy"
    assert held(flow, dataset) == {}

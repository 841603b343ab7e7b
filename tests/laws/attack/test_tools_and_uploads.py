"""A tool meddles with hutch's own uploads: nothing wrong becomes a file."""

from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any
from uuid import UUID

import pytest
from botocore.exceptions import ClientError

from hutch.contract.wire.tools import StoreAccess, StoreAccountIn
from hutch.contract.wire.transfer import UploadOut, Verb
from hutch_api.domain.access import Actor
from hutch_api.ports.objects import Credentials
from hutch_api.services import tool_accounts
from hutch_api.services.sweep import AFTER
from hutch_api.store.tables import Intent
from tests.laws.attack.world import World
from tests.laws.conftest import Count
from tests.transfer.flow import code

GOOD, EVIL = b"what was pushed", b"what tools wrot"
pytestmark = pytest.mark.foreign


class Meddler:
    """Somebody who pushes to a dataset and has a tool on it as well."""

    def __init__(self, world: World) -> None:
        self.world, self.flow = world, world.flow
        self.actor: Actor = world.person("ada")
        self.dataset: UUID = self.flow.dataset(self.actor, "meddled").id
        self.flow.push(self.actor, self.dataset, {"a": b"first", "kept": b"kept"})
        made = tool_accounts.create_account(
            world.site,
            self.actor,
            self.dataset,
            StoreAccountIn(access=StoreAccess.WRITE),
        )
        self.bucket, self.prefix = made.bucket, made.prefix
        self.s3: Any = world.ready.client(Credentials(made.key_id, made.secret))

    def at(self, path: str, **more: Any) -> dict[str, Any]:
        return {"Bucket": self.bucket, "Key": self.prefix + path, **more}

    def announce(self, push: UUID, path: str = "a") -> UploadOut:
        base = self.world.pins(self.dataset)
        [upload] = self.flow.announce(self.actor, push, {path: GOOD}, base=base)
        return upload

    def upload_id(self, upload: UploadOut) -> str:
        """It stands in every part's address."""
        with self.world.site.look() as work:
            found = work.session.get_one(Intent, upload.intent).upload
        assert found is not None
        return found

    def complete(self, upload: UploadOut, body: bytes | None = None) -> None:
        """Put an upload of hutch's together, perhaps with other bytes."""
        there = self.at(upload.path, UploadId=self.upload_id(upload))
        if body is not None:
            sent = self.s3.upload_part(**there, PartNumber=1, Body=body)
            parts = [{"PartNumber": 1, "ETag": sent["ETag"]}]
        else:
            listed = self.s3.list_parts(**there)["Parts"]
            parts = [{n: p[n] for n in ("PartNumber", "ETag")} for p in listed]
            for named, part in zip(parts, listed, strict=True):
                if "ChecksumCRC64NVME" in part:
                    named["ChecksumCRC64NVME"] = part["ChecksumCRC64NVME"]
        self.s3.complete_multipart_upload(**there, MultipartUpload={"Parts": parts})

    def ends_well(self, path: str = "a") -> None:
        """Pushed once more, the file is what was pushed; the rest is undisturbed."""
        push = self.flow.start(self.actor, self.dataset)
        if self.world.fetched(self.actor, self.dataset).get(path) != GOOD:
            upload = self.announce(push, path)
            item = self.flow.carry(self.actor, push, upload, GOOD)
            self.flow.finish(self.actor, push, [item])
        self.flow.close(self.actor, self.dataset, abandon=True, drop=True)
        self.world.pass_time(AFTER[0])  # what lies below the pinned version goes
        files = {"a": b"first", "kept": b"kept"} | {path: GOOD}
        self.world.require_exact(self.actor, self.dataset, files)


@pytest.fixture
def meddler(world: World) -> Iterator[Meddler]:
    made = Meddler(world)
    yield made
    made.s3.close()


def test_an_upload_that_a_tool_completed_becomes_the_file(
    meddler: Meddler, count: Count
) -> None:
    push = meddler.flow.start(meddler.actor, meddler.dataset)
    upload = meddler.announce(push)
    item = meddler.flow.carry(meddler.actor, push, upload, GOOD)
    meddler.complete(upload)
    [done] = meddler.flow.finish(meddler.actor, push, [item]).files
    assert code(done.problem) in {None, "upload-incomplete"}
    count("uploads completed by a tool", 1, "uploads")
    meddler.ends_well()


def _other_bytes(meddler: Meddler, upload: UploadOut) -> None:
    meddler.complete(upload, EVIL)


def _aborted(meddler: Meddler, upload: UploadOut) -> None:
    there = meddler.at(upload.path, UploadId=meddler.upload_id(upload))
    meddler.s3.abort_multipart_upload(**there)


def _overwritten_part(meddler: Meddler, upload: UploadOut) -> None:
    there = meddler.at(upload.path, UploadId=meddler.upload_id(upload))
    meddler.s3.upload_part(**there, PartNumber=1, Body=EVIL)


MEDDLING: dict[str, Callable[[Meddler, UploadOut], None]] = {
    "completed with other bytes": _other_bytes,
    "aborted": _aborted,
    "a part overwritten": _overwritten_part,
}


@pytest.mark.parametrize("meddle", MEDDLING.values(), ids=MEDDLING.keys())
def test_an_upload_that_a_tool_spoiled_is_sent_again(
    meddler: Meddler, meddle: Callable[[Meddler, UploadOut], None], count: Count
) -> None:
    push = meddler.flow.start(meddler.actor, meddler.dataset)
    upload = meddler.announce(push)
    assert upload.verb is Verb.MULTIPART
    item = meddler.flow.carry(meddler.actor, push, upload, GOOD)
    with suppress(ClientError):  # a store may want checksums that the tool leaves out
        meddle(meddler, upload)
    [done] = meddler.flow.finish(meddler.actor, push, [item]).files
    if done.problem is None:
        assert meddler.world.fetched(meddler.actor, meddler.dataset)["a"] == GOOD
    count("uploads spoiled by a tool", 1, "uploads")
    meddler.ends_well()


def test_an_object_with_the_id_of_an_upload_is_not_believed(
    meddler: Meddler, count: Count
) -> None:
    """A tool may write any metadata, and put an object where a file is to come."""
    push = meddler.flow.start(meddler.actor, meddler.dataset)
    upload = meddler.announce(push, "new")
    assert upload.verb is Verb.SINGLE
    claim = {"hutch-intent": str(upload.intent)}
    meddler.s3.put_object(**meddler.at("new", Body=EVIL, Metadata=claim))
    item = meddler.flow.carry(meddler.actor, push, upload, GOOD)
    [done] = meddler.flow.finish(meddler.actor, push, [item]).files
    assert code(done.problem) == "upload-incomplete"
    assert "new" not in meddler.world.pins(meddler.dataset)
    count("objects with the id of an upload", 1, "objects")
    meddler.ends_well("new")

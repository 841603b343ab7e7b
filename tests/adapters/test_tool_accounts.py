"""What an S3 tool may do by an account of one dataset, on both real stores."""

import io
import tarfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any
from uuid import uuid4

import pytest
import urllib3
from botocore.exceptions import ClientError
from minio.error import MinioAdminException

from hutch.contract.problems import StoreError
from hutch_api.adapters.accounts.minio_api import open_admin, status_of
from hutch_api.adapters.provisioning import random_credentials
from hutch_api.domain.accounts import Access
from hutch_api.ports.objects import Credentials
from tests.adapters.ready import Ready, set_up
from tests.servers import REGION, StoreServer

SECRET = b"the neighbour's"
PINNED = b"pinned"


@pytest.fixture(scope="session")
def ready_stores() -> dict[str, Ready]:
    return {}


@pytest.fixture
def ready(store_server: StoreServer, ready_stores: dict[str, Ready]) -> Ready:
    if store_server.kind not in ready_stores:
        ready_stores[store_server.kind] = set_up(store_server)
    return ready_stores[store_server.kind]


class Tool:
    """A tool with an account of one dataset, beside a dataset of somebody else.

    Attributes:
        own: The dataset's prefix; ``a`` lies there in one version.
        other: The neighbour's prefix; ``x`` lies there.
    """

    def __init__(self, ready: Ready, credentials: Credentials, own: str) -> None:
        self.ready, self.credentials, self.own = ready, credentials, own
        self.other = f"d/{uuid4()}/"
        self.s3: Any = ready.client(credentials)
        self.root = ready.client(ready.root)
        self.version = self._write(f"{own}a", PINNED)
        self._write(f"{self.other}x", SECRET)

    def _write(self, key: str, body: bytes) -> str:
        made = self.root.put_object(Bucket=self.ready.data, Key=key, Body=body)
        return made["VersionId"]

    def at(self, name: str, **more: Any) -> dict[str, Any]:
        """Name an object of the dataset."""
        return {"Bucket": self.ready.data, "Key": self.own + name, **more}

    def pinned(self) -> bytes:
        """Read the one version again."""
        there = self.at("a", VersionId=self.version)
        return self.root.get_object(**there)["Body"].read()


@contextmanager
def tool_of(ready: Ready, access: Access) -> Iterator[Tool]:
    credentials, own = random_credentials(), f"d/{uuid4()}/"
    accounts = ready.accounts()
    until = datetime.now(UTC) + timedelta(hours=1)
    accounts.create(credentials, access=access, prefix=own, expires_at=until)
    try:
        yield Tool(ready, credentials, own)
    finally:
        accounts.delete(credentials.key_id)


@pytest.fixture
def writer(ready: Ready) -> Iterator[Tool]:
    with tool_of(ready, Access.WRITE) as tool:
        yield tool


@pytest.fixture
def reader(ready: Ready) -> Iterator[Tool]:
    with tool_of(ready, Access.READ) as tool:
        yield tool


@pytest.fixture(params=[Access.READ, Access.WRITE])
def tool(ready: Ready, request: pytest.FixtureRequest) -> Iterator[Tool]:
    with tool_of(ready, request.param) as tool:
        yield tool


def refused(call: Callable[..., Any], **arguments: Any) -> int:
    with pytest.raises(ClientError) as caught:
        call(**arguments)
    return int(caught.value.response["ResponseMetadata"]["HTTPStatusCode"])


def test_it_reads_and_lists_its_dataset(tool: Tool) -> None:
    there = tool.at("a")
    assert tool.s3.get_object(**there)["Body"].read() == PINNED
    assert tool.s3.get_object(**there, Range="bytes=1-3")["Body"].read() == b"inn"
    assert tool.s3.get_object(**there, VersionId=tool.version)["Body"].read() == PINNED
    assert tool.s3.head_object(**there)["ContentLength"] == len(PINNED)
    listed = tool.s3.list_objects_v2(Bucket=tool.ready.data, Prefix=tool.own)
    assert [row["Key"] for row in listed["Contents"]] == [f"{tool.own}a"]


def test_it_sees_nothing_else(tool: Tool) -> None:
    data, meta = tool.ready.data, tool.ready.place.buckets.meta
    for bucket, prefix in (
        (data, ""),
        (data, "d/"),
        (data, tool.own[:-1]),
        (data, tool.own[:6]),
        (data, tool.other),
        (meta, ""),
        (meta, tool.own),
    ):
        assert refused(tool.s3.list_objects_v2, Bucket=bucket, Prefix=prefix) == 403
    assert refused(tool.s3.list_objects_v2, Bucket=data) == 403
    for key in (f"{tool.other}x", f"{tool.own}../{tool.other[2:]}x"):
        assert refused(tool.s3.get_object, Bucket=data, Key=key) in {400, 403, 404}
    assert refused(tool.s3.get_object, Bucket=meta, Key="instance.json") == 403
    assert refused(tool.s3.list_object_versions, Bucket=data) == 403
    assert refused(tool.s3.list_multipart_uploads, Bucket=data) == 403


def test_it_is_told_that_its_directory_is_no_file(tool: Tool) -> None:
    """Rclone takes a refusal for a file, where the dataset is empty."""
    for version in (tool.version, None):
        if version is None:
            tool.root.delete_object(**tool.at("a"))
        own = {"Bucket": tool.ready.data, "Key": tool.own[:-1]}
        assert refused(tool.s3.head_object, **own) == 404
    beside = {"Bucket": tool.ready.data, "Key": tool.own[:-2]}
    assert refused(tool.s3.head_object, **beside) == 403


def test_it_learns_of_no_bucket(tool: Tool) -> None:
    listed: list[Any] = []
    quietly(lambda: listed.extend(tool.s3.list_buckets()["Buckets"]))
    assert listed == []


def test_it_makes_no_accounts_and_no_buckets(tool: Tool) -> None:
    with pytest.raises(StoreError):
        tool.ready.accounts(server=tool.credentials).create(
            random_credentials(),
            access=Access.WRITE,
            prefix=tool.other,
            expires_at=datetime.now(UTC) + timedelta(hours=1),
        )
    assert refused(tool.s3.create_bucket, Bucket=f"own-{uuid4().hex[:8]}") == 403
    assert refused(tool.s3.delete_bucket, Bucket=tool.ready.data) == 403


@pytest.mark.parametrize("store_server", ["minio"], indirect=True)
def test_it_reaches_no_admin_api(tool: Tool) -> None:
    admin = open_admin(tool.ready.place.endpoint, tool.credentials, region=REGION)
    for call in (admin.info, admin.policy_list, admin.group_list):
        with pytest.raises(MinioAdminException) as caught:
            call()
        assert status_of(caught.value) == 403


def test_one_that_reads_changes_nothing(reader: Tool) -> None:
    s3 = reader.s3
    assert refused(s3.put_object, **reader.at("new", Body=b"x")) == 403
    assert refused(s3.delete_object, **reader.at("a")) == 403
    assert refused(s3.create_multipart_upload, **reader.at("new")) == 403
    source = {"Bucket": reader.ready.data, "Key": f"{reader.own}a"}
    assert refused(s3.copy_object, **reader.at("new", CopySource=source)) == 403
    assert reader.pinned() == PINNED


def test_one_that_writes_puts_in_parts_overwrites_copies_and_deletes(
    writer: Tool,
) -> None:
    s3 = writer.s3
    s3.put_object(**writer.at("a", Body=b"over"))
    upload = s3.create_multipart_upload(**writer.at("big"))["UploadId"]
    part = s3.upload_part(
        **writer.at("big", UploadId=upload, PartNumber=1, Body=b"part")
    )
    assert len(s3.list_parts(**writer.at("big", UploadId=upload))["Parts"]) == 1
    named = {"Parts": [{"PartNumber": 1, "ETag": part["ETag"]}]}
    s3.complete_multipart_upload(
        **writer.at("big", UploadId=upload, MultipartUpload=named)
    )
    other = s3.create_multipart_upload(**writer.at("big"))["UploadId"]
    s3.abort_multipart_upload(**writer.at("big", UploadId=other))
    source = {"Bucket": writer.ready.data, "Key": f"{writer.own}big"}
    s3.copy_object(**writer.at("copy", CopySource=source))
    s3.delete_object(**writer.at("big"))
    listed = s3.list_objects_v2(Bucket=writer.ready.data, Prefix=writer.own)
    assert [row["Key"] for row in listed["Contents"]] == [
        f"{writer.own}a",
        f"{writer.own}copy",
    ]
    assert writer.pinned() == PINNED


def test_no_version_can_be_deleted_or_locked(writer: Tool) -> None:
    s3, there = writer.s3, writer.at("a")
    assert refused(s3.delete_object, **there, VersionId=writer.version) == 403
    gone = {"Objects": [{"Key": there["Key"], "VersionId": writer.version}]}
    answer = s3.delete_objects(Bucket=writer.ready.data, Delete=gone)
    assert [error["Code"] for error in answer["Errors"]] == ["AccessDenied"]
    until = datetime.now(UTC) + timedelta(days=1)
    lock = {"Mode": "GOVERNANCE", "RetainUntilDate": until}
    assert refused(s3.put_object_retention, **there, Retention=lock) == 403
    locked = {"ObjectLockMode": "GOVERNANCE", "ObjectLockRetainUntilDate": until}
    body = {"Body": b"x", "ChecksumAlgorithm": "CRC32"}
    assert refused(s3.put_object, **writer.at("new"), **body, **locked) == 403
    held = {"ObjectLockLegalHoldStatus": "ON"}
    assert refused(s3.put_object, **writer.at("new"), **body, **held) == 403
    assert writer.pinned() == PINNED


def test_nothing_is_written_or_copied_across_its_border(writer: Tool) -> None:
    s3, data = writer.s3, writer.ready.data
    assert refused(s3.put_object, Bucket=data, Key=f"{writer.other}n", Body=b"x") == 403
    assert refused(s3.delete_object, Bucket=data, Key=f"{writer.other}x") == 403
    theirs = {"Bucket": data, "Key": f"{writer.other}x"}
    assert refused(s3.copy_object, **writer.at("stolen", CopySource=theirs)) == 403
    upload = s3.create_multipart_upload(**writer.at("stolen"))["UploadId"]
    part = writer.at("stolen", UploadId=upload, PartNumber=1, CopySource=theirs)
    assert refused(s3.upload_part_copy, **part) == 403
    s3.abort_multipart_upload(**writer.at("stolen", UploadId=upload))


def archive(name: str, version: str) -> bytes:
    """Pack a file that names the version it is to replace."""
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w", format=tarfile.PAX_FORMAT) as packed:
        member = tarfile.TarInfo(name)
        member.size, member.pax_headers = 4, {"minio.versionId": version}
        packed.addfile(member, io.BytesIO(b"EVIL"))
    return content.getvalue()


def quietly(call: Callable[[], Any]) -> None:
    """Try something; what came of it is looked at afterwards."""
    try:
        call()
    except ClientError:
        return


@contextmanager
def naming(tool: Tool) -> Iterator[None]:
    """Have all requests name the version that they replace, and sign that."""

    def add(request: Any, **_: Any) -> None:
        joint = "&" if "?" in request.url else "?"
        request.url += f"{joint}versionId={tool.version}"

    tool.s3.meta.events.register("before-sign.s3", add)
    yield
    tool.s3.meta.events.unregister("before-sign.s3", add)


def test_a_version_that_is_there_stays_as_it_is(writer: Tool) -> None:
    """MinIO lets a PUT name the version that it replaces, readers would get that."""
    s3, there = writer.s3, writer.at("a")
    source = {"Bucket": writer.ready.data, "Key": f"{writer.own}other"}
    s3.put_object(**writer.at("other", Body=b"EVIL"))
    with naming(writer):
        quietly(lambda: s3.put_object(**there, Body=b"EVIL"))
        quietly(lambda: s3.copy_object(**there, CopySource=source))
        assert writer.pinned() == PINNED
    _in_parts(writer)
    form = s3.generate_presigned_post(writer.ready.data, f"{writer.own}a")
    urllib3.request(
        "POST",
        f"{form['url']}?versionId={writer.version}",
        fields={**form["fields"], "file": ("f", b"EVIL")},
    )
    assert writer.pinned() == PINNED


def _in_parts(writer: Tool) -> None:
    s3, there = writer.s3, writer.at("a")

    def replace() -> None:
        with naming(writer):
            upload = s3.create_multipart_upload(**there)["UploadId"]
        part = s3.upload_part(**there, UploadId=upload, PartNumber=1, Body=b"EVIL")
        named = {"Parts": [{"PartNumber": 1, "ETag": part["ETag"]}]}
        s3.complete_multipart_upload(**there, UploadId=upload, MultipartUpload=named)

    quietly(replace)


def test_no_archive_is_unpacked_over_a_version(writer: Tool) -> None:
    body = archive("a", writer.version)
    for into in ("", writer.own, writer.own[:-1], f"{writer.own}.", writer.other):
        unpack = {"snowball-auto-extract": "true", "minio-snowball-prefix": into}
        for name in ("x.tar", "a"):
            there = writer.at(name, Body=body, Metadata=unpack)
            quietly(partial(writer.s3.put_object, **there))
            assert writer.pinned() == PINNED


def test_a_key_that_ends_in_a_slash_is_refused(writer: Tool) -> None:
    for name in ("", "dir/", "dir/sub/"):
        assert refused(writer.s3.put_object, **writer.at(name, Body=b"")) == 403


def test_its_end_ends_addresses_that_it_signed(tool: Tool) -> None:
    url = tool.s3.generate_presigned_url("get_object", Params=tool.at("a"))
    assert urllib3.request("GET", url).status == 200
    tool.ready.accounts().delete(tool.credentials.key_id)
    assert urllib3.request("GET", url).status == 403
    assert refused(tool.s3.get_object, **tool.at("a")) == 403
    prefix = {"Bucket": tool.ready.data, "Prefix": tool.own}
    assert refused(tool.s3.list_objects_v2, **prefix) == 403

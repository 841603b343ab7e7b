"""Store accounts and set-up, on both real stores."""

import base64
import traceback
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import httpx
import pytest
from awscrt import checksums
from botocore.exceptions import ClientError

from hutch.contract.problems import StoreError, StoreUnavailableError
from hutch_api.adapters.accounts import open_accounts
from hutch_api.adapters.accounts.minio_body import encrypt
from hutch_api.adapters.provisioning import (
    random_credentials,
)
from hutch_api.domain.accounts import Access
from hutch_api.ports.accounts import AccountsApi, StoreAccounts
from hutch_api.ports.objects import Credentials
from tests.adapters.ready import Ready, set_up
from tests.client.hostile import Said, saying
from tests.relay import Answer, Relay, Request, running
from tests.servers import StoreServer

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client


@pytest.fixture(scope="session")
def ready_stores() -> dict[str, Ready]:
    return {}


@pytest.fixture
def ready(store_server: StoreServer, ready_stores: dict[str, Ready]) -> Ready:
    if store_server.kind not in ready_stores:
        ready_stores[store_server.kind] = set_up(store_server)
    return ready_stores[store_server.kind]


@pytest.fixture
def accounts(ready: Ready) -> StoreAccounts:
    return ready.accounts()


@pytest.fixture
def prefix() -> str:
    return f"d/{uuid4()}/"


def make(accounts: StoreAccounts, credentials: Credentials, prefix: str) -> None:
    accounts.create(
        credentials,
        access=Access.PUT,
        prefix=prefix,
        expires_at=datetime.now(UTC) + timedelta(hours=24),
    )


@pytest.fixture
def account(accounts: StoreAccounts, prefix: str) -> Iterator[Credentials]:
    """Make a put account of one dataset."""
    credentials = random_credentials()
    make(accounts, credentials, prefix)
    yield credentials
    accounts.delete(credentials.key_id)


def refusal(call: Any, **arguments: Any) -> int:
    """Call and expect to be refused; give the status."""
    with pytest.raises(ClientError) as caught:
        call(**arguments)
    return int(caught.value.response["ResponseMetadata"]["HTTPStatusCode"])


def crc64nvme(data: bytes) -> str:
    return base64.b64encode(checksums.crc64nvme(data).to_bytes(8, "big")).decode()


def signed_put(client: "S3Client", bucket: str, key: str, data: bytes) -> httpx.Request:
    """Sign a PUT as the server does."""
    crc = crc64nvme(data)
    url = client.generate_presigned_url(
        "put_object",
        Params={
            "Bucket": bucket,
            "Key": key,
            "ContentLength": len(data),
            "ChecksumCRC64NVME": crc,
            "IfNoneMatch": "*",
        },
        ExpiresIn=3600,
    )
    headers = {"x-amz-checksum-crc64nvme": crc, "if-none-match": "*"}
    return httpx.Request("PUT", url, content=data, headers=headers)


def signed_part(
    client: "S3Client", bucket: str, key: str, upload: str, data: bytes
) -> httpx.Request:
    crc = crc64nvme(data)
    url = client.generate_presigned_url(
        "upload_part",
        Params={
            "Bucket": bucket,
            "Key": key,
            "UploadId": upload,
            "PartNumber": 1,
            "ContentLength": len(data),
            "ChecksumCRC64NVME": crc,
        },
        ExpiresIn=3600,
    )
    headers = {"x-amz-checksum-crc64nvme": crc}
    return httpx.Request("PUT", url, content=data, headers=headers)


def send(request: httpx.Request) -> int:
    with httpx.Client() as client:
        return client.send(request).status_code


def new_upload(ready: Ready, key: str) -> str:
    answer = ready.client(ready.server).create_multipart_upload(
        Bucket=ready.data,
        Key=key,
        ChecksumAlgorithm="CRC64NVME",
        ChecksumType="FULL_OBJECT",
    )
    return answer["UploadId"]


def test_an_account_puts_a_file_under_its_prefix(
    ready: Ready, account: Credentials, prefix: str
) -> None:
    request = signed_put(ready.client(account), ready.data, prefix + "a b.dat", b"x")
    assert send(request) == 200


def test_an_account_sends_a_part_of_an_upload_that_the_server_opened(
    ready: Ready, account: Credentials, prefix: str
) -> None:
    upload = new_upload(ready, prefix + "large")
    client = ready.client(account)
    request = signed_part(client, ready.data, prefix + "large", upload, b"x")
    assert send(request) == 200


def test_an_account_reaches_no_other_prefix(ready: Ready, account: Credentials) -> None:
    client, other = ready.client(account), f"d/{uuid4()}/"
    assert send(signed_put(client, ready.data, other + "f", b"x")) == 403
    upload = new_upload(ready, other + "large")
    part = signed_part(client, ready.data, other + "large", upload, b"x")
    assert send(part) == 403


def test_an_account_reaches_no_other_bucket(
    ready: Ready, account: Credentials, prefix: str
) -> None:
    meta = ready.place.buckets.meta
    assert send(signed_put(ready.client(account), meta, prefix + "f", b"x")) == 403


def test_an_account_can_do_nothing_but_put(
    ready: Ready, account: Credentials, prefix: str
) -> None:
    client = ready.client(account)
    there = {"Bucket": ready.data, "Key": prefix + "f"}
    assert send(signed_put(client, ready.data, prefix + "f", b"x")) == 200
    assert refusal(client.get_object, **there) == 403
    assert refusal(client.head_object, **there) == 403
    assert refusal(client.delete_object, **there) == 403
    assert refusal(client.list_objects_v2, Bucket=ready.data, Prefix=prefix) == 403
    assert refusal(client.list_object_versions, Bucket=ready.data) == 403
    tags = {"TagSet": [{"Key": "a", "Value": "b"}]}
    assert refusal(client.put_object_tagging, **there, Tagging=tags) == 403
    until = datetime.now(UTC) + timedelta(days=1)
    lock = {"Mode": "GOVERNANCE", "RetainUntilDate": until}
    assert refusal(client.put_object_retention, **there, Retention=lock) == 403
    locked = {"ObjectLockMode": "GOVERNANCE", "ObjectLockRetainUntilDate": until}
    body = {"Body": b"x", "ChecksumAlgorithm": "CRC32"}
    assert refusal(client.put_object, **there, **body, **locked) == 403
    source = {"Bucket": ready.data, "Key": prefix + "f"}
    copy = {"Bucket": ready.data, "Key": prefix + "g", "CopySource": source}
    assert refusal(client.copy_object, **copy) == 403


def test_deleting_an_account_kills_its_unused_urls_at_once(
    ready: Ready, accounts: StoreAccounts, prefix: str
) -> None:
    credentials = random_credentials()
    make(accounts, credentials, prefix)
    client = ready.client(credentials)
    upload = new_upload(ready, prefix + "large")
    put = signed_put(client, ready.data, prefix + "f", b"x")
    part = signed_part(client, ready.data, prefix + "large", upload, b"x")
    accounts.delete(credentials.key_id)
    assert [send(put), send(part)] == [403, 403]


def test_an_account_may_be_deleted_twice(accounts: StoreAccounts, prefix: str) -> None:
    credentials = random_credentials()
    make(accounts, credentials, prefix)
    accounts.delete(credentials.key_id)
    accounts.delete(credentials.key_id)
    assert credentials.key_id not in set(accounts.key_ids())


class Starting(Relay):
    """A MinIO that does not find accounts yet when it is asked for the first time."""

    asked = 0

    def treat(self, request: Request) -> Answer | None:
        if not request.path.endswith("/delete-service-account"):
            return self.ask(request)
        self.asked += 1
        not_found = Answer(404, body=b'{"Code": "XMinioInvalidIAMCredentials"}')
        return not_found if self.asked == 1 else self.ask(request)


@pytest.mark.parametrize("store_server", ["minio"], indirect=True)
def test_an_account_is_deleted_from_a_minio_that_has_just_started(
    ready: Ready, account: Credentials, accounts: StoreAccounts
) -> None:
    with running(Starting(ready.place.endpoint)) as starting:
        ready.accounts(endpoint=starting.url).delete(account.key_id)
        assert starting.asked == 2
    assert account.key_id not in accounts.key_ids()


def test_a_key_in_use_is_refused_and_nothing_secret_is_told(
    accounts: StoreAccounts, account: Credentials, prefix: str, ready: Ready
) -> None:
    with pytest.raises(StoreError) as caught:
        make(accounts, account, prefix)
    told = f"{caught.value} {caught.value.facts} {caught.value.__cause__}"
    secrets = {account.key_id, account.secret, ready.place.endpoint}
    assert [secret for secret in secrets if secret in told] == []
    trace = "".join(traceback.format_exception(caught.value))
    assert [secret for secret in secrets if secret in trace] == []


def test_a_put_account_cannot_make_accounts(
    ready: Ready, account: Credentials, prefix: str
) -> None:
    with pytest.raises(StoreError):
        make(ready.accounts(server=account), random_credentials(), prefix)


def test_the_reader_cannot_make_accounts(ready: Ready, prefix: str) -> None:
    """On MinIO every user may make some, but none that can do more than itself."""
    own = ready.accounts(server=ready.reader)
    credentials = random_credentials()
    try:
        make(own, credentials, prefix)
    except StoreError:
        return
    client = ready.client(credentials)
    assert send(signed_put(client, ready.data, prefix + "f", b"x")) == 403
    own.delete(credentials.key_id)


def test_only_accounts_of_this_instance_are_listed(
    ready: Ready, accounts: StoreAccounts, account: Credentials, prefix: str
) -> None:
    others = ready.accounts(instance=uuid4())
    foreign = random_credentials()
    make(others, foreign, prefix)
    assert account.key_id in set(accounts.key_ids())
    assert foreign.key_id not in set(accounts.key_ids())
    assert list(others.key_ids()) == [foreign.key_id]
    others.delete(foreign.key_id)


@pytest.mark.parametrize("prefix", ["", "d/", "d/*/", "d/a", "d/a?/"])
def test_a_prefix_that_reaches_further_is_not_accepted(
    accounts: StoreAccounts, prefix: str
) -> None:
    with pytest.raises(ValueError, match="one directory"):
        make(accounts, random_credentials(), prefix)


@pytest.mark.parametrize("api", list(AccountsApi))
def test_a_store_that_is_gone_is_unavailable(api: AccountsApi, prefix: str) -> None:
    accounts = open_accounts(
        api,
        endpoint="http://127.0.0.1:9",
        server=random_credentials(),
        instance=uuid4(),
        bucket="data",
    )
    with pytest.raises(StoreUnavailableError) as caught:
        make(accounts, random_credentials(), prefix)
    assert "127.0.0.1" not in f"{caught.value} {caught.value.facts}"
    with pytest.raises(StoreUnavailableError):
        accounts.delete("A" * 20)
    with pytest.raises(StoreUnavailableError):
        list(accounts.key_ids())


@pytest.mark.parametrize("api", list(AccountsApi))
def test_no_secret_of_an_account_goes_through_a_proxy(
    api: AccountsApi, prefix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with saying(lambda _asked: Said(503)) as proxy:
        for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
            monkeypatch.setenv(name, proxy.url)
        monkeypatch.delenv("NO_PROXY", raising=False)
        monkeypatch.delenv("no_proxy", raising=False)
        accounts = open_accounts(
            api,
            endpoint="http://127.0.0.1:9",
            server=random_credentials(),
            instance=uuid4(),
            bucket="data",
        )
        with pytest.raises(StoreUnavailableError):
            make(accounts, random_credentials(), prefix)
        assert proxy.asked == []


def test_a_body_that_needs_two_packages_is_not_cut() -> None:
    with pytest.raises(ValueError, match="do not fit"):
        encrypt(b"x" * (16 * 1024 + 1), "secret")

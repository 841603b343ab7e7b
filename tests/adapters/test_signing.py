"""Our signatures are botocore's."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qsl, urlsplit
from uuid import UUID

import boto3
import pytest
from botocore.config import Config

from hutch.contract.wire.transfer import SignedRequest
from hutch_api.adapters.s3 import Buckets, S3Store, create_s3_store
from hutch_api.adapters.s3.signing import Signer
from hutch_api.ports.objects import Credentials

ACCOUNT = Credentials(
    "PUTPUTPUTPUTPUTPUT00", "secret-of-the-put-account-0123456789abcd"
)
READER = Credentials("READREADREADREADRE00", "secret-of-the-reader-0123456789abcdefghi")
SERVER = Credentials("SERVERSERVERSERVER00", "secret-of-the-server-0123456789abcdefghi")
INTENT = UUID("0d9e1f3a-52b7-4c8e-9a41-1f6b7c2d3e4f")
CRC = "M3eFcAZSQlc="
UPLOAD = "YWY0/+=_odd-id.2~"
KEYS = [
    "d/x/plain.h5",
    "d/x/with blank/and  two",
    "d/x/Käse/größe µ.txt",
    "d/x/日本語/データ.h5",
    "d/x/+&=?#%~'()*!@$,;:[]{}|^`\"<>",
    "d/x/100%25/%2F.txt",
    "d/x/~tilde/-dash_under.dot",
    "d/x/" + "s" * 255,
]
URLS = [
    "http://127.0.0.1:9000",
    "http://store.example.org",
    "https://store.example.org",
    "https://store.example.org:8443",
    "https://store.example.org:443",
]


class Follower:
    """A clock that shows the moment at which a URL was signed."""

    moment = datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.moment

    def follow(self, url: str) -> None:
        signed_at = dict(parse_qsl(urlsplit(url).query))["X-Amz-Date"]
        self.moment = datetime.strptime(f"{signed_at}+0000", "%Y%m%dT%H%M%SZ%z")


@pytest.fixture(scope="module", params=URLS)
def url(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def clock() -> Follower:
    return Follower()


@pytest.fixture(scope="module")
def store(url: str, clock: Follower) -> Iterator[S3Store]:
    store = create_s3_store(
        internal_url="http://127.0.0.1:1",
        public_url=url,
        buckets=Buckets(),
        server=SERVER,
        reader=READER,
        region="eu-central-1",
        clock=clock,
    )
    yield store
    store.close()


@pytest.fixture(scope="module")
def reference(url: str, clock: Follower) -> Callable[..., str]:
    """Have botocore sign; it takes no clock, so that ours has to follow it."""
    clients = {
        who: boto3.client(
            "s3",
            endpoint_url=url.removesuffix(":443"),  # botocore would sign the port
            region_name="eu-central-1",
            aws_access_key_id=who.key_id,
            aws_secret_access_key=who.secret,
            config=Config(
                signature_version="s3v4",
                s3={"addressing_style": "path"},
                request_checksum_calculation="when_required",
            ),
        )
        for who in (ACCOUNT, READER)
    }

    def sign(who: Credentials, method: str, seconds: int, **params: Any) -> str:
        made = clients[who].generate_presigned_url(
            method, Params={"Bucket": "hutch-data", **params}, ExpiresIn=seconds
        )
        clock.follow(made)
        return made

    return sign


def parsed(url: str) -> tuple[str, list[tuple[str, str]]]:
    """Take a URL apart: the order of its parameters means nothing."""
    parts = urlsplit(url)
    query = parse_qsl(parts.query, keep_blank_values=True, strict_parsing=True)
    return f"{parts.scheme}://{parts.netloc}{parts.path}", sorted(query)


def same(ours: SignedRequest, theirs: str) -> bool:
    return parsed(ours.url) == parsed(theirs)


@pytest.mark.parametrize("key", KEYS)
def test_a_put_is_signed_like_botocore_does(
    store: S3Store, reference: Callable[..., str], key: str
) -> None:
    theirs = reference(
        ACCOUNT,
        "put_object",
        3_600,
        Key=key,
        ContentLength=5,
        IfNoneMatch="*",
        ChecksumCRC64NVME=CRC,
        Metadata={"hutch-intent": str(INTENT)},
    )
    ours = store.sign_put(key, size=5, crc64nvme=CRC, intent=INTENT, account=ACCOUNT)
    assert same(ours, theirs)


@pytest.mark.parametrize("key", KEYS)
def test_a_part_is_signed_like_botocore_does(
    store: S3Store, reference: Callable[..., str], key: str
) -> None:
    theirs = reference(
        ACCOUNT,
        "upload_part",
        3_600,
        Key=key,
        UploadId=UPLOAD,
        PartNumber=17,
        ContentLength=5,
        ChecksumCRC64NVME=CRC,
    )
    ours = store.sign_part(
        key, upload=UPLOAD, number=17, size=5, crc64nvme=CRC, account=ACCOUNT
    )
    assert same(ours, theirs)


@pytest.mark.parametrize("key", KEYS)
def test_a_get_is_signed_like_botocore_does(
    store: S3Store, reference: Callable[..., str], key: str
) -> None:
    theirs = reference(READER, "get_object", 600, Key=key, VersionId="171b66e0")
    ours = store.sign_get(key, "171b66e0")
    assert same(ours, theirs)


def test_each_endpoint_has_its_own_host_in_the_signature() -> None:
    store = create_s3_store(
        internal_url="http://minio:9000",
        public_url="https://data.example.org",
        executor_url="http://10.0.0.7:9000",
        buckets=Buckets(),
        server=SERVER,
        reader=READER,
    )
    assert store.sign_get("d/x", "v").url.startswith("https://data.example.org/")
    executor = store.for_executor().sign_get("d/x", "v")
    assert executor.url.startswith("http://10.0.0.7:9000/")


def test_the_servers_key_id_is_in_no_url() -> None:
    store = create_s3_store(
        internal_url="http://minio:9000",
        public_url="https://data.example.org",
        buckets=Buckets(),
        server=SERVER,
        reader=READER,
    )
    url = store.sign_get("d/x", "v").url
    assert SERVER.key_id not in url
    signer = Signer("http://minio:9000", region="r", clock=Follower())
    address, headers = signer.authorize("GET", "hutch-data", credentials=SERVER)
    assert SERVER.key_id not in address
    assert SERVER.key_id in headers["authorization"]


@pytest.mark.parametrize(
    "url", ["ftp://x", "data.example.org", "https://x/s3", "https://x?a=b", "http://"]
)
def test_a_url_that_no_store_can_have_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match="store"):
        Signer(url, region="r", clock=Follower())

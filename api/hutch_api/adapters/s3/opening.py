"""Opening an S3 store by its addresses and identities."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Final

from hutch_api.adapters.policies import Buckets
from hutch_api.adapters.s3.client import READ_TIMEOUT_S, make_client
from hutch_api.adapters.s3.objects import S3Store
from hutch_api.adapters.s3.requests import Requests
from hutch_api.adapters.s3.signing import Signer
from hutch_api.ports.objects import Credentials, Place

_READ_ATTEMPTS: Final = 3


def utc_now() -> datetime:
    """Give the time."""
    return datetime.now(UTC)


def create_s3_store(
    *,
    internal_url: str,
    public_url: str,
    buckets: Buckets,
    server: Credentials,
    reader: Credentials,
    executor_url: str | None = None,
    region: str = "us-east-1",
    clock: Callable[[], datetime] = utc_now,
) -> S3Store:
    """Open the object store.

    Args:
        internal_url: Where this server reaches it.
        public_url: Where clients reach it; their URLs are signed for this host.
        buckets: Names of the buckets, which exist.
        server: The server's own identity.
        reader: The identity that may only read; its key id is in every read URL.
        executor_url: Where containers reach it; None means as clients do.
        region: Region name that the store expects.
        clock: Time for signatures; it must agree with the store's.

    Raises:
        ValueError: If a URL is not that of a store.
    """
    return S3Store(
        place=Place(public_url.rstrip("/"), region, buckets.data),
        buckets=buckets,
        once=make_client(internal_url, region=region, credentials=server),
        again=make_client(
            internal_url,
            region=region,
            credentials=server,
            read_timeout=3 * READ_TIMEOUT_S,
            attempts=_READ_ATTEMPTS,
        ),
        requests=Requests(Signer(internal_url, region=region, clock=utc_now), server),
        signer=Signer(public_url, region=region, clock=clock),
        executor_signer=Signer(executor_url or public_url, region=region, clock=clock),
        reader=reader,
    )

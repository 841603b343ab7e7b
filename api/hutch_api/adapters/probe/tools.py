"""Checks that the account of an S3 tool reaches one dataset, and changes no version."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from botocore.exceptions import ClientError

from hutch_api.adapters.accounts.iam_api import status_of
from hutch_api.adapters.probe.bench import FORBIDDEN, Bench
from hutch_api.adapters.probe.checks import Check, first
from hutch_api.adapters.probe.containment import archive
from hutch_api.adapters.provisioning import random_credentials
from hutch_api.adapters.stores import open_s3
from hutch_api.domain.accounts import Access

_REMEDY: Final = (
    "use a release of MinIO or SeaweedFS that docs/explanation/store.md names; until "
    "then give nobody an account for tools"
)


@contextmanager
def _tool(bench: Bench) -> Iterator[Any]:
    """Make an account that writes inside, and a client that uses it."""
    account, place = random_credentials(), bench.target.place
    bench.make_account(account, access=Access.WRITE)
    client = open_s3(place.endpoint, account, region=place.region)
    try:
        yield client
    finally:
        client.close()
        bench.accounts.delete(account.key_id)


def _refused(what: str, call: Callable[..., Any], **arguments: Any) -> str | None:
    """Expect that the store forbids something."""
    try:
        call(**arguments)
    except ClientError as refusal:
        if status_of(refusal) == FORBIDDEN:
            return None
        return f"{what} was answered with HTTP {status_of(refusal)}"
    return f"a tool's account {what}"


def _border(bench: Bench) -> str | None:
    bucket, secret = bench.buckets.data, bench.new_key(outside=True)
    bench.write(secret, b"secret")
    mine, source = bench.new_key(), {"Bucket": bucket, "Key": secret}
    with _tool(bench) as s3:
        s3.put_object(Bucket=bucket, Key=mine, Body=b"x")
        listed = s3.list_objects_v2(Bucket=bucket, Prefix=bench.inside)
        if mine not in {row["Key"] for row in listed.get("Contents", ())}:
            return "a tool's account does not list what it wrote"
        return first(
            _refused("read elsewhere", s3.get_object, **source),
            _refused("wrote elsewhere", s3.put_object, **source, Body=b"x"),
            _refused("deleted elsewhere", s3.delete_object, **source),
            _refused(
                "copied from elsewhere",
                s3.copy_object,
                Bucket=bucket,
                Key=mine,
                CopySource=source,
            ),
            _refused(
                "listed elsewhere",
                s3.list_objects_v2,
                Bucket=bucket,
                Prefix=bench.outside,
            ),
            _refused("listed the bucket", s3.list_objects_v2, Bucket=bucket),
        )


def _in_place(bench: Bench) -> str | None:
    bucket, key = bench.buckets.data, bench.new_key()
    version = bench.write(key, b"pinned")
    there = {"Bucket": bucket, "Key": key}

    def name_version(request: Any, **_: Any) -> None:
        request.url += f"?versionId={version}"

    with _tool(bench) as s3:
        deleted = _refused(
            "deleted a version", s3.delete_object, **there, VersionId=version
        )
        for into in ("", bench.inside):
            unpack = {"snowball-auto-extract": "true", "minio-snowball-prefix": into}
            body = archive([key.removeprefix(bench.inside)], version=version)
            _try(s3.put_object, **there, Body=body, Metadata=unpack)
        s3.meta.events.register("before-sign.s3.PutObject", name_version)
        _try(s3.put_object, **there, Body=b"other")
    if bench.read(key, version) != b"pinned":
        return "a tool's account changed a version in its place"
    return deleted


def _try(call: Callable[..., Any], **arguments: Any) -> None:
    """Do something that may be refused; what came of it is looked at."""
    try:
        call(**arguments)
    except ClientError:
        return


def _retention(bench: Bench) -> str | None:
    there = {"Bucket": bench.buckets.data, "Key": bench.new_key()}
    until = datetime.now(UTC) + timedelta(minutes=5)
    lock = {"Mode": "GOVERNANCE", "RetainUntilDate": until}
    with _tool(bench) as s3:
        s3.put_object(**there, Body=b"x")
        return _refused(
            "locked what it wrote", s3.put_object_retention, **there, Retention=lock
        )


CHECKS: Final = (
    Check(
        name="tool-prefix",
        means="a tool's account reads, writes and lists one dataset only",
        remedy=_REMEDY,
        run=_border,
    ),
    Check(
        name="tool-versions",
        means="a tool's account changes and deletes no version that is there",
        remedy=_REMEDY,
        run=_in_place,
    ),
    Check(
        name="tool-retention",
        means="a tool's account cannot lock what it writes",
        remedy=_REMEDY,
        run=_retention,
    ),
)

"""Checks that a put account stays inside its prefix, and ends when it is told to."""

import io
import tarfile
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from urllib.parse import quote

from hutch.contract.problems import StoreError
from hutch_api.adapters.accounts import open_accounts
from hutch_api.adapters.probe.bench import FORBIDDEN, Answer, Bench
from hutch_api.adapters.probe.checks import Check, done, first, refused
from hutch_api.adapters.probe.crc import checksum
from hutch_api.adapters.provisioning import random_credentials
from hutch_api.domain.accounts import Access

_GUESSABLE: Final = (
    "minioadmin",
    "minio",
    "admin",
    "root",
    "hutch",
    "hutch-server",
    "any",
    "",
)
"""Key ids that somebody would try; where one works, knowing it was all it took."""
_TRAILER: Final = "STREAMING-UNSIGNED-PAYLOAD-TRAILER"
_EXTRACT: Final = (
    {"x-minio-extract": "true"},
    {"x-amz-meta-snowball-auto-extract": "true"},
)
"""Headers that tell MinIO to unpack what is sent."""
_OUTSIDE: Final = (
    "use a release of MinIO or SeaweedFS that docs/explanation/store.md names: on "
    "this store whoever may push to one dataset can change others"
)
_IN_PLACE: Final = (
    "use a release of MinIO or SeaweedFS that docs/explanation/store.md names: on "
    "this store a request that began before a close can change a closed file"
)


def _copy_source(bench: Bench) -> str | None:
    secret = bench.new_key(outside=True)
    bench.write(secret, b"secret")
    source = {"x-amz-copy-source": f"/{bench.buckets.data}/{secret}"}
    key = bench.new_key()
    bench.send(bench.sign_put(key, b""), b"", add=source)
    if bench.read(key) == b"secret":
        return "a PUT with an added x-amz-copy-source copied from another prefix"
    upload = bench.create_upload(key)
    answer = bench.send(bench.sign_part(key, upload, b""), b"", add=source)
    if b"CopyPartResult" in answer.body and answer.ok:
        return "a part with an added x-amz-copy-source copied from another prefix"
    if bench.read(secret) != b"secret":
        return "an object outside the prefix was changed"
    return None


def _unsigned_trailer(bench: Bench) -> str | None:
    victim = bench.new_key(outside=True)
    bench.write(victim, b"untouched")
    ids = {
        "the put account's key id": bench.account.key_id,
        "the reader's key id": bench.target.reader.key_id,
        **{f"the key id '{guess}'": guess for guess in _GUESSABLE},
    }
    for words, key_id in ids.items():
        for by_query in (True, False):
            new = bench.new_key(outside=True)
            answers = [
                _send_unsigned(bench, key, key_id, by_query=by_query)
                for key in (victim, new)
            ]
            if any(answer.ok for answer in answers) or bench.read(new) is not None:
                return f"{words} was enough to write outside its prefix, unsigned"
    if bench.read(victim) != b"untouched":
        return "an object outside the prefix was changed by an unsigned request"
    return None


def _unsigned_part(bench: Bench) -> str | None:
    key = bench.new_key(outside=True)
    upload = bench.create_upload(key)
    query = f"&partNumber=1&uploadId={quote(upload, safe='')}"
    ids = (bench.account.key_id, bench.target.reader.key_id, *_GUESSABLE)
    for key_id in ids:
        if _send_unsigned(bench, key, key_id, by_query=True, query=query).ok:
            return "a part was taken outside the prefix, unsigned"
    return None


def _unsigned_version(bench: Bench) -> str | None:
    key = bench.new_key()
    version = bench.write(key, b"pinned")
    _send_unsigned(
        bench,
        key,
        bench.account.key_id,
        by_query=True,
        query=f"&versionId={quote(version, safe='')}",
    )
    if bench.read(key, version) != b"pinned":
        return "the put account's key id was enough to change a version in its place"
    packed = archive([key.removeprefix(bench.inside)], version=version)
    into = {"x-amz-meta-minio-snowball-prefix": bench.inside}
    for unpack in _EXTRACT:
        signed = bench.sign_put(f"{bench.new_key()}.tar", packed)
        bench.send(signed, packed, add={**unpack, **into})
    if bench.read(key, version) != b"pinned":
        return "an archive that was sent changed a version in its place"
    return None


def _send_unsigned(
    bench: Bench, key: str, key_id: str, *, by_query: bool, query: str = ""
) -> Answer:
    """Write with a key id and no signature, as a stream with a trailer."""
    data = b"unsigned"
    moment = f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}"
    region = bench.target.place.region
    scope = f"{key_id}/{moment[:8]}/{region}/s3/aws4_request"
    headers = {
        "x-amz-content-sha256": _TRAILER,
        "x-amz-decoded-content-length": str(len(data)),
        "x-amz-trailer": "x-amz-checksum-crc64nvme",
        "content-encoding": "aws-chunked",
    }
    url = f"{bench.target.place.endpoint}/{bench.buckets.data}/{key}"
    if by_query:
        url += (
            "?X-Amz-Algorithm=AWS4-HMAC-SHA256"
            f"&X-Amz-Credential={quote(scope, safe='')}"
            f"&X-Amz-Date={moment}&X-Amz-Expires=3600&X-Amz-SignedHeaders=host"
            f"&X-Amz-Signature={'0' * 64}{query}"
        )
    else:
        headers["x-amz-date"] = moment
        headers["authorization"] = (
            f"AWS4-HMAC-SHA256 Credential={scope}, "
            f"SignedHeaders=host;x-amz-date, Signature={'0' * 64}"
        )
    body = (
        f"{len(data):x}\r\n{data.decode()}\r\n0\r\n"
        f"x-amz-checksum-crc64nvme:{checksum(data)}\r\n\r\n"
    )
    return bench.request("PUT", url, body.encode(), headers)


def _archives(bench: Bench) -> str | None:
    bench.write(bench.outside + "marker", b"x")
    before = bench.listed(bench.outside)
    packed = archive(["inside", "../../out/up", f"/{bench.outside}absolute"])
    targets: tuple[dict[str, str], ...] = (
        {},
        {"x-amz-meta-minio-snowball-prefix": bench.outside},
        {"x-amz-meta-snowball-prefix": bench.outside},
    )
    for unpack in _EXTRACT:
        for target in targets:
            signed = bench.sign_put(f"{bench.new_key()}.tar", packed)
            bench.send(signed, packed, add={**unpack, **target})
    if bench.listed(bench.outside) != before:
        return "an archive that was sent was unpacked into another prefix"
    return None


def archive(names: list[str], *, version: str | None = None) -> bytes:
    """Pack members of one byte, each for a version if one is named (MinIO's way)."""
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w", format=tarfile.PAX_FORMAT) as packed:
        for name in names:
            member = tarfile.TarInfo(name)
            member.size = 1
            if version is not None:
                member.pax_headers = {"minio.versionId": version}
            packed.addfile(member, io.BytesIO(b"x"))
    return content.getvalue()


def _retention(bench: Bench) -> str | None:
    until = f"{datetime.now(UTC) + timedelta(minutes=5):%Y-%m-%dT%H:%M:%SZ}"
    attempts: tuple[dict[str, str], ...] = (
        {
            "x-amz-object-lock-mode": "GOVERNANCE",
            "x-amz-object-lock-retain-until-date": until,
        },
        {"x-amz-object-lock-legal-hold": "ON"},
    )
    for added in attempts:
        key = bench.new_key()
        bench.send(bench.sign_put(key, b"x"), b"x", add=added)
        for locked, version in bench.listed(key):
            seen: Any = bench.server.head_object(
                Bucket=bench.buckets.data, Key=locked, VersionId=version
            )
            if seen.get("ObjectLockMode") or seen.get("ObjectLockLegalHoldStatus"):
                return "a put account locked what it wrote; nobody could delete it"
    return None


def _revocation(bench: Bench) -> str | None:
    account = random_credentials()
    bench.make_account(account)
    used, unused = bench.new_key(), bench.new_key()
    put = bench.sign_put(unused, b"x", by=account)
    before = bench.send(bench.sign_put(used, b"x", by=account), b"x")
    bench.accounts.delete(account.key_id)
    return first(
        done(before, "a PUT by a new account"),
        refused(bench.send(put, b"x"), "a PUT by a deleted account"),
        refused(
            _send_unsigned(bench, unused, account.key_id, by_query=True),
            "an unsigned PUT by a deleted account",
        ),
        None if bench.read(unused) is None else "a deleted account wrote something",
    )


def _no_accounts(bench: Bench) -> str | None:
    child = random_credentials()
    place = bench.target.place
    own = open_accounts(
        bench.target.api,
        endpoint=place.endpoint,
        server=bench.account,
        instance=place.instance,
        bucket=bench.buckets.data,
        region=place.region,
    )
    try:
        own.create(
            child,
            access=Access.PUT,
            prefix=bench.inside,
            expires_at=datetime.now(UTC) + timedelta(minutes=30),
        )
    except StoreError:
        return None
    own.delete(child.key_id)
    return "a put account made another account, which would outlive it"


def _elsewhere(bench: Bench) -> str | None:
    key = bench.new_key(outside=True)
    answer = bench.send(bench.sign_put(key, b"x"), b"x")
    if answer.status == FORBIDDEN and bench.read(key) is None:
        return None
    return f"a PUT outside its prefix was answered with HTTP {answer.status}"


CHECKS: Final = (
    Check(
        name="account-prefix",
        means="a put account writes below its own prefix only",
        remedy=_OUTSIDE,
        run=_elsewhere,
    ),
    Check(
        name="copy-source",
        means="an added x-amz-copy-source reads nothing",
        remedy=_OUTSIDE,
        run=_copy_source,
    ),
    Check(
        name="unsigned-trailer",
        means="a key id without its secret writes nothing outside its prefix",
        remedy=f"{_OUTSIDE}; where a guessable key id was enough, change that id",
        run=_unsigned_trailer,
    ),
    Check(
        name="unsigned-part",
        means="a key id without its secret sends no part outside its prefix",
        remedy=f"{_OUTSIDE}; where a guessable key id was enough, change that id",
        run=_unsigned_part,
    ),
    Check(
        name="unsigned-version",
        means="nobody who may write replaces a version that is there",
        remedy=_IN_PLACE,
        run=_unsigned_version,
    ),
    Check(
        name="archives",
        means="an archive is not unpacked outside the prefix",
        remedy=_OUTSIDE,
        run=_archives,
    ),
    Check(
        name="account-retention",
        means="a put account cannot lock what it writes",
        remedy="take s3:PutObjectRetention and s3:PutObjectLegalHold from policies "
        "that reach the server's identity",
        run=_retention,
    ),
    Check(
        name="account-revocation",
        means="the URLs of a deleted account are dead at once",
        remedy=_OUTSIDE,
        run=_revocation,
    ),
    Check(
        name="account-offspring",
        means="a put account makes no accounts",
        remedy=_OUTSIDE,
        run=_no_accounts,
    ),
)

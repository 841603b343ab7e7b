"""Checks of uploads in parts and of versions."""

from typing import Any, Final

from botocore.exceptions import ClientError

from hutch_api.adapters.accounts.iam_api import code_of
from hutch_api.adapters.probe.bench import Bench
from hutch_api.adapters.probe.checks import Check, done, first, refused
from hutch_api.adapters.probe.crc import (
    FIRST_CHECKSUM,
    FIRST_PART,
    LAST_PART,
    WHOLE_CHECKSUM,
    checksum,
)
from hutch_api.adapters.probe.report import Need

_OTHER_STORE: Final = (
    "use a release of MinIO or SeaweedFS that docs/explanation/store.md names"
)
_GONE: Final = 404


def _invisible(bench: Bench) -> str | None:
    key = bench.new_key()
    upload = bench.create_upload(key)
    sent = bench.send(bench.sign_part(key, upload, b"x"), b"x")
    hidden = bench.read(key) is None and not bench.listed(key)
    return first(
        done(sent, "a part"), None if hidden else "a part is seen before Complete"
    )


def _fenced(bench: Bench) -> str | None:
    key = bench.new_key()
    upload = bench.create_upload(key)
    bench.abort(key, upload)
    late = bench.send(bench.sign_part(key, upload, b"x"), b"x")
    completed = bench.create_upload(key)
    part = bench.sign_part(key, completed, b"x")
    sent = bench.send(part, b"x")
    _complete(bench, key, completed, [(sent.headers.get("etag", ""), checksum(b"x"))])
    return first(
        refused(late, "a part after Abort", status=_GONE),
        done(sent, "a part"),
        refused(bench.send(part, b"x"), "a part after Complete", status=_GONE),
    )


def _full_checksum(bench: Bench) -> str | None:
    key = bench.new_key()
    upload = bench.create_upload(key)
    parts = []
    for number, (data, crc) in enumerate(
        [(FIRST_PART, FIRST_CHECKSUM), (LAST_PART, checksum(LAST_PART))], start=1
    ):
        signed = bench.sign_part(key, upload, data, number=number, crc=crc)
        answer = bench.send(signed, data)
        if not answer.ok:
            return f"part {number} was answered with HTTP {answer.status}"
        parts.append((answer.headers.get("etag", ""), crc))
    try:
        _complete(bench, key, upload, parts, whole=checksum(b"something else"))
    except ClientError:
        pass
    else:
        return "an upload with the wrong checksum was completed"
    _complete(bench, key, upload, parts, whole=WHOLE_CHECKSUM)
    seen = _head(bench, key)
    if seen.get("ChecksumCRC64NVME") != WHOLE_CHECKSUM:
        return "the object does not carry the checksum of the whole"
    if seen.get("Metadata", {}).get("hutch-intent") != "probe":
        return "the object does not carry the upload's metadata"
    return None


def _single_keeps(bench: Bench) -> str | None:
    key = bench.new_key()
    answer = bench.send(bench.sign_put(key, b"x"), b"x")
    if not answer.ok:
        return f"a PUT was answered with HTTP {answer.status}"
    seen = _head(bench, key)
    if seen.get("ChecksumCRC64NVME") != checksum(b"x"):
        return "the object does not carry its checksum"
    if seen.get("Metadata", {}).get("hutch-intent") != "probe":
        return "the object does not carry its metadata"
    return None


def _versioned(bench: Bench) -> str | None:
    for bucket in (bench.buckets.data, bench.buckets.meta):
        answer: Any = bench.server.get_bucket_versioning(Bucket=bucket)
        status = answer.get("Status")
        if status != "Enabled":
            return f"versioning of the bucket {bucket} is {status or 'off'}"
    return None


def _pinned(bench: Bench) -> str | None:
    key = bench.new_key()
    old, new = bench.write(key, b"old"), bench.write(key, b"new")
    if {old, new} != {version for _, version in bench.listed(key)} or old == new:
        return "two writes did not give two versions"
    bench.server.delete_object(Bucket=bench.buckets.data, Key=key)
    for version, content in ((old, b"old"), (new, b"new")):
        answer = bench.send(bench.sign_get(key, version))
        if not answer.ok or answer.body != content:
            return f"an older version was answered with HTTP {answer.status}"
    bench.server.delete_object(Bucket=bench.buckets.data, Key=key, VersionId=new)
    left = {version for _, version in bench.listed(key)}
    if new in left or old not in left:
        return "deleting one version did not delete exactly that one"
    return None


def _no_retention(bench: Bench) -> str | None:
    for bucket in (bench.buckets.data, bench.buckets.meta):
        rule: Any = _lock(bench, bucket).get("Rule")
        if rule:
            return f"the bucket {bucket} keeps every object: {rule}"
    return None


def _object_lock(bench: Bench) -> str | None:
    state = _lock(bench, bench.buckets.data).get("ObjectLockEnabled", "off")
    return None if state == "Enabled" else f"object lock is {state}"


def _odd_keys(bench: Bench) -> str | None:
    names = (
        "xl.meta",
        "part.1",
        ".minio.sys/x",
        "x.json/xl.json",
        "d/xl.meta/part.1",
        "null",
        "a b+c&d=e?f#g%20~'()*!",
        "\u00fcml\u00e4ut/\u65e5\u672c",
        "s" * 255 + "/x",
    )
    prefix = bench.new_key() + "/"
    wanted = {f"{prefix}{name}" for name in names}
    for key in sorted(wanted):
        answer = bench.send(bench.sign_put(key, key.encode()), key.encode())
        if not answer.ok:
            name = key.removeprefix(prefix)
            return f"a file {name!r} was answered with HTTP {answer.status}"
    if (listed := {key for key, _ in bench.listed(prefix)}) != wanted:
        odd = sorted(key.removeprefix(prefix) for key in listed ^ wanted)
        return f"these files are not listed under their names: {odd}"
    unread = [key for key in wanted if bench.read(key) != key.encode()]
    return f"{len(unread)} files cannot be read" if unread else None


def _long_names(bench: Bench) -> str | None:
    key = f"{bench.new_key()}/{'n' * 255}"
    return done(bench.send(bench.sign_put(key, b"x"), b"x"), "such a PUT")


def _long_names_in_parts(bench: Bench) -> str | None:
    key = f"{bench.new_key()}/{'n' * 255}"
    upload = bench.create_upload(key)
    sent = bench.send(bench.sign_part(key, upload, b"x"), b"x")
    _complete(bench, key, upload, [(sent.headers.get("etag", ""), checksum(b"x"))])
    return None if bench.read(key) == b"x" else "such a file cannot be read"


def _part_checksums(bench: Bench) -> str | None:
    key = bench.new_key()
    upload = bench.create_upload(key)
    bench.send(bench.sign_part(key, upload, b"x"), b"x")
    where: Any = {"Bucket": bench.buckets.data, "Key": key, "UploadId": upload}
    listed: Any = bench.server.list_parts(**where).get("Parts", [])
    if [part.get("ChecksumCRC64NVME") for part in listed] == [checksum(b"x")]:
        return None
    return "parts are listed without their checksums"


def _complete(
    bench: Bench,
    key: str,
    upload: str,
    parts: list[tuple[str, str]],
    *,
    whole: str | None = None,
) -> None:
    listed: Any = [
        {"PartNumber": number, "ETag": etag, "ChecksumCRC64NVME": crc}
        for number, (etag, crc) in enumerate(parts, start=1)
    ]
    bench.server.complete_multipart_upload(
        Bucket=bench.buckets.data,
        Key=key,
        UploadId=upload,
        MultipartUpload={"Parts": listed},
        ChecksumCRC64NVME=whole or parts[0][1],
        ChecksumType="FULL_OBJECT",
    )


def _head(bench: Bench, key: str) -> Any:
    return bench.server.head_object(
        Bucket=bench.buckets.data, Key=key, ChecksumMode="ENABLED"
    )


def _lock(bench: Bench, bucket: str) -> Any:
    try:
        answer = bench.server.get_object_lock_configuration(Bucket=bucket)
    except ClientError as refusal:
        if code_of(refusal) == "ObjectLockConfigurationNotFoundError":
            return {}
        raise
    return answer.get("ObjectLockConfiguration", {})


CHECKS: Final = (
    Check(
        name="parts-invisible",
        means="a part is not seen before the upload is complete",
        remedy=_OTHER_STORE,
        run=_invisible,
    ),
    Check(
        name="parts-fenced",
        means="a part is refused after Complete and after Abort",
        remedy=_OTHER_STORE,
        run=_fenced,
    ),
    Check(
        name="full-checksum",
        means="Complete compares the parts with the CRC64NVME of the whole",
        remedy=_OTHER_STORE,
        run=_full_checksum,
    ),
    Check(
        name="kept-checksum",
        means="an object keeps the checksum and metadata it was sent with",
        remedy=_OTHER_STORE,
        run=_single_keeps,
    ),
    Check(
        name="versioning",
        means="both buckets are versioned",
        remedy="run: hutch-api store init",
        run=_versioned,
    ),
    Check(
        name="pinned-versions",
        means="every version is read, and deleted, by its own id",
        remedy="run: hutch-api store init",
        run=_pinned,
    ),
    Check(
        name="no-default-retention",
        means="the buckets do not keep every object for a time of their own",
        remedy="take the default retention off the bucket: superseded versions "
        "could never go",
        run=_no_retention,
    ),
    Check(
        name="odd-keys",
        means="files may have odd names",
        remedy=_OTHER_STORE,
        run=_odd_keys,
    ),
    Check(
        name="long-names",
        means="a file whose name has 255 bytes can be sent in parts",
        remedy=_OTHER_STORE,
        run=_long_names_in_parts,
    ),
    Check(
        name="long-names-at-once",
        means="a file whose name has 255 bytes can be sent by one create-only PUT",
        remedy="nothing must be done: files with names of more than 240 bytes are "
        "sent in parts",
        run=_long_names,
        need=Need.OPTIONAL,
    ),
    Check(
        name="part-checksums",
        means="parts are listed with their checksums",
        remedy="nothing must be done: a push that goes on compares sizes only",
        run=_part_checksums,
        need=Need.OPTIONAL,
    ),
    Check(
        name="object-lock",
        means="closed files could be locked in the data bucket",
        remedy="nothing must be done; locking can only be chosen when a bucket is made",
        run=_object_lock,
        need=Need.OPTIONAL,
    ),
)

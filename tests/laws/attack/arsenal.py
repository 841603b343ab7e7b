"""What somebody tries who wants the neighbour's data, or to change closed data.

Every kind of request is made from loot: the signed requests, key ids, paths and
version ids that a position has seen. None of the makers knows a secret.
"""

import base64
import io
import json
import random
import tarfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Final
from urllib.parse import parse_qs, quote, urlsplit

from hutch.contract.wire.transfer import SignedRequest
from tests.transfer.flow import crc

GUESSABLE: Final = ("minioadmin", "hutch-server", "hutch", "admin", "root", "any", "")
TRAILER: Final = "STREAMING-UNSIGNED-PAYLOAD-TRAILER"
SIGNED_STREAMS: Final = (
    "STREAMING-AWS4-HMAC-SHA256-PAYLOAD",
    "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER",
    "UNSIGNED-PAYLOAD",
)
EVIL: Final = b"not what was pushed"
_MOMENT: Final = "%Y%m%dT%H%M%SZ"


@dataclass(frozen=True)
class Loot:
    """What a position has seen.

    Attributes:
        signed: Signed requests, with the bodies they are for.
        key_ids: Key ids that stand in them.
        target: The dataset's prefix, and the paths in it with their versions.
        neighbours: Keys of others, with their versions: as if they were known.
    """

    origin: str
    bucket: str
    meta: str
    signed: Sequence[tuple[SignedRequest, bytes]]
    key_ids: Sequence[str]
    prefix: str
    pins: Mapping[str, str]
    neighbours: Mapping[str, str]


@dataclass(frozen=True)
class Shot:
    """One request to the store, unsigned or signed for something else."""

    kind: str
    method: str
    target: str
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)


def key_id_of(request: SignedRequest) -> str:
    """Read the key id that stands in a signed URL."""
    query = parse_qs(urlsplit(request.url).query)
    return query["X-Amz-Credential"][0].partition("/")[0]


def _target(request: SignedRequest) -> str:
    parts = urlsplit(request.url)
    return f"{parts.path}?{parts.query}"


def _replay(kind: str, request: SignedRequest, body: bytes, **add: str) -> Shot:
    headers = {**request.headers, **{k.replace("_", "-"): v for k, v in add.items()}}
    return Shot(kind, request.method, _target(request), body, headers)


def same(rng: random.Random, loot: Loot) -> Shot:
    return _replay("same", *rng.choice(loot.signed))


def other_bytes(rng: random.Random, loot: Loot) -> Shot:
    request, body = rng.choice(loot.signed)
    flipped = bytes(b ^ 1 for b in body) or b"!"
    sent = rng.choice([flipped, flipped + b"!", flipped[: len(body) // 2]])
    told = {"content-length": str(len(sent)), "x-amz-checksum-crc64nvme": crc(sent)}
    kept = {} if request.method == "GET" else told
    return replace(_replay("bytes", request, sent), headers={**request.headers, **kept})


def other_method(rng: random.Random, loot: Loot) -> Shot:
    request, body = rng.choice(loot.signed)
    methods = {"GET", "PUT", "POST", "DELETE", "HEAD", "PATCH"} - {request.method}
    method = rng.choice(sorted(methods))
    sent = body if method in {"PUT", "POST", "PATCH"} else b""
    headers = {**request.headers, "content-length": str(len(sent))}
    return Shot("method", method, _target(request), sent, headers)


def other_headers(rng: random.Random, loot: Loot) -> Shot:
    request, body = rng.choice(loot.signed)
    until = f"{datetime.now(UTC) + timedelta(days=1):%Y-%m-%dT%H:%M:%SZ}"
    pinned = rng.choice(sorted(loot.pins.values()))
    added: dict[str, str] = rng.choice(
        [
            {"x-amz-tagging": "a=b"},
            {"x-amz-meta-hutch-intent": "0" * 32},
            {"x-amz-meta-more": "more"},
            {"x-amz-acl": "public-read-write"},
            {"x-amz-grant-full-control": 'uri="http://acs.amazonaws.com/groups/all"'},
            {
                "x-amz-object-lock-mode": "COMPLIANCE",
                "x-amz-object-lock-retain-until-date": until,
            },
            {"x-amz-object-lock-legal-hold": "ON"},
            {"x-amz-storage-class": "REDUCED_REDUNDANCY"},
            {"x-amz-website-redirect-location": "http://127.0.0.1/"},
            {"x-minio-extract": "true"},
            {"x-minio-source-replication-request": "true"},
            {"x-amz-replication-status": "REPLICA", "x-minio-source-mtime": until},
            {"x-minio-source-version-id": pinned},
            {"x-amz-version-id": pinned},
            {"seaweed-x-amz-version-id": pinned},
            {"x-amz-security-token": "x"},
            {"if-none-match": ""},
            {"x-http-method-override": "DELETE"},
        ]
    )
    headers = {**request.headers, **added}
    return replace(_replay("headers", request, body), headers=headers)


def copy_source(rng: random.Random, loot: Loot) -> Shot:
    puts = [p for p in loot.signed if p[0].method == "PUT"] or loot.signed
    request, body = rng.choice(puts)
    key, version = rng.choice(sorted(loot.neighbours.items()))
    source = f"/{loot.bucket}/{quote(key)}"
    shot = _replay(
        "copy-source",
        request,
        rng.choice([body, b""]),
        x_amz_copy_source=rng.choice([source, f"{source}?versionId={version}"]),
    )
    if rng.random() < 0.5:
        more = {
            "x-amz-metadata-directive": "REPLACE",
            "x-amz-tagging-directive": "COPY",
        }
        shot = replace(shot, headers={**shot.headers, **more})
    return replace(
        shot, headers={**shot.headers, "content-length": str(len(shot.body))}
    )


def other_path(rng: random.Random, loot: Loot) -> Shot:
    request, body = rng.choice(loot.signed)
    victim = rng.choice([*loot.neighbours, *(loot.prefix + p for p in loot.pins)])
    path = rng.choice(
        [
            victim,
            f"{loot.prefix}../../{victim}",
            f"{loot.prefix}%2e%2e/%2e%2e/{victim}",
            f"{loot.prefix}..%2f..%2f{victim}",
            f"/{victim}",
            f"./{victim}",
        ]
    )
    query = urlsplit(request.url).query
    target = f"/{loot.bucket}/{path}?{query}"
    return Shot("path", request.method, target, body, dict(request.headers))


def other_query(rng: random.Random, loot: Loot) -> Shot:
    request, body = rng.choice(loot.signed)
    pinned = rng.choice(sorted(loot.pins.values()))
    more = rng.choice(
        [
            f"versionId={pinned}",
            "uploads",
            "delete",
            "acl",
            "tagging",
            "retention",
            "legal-hold",
            "versions",
            "list-type=2",
            "partNumber=1&uploadId=x",
            "response-content-type=text/html",
            "X-Amz-Expires=604800",
        ]
    )
    target = rng.choice(
        [f"{_target(request)}&{more}", _target(request).replace("?", f"?{more}&")]
    )
    return Shot("query", request.method, target, body, dict(request.headers))


def _credentials(rng: random.Random, loot: Loot) -> tuple[str, str]:
    key_id = rng.choice([*loot.key_ids, *loot.key_ids, rng.choice(GUESSABLE)])
    moment = f"{datetime.now(UTC):{_MOMENT}}"
    return f"{key_id}/{moment[:8]}/us-east-1/s3/aws4_request", moment


def _claimed(
    rng: random.Random, loot: Loot, place: str, query: str = ""
) -> tuple[str, dict[str, str]]:
    """Claim to be one of the key ids, by URL or by header, without a signature."""
    scope, moment = _credentials(rng, loot)
    if rng.random() < 0.7:
        claim = (
            "X-Amz-Algorithm=AWS4-HMAC-SHA256"
            f"&X-Amz-Credential={quote(scope, safe='')}&X-Amz-Date={moment}"
            "&X-Amz-Expires=3600&X-Amz-SignedHeaders=host"
            f"&X-Amz-Signature={'0' * 64}"
        )
        return f"{place}?{claim}{'&' if query else ''}{query}", {}
    claim = (
        f"AWS4-HMAC-SHA256 Credential={scope}, SignedHeaders=host;x-amz-date, "
        f"Signature={'0' * 64}"
    )
    return f"{place}?{query}", {"x-amz-date": moment, "authorization": claim}


def _place(rng: random.Random, loot: Loot) -> tuple[str, str]:
    """Choose what to write to, with a query that may name a version."""
    path, version = rng.choice(sorted(loot.pins.items()))
    victim, theirs = rng.choice(sorted(loot.neighbours.items()))
    own = f"/{loot.bucket}/{loot.prefix}"
    key, query = rng.choice(
        [
            (f"{own}{path}", ""),
            (f"{own}{path}", f"versionId={version}"),
            (f"{own}new-{rng.randrange(10**6)}", ""),
            (f"{own}{path}/below", ""),
            (f"{own}{path}/xl.meta", ""),
            (f"{own}dir", ""),
            (own, ""),
            (f"{own}../../{victim}", ""),
            (f"/{loot.bucket}/{victim}", ""),
            (f"/{loot.bucket}/{victim}", f"versionId={theirs}"),
            (f"/{loot.meta}/instance.json", ""),
        ]
    )
    return quote(key, safe="/."), query


def _chunked(data: bytes) -> bytes:
    end = f"\r\n0\r\nx-amz-checksum-crc64nvme:{crc(data)}\r\n\r\n"
    return f"{len(data):x}\r\n".encode() + data + end.encode()


def _streamed(kind: str) -> dict[str, str]:
    return {
        "x-amz-content-sha256": kind,
        "x-amz-decoded-content-length": str(len(EVIL)),
        "x-amz-trailer": "x-amz-checksum-crc64nvme",
        "content-encoding": "aws-chunked",
    }


def trailer(rng: random.Random, loot: Loot) -> Shot:
    place, query = _place(rng, loot)
    target, claim = _claimed(rng, loot, place, query)
    return Shot("trailer", "PUT", target, _chunked(EVIL), _streamed(TRAILER) | claim)


def trailer_part(rng: random.Random, loot: Loot) -> Shot:
    uploads = [
        (urlsplit(r.url).path, found[0])
        for r, _ in loot.signed
        if (found := parse_qs(urlsplit(r.url).query).get("uploadId"))
    ]
    place, upload = rng.choice(uploads or [(_place(rng, loot)[0], "x")])
    query = f"partNumber={rng.randint(1, 3)}&uploadId={quote(upload, safe='')}"
    target, claim = _claimed(rng, loot, place, query)
    headers = _streamed(TRAILER) | claim
    return Shot("trailer-part", "PUT", target, _chunked(EVIL), headers)


def trailer_copy(rng: random.Random, loot: Loot) -> Shot:
    shot = trailer(rng, loot)
    key = rng.choice(sorted(loot.neighbours))
    source = {"x-amz-copy-source": f"/{loot.bucket}/{quote(key)}"}
    return replace(shot, kind="trailer-copy", headers={**shot.headers, **source})


def stream(rng: random.Random, loot: Loot) -> Shot:
    place, query = _place(rng, loot)
    target, claim = _claimed(rng, loot, place, query)
    kind = rng.choice(SIGNED_STREAMS)
    body = EVIL
    if kind in SIGNED_STREAMS[:2]:
        end = f"\r\n0;chunk-signature={'0' * 64}\r\n\r\n"
        start = f"{len(EVIL):x};chunk-signature={'0' * 64}\r\n"
        body = start.encode() + EVIL + end.encode()
    return Shot("stream", "PUT", target, body, _streamed(kind) | claim)


def unsigned_read(rng: random.Random, loot: Loot) -> Shot:
    key, version = rng.choice(sorted(loot.neighbours.items()))
    place, query = rng.choice(
        [
            (f"/{loot.bucket}/{key}", ""),
            (f"/{loot.bucket}/{key}", f"versionId={version}"),
            (f"/{loot.bucket}", "versions"),
            (f"/{loot.bucket}", "list-type=2"),
            (f"/{loot.meta}/instance.json", ""),
        ]
    )
    target, claim = _claimed(rng, loot, place, query)
    method = rng.choice(["GET", "HEAD", "DELETE"])
    headers = {"x-amz-content-sha256": TRAILER} | claim
    return Shot("unsigned-read", method, target, b"", headers)


def form(rng: random.Random, loot: Loot) -> Shot:
    scope, moment = _credentials(rng, loot)
    key = rng.choice([*loot.neighbours, *(loot.prefix + p for p in loot.pins)])
    until = f"{datetime.now(UTC) + timedelta(hours=1):%Y-%m-%dT%H:%M:%SZ}"
    rules = {"expiration": until, "conditions": [{"bucket": loot.bucket}, {"key": key}]}
    fields = {
        "key": key,
        "x-amz-algorithm": "AWS4-HMAC-SHA256",
        "x-amz-credential": scope,
        "x-amz-date": moment,
        "policy": base64.b64encode(json.dumps(rules).encode()).decode(),
        "x-amz-signature": "0" * 64,
        "file": EVIL.decode(),
    }
    body = "".join(
        f'--line\r\nContent-Disposition: form-data; name="{name}"'
        + ('; filename="f"' if name == "file" else "")
        + f"\r\n\r\n{value}\r\n"
        for name, value in fields.items()
    )
    headers = {"content-type": "multipart/form-data; boundary=line"}
    return Shot(
        "form", "POST", f"/{loot.bucket}", f"{body}--line--\r\n".encode(), headers
    )


def old_signature(rng: random.Random, loot: Loot) -> Shot:
    place, query = _place(rng, loot)
    key_id = _credentials(rng, loot)[0].partition("/")[0]
    soon = int(datetime.now(UTC).timestamp()) + 600
    claim = f"AWSAccessKeyId={key_id}&Expires={soon}&Signature=AAAA&{query}"
    return Shot("signature-v2", "PUT", f"{place}?{claim}", EVIL)


def archive(rng: random.Random, loot: Loot) -> Shot:
    """Have an archive unpacked whose members name versions."""
    path, version = rng.choice(sorted(loot.pins.items()))
    victim, theirs = rng.choice(sorted(loot.neighbours.items()))
    name, named, into = rng.choice(
        [
            (path, version, loot.prefix.rstrip("/")),
            (f"../../{victim}", theirs, loot.prefix.rstrip("/")),
            (victim.rpartition("/")[2], theirs, victim.rpartition("/")[0]),
        ]
    )
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w", format=tarfile.PAX_FORMAT) as packed:
        member = tarfile.TarInfo(name)
        member.size, member.pax_headers = len(EVIL), {"minio.versionId": named}
        packed.addfile(member, io.BytesIO(EVIL))
    unpack = {
        "x-amz-meta-snowball-auto-extract": "true",
        "x-amz-meta-minio-snowball-prefix": into,
    }
    if rng.random() < 0.5:
        request, _ = rng.choice(loot.signed)
        shot = _replay("archive", request, content.getvalue())
        length = {"content-length": str(len(shot.body))}
        return replace(shot, headers={**shot.headers, **unpack, **length})
    target, claim = _claimed(rng, loot, f"/{loot.bucket}/{loot.prefix}a.tar")
    headers = {"x-amz-content-sha256": TRAILER} | unpack | claim
    return Shot("archive", "PUT", target, content.getvalue(), headers)


KINDS: Final[tuple[Callable[[random.Random, Loot], Shot], ...]] = (
    same,
    other_bytes,
    other_method,
    other_headers,
    copy_source,
    other_path,
    other_query,
    trailer,
    trailer_part,
    trailer_copy,
    stream,
    unsigned_read,
    form,
    old_signature,
    archive,
)

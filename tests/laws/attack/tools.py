"""What somebody tries who has the keys of a tool's account, secret and all.

Every request is signed as it is: nothing of the signature stands in its way. What the
store lets through, its policy lets through.
"""

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final
from urllib.parse import quote, urlsplit

from hutch_api.adapters.s3.signing import Signer
from hutch_api.ports.objects import Credentials
from tests.laws.attack.arsenal import EVIL, Loot, Shot, archive

Query = Sequence[tuple[str, str]]


@dataclass(frozen=True)
class Tool:
    """A tool's account and what its holder knows.

    Attributes:
        uploads: Ids of uploads that hutch has opened, by path.
    """

    signer: Signer
    keys: Credentials
    loot: Loot
    uploads: Mapping[str, str]

    def shoot(
        self,
        rng: random.Random,
        kind: str,
        method: str,
        key: str,
        *,
        body: bytes = b"",
        query: Query = (),
        headers: Mapping[str, str] | None = None,
        bucket: str | None = None,
    ) -> Shot:
        """Sign a request, in its address or in its head."""
        path = f"{bucket or self.loot.bucket}/{key}".rstrip("/" if not key else "")
        sent = {k.lower(): v for k, v in (headers or {}).items()}
        if rng.random() < 0.5:
            made = self.signer.presign(
                method,
                path,
                credentials=self.keys,
                expires_in=3_600,
                query=query,
                headers=sent,
            )
            url, sent = made.url, dict(made.headers)
        else:
            url, sent = self.signer.authorize(
                method, path, credentials=self.keys, query=query, headers=sent
            )
        parts = urlsplit(url)
        length = {"content-length": str(len(body))} if method != "GET" else {}
        target = f"{parts.path}?{parts.query}"
        return Shot(f"tool {kind}", method, target, body, {**sent, **length})


Maker = Callable[[random.Random, Tool], Shot]


def _own(rng: random.Random, tool: Tool) -> str:
    """Choose a key of the dataset: a file's, a new one, one that hides others."""
    paths = sorted(tool.loot.pins)
    path = rng.choice(paths)
    name = rng.choice(
        [path, path, f"{path}/below", f"new-{rng.randrange(10**6)}", "dir", "UPPER"]
    )
    return tool.loot.prefix + name


def put(rng: random.Random, tool: Tool) -> Shot:
    return tool.shoot(rng, "put", "PUT", _own(rng, tool), body=EVIL)


def put_claiming(rng: random.Random, tool: Tool) -> Shot:
    claim = {"x-amz-meta-hutch-intent": "0" * 32, "x-amz-tagging": "a=b"}
    key = _own(rng, tool)
    return tool.shoot(rng, "put with metadata", "PUT", key, body=EVIL, headers=claim)


def mark_deleted(rng: random.Random, tool: Tool) -> Shot:
    return tool.shoot(rng, "delete", "DELETE", _own(rng, tool))


def delete_version(rng: random.Random, tool: Tool) -> Shot:
    path, version = rng.choice(sorted(tool.loot.pins.items()))
    key, query = tool.loot.prefix + path, [("versionId", version)]
    return tool.shoot(rng, "delete a version", "DELETE", key, query=query)


def put_version(rng: random.Random, tool: Tool) -> Shot:
    path, version = rng.choice(sorted(tool.loot.pins.items()))
    key, query = tool.loot.prefix + path, [("versionId", version)]
    method, more = rng.choice([("PUT", []), ("POST", [("uploads", "")])])
    query = [*more, *query]
    return tool.shoot(rng, "name a version", method, key, body=EVIL, query=query)


def copy(rng: random.Random, tool: Tool) -> Shot:
    own = [tool.loot.prefix + p for p in sorted(tool.loot.pins)]
    source = rng.choice([*own, *sorted(tool.loot.neighbours)])
    headers = {"x-amz-copy-source": f"/{tool.loot.bucket}/{quote(source)}"}
    return tool.shoot(rng, "copy-source", "PUT", _own(rng, tool), headers=headers)


def copy_part(rng: random.Random, tool: Tool) -> Shot:
    path, upload = rng.choice(sorted(tool.uploads.items()))
    source = rng.choice(sorted(tool.loot.neighbours))
    headers = {"x-amz-copy-source": f"/{tool.loot.bucket}/{quote(source)}"}
    query = [("partNumber", "1"), ("uploadId", upload)]
    key = tool.loot.prefix + path
    return tool.shoot(rng, "copy a part", "PUT", key, query=query, headers=headers)


def part(rng: random.Random, tool: Tool) -> Shot:
    path, upload = rng.choice(sorted(tool.uploads.items()))
    query = [("partNumber", str(rng.randint(1, 3))), ("uploadId", upload)]
    key = tool.loot.prefix + path
    return tool.shoot(rng, "part", "PUT", key, body=EVIL, query=query)


def complete(rng: random.Random, tool: Tool) -> Shot:
    path, upload = rng.choice(sorted(tool.uploads.items()))
    body = (
        b"<CompleteMultipartUpload><Part><PartNumber>1</PartNumber><ETag>"
        b'"d41d8cd98f00b204e9800998ecf8427e"</ETag></Part></CompleteMultipartUpload>'
    )
    key, query = tool.loot.prefix + path, [("uploadId", upload)]
    return tool.shoot(rng, "complete", "POST", key, body=body, query=query)


def abort(rng: random.Random, tool: Tool) -> Shot:
    path, upload = rng.choice(sorted(tool.uploads.items()))
    key, query = tool.loot.prefix + path, [("uploadId", upload)]
    return tool.shoot(rng, "abort", "DELETE", key, query=query)


def open_upload(rng: random.Random, tool: Tool) -> Shot:
    query = [("uploads", "")]
    return tool.shoot(rng, "open an upload", "POST", _own(rng, tool), query=query)


def unpack(rng: random.Random, tool: Tool) -> Shot:
    packed = archive(rng, tool.loot)
    key = f"{tool.loot.prefix}{rng.choice(['a.tar', 'a', 'dir/x.tar'])}"
    named = {k: v for k, v in packed.headers.items() if "snowball" in k}
    headers = {"x-amz-meta-snowball-auto-extract": "true", **named}
    body = packed.body
    return tool.shoot(rng, "extract", "PUT", key, body=body, headers=headers)


def elsewhere(rng: random.Random, tool: Tool) -> Shot:
    victim, version = rng.choice(sorted(tool.loot.neighbours.items()))
    key, query, bucket = rng.choice(
        [
            (victim, [], None),
            (victim, [("versionId", version)], None),
            (f"{tool.loot.prefix}../../{victim}", [], None),
            ("instance.json", [], tool.loot.meta),
            (victim.rpartition("/")[0] + "/new", [], None),
        ]
    )
    method = rng.choice(["GET", "PUT", "DELETE", "HEAD"])
    body = EVIL if method == "PUT" else b""
    return tool.shoot(
        rng, "elsewhere", method, key, body=body, query=query, bucket=bucket
    )


def look_around(rng: random.Random, tool: Tool) -> Shot:
    query: Query = rng.choice(
        [
            [("list-type", "2")],
            [("list-type", "2"), ("prefix", "d/")],
            [("versions", "")],
            [("uploads", "")],
            [("location", "")],
            [("policy", "")],
            [("versioning", "")],
        ]
    )
    bucket = rng.choice([tool.loot.bucket, tool.loot.meta])
    return tool.shoot(rng, "look around", "GET", "", query=query, bucket=bucket)


def lock(rng: random.Random, tool: Tool) -> Shot:
    query: Query = rng.choice(
        [[("retention", "")], [("legal-hold", "")], [("acl", "")], [("tagging", "")]]
    )
    body = (
        b"<Retention><Mode>GOVERNANCE</Mode>"
        b"<RetainUntilDate>2040-01-01T00:00:00Z</RetainUntilDate></Retention>"
    )
    return tool.shoot(rng, "lock", "PUT", _own(rng, tool), body=body, query=query)


LATE: Final[tuple[Maker, ...]] = (
    put,
    put_claiming,
    mark_deleted,
    delete_version,
    put_version,
    copy,
    copy_part,
    part,
    complete,
    abort,
    open_upload,
    unpack,
    elsewhere,
    look_around,
    lock,
)
"""Every kind of request that a tool may send late."""

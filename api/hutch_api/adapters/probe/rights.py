"""What each identity may do, tried out rather than read from a policy."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from botocore.exceptions import ClientError

from hutch_api.adapters.accounts.iam_api import status_of
from hutch_api.adapters.probe.bench import FORBIDDEN, URL_LIFE_S, Answer, Bench
from hutch_api.adapters.probe.checks import Check
from hutch_api.adapters.stores import open_s3
from hutch_api.ports.objects import Credentials

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

Action = Callable[["S3Client", Bench, str, str], Any]
"""Tries something with a key and a version of the scratch prefix."""


def _put_by_url(client: "S3Client", bench: Bench, key: str) -> Answer:
    url = client.generate_presigned_url(
        "put_object",
        Params={"Bucket": bench.buckets.data, "Key": key},
        ExpiresIn=URL_LIFE_S,
    )
    return bench.request("PUT", url, b"x", {})


ACTIONS: Final[Mapping[str, Action]] = {
    "read files": lambda s3, b, k, _: s3.get_object(Bucket=b.buckets.data, Key=k),
    "read versions": lambda s3, b, k, v: s3.get_object(
        Bucket=b.buckets.data, Key=k, VersionId=v
    ),
    "list files": lambda s3, b, k, _: s3.list_objects_v2(
        Bucket=b.buckets.data, Prefix=k
    ),
    "list versions": lambda s3, b, k, _: s3.list_object_versions(
        Bucket=b.buckets.data, Prefix=k
    ),
    "write files": lambda s3, b, k, _: s3.put_object(
        Bucket=b.buckets.data, Key=k, Body=b"x"
    ),
    "write files by a URL": lambda s3, b, k, _: _put_by_url(s3, b, k),
    "read records": lambda s3, b, k, _: s3.get_object(Bucket=b.buckets.meta, Key=k),
    "write records": lambda s3, b, k, _: s3.put_object(
        Bucket=b.buckets.meta, Key=k, Body=b"x"
    ),
    "list records": lambda s3, b, k, _: s3.list_objects_v2(
        Bucket=b.buckets.meta, Prefix=k
    ),
    "lock files": lambda s3, b, k, v: s3.put_object_retention(
        Bucket=b.buckets.data,
        Key=k,
        VersionId=v,
        Retention={
            "Mode": "GOVERNANCE",
            "RetainUntilDate": datetime.now(UTC) + timedelta(minutes=1),
        },
    ),
    "change versioning": lambda s3, b, _k, _v: s3.put_bucket_versioning(
        Bucket=b.buckets.data, VersioningConfiguration={"Status": "Enabled"}
    ),
    "delete files": lambda s3, b, k, _: s3.delete_object(Bucket=b.buckets.data, Key=k),
    "delete versions": lambda s3, b, k, v: s3.delete_object(
        Bucket=b.buckets.data, Key=k, VersionId=v
    ),
}
"""In an order in which the last ones destroy what the first ones need."""

EXPECTED: Final[Mapping[str, frozenset[str]]] = {
    "server identity": frozenset(ACTIONS) - {"lock files", "change versioning"},
    "reader identity": frozenset({"read files", "read versions"}),
    "put account": frozenset({"write files by a URL"}),
}

_INDIFFERENT: Final[Mapping[str, frozenset[str]]] = {
    "put account": frozenset({"write files"})
}
"""What changes nothing, because it takes a secret that never leaves the server."""


def _allowed(bench: Bench, identity: Credentials) -> tuple[str, ...]:
    place = bench.target.place
    client = open_s3(place.endpoint, identity, region=place.region)
    key = bench.new_key()
    version = bench.write(key, b"x")
    bench.server.put_object(Bucket=bench.buckets.meta, Key=key, Body=b"x")
    try:
        return tuple(
            name
            for name, action in ACTIONS.items()
            if _is_allowed(action, client, bench, (key, version))
        )
    finally:
        client.close()
        bench.drop_record(key)


def _is_allowed(
    action: Action, client: "S3Client", bench: Bench, at: tuple[str, str]
) -> bool:
    try:
        answer = action(client, bench, *at)
    except ClientError as refusal:
        # Anything but a refusal got past the store's guard.
        return status_of(refusal) != FORBIDDEN
    return not (isinstance(answer, Answer) and answer.status == FORBIDDEN)


def _check(who: str) -> Check:
    """Compare what an identity may do with what it should."""

    def run(bench: Bench) -> str | None:
        identities = {
            "server identity": bench.target.server,
            "reader identity": bench.target.reader,
            "put account": bench.account,
        }
        bench.rights[who] = _allowed(bench, identities[who])
        found = frozenset(bench.rights[who]) - _INDIFFERENT.get(who, frozenset())
        more, less = found - EXPECTED[who], EXPECTED[who] - found
        faults = []
        if more:
            faults.append(f"it may also {', '.join(sorted(more))}")
        if less:
            faults.append(f"it may not {', '.join(sorted(less))}")
        return "; ".join(faults) or None

    return Check(
        name=f"{who.replace(' ', '-')}-rights",
        means=f"the {who} may do what it needs, and nothing else",
        remedy="run: hutch-api store init; and take other policies from this "
        "identity and from its buckets",
        run=run,
    )


CHECKS: Final = tuple(map(_check, EXPECTED))

"""What each identity of the store may do, as policies.

The same lists stand in ``infra/minio/README.md`` with the reason for each action.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from hutch_api.domain.accounts import Access

Policy = Mapping[str, Any]
"""A policy document in the language of AWS, which both stores speak."""

_WILD: Final = frozenset("*?$")
"""Characters with a meaning of their own in a policy's resource."""

_BUCKET_ACTIONS: Final = (
    "s3:GetBucketLocation",
    "s3:GetBucketObjectLockConfiguration",
    "s3:GetBucketVersioning",
    "s3:ListBucket",
    "s3:ListBucketMultipartUploads",
    "s3:ListBucketVersions",
)
_OBJECT_ACTIONS: Final = (
    "s3:AbortMultipartUpload",
    "s3:DeleteObject",
    "s3:DeleteObjectVersion",
    "s3:GetObject",
    "s3:GetObjectVersion",
    "s3:ListMultipartUploadParts",
)
_IAM_ACTIONS: Final = (
    "iam:AttachUserPolicy",
    "iam:CreateAccessKey",
    "iam:CreatePolicy",
    "iam:CreateUser",
    "iam:DeletePolicy",
    "iam:DeleteUser",
    "iam:DetachUserPolicy",
    "iam:ListUsers",
)
_BY_URL_ONLY: Final = {"Null": {"s3:x-amz-content-sha256": "true"}}
"""A presigned URL says nothing about the payload in a header."""
_UNSIGNED: Final = "STREAMING-UNSIGNED-PAYLOAD-TRAILER"
"""MinIO takes such a request from whoever knows the key id."""
_SIGNED_ONLY: Final = {"StringNotEquals": {"s3:x-amz-content-sha256": [_UNSIGNED]}}
_READ_ACTIONS: Final = ("s3:GetObject", "s3:GetObjectVersion")
_WRITE_ACTIONS: Final = (
    "s3:AbortMultipartUpload",
    "s3:DeleteObject",
    "s3:ListMultipartUploadParts",
    "s3:PutObject",
)


@dataclass(frozen=True, slots=True)
class Buckets:
    """The two buckets of an installation."""

    data: str = "hutch-data"
    meta: str = "hutch-meta"


def account_policy(access: Access, *, bucket: str, prefix: str) -> Policy:
    """Write the policy of a store account, which reaches one dataset.

    Args:
        access: What it may do.
        bucket: The data bucket.
        prefix: Start of the keys that it reaches, with ``/`` at its end.

    Raises:
        ValueError: If the prefix could reach beyond itself.
    """
    if not prefix.endswith("/") or len(prefix) < len("d/x/") or _WILD & set(prefix):
        raise ValueError("a store account reaches one directory, without wildcards")
    own = f"{bucket}/{prefix}"
    match access:
        case Access.PUT:
            return _document([_put_by_url(own)])
        case Access.READ:
            return _document(_seen(bucket, prefix))
        case Access.WRITE:
            allowed = [*_seen(bucket, prefix), _allow(_WRITE_ACTIONS, [f"{own}*"])]
            return _document([*allowed, *_denied_in_place(own)])


def _seen(bucket: str, prefix: str) -> list[dict[str, Any]]:
    """Allow to list and to get.

    rclone asks first whether the directory itself is a file, and takes a refusal for a
    yes where nothing lies below it. There is never such a key: the answer is 404.
    """
    keys = [f"{bucket}/{prefix}*", f"{bucket}/{prefix.removesuffix('/')}"]
    return [_allow(_READ_ACTIONS, keys), _list(bucket, prefix)]


def _put_by_url(own: str) -> dict[str, Any]:
    """Allow what a signed URL says, no more.

    MinIO asks the policy, and not the signature, about a stream with an unsigned
    trailer, and lets it name the version that it replaces; archives to be unpacked
    are taken in the same way. So requests that carry ``x-amz-content-sha256`` are
    left out, without which neither works; no URL of hutch needs it.
    """
    return _allow(["s3:PutObject"], [f"{own}*"]) | {"Condition": _BY_URL_ONLY}


def _list(bucket: str, prefix: str) -> dict[str, Any]:
    below = {"StringLike": {"s3:prefix": [f"{prefix}*"]}}
    return _allow(["s3:ListBucket"], [bucket]) | {"Condition": below}


def _denied_in_place(own: str) -> list[dict[str, Any]]:
    """Deny the ways in which MinIO writes without a signature, or over a version.

    A version that is there stays as it is: a PUT must not name the one it replaces,
    nor may the members of an archive. MinIO asks about an archive that is unpacked by
    the directory it goes to, which ends in a slash; no file of a dataset does.
    """
    put = ["s3:PutObject"]
    unsigned = {"StringEquals": {"s3:x-amz-content-sha256": [_UNSIGNED]}}
    naming = {"StringLike": {"s3:versionid": ["?*"]}}
    return [
        _deny(put, [own, f"{own}*/"]),
        _deny(put, [f"{own}*"]) | {"Condition": naming},
        _deny(put, [f"{own}*"]) | {"Condition": unsigned},
    ]


def reader_policy(buckets: Buckets) -> Policy:
    """Write the policy of the identity that signs downloads."""
    reached = [f"{buckets.data}/*", f"{buckets.meta}/previews/*"]
    reached.append(f"{buckets.meta}/logs/*")
    return _document([_allow(_READ_ACTIONS, reached)])


def server_policy(buckets: Buckets, *, iam: bool) -> Policy:
    """Write the policy of the server's own identity.

    Args:
        buckets: The buckets that it works in.
        iam: The store makes accounts by the IAM API, which needs rights of its own.
            SeaweedFS knows no narrower resource than ``*`` for them, and looks at
            every signature, so that the condition of MinIO is left out there.
    """
    both = [buckets.data, buckets.meta]
    keys = [f"{bucket}/*" for bucket in both]
    write = _allow(["s3:PutObject"], keys)
    statements = [_allow(_BUCKET_ACTIONS, both), _allow(_OBJECT_ACTIONS, keys)]
    if iam:
        more = {"Effect": "Allow", "Action": list(_IAM_ACTIONS), "Resource": ["*"]}
        return _document([*statements, write, more])
    return _document([*statements, write | {"Condition": _SIGNED_ONLY}])


def _document(statements: list[dict[str, Any]]) -> Policy:
    return {"Version": "2012-10-17", "Statement": statements}


def _allow(actions: Iterable[str], reached: Iterable[str]) -> dict[str, Any]:
    resources = [f"arn:aws:s3:::{name}" for name in reached]
    return {"Effect": "Allow", "Action": list(actions), "Resource": resources}


def _deny(actions: Iterable[str], reached: Iterable[str]) -> dict[str, Any]:
    return _allow(actions, reached) | {"Effect": "Deny"}


def same_policy(one: Policy, other: Policy) -> bool:
    """Tell whether two documents allow the same, however a store writes them."""
    return _normal(one) == _normal(other)


def _normal(policy: Policy) -> set[tuple[frozenset[Any], ...]]:
    return {
        (
            frozenset([s["Effect"]]),
            _as_set(s.get("Action", ())),
            _as_set(s.get("Resource", ())),
            frozenset(
                (operator, name, _as_set(values))
                for operator, wanted in s.get("Condition", {}).items()
                for name, values in wanted.items()
            ),
        )
        for s in policy.get("Statement", ())
    }


def _as_set(value: str | Iterable[str]) -> frozenset[str]:
    return frozenset([value] if isinstance(value, str) else value)

"""Making a store ready: buckets, identities, policies, the id of the installation.

All of it may be repeated; what is there already stays as it is.
"""

import json
import secrets
import string
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

from botocore.exceptions import ClientError
from minio import MinioAdmin

from hutch.contract.problems import StoreError
from hutch_api.adapters.accounts import iam_api, minio_api
from hutch_api.adapters.accounts.iam_api import asking, code_of, passing_over
from hutch_api.adapters.accounts.minio_api import ask
from hutch_api.adapters.policies import (
    Buckets,
    Policy,
    reader_policy,
    same_policy,
    server_policy,
)
from hutch_api.adapters.stores import accepts, detect, is_open_to_all, open_s3
from hutch_api.domain import instance as instance_record
from hutch_api.domain.layout import INSTANCE
from hutch_api.ports.accounts import AccountsApi
from hutch_api.ports.objects import Credentials

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

_ALPHABET: Final = string.ascii_uppercase + string.digits
_KEY_ID_LENGTH: Final = 20
_SECRET_BYTES: Final = 20
_THERE: Final = "EntityAlreadyExists"
_NO_POLICY: Final = "XMinioAdminNoSuchPolicy"
_ATTACHED: Final = "XMinioAdminPolicyChangeAlreadyApplied"
_NOTHING: Final = ("NoSuchBucket", "NoSuchKey", "404")


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A store, and which part of it belongs to this installation.

    Attributes:
        endpoint: URL as the server reaches it.
        instance: Id of the installation.
        region: Region that requests are signed for.
    """

    endpoint: str
    instance: UUID
    buckets: Buckets = field(default_factory=Buckets)
    region: str = "us-east-1"


@dataclass(frozen=True, slots=True)
class Provisioned:
    """What ``init_store`` found and did.

    Attributes:
        api: How the store makes accounts.
        changes: One sentence for each thing that was not there before.
    """

    api: AccountsApi
    changes: tuple[str, ...]


def random_credentials() -> Credentials:
    """Choose a key pair at random; on MinIO the id must be as secret as the secret."""
    key_id = "".join(secrets.choice(_ALPHABET) for _ in range(_KEY_ID_LENGTH))
    return Credentials(key_id, secrets.token_hex(_SECRET_BYTES))


def init_store(
    place: Place, *, root: Credentials, server: Credentials, reader: Credentials
) -> Provisioned:
    """Make everything in the store that hutch needs.

    Args:
        place: The store and the names in it.
        root: Administrator of the store; used here only.
        server: Key pair for the server's identity, chosen by the caller. If there was
            another one before, it ends, and put accounts that it made.
        reader: Key pair for the identity that signs downloads; as with the server.

    Raises:
        StoreError: The buckets belong to another installation, the store is open to
            all, has no account API, or refused something.
        StoreUnavailableError: The store did not answer.
    """
    if is_open_to_all(place.endpoint):
        raise StoreError(
            "the store answers without a signature: anybody may change everything; "
            "start it with an administrator's key pair (SeaweedFS: AWS_ACCESS_KEY_ID "
            "and AWS_SECRET_ACCESS_KEY)"
        )
    api = detect(place.endpoint, root, region=place.region)
    changes = _ensure_buckets(place, root)
    ensure = {AccountsApi.MINIO: _ensure_minio_user, AccountsApi.IAM: _ensure_iam_user}
    policies = {
        "server": (server, server_policy(place.buckets, iam=api is AccountsApi.IAM)),
        "reader": (reader, reader_policy(place.buckets)),
    }
    for role, (identity, policy) in policies.items():
        changes += ensure[api](place, root, role, identity, policy)
    return Provisioned(api, tuple(changes))


def read_instance(place: Place, identity: Credentials) -> UUID | None:
    """Read whose buckets these are; None if nobody's yet.

    Raises:
        StoreError: The record cannot be read.
        StoreUnavailableError: The store did not answer.
    """
    client = open_s3(place.endpoint, identity, region=place.region)
    with asking("read the id of the installation"):
        try:
            answer = client.get_object(Bucket=place.buckets.meta, Key=INSTANCE)
        except ClientError as refusal:
            if code_of(refusal) in _NOTHING:
                return None
            raise
        record = answer["Body"].read()
    try:
        return instance_record.decode(record)
    except ValueError as error:
        raise StoreError(
            f"the record {INSTANCE} in the bucket {place.buckets.meta} is damaged: "
            f"{error}"
        ) from None


def require_ours(place: Place, identity: Credentials) -> None:
    """Refuse buckets that are another installation's, or nobody's.

    Raises:
        StoreError: They are.
        StoreUnavailableError: The store did not answer.
    """
    found = read_instance(place, identity)
    if found is None:
        raise StoreError("the store is not set up; run: hutch-api store init")
    _require_same(place, found)


def _require_same(place: Place, found: UUID) -> None:
    if found != place.instance:
        raise StoreError(
            f"the buckets belong to another installation ({found}, this one is "
            f"{place.instance}); take other buckets, or the database that belongs "
            "to these",
            found=str(found),
            expected=str(place.instance),
        )


def _ensure_buckets(place: Place, root: Credentials) -> list[str]:
    found = read_instance(place, root)
    if found is not None:
        _require_same(place, found)
    client = open_s3(place.endpoint, root, region=place.region)
    changes = _ensure_bucket(client, place.buckets.data, lock=True)
    changes += _ensure_bucket(client, place.buckets.meta, lock=False)
    if found is None:
        changes += _claim(client, place, root)
    return changes


def _ensure_bucket(client: "S3Client", bucket: str, *, lock: bool) -> list[str]:
    changes = []
    with asking(f"make the bucket {bucket}"):
        with passing_over("BucketAlreadyOwnedByYou"):
            client.create_bucket(Bucket=bucket, ObjectLockEnabledForBucket=lock)
            changes.append(f"made the bucket {bucket}")
        state = client.get_bucket_versioning(Bucket=bucket).get("Status")
        if state != "Enabled":
            client.put_bucket_versioning(
                Bucket=bucket, VersioningConfiguration={"Status": "Enabled"}
            )
            changes.append(f"enabled versioning of the bucket {bucket}")
    return changes


def _claim(client: "S3Client", place: Place, root: Credentials) -> list[str]:
    """Write the id, unless somebody else was faster."""
    body = instance_record.encode(place.instance)
    with asking("write the id of the installation"):
        try:
            client.put_object(
                Bucket=place.buckets.meta, Key=INSTANCE, Body=body, IfNoneMatch="*"
            )
        except ClientError as refusal:
            if code_of(refusal) != "PreconditionFailed":
                raise
        else:
            return ["wrote the id of the installation"]
    require_ours(place, root)
    return []


def _ensure_minio_user(
    place: Place, root: Credentials, role: str, identity: Credentials, policy: Policy
) -> list[str]:
    admin = minio_api.open_admin(place.endpoint, root, region=place.region)
    name = _name(place, role)
    changes = []
    text = ask("read a policy", lambda: admin.policy_info(name), fine=_NO_POLICY)
    if text is None or not same_policy(json.loads(text), policy):
        ask("write a policy", lambda: admin.policy_add(name, policy=dict(policy)))
        changes.append(f"wrote the policy {name}")
    if not accepts(place.endpoint, identity, region=place.region):
        ask("make a user", lambda: admin.user_add(identity.key_id, identity.secret))
        changes.append(f"made the {role} identity")
    attached = ask(
        "attach a policy",
        lambda: admin.attach_policy([name], user=identity.key_id),
        fine=_ATTACHED,
    )
    if attached is not None:
        changes.append(f"gave the {role} identity its policy")
    return changes + _end_others_minio(admin, name, identity.key_id)


def _end_others_minio(admin: MinioAdmin, policy: str, key_id: str) -> list[str]:
    """Remove users that had the role before, and with them their accounts.

    A new identity cannot delete the accounts of the old one: MinIO tells it that they
    are gone, and their URLs would outlive a close.
    """
    answer = ask(
        "list who has a policy", lambda: admin.get_policy_entities([], [], [policy])
    )
    mappings = json.loads(answer or "{}").get("policyMappings") or ()
    others = {u for m in mappings for u in m.get("users") or ()} - {key_id}
    for other in others:
        ask("remove a user", partial(admin.user_remove, other))
    return ["ended the key pair before"] if others else []


def _ensure_iam_user(
    place: Place, root: Credentials, role: str, identity: Credentials, policy: Policy
) -> list[str]:
    iam = iam_api.IamApi(place.endpoint, root, region=place.region)
    name = _name(place, role)
    changes = []
    with asking(f"make the {role} identity"):
        changes += _ensure_iam_policy(iam, name, policy)
        with passing_over(_THERE):
            iam.client.create_user(UserName=name)
            changes.append(f"made the user {name}")
        attached: Any = iam.client.list_attached_user_policies(UserName=name)
        if name not in {p["PolicyName"] for p in attached["AttachedPolicies"]}:
            iam.client.attach_user_policy(
                UserName=name, PolicyArn=iam_api.policy_arn(name)
            )
            changes.append(f"gave the {role} identity its policy")
        if not accepts(place.endpoint, identity, region=place.region):
            iam.create_key(name, identity)
            changes.append(f"made the key pair of the {role} identity")
        keys: Any = iam.client.list_access_keys(UserName=name)
        others = {k["AccessKeyId"] for k in keys["AccessKeyMetadata"]}
        for other in others - {identity.key_id}:
            iam.client.delete_access_key(UserName=name, AccessKeyId=other)
            changes.append("ended the key pair before")
    return changes


def _ensure_iam_policy(iam: iam_api.IamApi, name: str, policy: Policy) -> list[str]:
    document, arn = json.dumps(policy), iam_api.policy_arn(name)
    try:
        iam.client.create_policy(PolicyName=name, PolicyDocument=document)
    except ClientError as refusal:
        if code_of(refusal) != _THERE:
            raise
    else:
        return [f"wrote the policy {name}"]
    version = iam.client.get_policy(PolicyArn=arn)["Policy"]["DefaultVersionId"]
    found: Any = iam.client.get_policy_version(PolicyArn=arn, VersionId=version)
    if same_policy(found["PolicyVersion"]["Document"], policy):
        return []
    # SeaweedFS keeps one version: this overwrites it.
    iam.client.create_policy_version(
        PolicyArn=arn, PolicyDocument=document, SetAsDefault=True
    )
    return [f"wrote the policy {name}"]


def _name(place: Place, role: str) -> str:
    return f"hutch-{role}-{place.instance.hex}"

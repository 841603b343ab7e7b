"""What kind of store answers at an address, and how to talk to it."""

import json
from typing import TYPE_CHECKING, Final

import boto3
import urllib3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
from minio.error import MinioAdminException

from hutch.contract.problems import StoreError, StoreUnavailableError
from hutch_api.adapters.accounts import iam_api, minio_api
from hutch_api.ports.accounts import AccountsApi
from hutch_api.ports.objects import Credentials

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

_WRONG_KEYS: Final = frozenset({"InvalidAccessKeyId", "SignatureDoesNotMatch"})


def open_s3(endpoint: str, identity: Credentials, *, region: str) -> "S3Client":
    """Open a plain S3 client for set-up and probe, without retries."""
    return boto3.client(
        "s3",
        endpoint_url=endpoint,
        region_name=region,
        aws_access_key_id=identity.key_id,
        aws_secret_access_key=identity.secret,
        config=Config(
            signature_version="s3v4",
            connect_timeout=5,
            read_timeout=30,
            retries={"total_max_attempts": 1},
            request_checksum_calculation="when_required",
            response_checksum_validation="when_required",
            s3={"addressing_style": "path"},
        ),
    )


def detect(
    endpoint: str, identity: Credentials, *, region: str = "us-east-1"
) -> AccountsApi:
    """Find out by which API a store makes accounts: by trying, not by its name.

    Args:
        endpoint: URL of the store.
        identity: Its administrator, or the server's own identity.
        region: Region that requests are signed for.

    Raises:
        StoreError: The store has no such API, or does not know the identity.
        StoreUnavailableError: Nothing answers.
    """
    if _has_minio_api(endpoint, identity, region):
        return AccountsApi.MINIO
    iam = iam_api.IamApi(endpoint, identity, region=region).client
    try:
        iam.list_users(MaxItems=1)
    except ClientError as refusal:
        code = iam_api.code_of(refusal)
    except (BotoCoreError, OSError):
        raise _silent() from None
    else:
        return AccountsApi.IAM
    _require_known(code)
    raise StoreError(
        "the store offers neither MinIO's service accounts nor the IAM API to this "
        f"identity ({code}); hutch needs one of them to make short-lived accounts: "
        "use MinIO or SeaweedFS, and check that the key pair is an administrator's",
        store_code=code,
    )


def accepts(endpoint: str, identity: Credentials, *, region: str) -> bool:
    """Tell whether the store knows this key pair, whatever it may do.

    Raises:
        StoreError: The store knows the key id with another secret.
        StoreUnavailableError: Nothing answers.
    """
    client = open_s3(endpoint, identity, region=region)
    try:
        client.list_buckets()
    except ClientError as refusal:
        code = iam_api.code_of(refusal)
    except (BotoCoreError, OSError):
        raise _silent() from None
    else:
        return True
    if code == "SignatureDoesNotMatch":
        raise StoreError(
            "the store knows one of the key ids with another secret; choose a new "
            "key pair, or put the right secret into the settings",
            store_code=code,
        )
    return code != "InvalidAccessKeyId"


def is_open_to_all(endpoint: str) -> bool:
    """Tell whether the store answers without a signature.

    Raises:
        StoreUnavailableError: Nothing answers.
    """
    pool = urllib3.PoolManager(timeout=urllib3.Timeout(connect=5, read=30))
    try:
        with pool:
            answer = pool.request("GET", f"{endpoint}/", retries=False)
    except urllib3.exceptions.HTTPError:
        raise _silent() from None
    return answer.status == 200  # noqa: PLR2004 -- the list of buckets


def _has_minio_api(endpoint: str, identity: Credentials, region: str) -> bool:
    admin = minio_api.open_admin(endpoint, identity, region=region)
    try:
        json.loads(admin.list_service_account(""))
    except MinioAdminException as refusal:
        code = minio_api.code_of(refusal)
        if code.startswith("HTTP "):  # not MinIO's JSON: another server's answer
            return False
        _require_known(code)
        return True
    except urllib3.exceptions.HTTPError:
        raise _silent() from None
    except ValueError:
        return False
    return True


def _require_known(code: str) -> None:
    if code in _WRONG_KEYS:
        raise StoreError(
            f"the store does not know this key pair ({code}); check the key id and "
            "the secret in the settings",
            store_code=code,
        )


def _silent() -> StoreUnavailableError:
    return StoreUnavailableError(
        "nothing answers at the address of the object store; check that it runs and "
        "that HUTCH_S3_URL is right"
    )

"""The AWS IAM API as hutch uses it: each request is sent once."""

import contextlib
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Final

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
from botocore.parsers import ResponseParserError

from hutch.contract.problems import StoreError, StoreUnavailableError
from hutch_api.adapters.s3.client import system_certificates
from hutch_api.ports.objects import Credentials

if TYPE_CHECKING:
    from mypy_boto3_iam import IAMClient

GONE: Final = "NoSuchEntity"
_CREATE_KEY: Final = "before-call.iam.CreateAccessKey"
_SERVER_FAULT: Final = 500
_UNAVAILABLE: Final = frozenset({"SlowDown", "ServiceUnavailable", "RequestTimeout"})


class IamApi:
    """A client of the IAM API that can choose the keys it makes.

    AWS chooses keys itself and boto3 has no argument for them. SeaweedFS takes them
    from the form, so a hook puts them there, for the user that they belong to.
    """

    def __init__(self, endpoint: str, identity: Credentials, *, region: str) -> None:
        self.client: IAMClient = boto3.client(
            "iam",
            endpoint_url=endpoint,
            region_name=region,
            aws_access_key_id=identity.key_id,
            aws_secret_access_key=identity.secret,
            verify=system_certificates(),
            config=Config(
                connect_timeout=5,
                read_timeout=30,
                retries={"total_max_attempts": 1},
                proxies={},  # the body of a request holds the secret of a new key
            ),
        )
        self._chosen: dict[str, Credentials] = {}
        self.client.meta.events.register(_CREATE_KEY, self._put_in)

    def create_key(self, user: str, credentials: Credentials) -> None:
        """Give a user this key pair."""
        self._chosen[user] = credentials
        try:
            self.client.create_access_key(UserName=user)
        finally:
            del self._chosen[user]

    def drop_user(self, name: str) -> None:
        """End a user whose policy has the same name; what is gone already is fine."""
        arn = policy_arn(name)
        with passing_over(GONE):
            self.client.detach_user_policy(UserName=name, PolicyArn=arn)
        with passing_over(GONE):
            self.client.delete_policy(PolicyArn=arn)
        with passing_over(GONE):
            self.client.delete_user(UserName=name)

    def _put_in(self, params: dict[str, Any], **_: Any) -> None:
        form = params["body"]
        chosen = self._chosen[form["UserName"]]
        form.update(AccessKeyId=chosen.key_id, SecretAccessKey=chosen.secret)


def policy_arn(name: str) -> str:
    """Name a managed policy the way SeaweedFS does: there is one account."""
    return f"arn:aws:iam:::policy/{name}"


def code_of(error: ClientError) -> str:
    """Read the code of a refusal; SeaweedFS gives some in the plain form of S3."""
    answer: Any = error.response
    code = answer.get("Error", {}).get("Code") or answer.get("Code")
    return str(code or f"HTTP {status_of(error)}")


def status_of(error: ClientError) -> int:
    """Read the HTTP status of a refusal."""
    return int(error.response["ResponseMetadata"]["HTTPStatusCode"])


@contextlib.contextmanager
def passing_over(*codes: str) -> Iterator[None]:
    """Take a refusal with one of these codes for success."""
    try:
        yield
    except ClientError as refusal:
        if code_of(refusal) not in codes:
            raise


@contextlib.contextmanager
def asking(what: str) -> Iterator[None]:
    """Speak of the failures of botocore in hutch's words.

    Its exceptions hold URLs and names; they are not chained.

    Args:
        what: What is asked for, as in "the store refused to …".

    Raises:
        StoreError: The store refused; the fact ``store_code`` says why.
        StoreUnavailableError: The store did not answer, or is not able to.
    """
    try:
        yield
    except ClientError as refusal:
        code, status = code_of(refusal), status_of(refusal)
    except (BotoCoreError, OSError, ResponseParserError, KeyError):
        # The last two: half an answer, and one that is about something else.
        raise StoreUnavailableError(
            f"the store did not answer when asked to {what}"
        ) from None
    else:
        return
    if status >= _SERVER_FAULT or code in _UNAVAILABLE:
        raise StoreUnavailableError(
            f"the store could not {what} ({code})", store_code=code
        ) from None
    raise StoreError(f"the store refused to {what} ({code})", store_code=code) from None

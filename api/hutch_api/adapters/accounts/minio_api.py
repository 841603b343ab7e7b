"""MinIO's admin API as hutch uses it: each request is sent once."""

import json
from collections.abc import Callable, Mapping
from typing import Any, Final, TypeVar
from urllib.parse import urlsplit

import urllib3
from minio import MinioAdmin
from minio.credentials.providers import StaticProvider
from minio.error import MinioAdminException
from minio.minioadmin import _COMMAND as COMMAND

from hutch.contract.problems import StoreError, StoreUnavailableError
from hutch_api.adapters.accounts.minio_body import encrypt
from hutch_api.ports.objects import Credentials

_T = TypeVar("_T")
_TIMEOUT: Final = urllib3.Timeout(connect=5, read=30)
"""Seconds; making an account took up to 0.7 s, however many there were."""
_UNAVAILABLE: Final = frozenset({"SlowDown", "XMinioServerNotInitialized"})
_SERVER_FAULT: Final = 500


def open_admin(endpoint: str, identity: Credentials, *, region: str) -> MinioAdmin:
    """Open the admin API, without retries; nothing is sent yet."""
    url = urlsplit(endpoint)
    return MinioAdmin(
        endpoint=url.netloc,
        credentials=StaticProvider(identity.key_id, identity.secret),
        region=region,
        secure=url.scheme == "https",
        http_client=urllib3.PoolManager(
            timeout=_TIMEOUT, maxsize=10, retries=False, cert_reqs="CERT_REQUIRED"
        ),
    )


def add_service_account(
    admin: MinioAdmin, account: Mapping[str, Any], *, secret: str
) -> None:
    """Make a service account with a key pair that is given.

    The method of the library takes ten times the time: see ``minio_body``. The answer
    repeats the key pair, and is not decrypted.

    Args:
        admin: The admin API.
        account: As MinIO's ``AddServiceAccountReq`` has it.
        secret: Of the identity whose account it becomes.
    """
    admin._url_open(  # noqa: SLF001 -- signs and sends; the library has no other way
        method="PUT",
        command=COMMAND.SERVICE_ACCOUNT_ADD,
        body=encrypt(json.dumps(account).encode(), secret),
    )


def ask(what: str, call: Callable[[], _T], *, fine: str | None = None) -> _T | None:
    """Call the admin API and speak of its failures in hutch's words.

    The exceptions of the library hold URLs and answers; they are not chained.

    Args:
        what: What is asked for, as in "the store refused to …".
        call: Sends the request.
        fine: A code that is as good as success; the answer is then None.

    Raises:
        StoreError: The store refused; the fact ``store_code`` says why.
        StoreUnavailableError: The store did not answer, or is not able to.
    """
    try:
        return call()
    except MinioAdminException as refusal:
        code, status = code_of(refusal), status_of(refusal)
    except (urllib3.exceptions.HTTPError, OSError):
        raise StoreUnavailableError(
            f"the store did not answer when asked to {what}"
        ) from None
    except ValueError:
        raise StoreError(
            f"the store gave an unreadable answer when asked to {what}"
        ) from None
    if code == fine:
        return None
    if status >= _SERVER_FAULT or code in _UNAVAILABLE:
        raise StoreUnavailableError(
            f"the store could not {what} ({code})", store_code=code
        )
    raise StoreError(f"the store refused to {what} ({code})", store_code=code)


def status_of(refusal: MinioAdminException) -> int:
    """Read the HTTP status of a refusal."""
    return int(refusal._code)  # noqa: SLF001 -- the library has no other way


def code_of(refusal: MinioAdminException) -> str:
    """Read the code of a refusal, or its status if it carries none."""
    try:
        answer = json.loads(refusal._body)  # noqa: SLF001 -- as in status_of
    except ValueError:
        answer = None
    code = answer.get("Code") if isinstance(answer, dict) else None
    return str(code or f"HTTP {status_of(refusal)}")

"""What the store's refusals mean to hutch.

The text of botocore's and urllib3's errors holds URLs, so nothing of it travels on:
the facts name the operation, S3's error code and the HTTP status.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus
from typing import Final, NoReturn

from botocore.exceptions import BotoCoreError, ClientError
from botocore.parsers import ResponseParserError
from urllib3.exceptions import HTTPError

from hutch.contract.problems import (
    StoreError,
    StoreUnavailableError,
    UploadGoneError,
    UploadIncompleteError,
)

_GONE: Final = "NoSuchUpload"
_INCOMPLETE: Final = frozenset(
    {
        "BadDigest",
        "EntityTooLarge",
        "EntityTooSmall",
        "InvalidPart",
        "InvalidPartOrder",
        "InvalidRequest",
        "MalformedXML",
        "XAmzContentChecksumMismatch",
    }
)
"""What the two stores answer to a Complete whose parts or checksum do not fit."""
_LATER: Final = frozenset(
    {"InternalError", "RequestTimeout", "ServiceUnavailable", "SlowDown", "Busy"}
)
NOT_THERE: Final = frozenset({"NoSuchKey", "NoSuchVersion", "404", "NotFound"})


@contextmanager
def translated(operation: str) -> Iterator[None]:
    """Turn errors of the libraries below into those of hutch.

    Args:
        operation: What was asked of the store, in words for a person.

    Raises:
        UploadGoneError: There is no such upload.
        UploadIncompleteError: Parts or checksum do not fit.
        StoreUnavailableError: No answer, half of one, or one that asks for patience.
        StoreError: Any other refusal.
    """
    try:
        yield
    except ClientError as error:
        answer = error.response
        code = str(answer.get("Error", {}).get("Code", ""))
        status = answer.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
        refuse(operation, code=code, status=status)
    except (BotoCoreError, HTTPError, ResponseParserError) as error:
        raise StoreUnavailableError(
            f"the object store did not answer while hutch wanted to {operation}; "
            "try again in a moment",
            operation=operation,
            reason=type(error).__name__,
        ) from None


def refuse(operation: str, *, code: str, status: int) -> NoReturn:
    """Raise the error that an answer of the store stands for."""
    facts = {"operation": operation, "s3_code": code, "s3_status": status}
    if code == _GONE:
        raise UploadGoneError(
            "the upload has ended; send the file again", **facts
        ) from None
    if code in _INCOMPLETE:
        raise UploadIncompleteError(
            "the object store does not hold what the upload promised; send it again",
            **facts,
        ) from None
    if code in _LATER or status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        raise StoreUnavailableError(
            f"the object store could not {operation} now ({code or status}); try "
            "again in a moment",
            **facts,
        ) from None
    raise StoreError(
        f"the object store refused to {operation} ({code or status}); the "
        "administrator should run 'hutch-api doctor'",
        **facts,
    ) from None

"""Files of datasets: lists, manifests, and where to fetch them. Never their bytes."""

from http import HTTPStatus
from typing import Any, Final
from urllib.parse import quote

from hutch.contract import problems as errors
from hutch.contract.wire.accounts import Scope
from hutch.contract.wire.transfer import (
    ConfirmationsIn,
    ConfirmationsOut,
    DownloadsIn,
    DownloadsOut,
    FilePage,
)
from hutch_api.http.endpoints import TEXT, Answer, Call, Endpoint, Text
from hutch_api.http.resources.queries import Page
from hutch_api.services import downloads, files, records

_READABLE: Final = (errors.NotFoundError, errors.DeletedError)
_IN_URLS: Final = ":/%#?=@[]!$&'()*+,;~"
"""What stays as it is: a header holds no other characters, nor a line's end."""
_FILE: Final = "/v1/datasets/{dataset}/files/{path:path}"


def list_files(call: Call[None, Page]) -> Answer:
    """List the files of a dataset, in the order of their paths' bytes."""
    dataset, page = call.id("dataset"), call.query
    with call.site.look() as work:
        return Answer(
            files.list_files(
                work, call.actor, dataset, after=page.after, limit=page.limit
            )
        )


def get_file(call: Call[None, None]) -> Answer:
    """Go to the store for a file.

    The address is signed for ten minutes and for this version of the file.
    """
    _, request = downloads.sign_file(
        call.site, call.actor, call.id("dataset"), call.text("path")
    )
    return Answer(headers={"Location": quote(request.url, safe=_IN_URLS)})


def head_file(call: Call[None, None]) -> Answer:
    """Tell a file's size and checksum, from the database."""
    dataset = call.id("dataset")
    with call.site.look() as work:
        file = downloads.head_file(work, call.actor, dataset, call.text("path"))
    return Answer(
        headers={
            "Content-Length": str(file.size),
            "Content-Type": "application/octet-stream",
            "ETag": f'"{file.sha256}"',
            "X-Hutch-SHA256": file.sha256,
        }
    )


def get_manifest(call: Call[None, None]) -> Answer:
    """Read the canonical manifest of a dataset that was closed.

    Its lines are ``sha256  size  path``; its SHA-256 is the dataset's digest.
    """
    text: Text = files.manifest(call.site, call.actor, call.id("dataset"))
    return Answer(text)


def get_record(call: Call[None, None]) -> Answer:
    """Read a record that a close left in the store, as it lies there.

    ``seal.json`` names the pieces of manifest and pins by their SHA-256, ``about.json``
    tells what the seal does not cover. Nothing is checked here: whoever verifies a
    dataset hashes what comes, and need not believe the database.
    """
    dataset, name = call.id("dataset"), call.text("name")
    return Answer(iter([records.show(call.site, call.actor, dataset, name)]))


def sign_downloads(call: Call[DownloadsIn, None]) -> Answer:
    """Get the requests that fetch files, each in the version that the caller knows."""
    return Answer(
        downloads.sign_downloads(call.site, call.actor, call.id("dataset"), call.body)
    )


def confirm_files(call: Call[ConfirmationsIn, None]) -> Answer:
    """Tell that files were read and found to be as recorded."""
    dataset = call.id("dataset")
    with call.site.begin() as work:
        return Answer(files.confirm(work, call.actor, dataset, call.body))


ENDPOINTS: Final[tuple[Endpoint[Any, Any], ...]] = (
    Endpoint(
        method="GET",
        path="/v1/datasets/{dataset}/files",
        handler=list_files,
        steps=True,
        query=Page,
        answers={HTTPStatus.OK: FilePage},
        scope=Scope.READ,
        problems=_READABLE,
    ),
    Endpoint(
        method="GET",
        path=_FILE,
        handler=get_file,
        answers={HTTPStatus.TEMPORARY_REDIRECT: None},
        scope=Scope.READ,
        answer_headers={"Location": "Where the store has the file, signed."},
        problems=(*_READABLE, errors.StoreError, errors.StoreUnavailableError),
    ),
    Endpoint(
        method="HEAD",
        path=_FILE,
        handler=head_file,
        answers={HTTPStatus.OK: None},
        scope=Scope.READ,
        answer_headers={
            "Content-Length": "The file's size in bytes.",
            "ETag": "The file's SHA-256, quoted.",
            "X-Hutch-SHA256": "The file's SHA-256 in hexadecimal digits.",
        },
        problems=_READABLE,
    ),
    Endpoint(
        method="GET",
        path="/v1/datasets/{dataset}/manifest",
        handler=get_manifest,
        steps=True,
        answers={HTTPStatus.OK: Text},
        scope=Scope.READ,
        problems=(*_READABLE, errors.DatasetOpenError),
        media_type=TEXT,
    ),
    Endpoint(
        method="GET",
        path="/v1/datasets/{dataset}/records/{name}",
        handler=get_record,
        answers={HTTPStatus.OK: Text},
        scope=Scope.READ,
        problems=(
            errors.NotFoundError,
            errors.StoreError,
            errors.StoreUnavailableError,
        ),
        media_type=TEXT,
    ),
    Endpoint(
        method="POST",
        path="/v1/datasets/{dataset}/downloads",
        handler=sign_downloads,
        steps=True,
        body=DownloadsIn,
        batch=True,
        answers={HTTPStatus.OK: DownloadsOut},
        scope=Scope.READ,
        problems=(*_READABLE, errors.StoreError, errors.StoreUnavailableError),
        example={"files": [{"path": "raw/scan.h5", "version": "3HL4kqtJlcpXroDTDmJ"}]},
    ),
    Endpoint(
        method="POST",
        path="/v1/datasets/{dataset}/confirmations",
        handler=confirm_files,
        body=ConfirmationsIn,
        batch=True,
        answers={HTTPStatus.OK: ConfirmationsOut},
        scope=Scope.READ,
        problems=(*_READABLE, errors.DatasetOpenError),
        example={
            "files": [
                {
                    "path": "raw/scan.h5",
                    "version": "3HL4kqtJlcpXroDTDmJ",
                    "sha256": "0" * 64,
                }
            ]
        },
    ),
)

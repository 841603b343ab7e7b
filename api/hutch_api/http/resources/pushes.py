"""Pushes: announcing files, signing their requests, finishing them."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, Final

from hutch.contract import problems as errors
from hutch.contract.steps import Step, reached
from hutch.contract.wire.accounts import Scope
from hutch.contract.wire.transfer import (
    AbortIn,
    DeletionsIn,
    DeletionsOut,
    FinishIn,
    FinishOut,
    PartsIn,
    PartsOut,
    PushOut,
    UploadsIn,
    UploadsOut,
)
from hutch_api.http import replays
from hutch_api.http.endpoints import Answer, Call, Endpoint
from hutch_api.services import finishing, pushes, removals, uploads

_NOT_OPEN: Final = (
    errors.NotFoundError,
    errors.ForbiddenError,
    errors.DatasetClosedError,
    errors.DatasetBusyError,
    errors.DeletedError,
)
_STORE: Final = (*_NOT_OPEN, errors.StoreError, errors.StoreUnavailableError)
_INTENT: Final = "0b7c1c0e-6c3f-4f0e-9d6e-0a4f5f1f2a3b"
_CRC: Final = "AAAAAAAAAAA="


def start_push(call: Call[None, None]) -> Answer:
    """Begin to send files into an open dataset.

    A push lives on until it has been idle for seven days: keep its id and go on with
    it after an interruption.
    """
    dataset = call.id("dataset")
    with call.site.begin() as work:
        made = replays.make_once(
            work,
            call,
            scope=Scope.WRITE,
            make=lambda: pushes.start_push(work, call.actor, dataset),
            again=lambda push: pushes.get_push(work, call.actor, push),
        )
    return Answer(made)


def announce_uploads(call: Call[UploadsIn, None]) -> Answer:
    """Announce files and get the requests that send them.

    Each file succeeds or fails by itself. Announcing a file again in the same push
    gives the same upload, with the parts that the store already has.
    """
    return Answer(uploads.announce(call.site, call.actor, call.id("push"), call.body))


def sign_parts(call: Call[PartsIn, None]) -> Answer:
    """Get the requests that send parts of files."""
    return Answer(uploads.sign_parts(call.site, call.actor, call.id("push"), call.body))


def finish_uploads(call: Call[FinishIn, None]) -> Answer:
    """Say that files were sent whole; those the store confirms join the dataset.

    Finishing an upload again gives the same answer.
    """
    return Answer(finishing.finish(call.site, call.actor, call.id("push"), call.body))


def abort_uploads(call: Call[AbortIn, None]) -> Answer:
    """End uploads without keeping their files."""
    uploads.abort(call.site, call.actor, call.id("push"), call.body)
    return Answer()


def delete_files(call: Call[DeletionsIn, None]) -> Answer:
    """Take files out of an open dataset, in the version that the caller knows."""
    push = call.id("push")
    with call.site.begin() as work:
        removed = removals.remove_files(work, call.actor, push, call.body)
    reached(Step.FILES_REMOVED)
    return Answer(removed)


def _batch(example: Mapping[str, Any]) -> Mapping[str, Any]:
    return {"files": [example]}


ENDPOINTS: Final[tuple[Endpoint[Any, Any], ...]] = (
    Endpoint(
        method="POST",
        path="/v1/datasets/{dataset}/pushes",
        handler=start_push,
        steps=True,
        answers={HTTPStatus.CREATED: PushOut},
        scope=Scope.WRITE,
        request_headers=replays.HEADER,
        problems=(*_NOT_OPEN, errors.IdempotencyError),
    ),
    Endpoint(
        method="POST",
        path="/v1/pushes/{push}/uploads",
        handler=announce_uploads,
        steps=True,
        body=UploadsIn,
        batch=True,
        answers={HTTPStatus.OK: UploadsOut},
        scope=Scope.WRITE,
        problems=_STORE,
        example=_batch({"path": "raw/scan.h5", "size": 1024, "crc64nvme": _CRC}),
    ),
    Endpoint(
        method="POST",
        path="/v1/pushes/{push}/parts",
        handler=sign_parts,
        steps=True,
        body=PartsIn,
        batch=True,
        answers={HTTPStatus.OK: PartsOut},
        scope=Scope.WRITE,
        problems=_STORE,
        example={"parts": [{"intent": _INTENT, "number": 1, "crc64nvme": _CRC}]},
    ),
    Endpoint(
        method="POST",
        path="/v1/pushes/{push}/finish",
        handler=finish_uploads,
        steps=True,
        body=FinishIn,
        batch=True,
        answers={HTTPStatus.OK: FinishOut},
        scope=Scope.WRITE,
        problems=_STORE,
        example=_batch({"intent": _INTENT, "crc64nvme": _CRC, "sha256": "0" * 64}),
    ),
    Endpoint(
        method="POST",
        path="/v1/pushes/{push}/aborts",
        handler=abort_uploads,
        steps=True,
        body=AbortIn,
        batch=True,
        answers={HTTPStatus.NO_CONTENT: None},
        scope=Scope.WRITE,
        problems=_STORE,
        example={"intents": [_INTENT]},
    ),
    Endpoint(
        method="POST",
        path="/v1/pushes/{push}/deletions",
        handler=delete_files,
        steps=True,
        body=DeletionsIn,
        batch=True,
        answers={HTTPStatus.OK: DeletionsOut},
        scope=Scope.WRITE,
        problems=_NOT_OPEN,
        example=_batch({"path": "raw/scan.h5", "version": "3HL4kqtJlcpXroDTDmJ"}),
    ),
)

"""Datasets: made, found, described, closed, deleted."""

from http import HTTPStatus
from typing import Any, Final

from hutch.contract import problems as errors
from hutch.contract.wire.accounts import Scope
from hutch.contract.wire.datasets import (
    CloseIn,
    DatasetIn,
    DatasetOut,
    DatasetPage,
    DatasetPatch,
    OperationOut,
)
from hutch_api.http import replays
from hutch_api.http.endpoints import Answer, Call, Endpoint
from hutch_api.http.resources.progress import progress
from hutch_api.http.resources.queries import DatasetsQuery
from hutch_api.services import closing, datasets, deletion

_DATASET: Final = "/v1/datasets/{dataset}"
_ETAG: Final = {"ETag": "Changes whenever the dataset does; give it as If-Match."}
_OPERATION: Final = {HTTPStatus.OK: OperationOut, HTTPStatus.ACCEPTED: OperationOut}
_OWNED: Final = (errors.NotFoundError, errors.ForbiddenError, errors.DeletedError)


def list_datasets(call: Call[None, DatasetsQuery]) -> Answer:
    """List the datasets that the caller may read, the newest first."""
    wanted = call.query
    with call.site.look() as work:
        return Answer(
            datasets.list_datasets(
                work,
                call.actor,
                owner=wanted.owner,
                name=wanted.name,
                state=wanted.state,
                type_name=wanted.type,
                query=wanted.query,
                prefix=wanted.prefix,
                after=wanted.after,
                limit=wanted.limit,
            )
        )


def create_dataset(call: Call[DatasetIn, None]) -> Answer:
    """Make an open dataset; with ``inputs`` it is derived from them.

    All inputs must be closed and readable; that is checked in the transaction which
    makes the child.
    """
    with call.site.begin() as work:
        made = replays.make_once(
            work,
            call,
            scope=Scope.CREATE,
            make=lambda: datasets.create_dataset(work, call.actor, call.body),
            again=lambda known: datasets.show_made(work, call.actor, known),
        )
    return _answer(made)


def get_dataset(call: Call[None, None]) -> Answer:
    """Tell about a dataset, or about the tombstone of one."""
    dataset = call.id("dataset")
    with call.site.look() as work:
        return _answer(datasets.get_dataset(work, call.actor, dataset))


def patch_dataset(call: Call[DatasetPatch, None]) -> Answer:
    """Change what may still change.

    Attributes only while the dataset is open. Name, description and keywords also
    later, by the owner; they are outside the seal.
    """
    dataset, if_match = call.id("dataset"), call.headers.get("if-match")
    with call.site.begin() as work:
        return _answer(
            datasets.patch_dataset(
                work, call.actor, dataset, call.body, if_match=if_match
            )
        )


def delete_dataset(call: Call[None, None]) -> Answer:
    """Delete a dataset; one that was closed leaves a tombstone.

    Short work is done in the answer (200); longer work goes on behind it (202).
    """
    return progress(deletion.delete(call.site, call.actor, call.id("dataset")))


def close_dataset(call: Call[CloseIn, None]) -> Answer:
    """Close a dataset, for good.

    Short work is done in the answer (200); longer work goes on behind it (202).
    """
    dataset = call.id("dataset")
    return progress(closing.close(call.site, call.actor, dataset, call.body))


def _answer(dataset: DatasetOut) -> Answer:
    return Answer(dataset, headers={"ETag": datasets.etag(dataset)})


ENDPOINTS: Final[tuple[Endpoint[Any, Any], ...]] = (
    Endpoint(
        method="GET",
        path="/v1/datasets",
        handler=list_datasets,
        query=DatasetsQuery,
        answers={HTTPStatus.OK: DatasetPage},
        scope=Scope.READ,
    ),
    Endpoint(
        method="POST",
        path="/v1/datasets",
        handler=create_dataset,
        body=DatasetIn,
        answers={HTTPStatus.CREATED: DatasetOut},
        scope=Scope.CREATE,
        request_headers=replays.HEADER,
        answer_headers=_ETAG,
        problems=(
            errors.NotFoundError,
            errors.ForbiddenError,
            errors.NameTakenError,
            errors.ParentOpenError,
            errors.DatasetBusyError,
            errors.DeletedError,
            errors.IdempotencyError,
        ),
        example={"name": "tooth", "type": "scan.tomo", "keywords": ["enamel"]},
    ),
    Endpoint(
        method="GET",
        path=_DATASET,
        handler=get_dataset,
        steps=True,
        answers={HTTPStatus.OK: DatasetOut},
        scope=Scope.READ,
        answer_headers=_ETAG,
        problems=(errors.NotFoundError,),
    ),
    Endpoint(
        method="PATCH",
        path=_DATASET,
        handler=patch_dataset,
        steps=True,
        body=DatasetPatch,
        answers={HTTPStatus.OK: DatasetOut},
        scope=Scope.WRITE,
        request_headers={"If-Match": "Change it only if this is still its ETag."},
        answer_headers=_ETAG,
        problems=(
            *_OWNED,
            errors.NameTakenError,
            errors.DatasetClosedError,
            errors.DatasetBusyError,
            errors.PreconditionFailedError,
        ),
        example={"description": "Enamel of a premolar.", "keywords": ["enamel"]},
    ),
    Endpoint(
        method="DELETE",
        path=_DATASET,
        handler=delete_dataset,
        answers=_OPERATION,
        scope=Scope.DELETE,
        problems=(*_OWNED, errors.DatasetBusyError, errors.InUseError),
    ),
    Endpoint(
        method="POST",
        path=f"{_DATASET}/close",
        handler=close_dataset,
        body=CloseIn,
        answers=_OPERATION,
        scope=Scope.CLOSE,
        problems=(
            *_OWNED,
            errors.DatasetClosedError,
            errors.DatasetBusyError,
            errors.CloseRefusedError,
            errors.StoreError,
            errors.StoreUnavailableError,
        ),
        example={"abandon": False},
    ),
)

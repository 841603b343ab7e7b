"""Where a dataset comes from, what was done to it, what is being done, and types."""

from http import HTTPStatus
from typing import Any, Final

from hutch.contract import problems as errors
from hutch.contract.wire.accounts import Scope
from hutch.contract.wire.datasets import (
    AuditPage,
    LineageOut,
    OperationOut,
    TypeList,
)
from hutch_api.http.endpoints import Answer, Call, Endpoint
from hutch_api.http.resources.queries import Depth, Page
from hutch_api.services import history, lineage, operations, types


def list_types(call: Call[None, None]) -> Answer:
    """List the types of datasets with the schemas of their attributes."""
    return Answer(types.list_types(call.actor))


def get_operation(call: Call[None, None]) -> Answer:
    """Tell how far a close or a deletion is; poll it until it is done or failed."""
    operation = call.id("operation")
    with call.site.look() as work:
        return Answer(operations.get_operation(work, call.actor, operation))


def get_lineage(call: Call[None, Depth]) -> Answer:
    """Show the ancestors and descendants of a dataset.

    Ancestors that the caller may not read appear by id and digest only; descendants
    that the caller may not read do not appear.
    """
    dataset = call.id("dataset")
    with call.site.look() as work:
        return Answer(
            lineage.lineage(work, call.actor, dataset, depth=call.query.depth)
        )


def list_audit(call: Call[None, Page]) -> Answer:
    """List what was done to a dataset, the newest first."""
    dataset, page = call.id("dataset"), call.query
    with call.site.look() as work:
        return Answer(
            history.list_audit(
                work, call.actor, dataset, after=page.after, limit=page.limit
            )
        )


ENDPOINTS: Final[tuple[Endpoint[Any, Any], ...]] = (
    Endpoint(
        method="GET",
        path="/v1/types",
        handler=list_types,
        answers={HTTPStatus.OK: TypeList},
        scope=Scope.READ,
    ),
    Endpoint(
        method="GET",
        path="/v1/operations/{operation}",
        handler=get_operation,
        answers={HTTPStatus.OK: OperationOut},
        scope=Scope.READ,
        problems=(errors.NotFoundError,),
    ),
    Endpoint(
        method="GET",
        path="/v1/datasets/{dataset}/lineage",
        handler=get_lineage,
        query=Depth,
        answers={HTTPStatus.OK: LineageOut},
        scope=Scope.READ,
        problems=(errors.NotFoundError,),
    ),
    Endpoint(
        method="GET",
        path="/v1/datasets/{dataset}/audit",
        handler=list_audit,
        query=Page,
        answers={HTTPStatus.OK: AuditPage},
        scope=Scope.READ,
        problems=(errors.NotFoundError, errors.ForbiddenError),
    ),
)

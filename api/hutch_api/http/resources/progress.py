"""How work is told of that may outlast its request."""

from http import HTTPStatus

from hutch.contract.wire.datasets import OperationOut, OperationState
from hutch_api.http.endpoints import Answer


def progress(operation: OperationOut) -> Answer:
    """Answer with an operation: 200 if it has ended, else 202 and where to look."""
    if operation.state is not OperationState.RUNNING:
        return Answer(operation)
    return Answer(
        operation,
        HTTPStatus.ACCEPTED,
        {"Location": f"/v1/operations/{operation.id}", "Retry-After": "1"},
    )

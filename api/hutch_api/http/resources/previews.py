"""Previews of datasets: read by whoever may read the dataset, sent by steps of runs."""

from http import HTTPStatus
from typing import Any, Final

from hutch.contract import problems as errors
from hutch.contract.wire.accounts import Scope
from hutch.contract.wire.previews import PreviewIn, PreviewList
from hutch_api.http.endpoints import Answer, Call, Endpoint
from hutch_api.services import previews


def list_previews(call: Call[None, None]) -> Answer:
    """List the previews of a dataset, to be fetched from the store.

    There are those of the newest run that has made some; before that the list is
    empty.
    """
    return Answer(previews.list_previews(call.site, call.actor, call.id("dataset")))


def put_preview(call: Call[PreviewIn, None]) -> Answer:
    """Send a preview, as the last step of a run that makes some.

    It is shown with all others when the run has succeeded.
    """
    previews.put(call.site, call.actor, call.text("preview"), call.body.data)
    return Answer()


ENDPOINTS: Final[tuple[Endpoint[Any, Any], ...]] = (
    Endpoint(
        method="GET",
        path="/v1/datasets/{dataset}/previews",
        handler=list_previews,
        answers={HTTPStatus.OK: PreviewList},
        scope=Scope.READ,
        problems=(errors.NotFoundError,),
    ),
    Endpoint(
        method="PUT",
        path="/v1/previews/{preview}",
        handler=put_preview,
        body=PreviewIn,
        answers={HTTPStatus.NO_CONTENT: None},
        scope=Scope.WRITE,
        problems=(
            errors.AttemptEndedError,
            errors.StoreError,
            errors.StoreUnavailableError,
        ),
        batch=True,
        steps=True,
        example={"data": "iVBORw0KGgo="},
    ),
)

"""Who may reach a dataset, and whose it is."""

from http import HTTPStatus
from typing import Any, Final

from hutch.contract import problems as errors
from hutch.contract.wire.accounts import Scope
from hutch.contract.wire.datasets import (
    DatasetOut,
    OwnerIn,
    PrincipalKind,
    ShareIn,
    ShareList,
    ShareOut,
)
from hutch_api.http.endpoints import Answer, Call, Endpoint
from hutch_api.http.revoking import settle
from hutch_api.services import datasets, sharing

_SHARES: Final = "/v1/datasets/{dataset}/shares"
_SHARE: Final = "/v1/datasets/{dataset}/shares/{kind}/{name}"
_OWNED: Final = (errors.NotFoundError, errors.ForbiddenError)


def list_shares(call: Call[None, None]) -> Answer:
    """List the rights that were given on a dataset."""
    dataset = call.id("dataset")
    with call.site.look() as work:
        return Answer(sharing.list_shares(work, call.actor, dataset))


def share(call: Call[ShareIn, None]) -> Answer:
    """Give a user or a group a right on a dataset, or change the one they have."""
    dataset, kind, name = call.id("dataset"), _kind(call), call.text("name")
    with call.site.begin() as work:
        given = sharing.share(
            work, call.actor, dataset, kind=kind, name=name, wanted=call.body
        )
    settle(call.site)
    return Answer(given)


def unshare(call: Call[None, None]) -> Answer:
    """Take back a right that was given; from the next request on."""
    dataset, kind, name = call.id("dataset"), _kind(call), call.text("name")
    with call.site.begin() as work:
        sharing.unshare(work, call.actor, dataset, kind=kind, name=name)
    settle(call.site)
    return Answer()


def give_dataset(call: Call[OwnerIn, None]) -> Answer:
    """Give a dataset to another owner.

    An admin may give one whose owner was disabled, without seeing it: then there is
    nothing to show (204).
    """
    dataset = call.id("dataset")
    with call.site.begin() as work:
        given = datasets.give_dataset(work, call.actor, dataset, call.body)
    settle(call.site)
    return Answer(given, None if given else HTTPStatus.NO_CONTENT)


def _kind(call: Call[Any, Any]) -> PrincipalKind:
    try:
        return PrincipalKind(call.text("kind"))
    except ValueError:
        raise errors.NotFoundError(
            "shares are given to 'user' and 'group'", kind=call.text("kind")[:100]
        ) from None


ENDPOINTS: Final[tuple[Endpoint[Any, Any], ...]] = (
    Endpoint(
        method="GET",
        path=_SHARES,
        handler=list_shares,
        answers={HTTPStatus.OK: ShareList},
        scope=Scope.READ,
        problems=(errors.NotFoundError,),
    ),
    Endpoint(
        method="PUT",
        path=_SHARE,
        handler=share,
        body=ShareIn,
        answers={HTTPStatus.OK: ShareOut},
        scope=Scope.SHARE,
        problems=(*_OWNED, errors.ConflictError, errors.DeletedError),
        example={"right": "read"},
    ),
    Endpoint(
        method="DELETE",
        path=_SHARE,
        handler=unshare,
        answers={HTTPStatus.NO_CONTENT: None},
        scope=Scope.SHARE,
        problems=_OWNED,
    ),
    Endpoint(
        method="PUT",
        path="/v1/datasets/{dataset}/owner",
        handler=give_dataset,
        body=OwnerIn,
        answers={HTTPStatus.OK: DatasetOut, HTTPStatus.NO_CONTENT: None},
        scope=Scope.SHARE,
        problems=(*_OWNED, errors.NameTakenError, errors.DeletedError),
        example={"owner": "grace"},
    ),
)

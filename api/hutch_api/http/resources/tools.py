"""S3 tools on a dataset: accounts for them, and what they left in the store."""

from http import HTTPStatus
from typing import Any, Final

from hutch.contract import problems as errors
from hutch.contract.wire.accounts import Scope
from hutch.contract.wire.datasets import OperationOut
from hutch.contract.wire.tools import (
    AdoptIn,
    StoreAccountCreated,
    StoreAccountIn,
    StoreAccountList,
    StrayPage,
)
from hutch_api.http.endpoints import Answer, Call, Endpoint
from hutch_api.http.resources.progress import progress
from hutch_api.http.resources.queries import Page
from hutch_api.http.revoking import settle
from hutch_api.services import adoption, strays, tool_accounts

_ACCOUNTS: Final = "/v1/datasets/{dataset}/store-accounts"
_NOT_OPEN: Final = (
    errors.NotFoundError,
    errors.DatasetClosedError,
    errors.DatasetBusyError,
    errors.DeletedError,
)
_STORE: Final = (errors.StoreError, errors.StoreUnavailableError)


def create_store_account(call: Call[StoreAccountIn, None]) -> Answer:
    """Make a store account, by which S3 tools reach this dataset and nothing else.

    Its keys are in this answer and nowhere else. It ends at its time, when it is
    revoked, and with the right, the token and the user that it came from; one that
    writes ends with the close.
    """
    dataset = call.id("dataset")
    return Answer(
        tool_accounts.create_account(call.site, call.actor, dataset, call.body)
    )


def list_store_accounts(call: Call[None, None]) -> Answer:
    """List the store accounts that live: to the owner all, to others their own."""
    dataset = call.id("dataset")
    with call.site.look() as work:
        return Answer(tool_accounts.list_accounts(work, call.actor, dataset))


def revoke_store_account(call: Call[None, None]) -> Answer:
    """Revoke a store account, from the next request to the store on."""
    account = call.id("account")
    with call.site.begin() as work:
        tool_accounts.revoke_account(work, call.actor, account)
    settle(call.site)
    return Answer()


def list_strays(call: Call[None, Page]) -> Answer:
    """List where other tools left the store unlike an open dataset.

    A call looks at a thousand keys: a page may be empty and not be the last.
    """
    dataset = call.id("dataset")
    after, limit = call.query.after, call.query.limit
    return Answer(
        strays.list_strays(call.site, call.actor, dataset, after=after, limit=limit)
    )


def adopt_strays(call: Call[AdoptIn, None]) -> Answer:
    """Take what other tools did in the store into an open dataset, or undo it.

    It is read in full, so that this goes on behind the answer. What cannot be taken,
    such as a name that no file may have, is told in the operation's result.
    """
    dataset = call.id("dataset")
    return progress(adoption.adopt(call.site, call.actor, dataset, call.body))


ENDPOINTS: Final[tuple[Endpoint[Any, Any], ...]] = (
    Endpoint(
        method="POST",
        path=_ACCOUNTS,
        handler=create_store_account,
        steps=True,
        body=StoreAccountIn,
        answers={HTTPStatus.CREATED: StoreAccountCreated},
        scope=Scope.READ,
        problems=(
            *_NOT_OPEN,
            errors.ForbiddenError,
            errors.ConflictError,
            *_STORE,
        ),
        example={"access": "read", "life_s": 3600},
    ),
    Endpoint(
        method="GET",
        path=_ACCOUNTS,
        handler=list_store_accounts,
        answers={HTTPStatus.OK: StoreAccountList},
        scope=Scope.READ,
        problems=(errors.NotFoundError,),
    ),
    Endpoint(
        method="DELETE",
        path="/v1/store-accounts/{account}",
        handler=revoke_store_account,
        answers={HTTPStatus.NO_CONTENT: None},
        scope=Scope.READ,
        problems=(errors.NotFoundError,),
    ),
    Endpoint(
        method="GET",
        path="/v1/datasets/{dataset}/strays",
        handler=list_strays,
        query=Page,
        answers={HTTPStatus.OK: StrayPage},
        scope=Scope.READ,
        problems=(*_NOT_OPEN, *_STORE),
    ),
    Endpoint(
        method="POST",
        path="/v1/datasets/{dataset}/adoptions",
        handler=adopt_strays,
        body=AdoptIn,
        answers={HTTPStatus.ACCEPTED: OperationOut},
        scope=Scope.WRITE,
        problems=(*_NOT_OPEN, errors.ForbiddenError),
        example={"paths": ["raw/scan.h5"]},
    ),
)

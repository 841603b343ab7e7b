"""S3 tools on a dataset: accounts for them, and what they left in the store."""

from http import HTTPStatus
from typing import Any, Final

from hutch.contract import problems as errors
from hutch.contract.wire.accounts import Scope
from hutch.contract.wire.tools import (
    StoreAccountCreated,
    StoreAccountIn,
    StoreAccountList,
)
from hutch_api.http.endpoints import Answer, Call, Endpoint
from hutch_api.http.revoking import settle
from hutch_api.services import tool_accounts

_ACCOUNTS: Final = "/v1/datasets/{dataset}/store-accounts"


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


ENDPOINTS: Final[tuple[Endpoint[Any, Any], ...]] = (
    Endpoint(
        method="POST",
        path=_ACCOUNTS,
        handler=create_store_account,
        body=StoreAccountIn,
        answers={HTTPStatus.CREATED: StoreAccountCreated},
        scope=Scope.READ,
        problems=(
            errors.NotFoundError,
            errors.ForbiddenError,
            errors.ConflictError,
            errors.DatasetClosedError,
            errors.DatasetBusyError,
            errors.DeletedError,
            errors.StoreError,
            errors.StoreUnavailableError,
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
)

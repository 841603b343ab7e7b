"""Routes for S3 tools: accounts of the store, and what tools left there."""

from uuid import UUID

from hutch.connection import Connection
from hutch.contract.wire.tools import (
    LIFE_S,
    StoreAccess,
    StoreAccountCreated,
    StoreAccountIn,
    StoreAccountList,
)


class StoreAccounts:
    """Accounts of the store by which S3 tools reach one dataset each."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def create(
        self,
        dataset: UUID,
        access: StoreAccess = StoreAccess.READ,
        *,
        life_s: int = LIFE_S,
    ) -> StoreAccountCreated:
        """Make an account; its keys are in this answer and nowhere else.

        Args:
            dataset: The dataset that it reaches.
            access: What it may do; ``write`` only while the dataset is open.
            life_s: Seconds until it ends by itself, 900 to 43,200.

        Raises:
            ForbiddenError: If the caller may not write to the dataset.
            ConflictError: If the dataset is not open, or there are too many.
        """
        return self._connection.call(
            "POST",
            _accounts(dataset),
            StoreAccountCreated,
            body=StoreAccountIn(access=access, life_s=life_s),
        )

    def list(self, dataset: UUID) -> StoreAccountList:
        """List those that live: to the owner all, to others their own."""
        return self._connection.call("GET", _accounts(dataset), StoreAccountList)

    def revoke(self, account: UUID) -> None:
        """End an account, from the next request to the store on."""
        self._connection.send("DELETE", f"/v1/store-accounts/{account}")


def _accounts(dataset: UUID) -> str:
    return f"/v1/datasets/{dataset}/store-accounts"

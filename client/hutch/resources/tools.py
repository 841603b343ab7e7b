"""Routes for S3 tools: accounts of the store, and what tools left there."""

from collections.abc import Iterator
from uuid import UUID

from hutch.connection import Connection
from hutch.contract.wire.datasets import OperationOut
from hutch.contract.wire.tools import (
    LIFE_S,
    AdoptIn,
    StoreAccess,
    StoreAccountCreated,
    StoreAccountIn,
    StoreAccountList,
    StrayOut,
    StrayPage,
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


class Strays:
    """What other tools did in the store to an open dataset."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def page(
        self, dataset: UUID, *, after: str | None = None, limit: int = 1_000
    ) -> StrayPage:
        """Read a page of paths where store and dataset differ."""
        return self._connection.call(
            "GET",
            f"/v1/datasets/{dataset}/strays",
            StrayPage,
            query={"after": after, "limit": limit},
        )

    def iterate(self, dataset: UUID) -> Iterator[StrayOut]:
        """Walk all of them, in the order of the bytes of their paths."""
        after: str | None = None
        while True:
            page = self.page(dataset, after=after)
            yield from page.items
            after = page.next
            if after is None:
                return

    def adopt(self, dataset: UUID, wanted: AdoptIn | None = None) -> OperationOut:
        """Take them into the dataset, or undo them; wait with ``datasets.wait``."""
        return self._connection.call(
            "POST",
            f"/v1/datasets/{dataset}/adoptions",
            OperationOut,
            body=wanted or AdoptIn(),
            repeat=True,
        )


def _accounts(dataset: UUID) -> str:
    return f"/v1/datasets/{dataset}/store-accounts"

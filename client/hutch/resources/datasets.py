"""Routes of datasets: what they are, who may reach them, what became of them."""

import time
from collections.abc import Callable, Iterator
from typing import Final
from urllib.parse import quote
from uuid import UUID, uuid4

from hutch.connection import Connection, decode
from hutch.contract.problems import from_problem
from hutch.contract.wire.datasets import (
    AuditPage,
    CloseIn,
    DatasetIn,
    DatasetOut,
    DatasetPage,
    DatasetPatch,
    LineageOut,
    OperationOut,
    OperationState,
    OwnerIn,
    PrincipalKind,
    Right,
    ShareIn,
    ShareList,
    ShareOut,
    State,
)

POLL_S: Final = (0.1, 0.2, 0.5, 1.0, 2.0)
"""Pauses between two looks at an operation; the last one is repeated."""


class Datasets:
    """Datasets, their shares, lineage and history."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def list(
        self,
        *,
        owner: str | None = None,
        name: str | None = None,
        state: State | None = None,
        type_name: str | None = None,
        query: str | None = None,
        prefix: str | None = None,
        after: str | None = None,
        limit: int | None = None,
    ) -> DatasetPage:
        """Read a page of the datasets that the caller may see, the newest first.

        Args:
            owner: Only those of this user.
            name: Only those of exactly this name.
            state: Only those in this state.
            type_name: Only those of this type.
            query: Only those whose name, description or keywords hold these words.
            prefix: Only those whose id begins like this.
            after: ``next`` of the page before; None means the first page.
            limit: Most items of the page; None leaves it to the server.
        """
        return self._connection.call(
            "GET",
            "/v1/datasets",
            DatasetPage,
            query={
                "owner": owner,
                "name": name,
                "state": state,
                "type": type_name,
                "query": query,
                "prefix": prefix,
                "after": after,
                "limit": limit,
            },
        )

    def iterate(
        self,
        *,
        owner: str | None = None,
        state: State | None = None,
        type_name: str | None = None,
        query: str | None = None,
    ) -> Iterator[DatasetOut]:
        """Walk all datasets that ``list`` would give, page by page."""
        after: str | None = None
        while True:
            page = self.list(
                owner=owner, state=state, type_name=type_name, query=query, after=after
            )
            yield from page.items
            after = page.next
            if after is None:
                return

    def create(self, wanted: DatasetIn) -> DatasetOut:
        """Make a dataset; with ``inputs`` it is derived from them."""
        return self._connection.call(
            "POST",
            "/v1/datasets",
            DatasetOut,
            body=wanted,
            headers={"Idempotency-Key": str(uuid4())},
            repeat=True,
        )

    def get(self, dataset: UUID) -> DatasetOut:
        """Read a dataset."""
        return self._connection.call("GET", _dataset(dataset), DatasetOut)

    def get_with_etag(self, dataset: UUID) -> tuple[DatasetOut, str]:
        """Read a dataset together with the mark that ``patch`` may require."""
        response = self._connection.send("GET", _dataset(dataset))
        return decode(response, DatasetOut), response.headers.get("ETag", "")

    def patch(
        self, dataset: UUID, changes: DatasetPatch, *, if_match: str | None = None
    ) -> DatasetOut:
        """Change what may still change.

        Args:
            dataset: Id of the dataset.
            changes: Fields that are None stay as they are.
            if_match: Mark of the state it was read in; None changes any state.

        Raises:
            PreconditionFailedError: If the dataset is not in that state any more.
        """
        headers = {} if if_match is None else {"If-Match": if_match}
        return self._connection.call(
            "PATCH", _dataset(dataset), DatasetOut, body=changes, headers=headers
        )

    def delete(self, dataset: UUID) -> OperationOut:
        """Delete a dataset; a closed one leaves a tombstone."""
        return self._connection.call("DELETE", _dataset(dataset), OperationOut)

    def close(self, dataset: UUID, wanted: CloseIn | None = None) -> OperationOut:
        """Close a dataset, for good; the operation may have to be waited for.

        Raises:
            CloseRefusedError: If it cannot be closed yet; ``reasons`` lists why.
        """
        return self._connection.call(
            "POST",
            f"{_dataset(dataset)}/close",
            OperationOut,
            body=wanted or CloseIn(),
        )

    def operation(self, operation: UUID) -> OperationOut:
        """Look how far an operation is."""
        return self._connection.call("GET", f"/v1/operations/{operation}", OperationOut)

    def wait(
        self,
        operation: OperationOut,
        *,
        watch: Callable[[OperationOut], None] = lambda _seen: None,
        timeout_s: float | None = None,
    ) -> OperationOut:
        """Wait until an operation is done.

        Args:
            operation: As ``close`` or ``delete`` gave it.
            watch: Is told each state that was seen.
            timeout_s: Seconds to wait at most; None means for ever.

        Raises:
            HutchError: Why the operation failed.
            TimeoutError: If it was still running then; it goes on by itself.
        """
        started, looks = time.monotonic(), 0
        while operation.state is OperationState.RUNNING:
            watch(operation)
            if timeout_s is not None and time.monotonic() - started > timeout_s:
                raise TimeoutError(f"operation {operation.id} is still running")
            time.sleep(POLL_S[min(looks, len(POLL_S) - 1)])
            looks += 1
            operation = self.operation(operation.id)
        watch(operation)
        if operation.state is OperationState.FAILED:
            raise from_problem(operation.problem or {})
        return operation

    def give(self, dataset: UUID, owner: str) -> DatasetOut | None:
        """Give a dataset to another owner.

        Returns:
            The dataset as the caller sees it now; None if it is none of theirs, as
            for an admin who gives what a disabled user has left.
        """
        response = self._connection.send(
            "PUT", f"{_dataset(dataset)}/owner", body=OwnerIn(owner=owner)
        )
        return decode(response, DatasetOut) if response.content else None

    def shares(self, dataset: UUID) -> ShareList:
        """List who else may reach a dataset."""
        return self._connection.call("GET", f"{_dataset(dataset)}/shares", ShareList)

    def share(
        self, dataset: UUID, *, kind: PrincipalKind, name: str, right: Right
    ) -> ShareOut:
        """Give a user or a group a right on a dataset, or change it."""
        return self._connection.call(
            "PUT", _share(dataset, kind, name), ShareOut, body=ShareIn(right=right)
        )

    def unshare(self, dataset: UUID, *, kind: PrincipalKind, name: str) -> None:
        """Take a right back."""
        self._connection.send("DELETE", _share(dataset, kind, name))

    def lineage(self, dataset: UUID, *, depth: int | None = None) -> LineageOut:
        """Read where a dataset comes from and what came of it.

        Args:
            dataset: Id of the dataset.
            depth: Steps in each direction; None leaves it to the server.
        """
        return self._connection.call(
            "GET", f"{_dataset(dataset)}/lineage", LineageOut, query={"depth": depth}
        )

    def audit(
        self, dataset: UUID, *, after: str | None = None, limit: int | None = None
    ) -> AuditPage:
        """Read a page of a dataset's history, the newest first."""
        return self._connection.call(
            "GET",
            f"{_dataset(dataset)}/audit",
            AuditPage,
            query={"after": after, "limit": limit},
        )


def _dataset(dataset: UUID) -> str:
    return f"/v1/datasets/{dataset}"


def _share(dataset: UUID, kind: PrincipalKind, name: str) -> str:
    return f"{_dataset(dataset)}/shares/{kind}/{quote(name, safe='')}"

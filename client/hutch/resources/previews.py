"""Routes of previews: small pictures of what datasets hold."""

from collections.abc import Callable, Iterator
from contextlib import closing
from urllib.parse import quote
from uuid import UUID

from hutch.connection import Connection
from hutch.contract.problems import ConflictError
from hutch.contract.wire.previews import (
    MAX_BYTES,
    PreviewIn,
    PreviewList,
    PreviewOut,
)
from hutch.contract.wire.transfer import SignedRequest


class Previews:
    """The previews of datasets."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def list(self, dataset: UUID) -> PreviewList:
        """List the previews of a dataset; there may be none."""
        return self._connection.call(
            "GET", f"/v1/datasets/{dataset}/previews", PreviewList
        )

    def fetch(
        self, dataset: UUID, listed: PreviewList
    ) -> Iterator[tuple[PreviewOut, bytes]]:
        """Fetch previews from the store, one after the other.

        Args:
            dataset: Id of the dataset.
            listed: What was listed of it.

        Raises:
            ConflictError: If a newer run has replaced them meanwhile.
            StoreUnavailableError: If the store does not give one.
        """
        # Loaded where they are needed: most commands fetch nothing.
        from hutch.transfer.carrier import Carrier  # noqa: PLC0415 - starts slower
        from hutch.transfer.records import fetch_record  # noqa: PLC0415 - as above

        with closing(Carrier(jobs=1)) as carrier:
            for one in listed.items:
                renew = self._renewer(dataset, listed, one.name)
                data = fetch_record(
                    carrier, one.request, renew, most=MAX_BYTES, what="preview"
                )
                yield one, data

    def put(self, name: str, data: bytes) -> None:
        """Send a preview, as the step of a run that makes some.

        Raises:
            AttemptEndedError: If the step's attempt has ended.
        """
        self._connection.send(
            "PUT",
            f"/v1/previews/{quote(name, safe='')}",
            body=PreviewIn(data=data),
            repeat=True,
        )

    def _renewer(
        self, dataset: UUID, listed: PreviewList, name: str
    ) -> Callable[[], SignedRequest]:
        """Make what asks for a preview once more, where its address has expired."""

        def renew() -> SignedRequest:
            again = self.list(dataset)
            if again.run == listed.run:
                for one in again.items:
                    if one.name == name:
                        return one.request
            raise ConflictError(
                f"The preview {name} was replaced by those of a newer run. List them "
                "again.",
                preview=name,
            )

        return renew

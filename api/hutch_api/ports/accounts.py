"""Short-lived credentials of the store, each reaching one dataset."""

from collections.abc import Iterator
from datetime import datetime
from enum import StrEnum
from typing import Protocol

from hutch_api.domain.accounts import Access
from hutch_api.ports.objects import Credentials


class AccountsApi(StrEnum):
    """How a store makes store accounts."""

    MINIO = "minio"
    """Service accounts of MinIO's admin API."""
    IAM = "iam"
    """The AWS IAM API, as SeaweedFS has it."""


class StoreAccounts(Protocol):
    """Makes and ends store accounts.

    May raise ``StoreUnavailableError`` and ``StoreError``.
    """

    def create(
        self,
        credentials: Credentials,
        *,
        access: Access,
        prefix: str,
        expires_at: datetime,
    ) -> None:
        """Make an account with this key pair. One request, never repeated here.

        If this raises, whether the account exists is unknown: the caller takes the
        generation for burnt.

        Args:
            credentials: The key pair, chosen by the caller.
            access: What it may do.
            prefix: Keys of the data bucket that it reaches, such as ``d/<id>/``.
            expires_at: When the store ends it by itself, if the store can.
        """
        ...

    def delete(self, key_id: str) -> None:
        """End an account at once; one that is gone is fine."""
        ...

    def key_ids(self) -> Iterator[str]:
        """List the accounts of this instance that the store knows."""
        ...

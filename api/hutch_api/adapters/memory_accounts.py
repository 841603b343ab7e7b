"""Store accounts of a store in memory."""

from collections.abc import Iterator
from datetime import datetime

from hutch_api.adapters.memory import MemoryStore
from hutch_api.domain.accounts import Access
from hutch_api.ports.objects import Credentials


class MemoryAccounts:
    """``StoreAccounts`` for a ``MemoryStore``.

    Args:
        store: The store that believes these accounts.
    """

    def __init__(self, store: MemoryStore) -> None:
        self._store = store

    def create(
        self,
        credentials: Credentials,
        *,
        access: Access,
        prefix: str,
        expires_at: datetime,
    ) -> None:
        """Make an account."""
        self._store.before(f"create_{access}_account")
        del expires_at  # the real stores end it; nothing here lives that long
        self._store.accounts[credentials.key_id] = prefix

    def delete(self, key_id: str) -> None:
        """End an account; one that is gone is fine."""
        self._store.before("delete_account")
        self._store.accounts.pop(key_id, None)

    def key_ids(self) -> Iterator[str]:
        """List the accounts."""
        yield from tuple(self._store.accounts)

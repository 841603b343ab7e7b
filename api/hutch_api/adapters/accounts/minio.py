"""Store accounts by MinIO's service accounts."""

import base64
import json
from collections.abc import Iterator
from datetime import datetime
from typing import Final
from uuid import UUID

from hutch.contract.problems import StoreUnavailableError
from hutch_api.adapters.accounts.minio_api import (
    add_service_account,
    ask,
    open_admin,
)
from hutch_api.adapters.policies import account_policy
from hutch_api.domain.accounts import Access
from hutch_api.ports.objects import Credentials

_GONE: Final = "XMinioInvalidIAMCredentials"
_TRIES: Final = 2


class MinioAccounts:
    """Service accounts of the server's identity, a plain user with S3 rights only."""

    def __init__(
        self,
        *,
        endpoint: str,
        server: Credentials,
        instance: UUID,
        bucket: str,
        region: str = "us-east-1",
    ) -> None:
        self._admin = open_admin(endpoint, server, region=region)
        self._server = server
        self._bucket = bucket
        self._name = account_name(instance)

    def create(
        self,
        credentials: Credentials,
        *,
        access: Access,
        prefix: str,
        expires_at: datetime,
    ) -> None:
        """Make an account with this key pair by one request.

        Raises:
            StoreError: The store refused, for one because the key is in use.
            StoreUnavailableError: The store did not answer.
        """
        account = {
            "accessKey": credentials.key_id,
            "secretKey": credentials.secret,
            "policy": account_policy(access, bucket=self._bucket, prefix=prefix),
            "name": self._name,
            "expiration": f"{expires_at:%Y-%m-%dT%H:%M:%SZ}",
        }
        ask(
            "make a store account",
            lambda: add_service_account(
                self._admin, account, secret=self._server.secret
            ),
        )

    def delete(self, key_id: str) -> None:
        """End an account; every URL that it signed and nobody used is dead.

        A MinIO that has just started does not find an account that it has not read
        yet, and may keep one that it read before this. It lists accounts only when
        it has read them all, so that what is listed afterwards counts.

        Raises:
            StoreError: The store refused.
            StoreUnavailableError: The store did not answer, or goes on listing it.
        """
        for _ in range(_TRIES):
            ask(
                "delete a store account",
                lambda: self._admin.delete_service_account(key_id),
                fine=_GONE,
            )
            if all(account["accessKey"] != key_id for account in self._listed()):
                return
        raise StoreUnavailableError("the store goes on listing a deleted account")

    def key_ids(self) -> Iterator[str]:
        """List this instance's accounts.

        Raises:
            StoreError: The store refused.
            StoreUnavailableError: The store did not answer.
        """
        for account in self._listed():
            if account.get("name") == self._name:
                yield account["accessKey"]

    def _listed(self) -> list[dict[str, str]]:
        answer = ask(
            "list store accounts",
            lambda: self._admin.list_service_account(self._server.key_id),
        )
        return json.loads(answer or "{}").get("accounts") or []


def account_name(instance: UUID) -> str:
    """Name the accounts of an instance: MinIO takes 32 characters, a letter first."""
    return f"hutch-{base64.b32encode(instance.bytes).decode().rstrip('=').lower()}"

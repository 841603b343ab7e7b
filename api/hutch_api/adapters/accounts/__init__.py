"""Store accounts on real stores: one adapter per account API."""

from uuid import UUID

from hutch_api.adapters.accounts.iam import IamAccounts
from hutch_api.adapters.accounts.minio import MinioAccounts
from hutch_api.ports.accounts import AccountsApi, StoreAccounts
from hutch_api.ports.objects import Credentials

__all__ = ["IamAccounts", "MinioAccounts", "open_accounts"]


def open_accounts(
    api: AccountsApi,
    *,
    endpoint: str,
    server: Credentials,
    instance: UUID,
    bucket: str,
    region: str = "us-east-1",
) -> StoreAccounts:
    """Open the accounts of a store; nothing is sent yet.

    Args:
        api: The API that the store has, see ``adapters.stores.detect``.
        endpoint: URL of the store as the server reaches it.
        server: The server's own identity.
        instance: Id of this installation: only its accounts are listed.
        bucket: The data bucket.
        region: Region that requests are signed for.
    """
    adapter: type[MinioAccounts | IamAccounts] = (
        MinioAccounts if api is AccountsApi.MINIO else IamAccounts
    )
    return adapter(
        endpoint=endpoint,
        server=server,
        instance=instance,
        bucket=bucket,
        region=region,
    )

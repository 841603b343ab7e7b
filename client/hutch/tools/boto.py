"""A client of boto3 that reaches one dataset, and asks for new keys by itself."""

from typing import Any
from uuid import UUID

from hutch.client import Client
from hutch.contract.wire.tools import StoreAccess
from hutch.errors import ExtraMissingError
from hutch.tools.keys import s3_keys


def s3_client(
    client: Client, dataset: UUID, access: StoreAccess = StoreAccess.READ
) -> Any:
    """Make a client of boto3; ``hutch.s3_keys`` tells bucket and prefix.

    Args:
        client: The server; it is asked for keys as long as the other one is used.
        dataset: What it reaches.
        access: What it may do; ``write`` only while the dataset is open.

    Raises:
        ExtraMissingError: boto3 is not installed.
        HutchError: As for ``hutch.s3_keys``.
    """
    try:
        import boto3  # noqa: PLC0415 - whoever does not ask for it need not have it
        from botocore.config import Config  # noqa: PLC0415 - as above
        from botocore.credentials import (  # noqa: PLC0415 - as above
            CredentialProvider,
            CredentialResolver,
            RefreshableCredentials,
        )
        from botocore.session import Session  # noqa: PLC0415 - as above
    except ImportError as error:
        raise ExtraMissingError(
            "boto3 is not installed: pip install 'hutch[s3]'", extra="s3"
        ) from error

    def fetch() -> dict[str, Any]:
        keys = s3_keys(client, dataset, access)
        return {
            "access_key": keys.key_id,
            "secret_key": keys.secret,
            "token": None,
            "expiry_time": keys.good_until.isoformat(),
        }

    class Provider(CredentialProvider):
        METHOD = "hutch"

        def load(self) -> Any:
            """Give credentials that fetch new ones before they end."""
            return RefreshableCredentials.create_from_metadata(
                metadata=fetch(), refresh_using=fetch, method=self.METHOD
            )

    place = s3_keys(client, dataset, access)
    session = Session()
    session.register_component("credential_provider", CredentialResolver([Provider()]))
    return boto3.Session(botocore_session=session).client(
        "s3",
        endpoint_url=place.endpoint,
        region_name=place.region,
        config=Config(
            s3={"addressing_style": "path"},
            signature_version="s3v4",
            request_checksum_calculation="when_required",
            response_checksum_validation="when_required",
        ),
    )

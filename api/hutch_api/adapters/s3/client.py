"""Connections to the store for the server's own calls."""

import ssl
from typing import TYPE_CHECKING, Final

import boto3
from botocore.config import Config

from hutch_api.ports.objects import Credentials

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

CONNECT_TIMEOUT_S: Final = 3
READ_TIMEOUT_S: Final = 10
"""For answers that take milliseconds: a HEAD of a key that is being written hangs."""
WORK_TIMEOUT_S: Final = 120
"""For answers that take work: the store reads a large file when it completes it."""
CONNECTIONS: Final = 32


def system_certificates() -> str | None:
    """Find the certificates that this machine trusts; None if there are none.

    botocore brings its own, which do not know a facility's own authority.
    """
    return ssl.get_default_verify_paths().cafile


def client_config(*, read_timeout: float, attempts: int = 1) -> Config:
    """Make the settings for a boto3 client of any service of the store.

    Args:
        read_timeout: Seconds to wait for an answer.
        attempts: How often a request is sent; 1 means never again.
    """
    return Config(
        signature_version="s3v4",
        connect_timeout=CONNECT_TIMEOUT_S,
        read_timeout=read_timeout,
        retries={"total_max_attempts": attempts, "mode": "standard"},
        max_pool_connections=CONNECTIONS,
        # Checksums are chosen call by call: they are part of the protocol.
        request_checksum_calculation="when_required",
        response_checksum_validation="when_required",
        s3={"addressing_style": "path"},
        proxies={},  # the environment's proxies are for the way out
    )


def make_client(
    url: str,
    *,
    region: str,
    credentials: Credentials,
    read_timeout: float = WORK_TIMEOUT_S,
    attempts: int = 1,
) -> "S3Client":
    """Open an S3 client with exactly these credentials; see ``client_config``."""
    session = boto3.session.Session(
        aws_access_key_id=credentials.key_id,
        aws_secret_access_key=credentials.secret,
        region_name=region,
    )
    return session.client(
        "s3",
        endpoint_url=url,
        verify=system_certificates(),
        config=client_config(read_timeout=read_timeout, attempts=attempts),
    )

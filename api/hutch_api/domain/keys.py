"""What is computed from the server's key instead of being stored."""

import base64
import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass, field
from uuid import UUID

_SHORTEST = 32
"""Bytes of a server key: as many as the hash has."""
_KEY_ID_LENGTH = 20
_SECRET_LENGTH = 40
"""Both stores take a key id of 20 upper-case alphanumerics and 40 characters."""


@dataclass(frozen=True, slots=True)
class ServerKeys:
    """The server's secret keys by version; the highest is used for what is new.

    Attributes:
        by_version: At least one key of at least 32 random bytes.
    """

    by_version: Mapping[int, bytes] = field(repr=False)

    def __post_init__(self) -> None:
        """Refuse keys that could be guessed.

        Raises:
            ValueError: If there is no key, or a short one.
        """
        if not self.by_version:
            raise ValueError("there is no server key")
        if min(map(len, self.by_version.values())) < _SHORTEST:
            raise ValueError(f"a server key has at least {_SHORTEST} bytes")

    @property
    def current(self) -> int:
        """Version of the key for what is new."""
        return max(self.by_version)

    def account(self, version: int, dataset: UUID, generation: str) -> tuple[str, str]:
        """Compute key id and secret of a store account.

        A generation is never used twice: an account made again with the same key
        would revive the URLs that were signed with it.

        Raises:
            KeyError: If the server no longer has this version of its key.
        """
        key = self.by_version[version]
        parts = [
            base64.b32encode(self._mac(key, use, dataset.bytes, generation.encode()))
            for use in (b"account-id", b"account-secret")
        ]
        key_id, secret = (part.decode() for part in parts)
        return key_id[:_KEY_ID_LENGTH], secret[:_SECRET_LENGTH]

    def token_hash(self, text: str) -> str:
        """Compute what is stored of a token.

        Tokens hold 238 random bits, so a fast keyed hash is enough; it always uses
        the oldest key, because a token outlives a change of keys.
        """
        key = self.by_version[min(self.by_version)]
        return self._mac(key, b"token", text.encode()).hex()

    @staticmethod
    def _mac(key: bytes, *parts: bytes) -> bytes:
        mac = hmac.new(key, digestmod=hashlib.sha256)
        for part in parts:
            mac.update(len(part).to_bytes(4, "big") + part)
        return mac.digest()

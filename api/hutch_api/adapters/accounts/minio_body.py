"""The body of a request to MinIO's admin API, encrypted with the caller's secret.

Its library derives the key by Argon2id, for the request and for the answer: 0.13 s of a
core here and as much in MinIO, before the first file of a dataset can be sent. MinIO
also takes what its FIPS build sends, a key by PBKDF2, in 3 ms; Argon2id is meant for
passwords, and this secret is 40 random characters.

The format is that of ``madmin.EncryptData`` (salt, algorithm, nonce, then a stream of
"sio" packages), of which one package is enough here.
"""

import hashlib
import os
from typing import Final

from Crypto.Cipher import AES
from Crypto.Cipher._mode_gcm import GcmMode

_PBKDF2_AES_GCM: Final = b"\x02"
_ROUNDS: Final = 8_192
_KEY: Final = 32
_SALT: Final = 32
_NONCE: Final = 8
_PACKAGE: Final = 16 * 1024
_LAST: Final = b"\x80"


def encrypt(body: bytes, secret: str) -> bytes:
    """Encrypt a body of at most 16 KiB.

    Raises:
        ValueError: It is longer.
    """
    if len(body) > _PACKAGE:
        raise ValueError(f"{len(body)} bytes do not fit into one package")
    salt, nonce = os.urandom(_SALT), os.urandom(_NONCE)
    key = hashlib.pbkdf2_hmac("sha256", secret.encode(), salt, _ROUNDS, dklen=_KEY)
    # Package 0 is empty; its tag is what the others are authenticated with.
    empty = _package(key, nonce, 0).digest()
    package = _package(key, nonce, 1)
    package.update(_LAST + empty)
    sealed, tag = package.encrypt_and_digest(body)
    return salt + _PBKDF2_AES_GCM + nonce + sealed + tag


def _package(key: bytes, nonce: bytes, number: int) -> GcmMode:
    return AES.new(key, AES.MODE_GCM, nonce + number.to_bytes(4, "little"))

"""The text of a token: easy to find in a leak, refused with a typo before any query.

``hutch_``, 40 random base62 characters (238 bits), and the CRC-32 of what stands
before it in 6 base62 characters. The checksum protects nobody; it lets leak scanners
be certain and spares the database the requests of those who mistyped.
"""

import re
import secrets
import string
import zlib
from typing import Final

PREFIX: Final = "hutch_"
RANDOM_LENGTH: Final = 40
CHECKSUM_LENGTH: Final = 6
"""The largest CRC-32 takes six base62 digits."""
ALPHABET: Final = string.digits + string.ascii_uppercase + string.ascii_lowercase
PATTERN: Final = re.compile(
    rf"{PREFIX}[0-9A-Za-z]{{{RANDOM_LENGTH + CHECKSUM_LENGTH}}}"
)


def new_text() -> str:
    """Make the text of a new token from the system's randomness."""
    return with_checksum(
        "".join(secrets.choice(ALPHABET) for _ in range(RANDOM_LENGTH))
    )


def with_checksum(random: str) -> str:
    """Put prefix and checksum around the random part of a token.

    Raises:
        ValueError: If it is not 40 base62 characters.
    """
    if len(random) != RANDOM_LENGTH or not set(random) <= set(ALPHABET):
        raise ValueError(f"the random part has {RANDOM_LENGTH} base62 characters")
    body = PREFIX + random
    return body + checksum(body)


def is_token(text: str) -> bool:
    """Tell whether a text has the form of a token and its checksum fits."""
    if not PATTERN.fullmatch(text):
        return False
    return checksum(text[:-CHECKSUM_LENGTH]) == text[-CHECKSUM_LENGTH:]


def checksum(body: str) -> str:
    """Compute the checksum of prefix and random part: CRC-32, six base62 digits."""
    rest = zlib.crc32(body.encode("ascii"))
    digits = []
    for _ in range(CHECKSUM_LENGTH):
        rest, digit = divmod(rest, len(ALPHABET))
        digits.append(ALPHABET[digit])
    return "".join(reversed(digits))

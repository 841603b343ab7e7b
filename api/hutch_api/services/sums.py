"""What the store's own bytes of a version come to."""

import hashlib
from base64 import b64encode
from collections.abc import Callable
from dataclasses import dataclass

from awscrt.checksums import crc64nvme

from hutch_api.services.work import Site


@dataclass(frozen=True, slots=True)
class Sums:
    """Length in bytes and both checksums, as a manifest and its pins have them."""

    size: int
    sha256: str
    crc64nvme: str


def compute(site: Site, key: str, version: str, *, beat: Callable[[], None]) -> Sums:
    """Read a version to its end.

    Args:
        site: The site.
        key: In the data bucket.
        version: Which version.
        beat: Called now and then, to keep a lease or to stop.

    Raises:
        StoreError: The store does not give it.
    """
    sha256, crc, size = hashlib.sha256(), 0, 0
    for block in site.objects.read(key, version):
        beat()
        sha256.update(block)
        crc = crc64nvme(block, crc)
        size += len(block)
    told = b64encode(crc.to_bytes(8, "big")).decode()
    return Sums(size, sha256.hexdigest(), told)

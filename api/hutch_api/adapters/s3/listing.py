"""Listing all versions of all keys below a prefix, in the order of the keys' bytes.

MinIO can also show the intent ids (``metadata=true``), at three times the cost of a
plain listing; a version that matters is asked for its checksum anyway.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from urllib.parse import unquote_plus
from xml.etree import ElementTree as ET

from hutch_api.adapters.s3.markers import before
from hutch_api.adapters.s3.requests import Requests, tag_of, text_of
from hutch_api.adapters.s3.walking import walk
from hutch_api.ports.objects import Version

PAGE: Final = 1_000
"""S3's largest page."""
_WALKS_DIRECTORIES: Final = "SeaweedFS"
_OPERATION: Final = "list versions"


@dataclass(frozen=True, slots=True)
class Page:
    """One answer of the store.

    Attributes:
        rows: Sorted by key, then the newest first.
        directories: Prefixes that end in a slash; empty unless asked for.
        next: Where the next page begins; None on the last.
        walked: The store goes through directories, so that what comes before the
            next page's marker need not have been on this page.
    """

    rows: tuple[Version, ...]
    directories: tuple[str, ...]
    next: tuple[str, str] | None
    walked: bool


class Lister:
    """Lists one bucket.

    Args:
        requests: The connection.
        bucket: Its name.
        page: Rows to ask for at a time.
    """

    def __init__(self, requests: Requests, bucket: str, *, page: int = PAGE) -> None:
        self._requests, self._bucket, self._page = requests, bucket, page
        self._walked = False

    def versions(self, prefix: str, *, first: str | None = None) -> Iterator[Version]:
        """List versions and delete markers lazily.

        Args:
            prefix: Start of the keys.
            first: Begin at this key (included); None means the first there is.
        """
        if first is not None and not first.startswith(prefix):
            if first > prefix:
                return
            first = None
        if first == prefix:
            first = None
        if first is not None and self._walked:
            yield from walk(self, prefix, first=first)
            return
        start = first or prefix
        at: tuple[str, str] | None = (before(first) if first else "", "")
        while at is not None:
            page = self.fetch(prefix, at=at)
            self._walked = page.walked
            if page.walked and (first or page.next):
                yield from walk(self, prefix, first=first)
                return
            yield from (row for row in page.rows if row.key >= start)
            at = page.next

    def fetch(
        self, prefix: str, *, at: tuple[str, str] = ("", ""), level: bool = False
    ) -> Page:
        """Ask for one page.

        Args:
            prefix: Start of the keys.
            at: Key and version id after which it begins; empty means the start.
            level: Only keys of this level; deeper ones as ``directories``.
        """
        query = [
            ("versions", ""),
            ("encoding-type", "url"),
            ("max-keys", str(self._page)),
            ("prefix", prefix),
        ]
        names = ("key-marker", "version-id-marker")
        query += [(name, value) for name, value in zip(names, at, strict=True) if value]
        if level:
            query.append(("delimiter", "/"))
        root, server = self._requests.fetch_xml(
            self._bucket, operation=_OPERATION, query=query
        )
        return _page(root, walked=server.startswith(_WALKS_DIRECTORIES))


def _page(root: ET.Element, *, walked: bool) -> Page:
    encoded = text_of(root, "EncodingType") == "url"
    rows, directories = [], []
    for child in root:
        match tag_of(child):
            case "Version" | "DeleteMarker":
                rows.append(_row(child, encoded=encoded))
            case "CommonPrefixes":
                directories.append(_decoded(text_of(child, "Prefix"), encoded=encoded))
    # Stable: within a key the store's order stays, newest first.
    rows.sort(key=lambda row: (row.key, not row.is_latest))
    following = (
        _decoded(text_of(root, "NextKeyMarker"), encoded=encoded),
        text_of(root, "NextVersionIdMarker"),
    )
    return Page(
        rows=tuple(rows),
        directories=tuple(directories),
        next=following if text_of(root, "IsTruncated") == "true" else None,
        # Whoever leaves the keys as they are, although asked to quote them, is
        # taken for SeaweedFS behind a proxy that hides its name.
        walked=walked or not encoded,
    )


def _row(element: ET.Element, *, encoded: bool) -> Version:
    found = {tag_of(child): child.text or "" for child in element}
    return Version(
        key=_decoded(found["Key"], encoded=encoded),
        version=found["VersionId"],
        size=int(found.get("Size") or 0),
        is_latest=found["IsLatest"] == "true",
        is_marker=tag_of(element) == "DeleteMarker",
        modified=datetime.fromisoformat(found["LastModified"]),
    )


def _decoded(text: str, *, encoded: bool) -> str:
    return unquote_plus(text) if encoded else text

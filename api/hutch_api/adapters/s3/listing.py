"""Listing all versions of all keys below a prefix, in the order of the keys' bytes.

MinIO can also show the user metadata (``metadata=true``), at three times the cost of
a plain listing, which is a sixth of a HEAD for each. Others take no notice.
"""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Final
from urllib.parse import unquote_plus
from uuid import UUID
from xml.etree import ElementTree as ET

from hutch_api.adapters.s3.markers import before
from hutch_api.adapters.s3.requests import Requests, tag_of, text_of
from hutch_api.adapters.s3.walking import walk
from hutch_api.ports.objects import Version

PAGE: Final = 1_000
"""S3's largest page."""
_WALKS_DIRECTORIES: Final = "SeaweedFS"
_OPERATION: Final = "list versions"
INTENT: Final = "hutch-intent"
"""Name of the user metadata that holds the intent id."""
_SHOWN: Final = f"x-amz-meta-{INTENT}"
_FEW: Final = 16
"""Rows in the shortest page; a request costs as much as a dozen."""


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

    def versions(
        self,
        prefix: str,
        *,
        first: str | None = None,
        expected: int | None = None,
        intents: bool = False,
    ) -> Iterator[Version]:
        """List versions and delete markers lazily.

        Args:
            prefix: Start of the keys.
            first: Begin at this key (included); None means the first there is.
            expected: How many rows will probably be read; None means all.
            intents: Ask for the intent ids too.
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
        at = (before(first) if first else "", "")
        whole = expected is None
        most = self._page if expected is None else _length(expected)
        # Who reads all of it works on a page while the store makes the next one.
        with ThreadPoolExecutor(1) as ahead:
            page = self.fetch(
                prefix, at=at, most=min(most, self._page), intents=intents
            )
            listed = 0
            while True:
                self._walked = page.walked
                if page.walked and (first or page.next):
                    yield from walk(self, prefix, first=first)
                    return
                listed += len(page.rows)
                most = self._page if expected is None else _length(expected - listed)
                following = partial(
                    self.fetch,
                    prefix,
                    at=page.next or at,
                    most=min(most, self._page),
                    intents=intents,
                )
                made = ahead.submit(following) if whole and page.next else None
                yield from (row for row in page.rows if row.key >= start)
                if page.next is None:
                    return
                page = following() if made is None else made.result()

    def fetch(
        self,
        prefix: str,
        *,
        at: tuple[str, str] = ("", ""),
        level: bool = False,
        most: int | None = None,
        intents: bool = False,
    ) -> Page:
        """Ask for one page.

        Args:
            prefix: Start of the keys.
            at: Key and version id after which it begins; empty means the start.
            level: Only keys of this level; deeper ones as ``directories``.
            most: Most rows; None means a full page.
            intents: Ask for the intent ids too.
        """
        query = [
            ("versions", ""),
            ("encoding-type", "url"),
            ("max-keys", str(self._page if most is None else most)),
            ("prefix", prefix),
        ]
        names = ("key-marker", "version-id-marker")
        query += [(name, value) for name, value in zip(names, at, strict=True) if value]
        if intents:
            query.append(("metadata", "true"))
        if level:
            query.append(("delimiter", "/"))
        root, server = self._requests.fetch_xml(
            self._bucket, operation=_OPERATION, query=query
        )
        return _page(root, walked=server.startswith(_WALKS_DIRECTORIES))


def list_uploads(requests: Requests, bucket: str, key: str) -> list[str]:
    """List the ids of the multipart uploads of exactly one key.

    On MinIO the prefix of a directory finds nothing, a whole key does.
    """
    ids: list[str] = []
    at = ("", "")
    while True:
        query = [("uploads", ""), ("encoding-type", "url"), ("prefix", key)]
        names = ("key-marker", "upload-id-marker")
        query += [(name, value) for name, value in zip(names, at, strict=True) if value]
        root, _ = requests.fetch_xml(bucket, operation="list uploads", query=query)
        encoded = text_of(root, "EncodingType") == "url"
        ids += [
            text_of(child, "UploadId")
            for child in root
            if tag_of(child) == "Upload"
            and _decoded(text_of(child, "Key"), encoded=encoded) == key
        ]
        if text_of(root, "IsTruncated") != "true":
            return ids
        at = (
            _decoded(text_of(root, "NextKeyMarker"), encoded=encoded),
            text_of(root, "NextUploadIdMarker"),
        )


def _length(missing: int) -> int:
    """Choose how many rows to ask for, with one more to see the end of a key.

    Who reads on beyond what was expected gets longer and longer pages.
    """
    return max(_FEW, missing + 1, 2 * -missing)


def _page(root: ET.Element, *, walked: bool) -> Page:
    encoded = text_of(root, "EncodingType") == "url"
    # All names of a document have the same namespace in front.
    space = root.tag[: root.tag.rfind("}") + 1]
    kinds = {f"{space}Version": False, f"{space}DeleteMarker": True}
    rows = [
        _row(child, space, encoded=encoded, marker=kinds[child.tag])
        for child in root
        if child.tag in kinds
    ]
    directories = [
        _decoded(child.findtext(f"{space}Prefix", ""), encoded=encoded)
        for child in root.iterfind(f"{space}CommonPrefixes")
    ]
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


def _row(element: ET.Element, space: str, *, encoded: bool, marker: bool) -> Version:
    found = {child.tag: child for child in element}
    size, shown = found.get(f"{space}Size"), found.get(f"{space}UserMetadata")
    return Version(
        key=_decoded(_text(found, f"{space}Key"), encoded=encoded),
        version=_text(found, f"{space}VersionId"),
        size=0 if size is None else int(size.text or 0),
        is_latest=_text(found, f"{space}IsLatest") == "true",
        is_marker=marker,
        modified=datetime.fromisoformat(_text(found, f"{space}LastModified")),
        intent=None if shown is None else _intent(shown),
    )


def _decoded(text: str, *, encoded: bool) -> str:
    plain = not encoded or ("%" not in text and "+" not in text)
    return text if plain else unquote_plus(text)


def _text(found: dict[str, ET.Element], name: str) -> str:
    return found[name].text or ""


def _intent(shown: ET.Element) -> UUID | None:
    for child in shown:
        if tag_of(child).lower() == _SHOWN:
            return read_intent(child.text)
    return None


def read_intent(text: str | None) -> UUID | None:
    """Read an intent id in user metadata; None if it is not there, or is none."""
    try:
        return UUID(text) if text else None
    except ValueError:  # somebody else's metadata under our name
        return None

"""Which names a file of a dataset may have.

One rule for both directions: the server applies it when a file is announced, a
clone applies it again before it writes, because a server may lie.
"""

import re
import unicodedata
from collections.abc import Sequence
from typing import Final, NewType

RelativePath = NewType("RelativePath", str)
"""A path that ``parse`` has let through: relative, ``/``-separated, NFC."""

MAX_BYTES: Final = 900
"""S3 keys hold 1,024 bytes; the rest is for the prefix ``d/<dataset id>/``."""
MAX_SEGMENT_BYTES: Final = 255
MAX_DEPTH: Final = 64
WORKDIR: Final = ".hutch"
"""The directory that binds a working directory; it never travels."""
FORBIDDEN_SUFFIXES: Final = ("__XLDIR__", ".versions")
"""MinIO lists keys that end in the first under another name. SeaweedFS keeps the
versions of a key in a directory with the second, and lists nothing else in it."""
FORBIDDEN_PREFIX: Final = ".uploads"
"""SeaweedFS takes such a directory for its own and lists nothing in it."""

_PLANE_ENDS: Final = "".join(
    chr(plane << 16 | end) for plane in range(17) for end in (0xFFFE, 0xFFFF)
)
_UNSAFE: Final = re.compile(
    r"[\\\x00-\x1f\x7f-\x9f\u2028\u2029"  # backslash, controls, line ends
    r"\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069"  # direction of writing
    rf"\ufdd0-\ufdef{_PLANE_ENDS}]"  # code points that are no characters
)
_WINDOWS_CHARACTERS: Final = frozenset('<>:"|?*')
_WINDOWS_DEVICES: Final = frozenset(
    {"con", "prn", "aux", "nul", "conin$", "conout$"}
    | {f"{port}{n}" for port in ("com", "lpt") for n in "123456789¹²³"}
)


class PathError(ValueError):
    """A name that no file of a dataset may have.

    Attributes:
        path: The name as it was given.
        reason: What is wrong with it, in words that may be shown.
    """

    def __init__(self, path: str, reason: str) -> None:
        super().__init__(f"{path!r}: {reason}")
        self.path, self.reason = path, reason


def parse(text: str, *, portable: bool = False) -> RelativePath:
    """Accept a path, or say why not.

    Args:
        text: The path as a client or a server names it.
        portable: Also refuse what Windows cannot hold.

    Raises:
        PathError: If the rule does not allow it.
    """
    reason = _fault(text) or (_unportable(text) if portable else None)
    if reason:
        raise PathError(text, reason)
    return RelativePath(text)


def fold(path: RelativePath) -> str:
    """Make the form under which a path is unique in its dataset.

    Two paths with one fold would be one file on a disk that ignores case.
    NFC again, because casefolding can undo it.
    """
    return unicodedata.normalize("NFC", path.casefold())


def ancestors(path: str) -> list[str]:
    """List the directories above a path, the topmost first."""
    parts = path.split("/")
    return ["/".join(parts[:depth]) for depth in range(1, len(parts))]


def sort_key(path: str) -> bytes:
    """Order paths as S3 lists keys and as a manifest has its lines: by their bytes."""
    return path.encode()


def _fault(text: str) -> str | None:
    try:
        size = len(text.encode())
    except UnicodeEncodeError:
        return "is not valid UTF-8"
    if not 1 <= size <= MAX_BYTES:
        return f"has {size} bytes, 1 to {MAX_BYTES} are allowed"
    if not unicodedata.is_normalized("NFC", text):
        return "is not in Unicode normal form C"
    if bad := _UNSAFE.search(text):
        return f"holds the character U+{ord(bad[0]):04X}, which is not allowed"
    return _tree_fault(text.split("/"))


def _tree_fault(segments: Sequence[str]) -> str | None:
    if len(segments) > MAX_DEPTH:
        return f"is {len(segments)} levels deep, {MAX_DEPTH} are allowed"
    if segments[0].casefold() == WORKDIR:
        return f"lies in {WORKDIR}/, which is hutch's own"
    for segment in segments:
        if fault := _segment_fault(segment):
            return fault
    return None


def _segment_fault(segment: str) -> str | None:
    if not segment:
        return "has an empty segment (a leading, trailing or double slash)"
    if segment.strip() in {"", ".", ".."}:
        return f"has the segment {segment!r}"
    if len(segment.encode()) > MAX_SEGMENT_BYTES:
        return f"has a segment longer than {MAX_SEGMENT_BYTES} bytes"
    if segment.endswith(FORBIDDEN_SUFFIXES):
        suffix = next(s for s in FORBIDDEN_SUFFIXES if segment.endswith(s))
        return f"has a segment that ends in {suffix}, which stores keep for themselves"
    if segment.startswith(FORBIDDEN_PREFIX):
        return (
            f"has a segment that begins with {FORBIDDEN_PREFIX}, which stores keep "
            "for themselves"
        )
    return None


def _unportable(text: str) -> str | None:
    for segment in text.split("/"):
        if bad := next((c for c in segment if c in _WINDOWS_CHARACTERS), None):
            return f"holds {bad!r}, which Windows cannot store"
        if segment[-1] in ". ":
            return f"has the segment {segment!r}; Windows drops its last character"
        if segment.partition(".")[0].rstrip().casefold() in _WINDOWS_DEVICES:
            return f"has the segment {segment!r}, a device name on Windows"
    return None

"""Patterns that choose files by their path."""

import re
from collections.abc import Callable, Sequence


def chooser(patterns: Sequence[str]) -> Callable[[str], bool]:
    """Make the test whether any of the patterns matches a path.

    ``*`` and ``?`` stop at a slash, ``**`` does not. A pattern without a slash
    matches in every directory; one that matches a directory takes all below it.

    Args:
        patterns: Empty means that every path is chosen.
    """
    if not patterns:
        return lambda _path: True
    whole = re.compile("|".join(f"(?:{_translate(p)})" for p in patterns))
    return lambda path: whole.fullmatch(path) is not None


def _translate(pattern: str) -> str:
    anywhere = "" if "/" in pattern.rstrip("/") else "(?:.*/)?"
    text = ""
    for token in re.split(r"(\*\*/|\*\*|\*|\?)", pattern.strip("/")):
        match token:
            case "**/":
                text += "(?:.*/)?"
            case "**":
                text += ".*"
            case "*":
                text += "[^/]*"
            case "?":
                text += "[^/]"
            case _:
                text += re.escape(token)
    return f"{anywhere}{text}(?:/.*)?"

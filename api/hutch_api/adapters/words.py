"""Why one of hutch's own steps failed, as it says in the last line that it writes."""

import json
from typing import Final

_LONGEST: Final = 500


def last_words(log: str, *, plain: bool = True) -> str:
    """Read why a step failed from what it has written.

    Args:
        log: The end of it.
        plain: Give a last line that was not meant for this, too.
    """
    last = log.splitlines()[-1:]
    try:
        return str(json.loads(last[0])["detail"])[:_LONGEST]
    except (IndexError, KeyError, TypeError, ValueError):
        return "".join(last)[:_LONGEST] if plain else ""

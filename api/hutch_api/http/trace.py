"""What is known of a request while it is served: for the log and for answers."""

import re
import uuid
from collections.abc import MutableMapping
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

_KEY: Final = "hutch.trace"
_SAFE: Final = re.compile(r"[A-Za-z0-9._-]{1,64}")


@dataclass(slots=True)
class Trace:
    """A request being served.

    Attributes:
        request_id: Names it on the answer, in the log and in the audit.
        template: Path template of its endpoint; ``-`` until one is found.
        user: Whose token came with it; None until that is known.
        body_read: Its body was read to the end.
    """

    request_id: str
    template: str = "-"
    user: UUID | None = None
    body_read: bool = False


def begin(scope: MutableMapping[str, Any], wanted: str | None) -> Trace:
    """Begin to trace a request.

    Args:
        scope: ASGI's description of the request; it carries the trace from here on.
        wanted: The id that the client asks for; used only if it is short and plain,
            because it goes into logs.
    """
    plain = wanted is not None and _SAFE.fullmatch(wanted)
    trace = Trace(wanted if wanted and plain else uuid.uuid4().hex)
    scope[_KEY] = trace
    return trace


def of(scope: MutableMapping[str, Any]) -> Trace:
    """Find the trace of a request."""
    found = scope[_KEY]
    if not isinstance(found, Trace):
        raise TypeError("the request has no trace: the outer middleware is missing")
    return found

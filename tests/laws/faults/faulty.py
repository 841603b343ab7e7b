"""A relay that does harm to chosen requests, the same at each run of a seed."""

import random
import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from enum import StrEnum
from urllib.parse import parse_qs
from uuid import UUID

from tests.relay import Answer, Relay, Request


class Fault(StrEnum):
    """What can go wrong with one request."""

    REFUSED = "refused"
    """503, as a store answers that asks for patience, before anything was done."""
    BROKEN = "broken"
    """500 before anything was done."""
    CUT = "cut"
    """The connection breaks before the server has heard of it."""
    LOST = "lost"
    """It is performed, and the answer is lost."""
    HALF = "half"
    """It is performed, and the answer breaks off in the middle."""
    TWICE = "twice"
    """It is performed twice; the second answer is given."""
    LIE = "lie"
    """Nothing is done, and the answer is 200 with an error in its body."""
    LATE = "late"
    """It is performed a moment later."""


def _error(status: int, code: str) -> Answer:
    body = f"<Error><Code>{code}</Code><Message>as planned</Message></Error>"
    return Answer(status, (("Content-Type", "application/xml"),), body.encode())


INSTEAD = {
    Fault.REFUSED: _error(503, "SlowDown"),
    Fault.BROKEN: _error(500, "InternalError"),
    Fault.LIE: _error(200, "InternalError"),
}
"""Answers of somebody on the way; the server has heard nothing."""
DELAY_S = 0.05
"""No verdict depends on it: the order of requests is all that it changes."""

Plan = Callable[[str, int], Fault | None]
"""Chooses the fault of the n-th request (from 0 on) of an operation."""


def first_of_each(fault: Fault) -> Plan:
    """Do this to the first request of each operation."""
    return lambda _operation, n: fault if n == 0 else None


def seeded(seed: int, *, rate: float) -> Plan:
    """Do anything to some of the requests.

    Args:
        seed: The same seed does the same to the n-th request of an operation.
        rate: Which part of the requests meets a fault.
    """

    def choose(operation: str, n: int) -> Fault | None:
        dice = random.Random(f"{seed} {operation} {n}")  # noqa: S311 - guards nothing
        return dice.choice(list(Fault)) if dice.random() < rate else None

    return choose


class Faulty(Relay):
    """Does to requests what its plan says.

    Attributes:
        plan: None lets all pass.
        done: What was done, by operation and fault.
    """

    def __init__(self, upstream: str) -> None:
        super().__init__(upstream)
        self.plan: Plan | None = None
        self.done: Counter[tuple[str, Fault]] = Counter()
        self._seen: Counter[str] = Counter()
        self._lock = threading.Lock()

    def treat(self, request: Request) -> Answer | None:
        """Pass the request on, or harm it."""
        fault = self._choose(request)
        if fault is Fault.CUT:
            return None
        if fault in INSTEAD:
            return INSTEAD[fault]
        if fault is Fault.LATE:
            threading.Event().wait(DELAY_S)
        if fault is Fault.TWICE:
            self.ask(request)
        answer = self.ask(request)
        if fault is Fault.HALF:
            return replace(answer, cut_after=len(answer.body) // 2)
        return None if fault is Fault.LOST else answer

    def _choose(self, request: Request) -> Fault | None:
        if self.plan is None:
            return None
        operation = name_of(request)
        with self._lock:
            number, self._seen[operation] = (
                self._seen[operation],
                (self._seen[operation] + 1),
            )
            fault = self.plan(operation, number)
            if fault is Fault.LIE and request.method not in {"GET", "POST"}:
                fault = Fault.REFUSED  # an answer without a body has none to lie in
            if fault is not None:
                self.done[operation, fault] += 1
        return fault


def name_of(request: Request) -> str:
    """Name the operation of a request to the API, to S3 or to an account API."""
    if request.path.startswith("/v1/"):
        words = [word for word in request.path.split("/")[2:] if not _is_id(word)]
        # The path of a file is no operation.
        return f"{request.method} {'/'.join(words[:2])}"
    if "admin" in request.path:
        return f"{request.method} {request.path.rpartition('/')[2]}"
    form = parse_qs(request.body.decode("latin-1")) if _is_form(request) else {}
    if "Action" in form:
        return form["Action"][0]
    kinds = {"uploads", "uploadId", "partNumber", "delete", "versions", "list-type"}
    what = sorted(kinds & set(request.query))
    record = "record " if request.path.startswith("/meta-") else ""
    return f"{request.method} {record}{'+'.join(what) or 'object'}"


def _is_form(request: Request) -> bool:
    return any(
        name.lower() == "content-type" and "urlencoded" in value
        for name, value in request.headers
    )


def _is_id(word: str) -> bool:
    try:
        UUID(word)
    except ValueError:
        return False
    return True

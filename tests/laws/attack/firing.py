"""Send what the arsenal makes, many at a time, and hold requests half sent."""

import http.client
import random
import socket
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from urllib.parse import urlsplit

from hutch.contract.wire.transfer import SignedRequest
from tests.laws.attack.arsenal import KINDS, Loot, Shot
from tests.laws.attack.world import SECRET

THREADS = 8
PATIENCE_S = 60
"""For one request; a busy machine is no finding."""
CUT = 0
"""The store hung up without an answer: that is a refusal too."""
CONTINUE = 100


@dataclass(frozen=True)
class Hit:
    """What became of a shot."""

    shot: Shot
    status: int
    body: bytes

    @property
    def refused(self) -> bool:
        """The store neither did nor gave anything."""
        return self.status == CUT or self.status >= 400


def fire(origin: str, shot: Shot) -> Hit:
    """Send one request on a connection of its own."""
    connection = http.client.HTTPConnection(urlsplit(origin).netloc, timeout=PATIENCE_S)
    with closing(connection):
        try:
            connection.request(
                shot.method, shot.target, shot.body or None, dict(shot.headers)
            )
            answer = connection.getresponse()
            return Hit(shot, answer.status, answer.read())
        except TimeoutError:
            raise
        except (OSError, http.client.HTTPException):
            return Hit(shot, CUT, b"")


def volley(
    rng: random.Random, positions: Mapping[str, Loot], shots: int
) -> Iterator[tuple[str, Hit]]:
    """Fire a seeded mix from all positions; every kind comes up again and again."""
    plan: list[tuple[str, Shot]] = []
    for number in range(shots):
        position = rng.choice(sorted(positions))
        loot = positions[position]
        if position == "one url":
            seen = rng.choice(loot.signed)
            loot = replace(loot, signed=[seen])
        plan.append((position, KINDS[number % len(KINDS)](rng, loot)))
    origin = next(iter(positions.values())).origin
    with ThreadPoolExecutor(THREADS) as pool:
        hits = pool.map(lambda p: fire(origin, p[1]), plan)
        yield from zip((position for position, _ in plan), hits, strict=True)


def judge(hits: Iterable[tuple[str, Hit]], own: Sequence[bytes]) -> Counter[str]:
    """Count by position, kind and outcome; nothing may give more than own files.

    Args:
        hits: What came back.
        own: Contents that a holder of the read URLs may see.
    """
    outcomes: Counter[str] = Counter()
    for position, hit in hits:
        what = f"{hit.shot.kind}: {hit.shot.method} {hit.shot.target}"
        assert SECRET not in hit.body, f"{what} read the neighbour's data"
        if hit.refused:
            outcome = "refused"
        elif hit.shot.method == "GET":
            assert hit.body in own, f"{what} gave {hit.body[:200]!r}"
            outcome = "read its own pinned file"
        else:
            assert not hit.body, f"{what} gave {hit.body[:200]!r}"
            outcome = "landed"
        outcomes[f"{position}, {hit.shot.kind}: {outcome}"] += 1
    return outcomes


class Held:
    """A request of which the store has taken the head and half of the body.

    The store says "100 Continue" when it begins to read the body: by then it has let
    the request in.
    """

    def __init__(self, request: SignedRequest, body: bytes) -> None:
        parts = urlsplit(request.url)
        lines = [
            f"{request.method} {parts.path}?{parts.query} HTTP/1.1",
            f"host: {parts.netloc}",
            "expect: 100-continue",
            *(f"{name}: {value}" for name, value in request.headers.items()),
        ]
        at = (parts.hostname or "", parts.port or 80)
        self._line = socket.create_connection(at, timeout=PATIENCE_S)
        self._line.sendall("\r\n".join([*lines, "", ""]).encode())
        self.answered = _status(self._line)
        half = len(body) // 2
        self._rest = body[half:]
        if self.let_in:
            self._line.sendall(body[:half])

    @property
    def let_in(self) -> bool:
        """The store waits for the body; otherwise it has refused already."""
        return self.answered == CONTINUE

    def finish(self) -> int:
        """Send the rest and give the status."""
        with self._line:
            if not self.let_in:
                return self.answered
            self._line.sendall(self._rest)
            return _status(self._line)

    def close(self) -> None:
        """Hang up."""
        self._line.close()


@contextmanager
def holding(requests: Sequence[tuple[SignedRequest, bytes]]) -> Iterator[list[Held]]:
    """Begin signed requests, and hold them until ``finish``."""
    held: list[Held] = []
    try:
        held += [Held(request, body) for request, body in requests]
        yield held
    finally:
        for one in held:
            one.close()


def _status(line: socket.socket) -> int:
    head = b""
    while b"\r\n\r\n" not in head:
        block = line.recv(4_096)
        assert block, f"the store hung up after {head!r}"
        head += block
    return int(head.split(b" ", 2)[1])

"""Long bodies that may hold anything are worked on one at a time."""

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any, Final

import httpx
import pytest
from starlette.applications import Starlette

from hutch_api.http import routing
from hutch_api.http.bodies import SHORT
from tests.http.people import Person

TURNS: Final = 100
"""Turns of the loop that a request takes: others come in between if they may."""


class Work:
    """Does the work of requests in turns, and sees how many are in it together."""

    def __init__(self) -> None:
        self.now = self.most = 0

    async def run(self, func: Callable[..., Any], *given: Any, **named: Any) -> Any:
        """Stand in for the threads, whose order nobody knows."""
        if func is not routing._run:
            return func(*given, **named)
        self.now += 1
        self.most = max(self.most, self.now)
        try:
            for _ in range(TURNS):
                await asyncio.sleep(0)
            return func(*given, **named)
        finally:
            self.now -= 1


@pytest.fixture
def work(monkeypatch: pytest.MonkeyPatch) -> Work:
    """See what the application works on at the same time."""
    work = Work()
    monkeypatch.setattr(routing, "run_in_threadpool", work.run)
    return work


def _open(app: Starlette, who: Person) -> httpx.AsyncClient:
    return httpx.AsyncClient(
        transport=httpx.ASGITransport(app),
        base_url="http://hutch",
        headers={
            "Authorization": f"Bearer {who.token}",
            "Content-Type": "application/json",
        },
    )


def _at_once(app: Starlette, who: Person, path: str, body: bytes) -> set[int]:
    async def send() -> set[int]:
        async with _open(app, who) as client:
            sent = [client.post(path, content=body) for _ in range(5)]
            return {answer.status_code for answer in await asyncio.gather(*sent)}

    return asyncio.run(send())


@pytest.mark.parametrize(
    ("path", "length", "together"),
    [
        ("/v1/datasets", SHORT + 1, False),
        ("/v1/datasets", SHORT, True),
        ("/v1/pushes/x/uploads", SHORT + 1, True),
    ],
    ids=["long", "short", "batch"],
)
def test_only_long_bodies_that_may_hold_anything_wait_for_each_other(
    app: Starlette, ada: Person, work: Work, path: str, length: int, *, together: bool
) -> None:
    assert _at_once(app, ada, path, b" " * length) == {400}
    assert work.now == 0
    assert (work.most > 1) is together


@pytest.mark.usefixtures("work")
def test_who_sends_slowly_keeps_nobody_waiting(app: Starlette, ada: Person) -> None:
    async def send() -> bool:
        reading, rest = asyncio.Event(), asyncio.Event()

        async def slowly() -> AsyncIterator[bytes]:
            yield b" " * (SHORT + 1)
            reading.set()
            await rest.wait()

        async with _open(app, ada) as client:
            slow = asyncio.create_task(client.post("/v1/datasets", content=slowly()))
            await reading.wait()
            other = client.post("/v1/datasets", content=b" " * (SHORT + 1))
            quick = asyncio.create_task(other)
            for _ in range(10 * TURNS):
                await asyncio.sleep(0)
            served = quick.done()
            rest.set()
            await asyncio.gather(slow, quick)
            return served

    assert asyncio.run(send())

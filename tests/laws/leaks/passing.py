"""A hutch whose two lines are counted: before the API, and between API and store."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import urlsplit

from sqlalchemy import Engine

from tests.adapters.ready import Ready
from tests.client.live import Live, make_site, serving
from tests.line import Line, counting
from tests.relay import Answer, Relay, Request, running

MOST_BYTES = 5 * 1000 * 1000
"""Names, checksums and addresses of a push and a clone need less."""


@dataclass(frozen=True)
class Passing:
    """A hutch, and what passed its API.

    Attributes:
        live: Its clients reach the store without a detour.
        before: The line to the API.
        behind: The line from the API to the store.
    """

    live: Live
    before: Line
    behind: Line

    def require_few_bytes(self) -> int:
        """Fail if the bytes of files went through the API.

        Returns:
            How many bytes passed on both lines, headers included.
        """
        passed = self.before.carried + self.behind.carried
        assert passed < MOST_BYTES, f"{passed} bytes passed the API"
        return passed


class RelayingApi(Relay):
    """What hutch must never be: it takes files and passes them on to the store.

    Attributes:
        near: Where clients find it.
    """

    def __init__(self, upstream: str, *, public_url: str, store_url: str) -> None:
        super().__init__(upstream)
        self.near = ""
        self._public_url = public_url
        self._store = Relay(store_url)

    def treat(self, request: Request) -> Answer | None:
        """Name its own address for the store's, and pass on what comes there."""
        if not request.path.startswith("/v1/"):
            host = urlsplit(self._public_url).netloc
            named = [h for h in request.headers if h[0].lower() != "host"]
            signed = replace(request, headers=(("Host", host), *named))
            return self._store.ask(signed)
        answer = self.ask(request)
        if request.path.endswith("/uploads"):
            body = answer.body.replace(self._public_url.encode(), self.near.encode())
            return Answer(answer.status, (), body)
        return answer

    def stop(self) -> None:
        """Serve no longer."""
        super().stop()
        self._store.close()


@contextmanager
def measured(
    engine: Engine, ready: Ready, scratch: Path, *, relaying: bool = False
) -> Iterator[Passing]:
    """Run a hutch between two lines.

    Args:
        engine: Of an empty database.
        ready: The store.
        scratch: For working directories.
        relaying: Have files sent through the API, as none should.
    """
    store = ready.place.endpoint
    with ExitStack() as stack:
        behind = stack.enter_context(counting(store))
        site = make_site(engine, ready, store, internal_url=behind.url)
        url = stack.enter_context(serving(site))
        relay = RelayingApi(url, public_url=store, store_url=behind.url)
        stack.enter_context(running(relay))
        before = stack.enter_context(counting(relay.url if relaying else url))
        relay.near = before.url
        yield Passing(Live(site, before.url, behind, scratch), before, behind)
    for key_id in list(ready.accounts().key_ids()):
        ready.accounts().delete(key_id)

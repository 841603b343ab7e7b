"""A hutch on a real store, which tools reach through a relay that sees everything.

MinIO is reached over https, SeaweedFS over http: tools sign what they send in another
way over each.
"""

import ssl
import subprocess
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from uuid import uuid4

import pytest
from sqlalchemy import Engine

from hutch.contract.wire.accounts import Role
from hutch_api.services import users
from hutch_api.services.work import Site
from tests.adapters.ready import Ready, set_up
from tests.client.live import PASSWORD, make_site, serving
from tests.e2e.stage import Person
from tests.relay import Answer, Relay, Request, running
from tests.servers import StoreServer
from tests.tools.real.peers import TOOLS, Tool

_set_up = cache(set_up)
"""One bucket pair for each store that this test worker started."""


@dataclass(frozen=True, slots=True)
class Seen:
    """A request of a tool and its answer.

    Attributes:
        begun: When it came, by the monotonic clock.
        answered: When the answer went out.
    """

    request: Request
    status: int
    begun: float
    answered: float

    @property
    def is_of_file(self) -> bool:
        """Whether it is about one object's bytes, not about a list or a bucket."""
        return self.request.path.count("/") > 3 and self.request.method != "HEAD"


class Watch(Relay):
    """The way to the store: notes what passes, and holds it back from a point on.

    Attributes:
        seen: Requests in the order of their answers.
        free: Requests about files that pass; None lets all pass.
    """

    def __init__(self, upstream: str, certificate: tuple[Path, Path] | None) -> None:
        super().__init__(upstream)
        if certificate:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(*certificate)
            plain = self._server.socket
            self._server.socket = context.wrap_socket(plain, server_side=True)
            self.url = self.url.replace("http://", "https://")
        self.seen: list[Seen] = []
        self.free: int | None = None
        self.is_middle, self._go_on = threading.Event(), threading.Event()
        self._lock = threading.Lock()

    def hold_after(self, count: int) -> None:
        """Let so many requests about files pass, and hold the others back."""
        self.free = count
        self.is_middle.clear()
        self._go_on.clear()

    def go_on(self) -> None:
        """Let everything pass that is held back."""
        self.free = None
        self._go_on.set()

    def treat(self, request: Request) -> Answer | None:
        """Pass a request on, perhaps later."""
        if Seen(request, 0, 0, 0).is_of_file and not self._is_free():
            self.is_middle.set()
            self._go_on.wait()
        begun = time.monotonic()
        answer = self.ask(request)
        self.seen.append(Seen(request, answer.status, begun, time.monotonic()))
        return answer

    def _is_free(self) -> bool:
        with self._lock:
            if self.free is None:
                return True
            self.free -= 1
            return self.free >= 0


@dataclass(frozen=True)
class Hutch:
    """A running hutch, and the way to its store."""

    site: Site
    ready: Ready
    url: str
    watch: Watch
    homes: Path
    trusted: dict[str, str]

    def person(self) -> Person:
        """Add somebody and log them in."""
        name = f"p-{uuid4().hex[:8]}"
        with self.site.begin() as work:
            users.add_user(work, name=name, password=PASSWORD, role=Role.USER)
        home = self.homes / name
        home.mkdir()
        person = Person(name, PASSWORD, home, self.url)
        own = {"AWS_CONFIG_FILE": "", "XDG_CACHE_HOME": str(home / ".cache")}
        person.extra = own | self.trusted
        person.log_in()
        return person


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Make a certificate for this machine alone: its file and that of its key."""
    place = tmp_path_factory.mktemp("certificate")
    made, key = place / "store.pem", place / "key.pem"
    subprocess.run(  # noqa: S603 - a program of this machine, no shell
        [
            *("openssl", "req", "-x509", "-newkey", "ec", "-nodes", "-days", "2"),
            *("-pkeyopt", "ec_paramgen_curve:prime256v1", "-subj", "/CN=localhost"),
            *("-addext", "subjectAltName=IP:127.0.0.1,DNS:localhost"),
            *("-keyout", str(key), "-out", str(made)),
        ],
        check=True,
        capture_output=True,
    )
    return made, key


@pytest.fixture
def hutch(
    store_server: StoreServer,
    sqlite_engine: Engine,
    certificate: tuple[Path, Path],
    tmp_path: Path,
) -> Iterator[Hutch]:
    ready = _set_up(store_server)
    over_https = store_server.kind == "minio"
    trusted = {}
    if over_https:
        pem = str(certificate[0])
        trusted = {"AWS_CA_BUNDLE": pem, "SSL_CERT_FILE": pem}
    relay = Watch(ready.place.endpoint, certificate if over_https else None)
    with running(relay) as watch:
        site = make_site(
            sqlite_engine, ready, watch.url, internal_url=ready.place.endpoint
        )
        with serving(site) as url:
            yield Hutch(site, ready, url, watch, tmp_path, trusted)
            watch.go_on()
        for key_id in list(site.accounts.key_ids()):
            site.accounts.delete(key_id)


@pytest.fixture
def anna(hutch: Hutch) -> Person:
    return hutch.person()


@pytest.fixture
def ben(hutch: Hutch) -> Person:
    return hutch.person()


@pytest.fixture(params=TOOLS, ids=lambda kind: kind.name)
def kind(request: pytest.FixtureRequest) -> type[Tool]:
    found: type[Tool] = request.param
    return found

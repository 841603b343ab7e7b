"""What the figures of the server are measured on: a site in this process, an API."""

import http.client
import json
import secrets
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import msgspec

from bench.facility import USER, Facility, set_up
from hutch_api.adapters.s3.requests import Requests
from hutch_api.adapters.s3.signing import Signer
from hutch_api.services.work import Site
from hutch_api.settings import Settings
from hutch_api.site import open_site
from tests import servers
from tests.facility.installation import store_environ
from tests.servers import REGION, StoreServer, free_port


@dataclass(slots=True)
class Api:
    """A running API, and a token for it.

    Attributes:
        pid: Of the process that serves.
    """

    port: int
    pid: int
    token: str = field(default="", repr=False)

    def call(self, method: str, path: str, body: object = None) -> Any:
        """Send a request, on a connection of its own, and decode the answer.

        Raises:
            RuntimeError: It was refused.
        """
        headers = {"Authorization": f"Bearer {self.token}"} if self.token else {}
        data = None
        if body is not None:
            data = msgspec.json.encode(body)
            headers["Content-Type"] = "application/json"
        line = http.client.HTTPConnection("127.0.0.1", self.port, timeout=300)
        with closing(line):
            line.request(method, path, data, headers)
            answer = line.getresponse()
            read = answer.read()
        if answer.status >= http.client.BAD_REQUEST:
            problem = json.loads(read)
            raise RuntimeError(f"{answer.status} {problem.get('detail')}")
        return msgspec.json.decode(read) if read else None

    @classmethod
    def of(cls, hall: Facility) -> "Api":
        """Log in to the API of a facility."""
        port, pid = urlsplit(hall.url).port, hall.watched.api[0]
        assert port is not None  # noqa: S101 -- it is on loopback, on a port of its own
        api = cls(port, pid)
        wanted = {"user": USER, "password": hall.password}
        api.token = api.call("POST", "/v1/login", wanted)["token"]
        return api

    def dataset(self, name: str) -> str:
        """Make a dataset; return its id."""
        return str(self.call("POST", "/v1/datasets", {"name": name})["id"])


@dataclass(frozen=True, slots=True)
class Ground:
    """A store and a database that were set up for hutch.

    Attributes:
        environ: The settings of its processes.
    """

    environ: Mapping[str, str]
    store: StoreServer

    @property
    def settings(self) -> Settings:
        """What its processes read of their environment."""
        return Settings.from_environ(self.environ)

    def site(self) -> Site:
        """Open the site in this process."""
        return open_site(self.settings)

    def signer(self) -> Signer:
        """Sign requests to the store."""
        return Signer(self.store.url, region=REGION, clock=lambda: datetime.now(UTC))

    def requests(self) -> Requests:
        """Send requests to the store as the server does."""
        return Requests(self.signer(), self.settings.server)


@contextmanager
def ground(place: Path, *, database: str = "sqlite") -> Iterator[Ground]:
    """Run MinIO and a database until the end of the block.

    Args:
        place: An empty directory.
        database: ``sqlite`` or ``postgresql``.
    """
    with servers.minio() as store, database_url(place, database) as url:
        environ = store_environ(store, place) | {
            "HUTCH_DATABASE_URL": url,
            "HUTCH_PORT": str(free_port()),
        }
        set_up(environ, store, secrets.token_hex(16))
        yield Ground(environ, store)


@contextmanager
def database_url(place: Path, kind: str) -> Iterator[str]:
    """Give the URL of an empty database, durable as a facility's is."""
    if kind == "sqlite":
        yield f"sqlite:///{place / 'hutch.sqlite'}"
        return
    with servers.postgresql(durable=True) as server:
        yield server.create("bench")

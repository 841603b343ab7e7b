"""A whole hutch on loopback: API in a thread, real store, and somebody's client."""

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

from sqlalchemy import Engine

from hutch import Client, Workdir, connect, make_workdir
from hutch.contract.wire.accounts import Role
from hutch.contract.wire.datasets import DatasetIn, DatasetOut
from hutch_api.adapters.s3 import Buckets, create_s3_store
from hutch_api.domain.keys import ServerKeys
from hutch_api.http.app import create_app
from hutch_api.http.serving import make_server
from hutch_api.services import users
from hutch_api.services.work import Clock, Site
from hutch_api.site import utc_now
from hutch_api.store.tables import Instance
from tests.adapters.ready import Ready
from tests.line import Line, counting
from tests.servers import REGION, free_port, wait_until

PASSWORD = "correct horse battery"


@dataclass(frozen=True)
class Live:
    """A running hutch."""

    site: Site
    url: str
    line: Line
    scratch: Path

    def person(self, *, role: Role = Role.USER) -> Client:
        """Add somebody and log them in."""
        name = f"p-{uuid4().hex[:8]}"
        with self.site.begin() as work:
            users.add_user(work, name=name, password=PASSWORD, role=role)
        client = connect(self.url)
        client.account.log_in(name, PASSWORD)
        return client

    def end_accounts(self) -> None:
        """Leave none of its accounts in the store, which others use after it."""
        for key_id in list(self.site.accounts.key_ids()):
            self.site.accounts.delete(key_id)

    def dataset(self, client: Client) -> DatasetOut:
        """Make a dataset."""
        return client.datasets.create(DatasetIn(name=f"d-{uuid4().hex[:8]}"))

    def workdir(
        self,
        client: Client,
        files: Mapping[str, bytes] | None = None,
        *,
        dataset: DatasetOut | None = None,
    ) -> Workdir:
        """Make a working directory with files, bound to a dataset."""
        root = self.scratch / uuid4().hex[:8]
        root.mkdir()
        write(root, files or {})
        bound = dataset or self.dataset(client)
        return make_workdir(root, dataset=bound.id, server=client.url)


def write(root: Path, files: Mapping[str, bytes]) -> None:
    """Write files, making the directories they lie in."""
    for path, data in files.items():
        place = root / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(data)


def read(root: Path) -> dict[str, bytes]:
    """Read all files but hutch's own."""
    return {
        str(p.relative_to(root)): p.read_bytes()
        for p in sorted(root.rglob("*"))
        if p.is_file() and ".hutch" not in p.parts
    }


def make_site(
    engine: Engine,
    ready: Ready,
    public_url: str,
    *,
    internal_url: str | None = None,
    clock: Clock = utc_now,
) -> Site:
    """Put a site together whose signed addresses go over ``public_url``.

    Args:
        engine: Of an empty database.
        ready: The store.
        public_url: Where clients reach the store.
        internal_url: Where the site does; None means without a detour.
        clock: What the site takes for the time, also where it signs addresses.
    """
    near = internal_url or ready.place.endpoint
    site = Site(
        engine=engine,
        objects=create_s3_store(
            internal_url=near,
            public_url=public_url,
            region=REGION,
            buckets=Buckets(ready.place.buckets.data, ready.place.buckets.meta),
            server=ready.server,
            reader=ready.reader,
            clock=clock,
        ),
        accounts=ready.accounts(endpoint=near),
        keys=ServerKeys({1: b"k" * 32}),
        instance=ready.place.instance,
        clock=clock,
    )
    with site.begin() as work:
        work.session.add(Instance(id=site.instance, created_at=work.now))
    return site


@contextmanager
def hutch_on(engine: Engine, ready: Ready, tmp_path: Path) -> Iterator[Live]:
    """Run a whole hutch whose clients reach the store over a line that counts."""
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    with counting(ready.place.endpoint) as line:
        site = make_site(engine, ready, line.url)
        with serving(site) as url:
            yield Live(site, url, line, scratch)


@contextmanager
def serving(site: Site) -> Iterator[str]:
    """Serve the API in a thread."""
    port = free_port()
    server = make_server(create_app(site), host="127.0.0.1", port=port)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    try:
        wait_until(lambda: server.started, what="the API")
        yield f"http://127.0.0.1:{port}"
    finally:
        server.should_exit = True
        thread.join(timeout=30)

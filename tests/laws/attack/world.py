"""A hutch that is attacked: real store and database, people, and canaries."""

import hashlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import UUID, uuid4

from sqlalchemy import Engine
from sqlmodel import select

from hutch import Client, clone, connect
from hutch.contract.wire.accounts import Role
from hutch.contract.wire.transfer import DownloadsIn, FileRef, SignedRequest
from hutch_api.domain import instance
from hutch_api.domain.access import Actor
from hutch_api.domain.layout import INSTANCE, prefix_of
from hutch_api.services import upkeep, users
from hutch_api.services.downloads import sign_downloads
from hutch_api.services.work import Site
from hutch_api.store.tables import User
from tests.adapters.ready import Ready, set_up
from tests.adapters.subject import send
from tests.client.live import PASSWORD, make_site, read, serving
from tests.conftest import Clock
from tests.servers import StoreServer
from tests.transfer.flow import Flow
from tests.transfer.held import held

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

SECRET = b"the neighbour's secret "
"""Every canary begins with it: wherever else it turns up, it was stolen."""

Listed = dict[tuple[str, str], tuple[bool, bool, str]]
"""By path and version id: is it the latest, is it a delete marker, digest."""

bucket_pair = cache(set_up)
"""One bucket pair for each store that this test worker started."""


@dataclass
class World:
    """A hutch, and what the tests know of it.

    Attributes:
        sent: Every signed request that was used, with its body.
        attacked: Prefix of the dataset that nothing may be copied into.
    """

    site: Site
    clock: Clock
    ready: Ready
    url: str
    scratch: Path
    sent: list[tuple[SignedRequest, bytes]] = field(default_factory=list)
    attacked: str = ""

    def __post_init__(self) -> None:
        """Keep what pushes send."""
        self.flow = Flow(self.site, self._send)
        self.tool: S3Client = self.ready.client(self.ready.server)

    def _send(self, request: SignedRequest, body: bytes) -> int:
        self.sent.append((request, body))
        return send(request, body).status

    def person(self, name: str) -> Actor:
        """Add somebody who can also log in."""
        with self.site.begin() as work:
            users.add_user(work, name=name, password=PASSWORD, role=Role.USER)
        with self.site.look() as work:
            row = work.session.exec(select(User).where(User.name == name)).one()
        actor = Actor(user=row.id, name=name, role=Role.USER, request_id="test")
        self.flow.users[name] = actor
        return actor

    @contextmanager
    def client(self, actor: Actor) -> Iterator[Client]:
        """Give the library's view of the server as somebody."""
        with connect(self.url) as client:
            client.account.log_in(actor.name, PASSWORD)
            yield client

    def clone(self, actor: Actor, dataset: UUID) -> dict[str, bytes]:
        """Clone a dataset as its reader does; every file has to arrive."""
        target = self.scratch / uuid4().hex[:8]
        with self.client(actor) as client:
            report = clone(client, client.datasets.get(dataset), target)
        assert report.problems == ()
        return read(target)

    def downloads(self, actor: Actor, dataset: UUID) -> dict[str, SignedRequest]:
        """Sign the reads of all files."""
        refs = [FileRef(path=p, version=v) for p, v in self.pins(dataset).items()]
        answer = sign_downloads(
            self.site, actor, dataset, DownloadsIn(files=tuple(refs))
        )
        return {f.path: f.request for f in answer.files if f.request is not None}

    def fetched(self, actor: Actor, dataset: UUID) -> dict[str, bytes]:
        """Read all files by signed URLs, as a browser does."""
        signed = self.downloads(actor, dataset)
        return {path: send(request, b"").body for path, request in signed.items()}

    def pins(self, dataset: UUID) -> dict[str, str]:
        """Versions of the dataset by path, as the database has them."""
        return held(self.flow, dataset)

    def pass_time(self, span: timedelta) -> None:
        """Let time pass, and the worker do whatever is due then."""
        self.clock.move(span)
        while upkeep.run_once(self.site):
            pass

    def idle(self) -> None:
        """Let so much time pass that all accounts end."""
        self.pass_time(timedelta(minutes=16))

    def listed(self, prefix: str, *, bucket: str | None = None) -> Listed:
        """List versions and markers with the digests of what they hold."""
        bucket = bucket or self.ready.data
        pages = self.tool.get_paginator("list_object_versions").paginate(
            Bucket=bucket, Prefix=prefix
        )
        found: Listed = {}
        for page in pages:
            for row in page.get("DeleteMarkers", ()):
                key = row["Key"].removeprefix(prefix), row["VersionId"]
                found[key] = (row["IsLatest"], True, "")
            for one in page.get("Versions", ()):
                body = self._body(bucket, one["Key"], one["VersionId"])
                if prefix == self.attacked:
                    assert SECRET not in body, "a neighbour's data were copied"
                key = one["Key"].removeprefix(prefix), one["VersionId"]
                digest = hashlib.sha256(body).hexdigest()
                found[key] = (one["IsLatest"], False, digest)
        return found

    def _body(self, bucket: str, key: str, version: str) -> bytes:
        answer = self.tool.get_object(Bucket=bucket, Key=key, VersionId=version)
        return answer["Body"].read()

    def foreign(self, dataset: UUID) -> set[tuple[str, str]]:
        """Name what is stored of a dataset and not pinned."""
        return set(self.listed(prefix_of(dataset))) - set(self.pins(dataset).items())

    def require_exact(
        self, actor: Actor, dataset: UUID, files: Mapping[str, bytes]
    ) -> None:
        """The plain listing is the manifest, and readers get what was pushed."""
        expected = {
            (path, version): (True, False, hashlib.sha256(files[path]).hexdigest())
            for path, version in self.pins(dataset).items()
        }
        assert set(files) == {path for path, _ in expected}
        assert self.listed(prefix_of(dataset)) == expected
        self.require_readable(actor, dataset, files)

    def require_readable(
        self, actor: Actor, dataset: UUID, files: Mapping[str, bytes]
    ) -> None:
        """Readers get what was pushed, by single URLs and as a clone."""
        assert self.fetched(actor, dataset) == files
        assert self.clone(actor, dataset) == files


@dataclass(frozen=True)
class Canaries:
    """What nobody in these tests may read or write: all but one dataset."""

    world: World
    spared: UUID
    before: tuple[Listed, Listed]

    def require_untouched(self) -> None:
        """Both buckets hold the same as before outside of the one dataset."""
        assert _all_but(self.world, self.spared) == self.before


def _all_but(world: World, dataset: UUID) -> tuple[Listed, Listed]:
    data, meta = world.ready.place.buckets.data, world.ready.place.buckets.meta
    own = prefix_of(dataset)
    outside = world.listed("", bucket=data)
    mine = {k: v for k, v in outside.items() if not k[0].startswith(own)}
    records = world.listed("", bucket=meta)
    apart = f"datasets/{dataset}/"  # its own seal comes with its close
    return mine, {k: v for k, v in records.items() if not k[0].startswith(apart)}


def watch(world: World, spared: UUID) -> Canaries:
    """Note everything outside of one dataset."""
    world.attacked = prefix_of(spared)
    return Canaries(world, spared, _all_but(world, spared))


def neighbours(world: World) -> dict[str, UUID]:
    """Make a closed dataset of somebody else, and an open one with a live account."""
    ben = world.person(f"ben-{uuid4().hex[:6]}")
    closed = world.flow.closed(ben, {"a": SECRET + b"1", "dir/b": SECRET + b"2"})
    opened = world.flow.dataset(ben, "open").id
    world.flow.push(ben, opened, {"a": SECRET + b"3"})
    return {"closed": closed, "open": opened}


@contextmanager
def opened(
    server: StoreServer, engine: Engine, clock: Clock, scratch: Path
) -> Iterator[World]:
    """Run a hutch on a store, and leave neither accounts nor files."""
    ready = bucket_pair(server)
    site = replace(make_site(engine, ready, ready.place.endpoint), clock=clock)
    with serving(site) as url:
        world = World(site, clock, ready, url, scratch)
        try:
            yield world
        finally:
            for key_id in list(site.accounts.key_ids()):
                site.accounts.delete(key_id)
            site.objects.delete([(v.key, v.version) for v in site.objects.versions("")])
            site.objects.delete_records("datasets/")
            site.objects.put_record(INSTANCE, instance.encode(site.instance))


def tell(facts: Mapping[str, Any]) -> str:
    """Write facts for the name of a figure."""
    return " ".join(f"{key}={value}" for key, value in facts.items())

"""The model's steps as real calls, in any order, on a real store and database.

Two servers over one database serve two people. A server dies between two writes, and
the other one goes on; URLs are sent again, long after; PUTs are slow. What people were
told is noted, and must be so in the end.
"""

import http.client
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from random import Random
from typing import Final
from urllib.parse import urlsplit
from uuid import UUID

from sqlmodel import col, select

from hutch.contract.problems import HutchError
from hutch.contract.steps import Step, observing
from hutch.contract.wire.datasets import Right, State
from hutch.contract.wire.transfer import (
    AbortIn,
    DeletionsIn,
    FileRef,
    FinishItem,
    SignedRequest,
    UploadOut,
    Verb,
)
from hutch_api.domain.access import Actor
from hutch_api.domain.layout import key_of, prefix_of
from hutch_api.services import deletion, files, upkeep, uploads
from hutch_api.services.removals import remove_files
from hutch_api.services.store_accounts import URL_LIFE
from hutch_api.services.sweep import sweep
from hutch_api.store.tables import Dataset, File
from tests.agreement import disagreements
from tests.conftest import Clock
from tests.transfer.flow import Flow, sha256
from tests.transfer.stage import Stage

PATHS: Final = ("a", "b")
BODIES: Final = (b"1", b"22", b"333")
WAITS: Final = tuple(
    timedelta(minutes=m) for m in (0.5, 3, 20, 2 * 60 + 1, 8 * 24 * 60)
)


class CrashError(BaseException):
    """A server dies here; nothing in it may go on."""


@dataclass
class Url:
    """A signed write, with the bytes it was signed for."""

    request: SignedRequest
    body: bytes
    dataset: UUID
    at: datetime


@dataclass
class Upload:
    """A file that somebody may send."""

    actor: Actor
    dataset: UUID
    push: UUID
    answer: UploadOut
    body: bytes


@dataclass
class Believed:
    """What people were told of a dataset.

    Attributes:
        known: What each path was confirmed to hold.
        possible: What it may hold besides: nobody got an answer.
        gone: Paths whose removal had no answer.
        sealed: What readers of the closed dataset saw first.
    """

    known: dict[str, bytes] = field(default_factory=dict)
    possible: dict[str, set[bytes]] = field(default_factory=dict)
    gone: set[str] = field(default_factory=set)
    sealed: bytes | None = None


class Walk:
    """People, servers and a store, at random but by a seed."""

    def __init__(self, stage: Stage, clock: Clock, seed: int) -> None:
        self.random = Random(seed)  # noqa: S311 -- the same walk for the same seed
        self.clock = clock
        self.servers = [
            Flow(stage.site, stage.send),
            Flow(replace(stage.site), stage.send),
        ]
        self.seed = seed
        self.people = [self.servers[0].user(f"{n}{seed}") for n in ("ada", "bob")]
        self.servers[1].users = self.servers[0].users
        self.datasets: dict[UUID, Believed] = {}
        self.uploads: list[Upload] = []
        self.urls: list[Url] = []
        self.done: list[str] = []
        self.late = self.crashes = 0
        self.create()

    @property
    def flow(self) -> Flow:
        return self.random.choice(self.servers)

    # ---- steps

    def step(self) -> None:
        """Do one thing; now and then the server dies over it."""
        act = self.random.choice(_ACTS)
        self.done.append(act.__name__)
        fatal = self.random.randint(1, 8) if self.random.random() < 0.3 else None
        with self._dying(fatal), suppress(HutchError):
            act(self)
        self.closed_is_closed()

    def create(self) -> None:
        ada, bob = self.people
        name = f"d{len(self.datasets)}-{self.seed}"
        made = self.servers[0].dataset(ada, name).id
        self.datasets[made] = Believed()
        self.servers[0].share(ada, made, to=bob.name, right=Right.WRITE)

    def announce(self) -> None:
        flow, actor, dataset = self.flow, self._actor(), self._dataset()
        path, body = self.random.choice(PATHS), self.random.choice(BODIES)
        push = flow.start(actor, dataset)
        [answer] = flow.announce(
            actor,
            push,
            {path: body},
            base=self.versions(dataset),
            force=self.random.random() < 0.3,
        )
        if answer.problem is None:
            self.uploads.append(Upload(actor, dataset, push, answer, body))
            if answer.request is not None:
                url = Url(answer.request, body, dataset, self.clock())
                self.urls.append(url)

    def send_and_finish(self) -> None:
        if not self.uploads:
            self.announce()
        for upload in self.random.sample(self.uploads, min(1, len(self.uploads))):
            flow = self.flow
            with suppress(AssertionError):  # the flow asserts a good status
                item = self._carried(flow, upload)
                path, believed = upload.answer.path, self.datasets[upload.dataset]
                before = self.versions(upload.dataset).get(path)
                believed.possible.setdefault(path, set()).add(upload.body)
                [done] = flow.finish(upload.actor, upload.push, [item]).files
                held = self.versions(upload.dataset).get(path)
                if done.problem is None and done.version == held != before:
                    believed.known[path] = upload.body
                    believed.gone.discard(path)

    def _carried(self, flow: Flow, upload: Upload) -> FinishItem:
        if upload.answer.verb is Verb.SINGLE and self._has_expired(self.urls[0]):
            raise AssertionError
        return flow.carry(upload.actor, upload.push, upload.answer, upload.body)

    def abort(self) -> None:
        if self.uploads:
            upload = self.random.choice(self.uploads)
            assert upload.answer.intent is not None
            wanted = AbortIn(intents=(upload.answer.intent,))
            uploads.abort(self.flow.site, upload.actor, upload.push, wanted)

    def send_again(self) -> None:
        """Send old URLs, with their bytes and with others."""
        for url in self.random.sample(self.urls, min(3, len(self.urls))):
            if self._has_expired(url):  # to the store's clock it is younger
                continue
            for body in (url.body, b"x" * len(url.body)):
                self.late += 1
                self.flow.send(url.request, body)

    def remove(self) -> None:
        flow, actor, dataset = self.flow, self._actor(), self._dataset()
        held = self.versions(dataset)
        if not held:
            return
        path = self.random.choice(sorted(held))
        believed = self.datasets[dataset]
        push = flow.start(actor, dataset)
        wanted = DeletionsIn(files=(FileRef(path=path, version=held[path]),))
        believed.gone.add(path)
        with flow.site.begin() as work:
            remove_files(work, actor, push, wanted)

    def close(self) -> None:
        abandon = self.random.random() < 0.7
        self.flow.close(self.people[0], self._dataset(), abandon=abandon)

    def close_across_a_slow_put(self) -> None:
        """Begin a PUT, close, and end it: on MinIO it lands."""
        urls = [u for u in self.urls if not self._has_expired(u)]
        if not urls:
            return
        url = self.random.choice(urls)
        with _slow(url) as end:
            self.flow.close(self.people[0], url.dataset, abandon=True)
            self.late += 1
            end()

    def delete(self) -> None:
        if self.random.random() < 0.3:
            deletion.delete(self.flow.site, self.people[0], self._dataset())
            self.create()

    def let_time_pass(self) -> None:
        self.clock.move(self.random.choice(WAITS))

    def work(self) -> None:
        upkeep.run_once(self.flow.site)

    def sweep(self) -> None:
        assert sweep(self.flow.site, self._dataset()).missing == 0

    # ---- laws

    def closed_is_closed(self) -> None:
        """What readers get of a closed dataset never changes."""
        for row in self.rows():
            if row.state is not State.CLOSED:
                continue
            believed = self.datasets[row.id]
            site = self.servers[0].site
            text = b"".join(files.manifest(site, self.people[0], row.id))
            if believed.sealed is None:
                believed.sealed = text
                self.nothing_is_lost_in(row)
            assert text == believed.sealed, self.done

    def end(self) -> None:
        """Settle, and look whether everything is as people were told."""
        site = self.servers[0].site
        for _ in range(4):
            self.clock.move(timedelta(days=8))
            while upkeep.run_once(site):
                pass
        self.closed_is_closed()
        assert list(site.accounts.key_ids()) == [], self.done
        assert disagreements(site) == [], self.done
        for row in self.rows():
            assert row.state not in {State.CLOSING, State.DELETING}, self.done
            listed = [
                (v.key, v.version) for v in site.objects.versions(prefix_of(row.id))
            ]
            pinned = self.versions(row.id)
            keys = [(key_of(row.id, p), v) for p, v in pinned.items()]
            assert listed == keys, self.done
            if row.state is not State.DELETED:
                self.nothing_is_lost_in(row)

    def nothing_is_lost_in(self, row: Dataset) -> None:
        believed, held = self.datasets[row.id], self.contents(row.id)
        for path, body in believed.known.items():
            if path not in believed.gone:
                assert path in held, (self.done, path)
                assert held[path] in believed.possible[path] | {body}, self.done
        for path, body in held.items():
            assert body in believed.possible[path], (self.done, path)

    # ---- looks

    def rows(self) -> list[Dataset]:
        with self.servers[0].site.look() as work:
            query = select(Dataset).where(col(Dataset.id).in_(list(self.datasets)))
            return list(work.session.exec(query))

    def versions(self, dataset: UUID) -> dict[str, str]:
        with self.servers[0].site.look() as work:
            query = select(File).where(File.dataset_id == dataset)
            rows = work.session.exec(query.order_by(col(File.path)))
            return {f.path: f.version for f in rows}

    def contents(self, dataset: UUID) -> dict[str, bytes]:
        site = self.servers[0].site
        with site.look() as work:
            query = select(File).where(File.dataset_id == dataset)
            rows = list(work.session.exec(query))
        held = {}
        for row in rows:
            read = site.objects.read(key_of(dataset, row.path), row.version)
            held[row.path] = b"".join(read)
            assert sha256(held[row.path]) == row.sha256, self.done
        return held

    def _actor(self) -> Actor:
        return self.random.choice(self.people)

    def _dataset(self) -> UUID:
        return self.random.choice(list(self.datasets))

    def _has_expired(self, url: Url) -> bool:
        return self.clock() - url.at >= URL_LIFE

    @contextmanager
    def _dying(self, steps: int | None) -> Iterator[None]:
        """Have the server die at one of its next writes; None leaves it alive."""
        left = steps or 0

        def observer(_: Step) -> None:
            nonlocal left
            left -= 1
            if left == 0:
                self.crashes += 1
                raise CrashError

        with observing(observer), suppress(CrashError):
            yield


_ACTS: Final[tuple[Callable[[Walk], None], ...]] = (
    *[Walk.announce] * 2,
    *[Walk.send_and_finish] * 6,
    *[Walk.send_again] * 2,
    Walk.abort,
    Walk.remove,
    Walk.close,
    Walk.close_across_a_slow_put,
    Walk.delete,
    *[Walk.let_time_pass] * 2,
    *[Walk.work] * 2,
    Walk.sweep,
    Walk.create,
)


@contextmanager
def _slow(url: Url) -> Iterator[Callable[[], None]]:
    """Begin a PUT and hold back its last byte; what it gives sends that."""
    there = urlsplit(url.request.url)
    if there.hostname == "memory":
        yield lambda: None
        return
    line = http.client.HTTPConnection(there.hostname or "", there.port, timeout=60)
    with closing(line):
        line.putrequest("PUT", f"{there.path}?{there.query}", skip_host=True)
        line.putheader("host", there.netloc)
        for name, value in url.request.headers.items():
            line.putheader(name, value)
        line.endheaders(url.body[:-1])

        def end() -> None:
            with suppress(OSError, http.client.HTTPException):  # it may be refused
                line.send(url.body[-1:])
                line.getresponse().read()

        yield end

"""A whole hutch of processes that may be killed: client, API, worker, store."""

import filecmp
import hashlib
import http.client
import secrets
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from typing import Literal
from uuid import UUID, uuid4

from sqlmodel import col, select

from hutch import Client, connect, credentials, make_workdir
from hutch.contract.wire.accounts import Role as Wire
from hutch.contract.wire.datasets import DatasetIn, State
from hutch.sync.pushing import push
from hutch.workdir.directory import find_workdir
from hutch_api import readiness
from hutch_api.domain.layout import key_of, prefix_of
from hutch_api.services import users
from hutch_api.services.arrival import find_arrived
from hutch_api.services.upkeep import run_once
from hutch_api.services.work import Site
from hutch_api.settings import Settings
from hutch_api.site import open_site
from hutch_api.store.tables import Audit, Dataset, File, Intent, IntentState
from tests.agreement import disagreements
from tests.facility.installation import plain_environ
from tests.servers import (
    DatabaseServer,
    KillableStore,
    free_port,
    random_credentials,
    wait_until,
)
from tests.steps import Steps
from tests.zygote import Process, SharedClock, Zygote

Role = Literal["client", "api", "worker", "store"]
PASSWORD = "correct horse battery staple"
LONG = timedelta(hours=3)
"""After this no upload, superseded version or account has a reason to be there."""
PATIENCE_S = 90.0


@dataclass
class World:
    """An installation, whose processes come and go.

    Attributes:
        site: The same installation, opened in the test's process.
        processes: The API and the worker that run now.
        library: The user's view of the API, in the test's process.
    """

    zygote: Zygote
    steps: Steps
    clock: SharedClock
    store: KillableStore
    environ: Mapping[str, str]
    home: Path
    site: Site
    user: str
    processes: dict[Role, Process] = field(default_factory=dict)
    roots: dict[UUID, Path] = field(default_factory=dict)
    library: Client = field(init=False)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.environ['HUTCH_PORT']}"

    # Processes -----------------------------------------------------------------

    def start(self, role: Role) -> None:
        """Start a process, and wait until it does its work."""
        if role == "store":
            self.store.start()
            return
        log = self.home / f"{role}.log"
        begun = _begun(log)
        process = self.zygote.start(
            "hutch-api",
            "serve" if role == "api" else role,
            environ=self.environ,
            where=self.home,
            log=log,
            role=role,
            steps=self.steps.path,
            clock=self.clock,
        )
        self.processes[role] = process
        is_up = self._answers if role == "api" else lambda: _begun(log) > begun
        self.until(lambda: process.has_ended() or is_up(), f"the {role}")
        assert not process.has_ended(), process.text()

    def kill(self, role: Role) -> None:
        """Kill the API, the worker or the store."""
        if role == "store":
            self.store.kill()
        else:
            self.processes.pop(role).kill()

    def start_missing(self) -> None:
        """Start what a test has left dead."""
        if not Path(f"/proc/{self.store.server.pid}").exists():
            self.store.start()
        for role in ("api", "worker"):
            if role not in self.processes:
                self.start(role)

    def _answers(self) -> bool:
        line = http.client.HTTPConnection(
            "127.0.0.1", int(self.environ["HUTCH_PORT"]), timeout=PATIENCE_S
        )
        try:
            line.request("GET", "/healthz")
            return line.getresponse().status == http.client.OK
        except OSError:
            return False
        finally:
            line.close()

    def hutch(self, *words: str, where: Path | None = None) -> Process:
        """Start a command of the user."""
        return self.zygote.start(
            "hutch",
            *words,
            environ=self._client_environ(),
            where=where or self.home,
            log=self.home / f"{uuid4().hex}.log",
            role="client",
            steps=self.steps.path,
        )

    def must(self, *words: str, where: Path | None = None) -> str:
        """Run a command that has to end well; gives what it said."""
        process = self.hutch(*words, where=where)
        assert process.wait() == 0, f"{words}: {process.text()}"
        return process.text()

    def _client_environ(self) -> dict[str, str]:
        config = {"XDG_CONFIG_HOME": str(self.home / ".config"), "NO_COLOR": "1"}
        return plain_environ(self.home) | config

    def log_in(self) -> str:
        """Keep a token of the user where commands find it; gives it as well."""
        with connect(self.url) as client:
            token = client.account.log_in(self.user, PASSWORD).token
        held = credentials.Credential(url=self.url, token=token, user=self.user)
        credentials.keep(held, environ=self._client_environ())
        return token

    # Datasets ------------------------------------------------------------------

    def workdir(self, *, files: int = 1) -> Path:
        """Make a dataset with a working directory that was not pushed yet."""
        root = self.home / f"d-{uuid4().hex[:8]}"
        root.mkdir()
        dataset = self.library.datasets.create(DatasetIn(name=root.name))
        make_workdir(root, dataset=dataset.id, server=self.url)
        self.roots[dataset.id] = root
        for n in range(files):
            write(root / f"f{n}")
        return root

    def pushed(self, *, files: int = 1) -> Path:
        """Make a dataset and push it: by the library, which is faster."""
        root = self.workdir(files=files)
        self.push(root)
        return root

    def push(self, root: Path) -> None:
        """Push what a kill is to find there."""
        report = push(find_workdir(root), self.library)
        assert not report.problems, report

    def id_of(self, root: Path) -> UUID:
        """Tell the dataset of a working directory."""
        return next(i for i, r in self.roots.items() if r == root)

    def row(self, root: Path) -> Dataset:
        """Read the row of a dataset."""
        with self.site.look() as work:
            return work.session.get_one(Dataset, self.id_of(root))

    def files(self, root: Path) -> dict[str, File]:
        """Read what a dataset holds, by path."""
        with self.site.look() as work:
            found = work.session.exec(
                select(File).where(File.dataset_id == self.id_of(root))
            ).all()
        return {f.path: f for f in found}

    def swept_paths(self, root: Path) -> set[str]:
        """Read in the audit rows what sweeps have removed."""
        with self.site.look() as work:
            rows = work.session.exec(
                select(Audit).where(
                    Audit.dataset_id == self.id_of(root),
                    Audit.action == "sweep-removes",
                )
            ).all()
        return {path for row in rows for path in row.facts["removed_paths"]}

    def until(self, condition: Callable[[], bool], what: str) -> None:
        """Wait until another process has done something."""
        wait_until(condition, seconds=PATIENCE_S, what=what)

    def outcomes(self, root: Path) -> Counter[str]:
        """Count what the store has of the finishes that were interrupted."""
        with self.site.look() as work:
            cut = work.session.exec(
                select(Intent).where(
                    Intent.dataset_id == self.id_of(root),
                    Intent.state == IntentState.COMPLETING,
                )
            ).all()
        arrived = find_arrived(self.site, cut)
        found: Counter[str] = Counter()
        for intent in cut:
            key = key_of(intent.dataset_id, intent.path)
            if intent.id in arrived:
                found["the object"] += 1
            elif intent.upload in self.site.objects.uploads(key):
                found["the upload"] += 1
            else:
                found["nothing that is listed"] += 1
        return found

    # The law -------------------------------------------------------------------

    def require_exact(self, root: Path) -> None:
        """The dataset holds what its working directory does, each file once."""
        dataset, there = self.id_of(root), self.files(root)
        here = tree(root)
        assert there.keys() == here.keys()
        for path, content in here.items():
            file = there[path]
            assert file.sha256 == hashlib.sha256(content).hexdigest(), path
            key = key_of(dataset, path)
            stored = b"".join(self.site.objects.read(key, file.version))
            assert stored == content, path
        self._require_agreement(dataset)

    def _require_agreement(self, dataset: UUID) -> None:
        found = disagreements(self.site, datasets=[dataset])
        assert not found, found

    def require_same(self, root: Path) -> None:
        """As ``require_exact``, for files that are too large to be held."""
        copy = self.home / f"copy-{uuid4().hex[:8]}"
        self.must("clone", str(self.id_of(root)), str(copy))
        for file in root.glob("*.raw"):
            assert filecmp.cmp(file, copy / file.name, shallow=False)
        self._require_agreement(self.id_of(root))

    def require_gone(self, root: Path) -> None:
        """Nothing of the dataset is in the store."""
        dataset = self.id_of(root)
        assert self.row(root).state is State.DELETED
        assert list(self.site.objects.versions(prefix_of(dataset))) == []
        self._require_agreement(dataset)

    def require_nothing_left(self) -> None:
        """Let the worker work until all is done; then only what is pinned is there."""
        self.steps.release_all()
        for role in list(self.processes):
            self.kill(role)
        self.clock.move(LONG)
        while run_once(self.site):
            pass
        found = disagreements(self.site)
        assert not found, found
        assert not list(self.site.accounts.key_ids()), "an account is left"
        with self.site.look() as work:
            pinned = {
                (key_of(f.dataset_id, f.path), f.version)
                for f in work.session.exec(select(File))
            }
            paths = set(work.session.exec(select(Intent.dataset_id, col(Intent.path))))
        stored = {(v.key, v.version) for v in self.site.objects.versions("d/")}
        assert stored == pinned, stored ^ pinned
        uploads = {p: self.site.objects.uploads(key_of(*p)) for p in paths}
        left = {p: u for p, u in uploads.items() if u}
        assert not left, left


def _begun(log: Path) -> int:
    return log.read_text().count("hutch.worker: at work") if log.exists() else 0


def write(file: Path, size: int = 1_000) -> None:
    """Write a file of new content, older than the coarsest clock of a file system."""
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(secrets.token_bytes(size))


def tree(root: Path) -> dict[str, bytes]:
    """Read all files below a directory, but those of hutch."""
    return {
        path.relative_to(root).as_posix(): path.read_bytes()
        for path in sorted(root.rglob("*"))
        if path.is_file() and ".hutch" not in path.relative_to(root).parts
    }


def settings_for(store: KillableStore, database: str, home: Path) -> dict[str, str]:
    """Write the settings of an installation with new buckets on a store."""
    tag = uuid4().hex[:12]
    keys = {
        f"HUTCH_S3_{role}_{part}": text
        for role, pair in {
            "SERVER": random_credentials(),
            "READER": random_credentials(),
            "ROOT": store.server.root,
        }.items()
        for part, text in (("KEY_ID", pair.key_id), ("SECRET", pair.secret))
    }
    return plain_environ(home, keys) | {
        "HUTCH_DATABASE_URL": database,
        "HUTCH_PORT": str(free_port()),
        "HUTCH_SERVER_KEYS": f"1:{secrets.token_hex(32)}",
        "HUTCH_S3_DATA_BUCKET": f"data-{tag}",
        "HUTCH_S3_META_BUCKET": f"meta-{tag}",
        "HUTCH_WORKER_PAUSE_S": "0.1",
    }


@contextmanager
def database_for(kind: str, home: Path, server: DatabaseServer | None) -> Iterator[str]:
    """Make an empty database: in a server if there is one, else a file."""
    if server is None:
        yield f"sqlite:///{home / 'hutch.sqlite'}"
        return
    name = f"{kind}_{uuid4().hex}"
    url = server.create(name)
    try:
        yield url
    finally:
        with server.connect() as connection:
            connection.execute(f'DROP DATABASE "{name}" WITH (FORCE)')


@contextmanager
def world(
    zygote: Zygote,
    steps: Steps,
    store: KillableStore,
    home: Path,
    *,
    database: DatabaseServer | None,
    internal_url: str | None = None,
    public_url: str | None = None,
) -> Iterator[World]:
    """Set up an installation, run its API and a worker; in the end nothing is left.

    Args:
        zygote: Forks its processes.
        steps: Where they may be stopped.
        store: Its store, which runs.
        home: An empty directory of its own.
        database: Where its database is made; None takes SQLite.
        internal_url: Where the server reaches the store; None: where it is.
        public_url: Where clients reach the store; None: where it is.
    """
    with ExitStack() as stack:
        url = stack.enter_context(database_for(store.server.kind, home, database))
        environ = settings_for(store, url, home)
        environ["HUTCH_S3_URL"] = internal_url or store.server.url
        environ["HUTCH_S3_PUBLIC_URL"] = public_url or store.server.url
        settings = Settings.from_environ(environ)
        readiness.migrate(settings)
        readiness.init_store(settings)
        clock = SharedClock(home / "clock")
        site = replace(open_site(settings), clock=clock)
        stack.callback(site.engine.dispose)
        made = World(
            zygote, steps, clock, store, environ, home, site, f"u-{uuid4().hex[:8]}"
        )
        with site.begin() as work:
            users.add_user(work, name=made.user, password=PASSWORD, role=Wire.USER)
        try:
            made.start("api")
            made.start("worker")
            made.library = stack.enter_context(connect(made.url, token=made.log_in()))
            yield made
            made.require_nothing_left()
        finally:
            steps.release_all()
            for process in made.processes.values():
                process.kill()

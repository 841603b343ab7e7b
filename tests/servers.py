"""Real servers for the tests: on loopback, on free ports, gone afterwards.

Nothing here is a mock: signatures, checksums and conditions are what the tests are
about, and only a real server enforces them.
"""

import os
import pwd
import random
import secrets
import shutil
import signal
import socket
import string
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

import boto3
import psycopg
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from hutch_api.ports.objects import Credentials
from tests import programs

StoreKind = Literal["seaweedfs", "minio"]
REGION = "us-east-1"
WEB_ORIGIN = programs.WEB_ORIGIN

_DURABILITY = ("fsync", "synchronous_commit", "full_page_writes")
"""Settings of PostgreSQL."""

_GRPC_OFFSET = 10_000
"""SeaweedFS opens a second port this far above each of its ports."""


@dataclass(frozen=True, slots=True)
class StoreServer:
    """A running S3 server.

    Attributes:
        kind: Which program it is.
        url: Where it listens, without a slash at the end.
        root: The key pair that may do everything, made for this run.
        pid: Process id, for tests that kill it.
        directory: Where everything of it lies.
    """

    kind: StoreKind
    url: str
    root: Credentials
    pid: int
    directory: Path


@dataclass(frozen=True, slots=True)
class DatabaseServer:
    """A running PostgreSQL cluster, reached over a socket in a private directory.

    Attributes:
        directory: Where the socket lies.
        user: The superuser; everybody who reaches the socket is believed.
        pid: Id of its first process.
    """

    directory: Path
    user: str
    pid: int

    def url(self, database: str) -> str:
        """Write the SQLAlchemy URL of a database in the cluster."""
        return f"postgresql+psycopg://{self.user}@/{database}?host={self.directory}"

    def connect(self, database: str = "postgres") -> psycopg.Connection:
        """Open a connection for commands that cannot run in a transaction."""
        return psycopg.connect(
            host=str(self.directory), user=self.user, dbname=database, autocommit=True
        )

    def create(self, database: str) -> str:
        """Make an empty database; return its SQLAlchemy URL."""
        with self.connect() as connection:
            connection.execute(f'CREATE DATABASE "{database}"')
        return self.url(database)


def wait_until(
    condition: Callable[[], bool], *, seconds: float = 30, what: str = "it"
) -> None:
    """Wait until something holds.

    Raises:
        TimeoutError: If it does not hold in time.
    """
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError(f"{what} did not happen within {seconds} s")
        time.sleep(0.05)


def random_credentials() -> Credentials:
    """Make a key pair that nobody can guess: on MinIO the id alone may write."""
    alphabet = string.ascii_uppercase + string.digits
    return Credentials(
        "".join(secrets.choice(alphabet) for _ in range(20)), secrets.token_hex(20)
    )


def free_port(*, above: int = 0) -> int:
    """Find a free loopback port, below those that outgoing connections take.

    Args:
        above: Also have the port this far above it free; 0 for only one.
    """
    for port in random.sample(range(12_000, 22_000), 1_000):
        if all(_is_free(p) for p in {port, port + above}):
            return port
    raise OSError("no free port on 127.0.0.1")


@contextmanager
def scratch(name: str) -> Iterator[Path]:
    """Make a directory with a short path (sockets need one) and remove it."""
    directory = Path(tempfile.mkdtemp(prefix=f"hutch-{name}-"))
    try:
        yield directory
    finally:
        shutil.rmtree(directory, ignore_errors=True)


@contextmanager
def seaweedfs() -> Iterator[StoreServer]:
    """Run SeaweedFS in one process.

    Raises:
        MissingServerError: If ``weed`` is not installed.
    """
    with killable("seaweedfs") as store:
        yield store.server


@contextmanager
def minio(*more: str) -> Iterator[StoreServer]:
    """Run MinIO on one directory.

    Args:
        more: Further options of its command line.

    Raises:
        MissingServerError: If ``minio`` is neither named by ``HUTCH_MINIO`` nor on
            the path nor in the cache where ``make minio`` puts it.
    """
    with killable("minio", *more) as store:
        yield store.server


@dataclass(slots=True)
class KillableStore:
    """A store that may be killed, and started again on its data and its port.

    Attributes:
        server: As it runs now, or ran until it was killed.
    """

    server: StoreServer
    _command: list[str]
    _directory: Path
    _environ: Mapping[str, str]
    _running: ExitStack = field(default_factory=ExitStack)

    def start(self) -> None:
        """Start it, and wait until it takes a write."""
        process = self._running.enter_context(
            _running(self._command, self._directory, self._environ)
        )
        self.server = replace(self.server, pid=process.pid)
        _wait_until_writable(self.server, process, self._directory)

    def kill(self) -> None:
        """Kill it; it is gone when this returns."""
        os.kill(self.server.pid, signal.SIGKILL)
        self.stop()

    def stop(self) -> None:
        """End it."""
        self._running.close()


@contextmanager
def killable(kind: StoreKind, *more: str) -> Iterator[KillableStore]:
    """Run a store that a test may kill; MinIO takes further options.

    Raises:
        MissingServerError: If its program is not installed.
    """
    with scratch(kind) as directory:
        root = random_credentials()
        if kind == "minio":
            store = _minio(directory, root, *more)
        else:
            store = _seaweedfs(directory, root)
        try:
            store.start()
            yield store
        finally:
            store.stop()


def _seaweedfs(directory: Path, root: Credentials) -> KillableStore:
    weed = programs.find_weed()
    (directory / "log").mkdir()
    names = ("master", "volume", "filer", "s3", "admin")
    ports = {name: free_port(above=_GRPC_OFFSET) for name in names}
    command = programs.weed_command(weed, directory, ports)
    environ = programs.weed_environ(root)
    url = f"http://127.0.0.1:{ports['s3']}"
    server = StoreServer("seaweedfs", url, root, pid=0, directory=directory)
    return KillableStore(server, command, directory, environ)


def _minio(directory: Path, root: Credentials, *more: str) -> KillableStore:
    address = f"127.0.0.1:{free_port()}"
    command = programs.minio_command(programs.find_minio(), directory, address, *more)
    environ = programs.minio_environ(root)
    url = f"http://{address}"
    server = StoreServer("minio", url, root, pid=0, directory=directory)
    return KillableStore(server, command, directory, environ)


@contextmanager
def postgresql(*, durable: bool = False) -> Iterator[DatabaseServer]:
    """Run a PostgreSQL cluster that forgets everything.

    Args:
        durable: Wait for the disk at each commit, as a facility's does.

    Raises:
        MissingServerError: If neither the path nor Debian's packages have it.
    """
    initdb, postgres = (
        programs.find_postgresql("initdb"),
        programs.find_postgresql("postgres"),
    )
    user = "nobody" if os.geteuid() == 0 else None  # it refuses to run as root
    with scratch("pg") as directory:
        if user:
            account = pwd.getpwnam(user)
            os.chown(directory, account.pw_uid, account.pw_gid)
        data = directory / "data"
        subprocess.run(  # noqa: S603 -- a program of this machine, no shell
            [initdb, "-D", str(data), "-U", "hutch", "-A", "trust", "-E", "UTF8", "-N"],
            check=True,
            env={"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8"},
            capture_output=True,
            cwd=directory,
            user=user,
        )
        command = [postgres, "-D", str(data), "-k", str(directory)]
        settings = ["listen_addresses=", "max_connections=200", "timezone=UTC"]
        if not durable:  # that is for data that somebody wants back
            settings += [f"{name}=off" for name in _DURABILITY]
        for setting in settings:
            command += ["-c", setting]
        with _running(command, directory, {}, user=user, stop=signal.SIGINT) as process:
            server = DatabaseServer(directory, "hutch", process.pid)
            wait_until(
                lambda: _accepts(server, process, directory), what="a connection"
            )
            yield server


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True


@contextmanager
def _running(
    command: list[str],
    directory: Path,
    environ: Mapping[str, str],
    *,
    user: str | None = None,
    stop: signal.Signals = signal.SIGTERM,
) -> Iterator[subprocess.Popen[bytes]]:
    path = {"PATH": os.environ["PATH"], "HOME": str(directory)}
    with (
        (directory / "output.log").open("wb") as output,
        subprocess.Popen(  # noqa: S603 -- a program of this machine, no shell
            tied(command),
            cwd=directory,
            env=path | dict(environ),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            user=user,
            start_new_session=True,  # a Ctrl-C is for whoever started it
        ) as process,
    ):
        try:
            yield process
        finally:
            process.send_signal(stop)
            try:
                process.wait(timeout=20)
            except subprocess.TimeoutExpired:
                process.kill()


def tied(command: list[str]) -> list[str]:
    """Have the kernel end the server when a killed test run cannot."""
    setpriv = shutil.which("setpriv")
    return [setpriv, "--pdeathsig", "KILL", *command] if setpriv else command


def _require_running(process: subprocess.Popen[bytes], directory: Path) -> None:
    if process.poll() is not None:
        tail = (directory / "output.log").read_text(errors="replace")[-2_000:]
        raise RuntimeError(f"the server ended with status {process.returncode}: {tail}")


def _accepts(
    server: DatabaseServer, process: subprocess.Popen[bytes], directory: Path
) -> bool:
    _require_running(process, directory)
    try:
        server.connect().close()
    except psycopg.OperationalError:
        return False
    return True


def _wait_until_writable(
    server: StoreServer, process: subprocess.Popen[bytes], directory: Path
) -> None:
    """Wait for a write: a store that lists may still refuse to take anything."""
    client = boto3.client(
        "s3",
        endpoint_url=server.url,
        region_name=REGION,
        aws_access_key_id=server.root.key_id,
        aws_secret_access_key=server.root.secret,
        config=Config(
            connect_timeout=2,
            read_timeout=10,
            retries={"total_max_attempts": 1},
            request_checksum_calculation="when_required",
            s3={"addressing_style": "path"},
        ),
    )

    def writes() -> bool:
        _require_running(process, directory)
        try:
            names = [b["Name"] for b in client.list_buckets()["Buckets"]]
            if "ready" not in names:
                client.create_bucket(Bucket="ready")
            client.put_object(Bucket="ready", Key="ready", Body=b"yes")
            client.delete_object(Bucket="ready", Key="ready")
            client.delete_bucket(Bucket="ready")
        except (BotoCoreError, ClientError):
            return False
        return True

    wait_until(writes, seconds=60, what="a write")
    client.close()

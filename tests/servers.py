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
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import boto3
import psycopg
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from hutch_api.ports.objects import Credentials

StoreKind = Literal["seaweedfs", "minio"]
REGION = "us-east-1"
WEB_ORIGIN = "http://localhost:8400"

_GRPC_OFFSET = 10_000
"""SeaweedFS opens a second port this far above each of its ports."""


class MissingServerError(Exception):
    """A program that the tests need is not installed; the text says which."""


@dataclass(frozen=True, slots=True)
class StoreServer:
    """A running S3 server.

    Attributes:
        kind: Which program it is.
        url: Where it listens, without a slash at the end.
        root: The key pair that may do everything, made for this run.
        pid: Process id, for tests that kill it.
    """

    kind: StoreKind
    url: str
    root: Credentials
    pid: int


@dataclass(frozen=True, slots=True)
class DatabaseServer:
    """A running PostgreSQL cluster, reached over a socket in a private directory.

    Attributes:
        directory: Where the socket lies.
        user: The superuser; everybody who reaches the socket is believed.
    """

    directory: Path
    user: str

    def url(self, database: str) -> str:
        """Write the SQLAlchemy URL of a database in the cluster."""
        return f"postgresql+psycopg://{self.user}@/{database}?host={self.directory}"

    def connect(self, database: str = "postgres") -> psycopg.Connection:
        """Open a connection for commands that cannot run in a transaction."""
        return psycopg.connect(
            host=str(self.directory), user=self.user, dbname=database, autocommit=True
        )


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
    beside = Path(sys.executable).with_name("weed")
    weed = str(beside) if beside.exists() else shutil.which("weed")
    if weed is None:
        raise MissingServerError("weed (SeaweedFS)")
    with scratch("weed") as directory:
        (directory / "log").mkdir()
        root = random_credentials()
        ports = {
            name: free_port(above=_GRPC_OFFSET)
            for name in ("master", "volume", "filer", "s3", "admin")
        }
        environ = _keys("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", root) | {
            f"WEED_JWT_{name}_KEY": secrets.token_hex(32)
            for name in (
                "SIGNING",
                "SIGNING_READ",
                "FILER_SIGNING",
                "FILER_SIGNING_READ",
            )
        }
        # A key of 255 bytes becomes a directory with ".versions" at its end.
        environ["WEED_FILER_OPTIONS_MAX_FILE_NAME_LENGTH"] = "300"
        command = [
            weed,
            f"-logdir={directory / 'log'}",
            "mini",
            f"-dir={directory}",
            "-ip=127.0.0.1",
            "-ip.bind=127.0.0.1",
            *(f"-{name}.port={port}" for name, port in ports.items()),
            "-webdav=false",
            "-admin.ui=false",
            "-s3.iam.readOnly=false",
            "-master.telemetry=false",
            "-s3.port.iceberg=0",
            "-s3.port.lance=0",
            f"-s3.allowedOrigins={WEB_ORIGIN}",
            f"-filer.localSocket={directory / 'filer.sock'}",
            f"-s3.localSocket={directory / 's3.sock'}",
        ]
        with _running(command, directory, environ) as process:
            url = f"http://127.0.0.1:{ports['s3']}"
            server = StoreServer("seaweedfs", url, root, process.pid)
            _wait_until_writable(server, process, directory)
            yield server


@contextmanager
def minio() -> Iterator[StoreServer]:
    """Run MinIO on one directory.

    Raises:
        MissingServerError: If ``minio`` is neither named by ``HUTCH_MINIO`` nor on
            the path nor in the cache where ``make minio`` puts it.
    """
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    built = cache / "hutch/bin/minio"
    program = (
        os.environ.get("HUTCH_MINIO")
        or shutil.which("minio")
        or (str(built) if built.exists() else None)
    )
    if program is None:
        raise MissingServerError("minio (make minio builds it)")
    with scratch("minio") as directory:
        root = random_credentials()
        address = f"127.0.0.1:{free_port()}"
        environ = _keys("MINIO_ROOT_USER", "MINIO_ROOT_PASSWORD", root) | {
            "MINIO_API_STALE_UPLOADS_EXPIRY": "192h",
            "MINIO_API_CORS_ALLOW_ORIGIN": WEB_ORIGIN,
            "MINIO_BROWSER": "off",
            "MINIO_UPDATE": "off",
        }
        command = [program, "server", "--address", address, str(directory / "data")]
        with _running(command, directory, environ) as process:
            server = StoreServer("minio", f"http://{address}", root, process.pid)
            _wait_until_writable(server, process, directory)
            yield server


@contextmanager
def postgresql() -> Iterator[DatabaseServer]:
    """Run a PostgreSQL cluster that forgets everything.

    Raises:
        MissingServerError: If neither the path nor Debian's packages have it.
    """
    initdb, postgres = _postgres_program("initdb"), _postgres_program("postgres")
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
        # Durability is for data that somebody wants back.
        for setting in (
            "listen_addresses=",
            "fsync=off",
            "synchronous_commit=off",
            "full_page_writes=off",
            "max_connections=200",
            "timezone=UTC",
        ):
            command += ["-c", setting]
        with _running(command, directory, {}, user=user, stop=signal.SIGINT) as process:
            server = DatabaseServer(directory, "hutch")
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


def _keys(key_id: str, secret: str, root: Credentials) -> dict[str, str]:
    return {key_id: root.key_id, secret: root.secret}


def _postgres_program(name: str) -> str:
    if found := shutil.which(name):
        return found
    packaged = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"))
    if not packaged:
        raise MissingServerError(f"{name} (PostgreSQL)")
    return str(packaged[-1])


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
            _tied(command),
            cwd=directory,
            env=path | dict(environ),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            user=user,
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


def _tied(command: list[str]) -> list[str]:
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

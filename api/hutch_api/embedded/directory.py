"""The directory of an embedded installation: its lock, secrets and ports."""

import fcntl
import json
import os
import secrets
import socket
import string
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from hutch_api.embedded.errors import DirectoryBusyError, DirectoryError
from hutch_api.ports.accounts import AccountsApi

GRPC_OFFSET: Final = 10_000
"""SeaweedFS puts a gRPC port this far above each port, and its parts count on it."""
_PORTS: Final = range(12_000, 22_000)
"""Below the ports that Linux takes for outgoing connections, also with the offset."""
_ORPHANS_S: Final = 10
"""The kernel ends the children of a killed parent; a busy machine takes a while."""
_FILE: Final = "hutch.json"
_LOCK: Final = "lock"
_KEY_ID: Final = string.ascii_uppercase + string.digits
_KEY_SECRET: Final = string.ascii_letters + string.digits


def new_key_id() -> str:
    """Make a key id that both stores take and nobody guesses."""
    return "".join(secrets.choice(_KEY_ID) for _ in range(20))


def new_key_secret() -> str:
    """Make a secret that both stores take."""
    return "".join(secrets.choice(_KEY_SECRET) for _ in range(40))


def new_token() -> str:
    """Make 32 random bytes, in hexadecimal."""
    return secrets.token_hex(32)


@dataclass(slots=True)
class Kept:
    """What is made once and kept in a file that only its owner may read.

    Attributes:
        store: ``seaweedfs``, ``minio`` or ``external``; None before the first start.
        secrets: Texts by name.
        ports: Ports by name; taken again at the next start if they are free.
    """

    path: Path
    store: str | None = None
    secrets: dict[str, str] = field(default_factory=dict, repr=False)
    ports: dict[str, int] = field(default_factory=dict)

    @classmethod
    def load(cls, directory: Path) -> "Kept":
        """Read the file; an empty record if there is none yet.

        Raises:
            DirectoryError: It cannot be read.
        """
        path = directory / _FILE
        try:
            content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            return cls(path)
        except (OSError, ValueError) as error:
            raise DirectoryError(f"{path} cannot be read: {error}") from None
        return cls(path, content["store"], content["secrets"], content["ports"])

    def save(self) -> None:
        """Write the file so that a crash leaves the old or the new one."""
        content = {"store": self.store, "secrets": self.secrets, "ports": self.ports}
        new = self.path.with_suffix(".new")
        new.unlink(missing_ok=True)
        descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            json.dump(content, file, indent=2)
            file.flush()
            os.fsync(file.fileno())
        new.replace(self.path)
        parent = os.open(self.path.parent, os.O_RDONLY)
        try:
            os.fsync(parent)
        finally:
            os.close(parent)

    def secret(self, name: str, make: Callable[[], str]) -> str:
        """Give a secret; make it if it is new."""
        return self.secrets.setdefault(name, make())

    def port(self, name: str, *, above: int = 0) -> int:
        """Give a port: the one of the last start if it is free, else another.

        Args:
            name: What listens on it.
            above: Also have the port this far above free; 0 for only one.
        """
        others = {port for key, port in self.ports.items() if key != name}
        kept = self.ports.get(name)
        if kept is None or not _is_free(kept, above):
            self.ports[name] = _choose(others, above)
        return self.ports[name]


@contextmanager
def locked(directory: Path) -> Iterator[int]:
    """Take a directory for this process tree; make it if it is not there.

    The children inherit the descriptor: as long as one of them lives, the directory
    stays taken.

    Yields:
        The descriptor that holds the lock.

    Raises:
        DirectoryBusyError: Another ``up`` has it.
        DirectoryError: It cannot be made.
    """
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(directory / _LOCK, os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as error:
        raise DirectoryError(f"{directory} cannot be used: {error.strerror}") from None
    try:
        if not _take(descriptor):
            raise DirectoryBusyError(
                f"another 'hutch-api up' uses {directory}; end it first, or take "
                "another directory with --dir"
            )
        os.truncate(descriptor, 0)
        os.pwrite(descriptor, str(os.getpid()).encode(), 0)
        yield descriptor
    finally:
        os.close(descriptor)


def environ_of(directory: Path, environ: Mapping[str, str]) -> dict[str, str]:
    """Make the environment in which commands reach an embedded installation.

    Args:
        directory: Where it lives.
        environ: The environment of the caller; ``HUTCH_S3_…`` counts for a store
            that was already there.

    Raises:
        DirectoryError: Nothing was ever started there.
    """
    kept = Kept.load(directory)
    if kept.store is None:
        raise DirectoryError(
            f"{directory} holds no installation; 'hutch-api up --dir {directory}' "
            "makes one"
        )
    return settings_of(kept, environ)


def settings_of(kept: Kept, environ: Mapping[str, str]) -> dict[str, str]:
    """Write the settings of an embedded installation as variables."""
    ours = {
        "HUTCH_DATABASE_URL": f"sqlite:///{kept.path.parent / 'hutch.sqlite'}",
        "HUTCH_SERVER_KEYS": f"1:{kept.secret('server_key', new_token)}",
        "HUTCH_HOST": "127.0.0.1",
        "HUTCH_PORT": str(kept.ports["api"]),
        "HUTCH_WEB_ORIGIN": f"http://127.0.0.1:{kept.ports['api']}",
    }
    made = {
        f"HUTCH_S3_{role.upper()}_{part}": kept.secret(f"{role}_{part.lower()}", make)
        for role in ("root", "server", "reader")
        for part, make in (("KEY_ID", new_key_id), ("SECRET", new_key_secret))
    }
    if kept.store == "external":
        made = {k: v for k, v in made.items() if "_ROOT_" not in k}
        return {**made, **environ, **ours}
    api = AccountsApi.MINIO if kept.store == "minio" else AccountsApi.IAM
    ours |= made
    ours["HUTCH_S3_URL"] = f"http://127.0.0.1:{kept.ports['s3']}"
    ours["HUTCH_S3_ACCOUNTS"] = api
    foreign = ("HUTCH_S3_", "HUTCH_DATABASE_", "HUTCH_SERVER_KEYS")
    return {k: v for k, v in environ.items() if not k.startswith(foreign)} | ours


def _take(descriptor: int) -> bool:
    """Take the lock; where its holder was killed, wait for the last of its children."""
    deadline = time.monotonic() + _ORPHANS_S
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.pread(descriptor, 20, 0)
            if time.monotonic() > deadline or _runs(holder):
                return False
            time.sleep(0.05)  # there is no lock to wait on with a deadline
        else:
            return True


def _runs(pid: bytes) -> bool:
    try:
        os.kill(int(pid), 0)
    except PermissionError:
        return True
    except (ProcessLookupError, ValueError):
        return False
    return True


def _choose(taken: set[int], above: int) -> int:
    order = list(_PORTS)
    secrets.SystemRandom().shuffle(order)  # two starts at once rarely meet
    for port in order:
        if port not in taken and _is_free(port, above):
            return port
    raise DirectoryError("there is no free port on 127.0.0.1")


def _is_free(port: int, above: int = 0) -> bool:
    for candidate in {port, port + above}:
        with socket.socket() as probe:
            # As servers do: a port whose last connection ended just now is free.
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", candidate))
            except OSError:
                return False
    return True

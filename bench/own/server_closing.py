"""How long a close takes, beside a listing of the same versions by the store.

The objects are written straight into the store by the server's identity, as a push
leaves them, and their rows in bulk: a push of 100,000 files is measured elsewhere.
"""

import os
import re
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final
from urllib.parse import unquote_plus
from uuid import UUID, uuid4

from sqlmodel import select

from bench.facility import USER
from bench.figures import Figure
from bench.own.sending import put_all
from bench.own.server_place import Ground, ground
from bench.processes import anonymous_bytes
from hutch.contract.wire.accounts import Role
from hutch.contract.wire.datasets import CloseIn, DatasetIn, State
from hutch.transfer.checksums import crc64nvme, to_text
from hutch_api.adapters.s3.client import make_client
from hutch_api.commands.memory import spare_the_collector
from hutch_api.domain.access import Actor
from hutch_api.domain.layout import key_of, prefix_of
from hutch_api.services import closing, operations
from hutch_api.services.datasets import create_dataset
from hutch_api.services.pushes import start_push
from hutch_api.services.work import Site
from hutch_api.store.rows import insert_rows
from hutch_api.store.tables import Dataset, File, Intent, IntentState, User, Verb

_TARGET: Final = "≤ 1.3 of a listing"
_BODY: Final = b"x" * 64
_CRC: Final = to_text(crc64nvme(_BODY))
_SHA: Final = "5" * 64
_MULTIPART: Final = 300


def measure(place: Path, *, small: bool) -> list[Figure]:
    """Close 100,000 files on SQLite and on PostgreSQL, and 300 large ones."""
    count = 500 if small else 100_000
    figures = []
    for database in ("sqlite",) if small else ("sqlite", "postgresql"):
        below = place / database
        below.mkdir()
        with ground(below, database=database) as made:
            figures += _close(made, count, f"{count} files ({database})")
            if database == "sqlite":
                figures += _close_multipart(made, 10 if small else _MULTIPART)
    return figures


def _close(made: Ground, count: int, what: str) -> list[Figure]:
    site = made.site()
    actor = _actor(site)
    dataset = _fill(made, site, actor, count)
    raw = [_timed(lambda: _list(made, dataset)) for _ in range(2)]
    library = _timed(lambda: _list_by_library(made, dataset))
    before = anonymous_bytes(os.getpid())
    begun = time.process_time()
    taken = _timed(lambda: _run(site, actor, dataset))
    cpu = time.process_time() - begun
    grown = anonymous_bytes(os.getpid()) - before
    raw.append(_timed(lambda: _list(made, dataset)))
    site.engine.dispose()
    listing = sorted(raw)[1]
    note = f"a listing takes {listing:.2f} s unread, {library:.2f} s by boto3"
    return [
        Figure(name=f"close of {what}", value=taken, unit="s", note=note),
        Figure(
            name=f"close of {what} / listing, unread",
            value=taken / listing,
            unit="",
            target=_TARGET,
            note="pages as they come, not even parsed: what the store needs",
        ),
        Figure(
            name=f"close of {what} / listing by boto3",
            value=taken / library,
            unit="",
            target=_TARGET,
            note="ListObjectVersions as programs read it",
        ),
        Figure(name=f"close of {what}, CPU of hutch", value=cpu, unit="s"),
        Figure(
            name=f"close of {what}, memory grown", value=grown / 1024**2, unit="MiB"
        ),
    ]


def _close_multipart(made: Ground, count: int) -> list[Figure]:
    """Close a dataset in which every file once travelled in parts."""
    site = made.site()
    actor = _actor(site)
    seconds = {}
    for verb in (Verb.SINGLE, Verb.MULTIPART):
        dataset = _fill(made, site, actor, count, verb=verb)
        seconds[verb] = _timed(lambda: _run(site, actor, dataset))  # noqa: B023 -- called at once
    site.engine.dispose()
    return [
        Figure(
            name=f"close of {count} files that travelled in parts",
            value=seconds[Verb.MULTIPART],
            unit="s",
            note=f"{seconds[Verb.SINGLE]:.2f} s if they came in one PUT each",
        )
    ]


def _timed(call: Callable[[], object]) -> float:
    begun = time.perf_counter()
    call()
    return time.perf_counter() - begun


def _actor(site: Site) -> Actor:
    with site.look() as work:
        user = work.session.exec(select(User).where(User.name == USER)).one()
    return Actor(user=user.id, name=USER, role=Role.USER, request_id="bench")


def _run(site: Site, actor: Actor, dataset: UUID) -> None:
    """Close as API and worker do together."""
    spare_the_collector()
    closing.close(site, actor, dataset, CloseIn())
    while (operation := operations.claim(site)) is not None:
        closing.proceed(site, operation)
    with site.look() as work:
        if work.session.get_one(Dataset, dataset).state is not State.CLOSED:
            raise RuntimeError("the dataset was not closed")


def _fill(
    made: Ground, site: Site, actor: Actor, count: int, *, verb: Verb = Verb.SINGLE
) -> UUID:
    """Make a dataset that holds files, as pushes leave it."""
    with site.begin() as work:
        wanted = DatasetIn(name=f"closing-{uuid4().hex[:8]}")
        dataset = create_dataset(work, actor, wanted).id
        push = start_push(work, actor, dataset).id
    for at in range(0, count, 5_000):
        paths = [
            f"scan/{n // 100:05}/img_{n:07}.tif"
            for n in range(at, min(count, at + 5_000))
        ]
        intents = [uuid4() for _ in paths]
        versions = _put(made, dataset, paths, intents)
        now = datetime.now(UTC)
        both = {"dataset_id": dataset, "size": len(_BODY), "sha256": _SHA}
        both |= {"crc64nvme": _CRC}
        sent = {"push_id": push, "actor_id": actor.user, "verb": verb}
        sent |= {"state": IntentState.DONE, "force": False, "cleared": True}
        sent |= {"created_at": now, "touched_at": now}
        held = {"confirmed": False, "committed_at": now, "committed_by": actor.user}
        named = list(zip(paths, intents, versions, strict=True))
        with site.begin() as work:
            insert_rows(
                work.session,
                Intent,
                [
                    both | sent | {"id": i, "path": p, "fold": p, "version": v}
                    for p, i, v in named
                ],
            )
            insert_rows(
                work.session,
                File,
                [
                    both | held | {"intent_id": i, "path": p, "fold": p, "version": v}
                    for p, i, v in named
                ],
            )
            row = work.session.get_one(Dataset, dataset)
            row.files += len(paths)
            row.bytes += len(paths) * len(_BODY)
    return dataset


def _put(
    made: Ground, dataset: UUID, paths: Sequence[str], intents: Sequence[UUID]
) -> list[str]:
    """Write objects; return their version ids."""
    settings, signer = made.settings, made.signer()
    signed = [
        signer.presign(
            "PUT",
            f"{settings.s3_data_bucket}/{key_of(dataset, path)}",
            credentials=settings.server,
            expires_in=600,
            headers={
                "content-length": str(len(_BODY)),
                "x-amz-checksum-crc64nvme": _CRC,
                "x-amz-meta-hutch-intent": str(intent),
            },
        )
        for path, intent in zip(paths, intents, strict=True)
    ]
    return put_all(signed, _BODY)


def _list(made: Ground, dataset: UUID) -> int:
    """Fetch all pages of the listing without looking at them; count the bytes."""
    settings, requests = made.settings, made.requests()
    after, read = "", 0
    while True:
        query = [
            ("versions", ""),
            ("encoding-type", "url"),
            ("max-keys", "1000"),
            ("prefix", prefix_of(dataset)),
        ]
        if after:
            query.append(("key-marker", after))
        page = requests.send(
            "GET", settings.s3_data_bucket, operation="list", query=query
        ).data
        read += len(page)
        found = re.search(rb"<NextKeyMarker>(.*?)</NextKeyMarker>", page)
        if b"<IsTruncated>true" not in page or found is None:
            requests.close()
            return read
        after = unquote_plus(found[1].decode())


def _list_by_library(made: Ground, dataset: UUID) -> int:
    settings = made.settings
    client: Any = make_client(
        made.store.url, region="us-east-1", credentials=settings.server
    )
    pages = client.get_paginator("list_object_versions").paginate(
        Bucket=settings.s3_data_bucket, Prefix=prefix_of(dataset)
    )
    return sum(len(page.get("Versions", [])) for page in pages)

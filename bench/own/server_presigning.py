"""How many URLs a second one core signs, alone and in the calls that hand them out."""

import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from typing import Any, Final
from uuid import uuid4

import msgspec

from bench.figures import Figure
from hutch.contract.wire import transfer as wire
from hutch_api.adapters.memory import MemoryStore
from hutch_api.adapters.memory_accounts import MemoryAccounts
from hutch_api.adapters.s3 import Buckets, S3Store, create_s3_store
from hutch_api.http.parsing import read_body
from hutch_api.ports.objects import Credentials
from hutch_api.services import downloads, uploads
from hutch_api.services.work import Site
from hutch_api.store.engine import make_engine
from hutch_api.store.migration import migrate
from hutch_api.store.rows import insert_rows
from hutch_api.store.tables import File
from tests.servers import random_credentials
from tests.transfer.flow import Flow
from tests.transfer.stage import in_memory

BATCH: Final = 1_000
_ROUNDS: Final = 5
_TARGET: Final = "≥ 20000 URLs/s on a core"
_CRC: Final = "AAAAAAAAAAA="
_JSON: Final = {"content-type": "application/json"}


class _Signing(MemoryStore):
    """A store in memory, but its URLs are signed as those of a real one."""

    def __init__(self, signer: S3Store) -> None:
        super().__init__()
        real: Any = self
        real.sign_put, real.sign_part = signer.sign_put, signer.sign_part
        real.sign_get = signer.sign_get


def measure(place: Path, *, small: bool) -> list[Figure]:
    """Sign by the signer alone, and by whole calls from JSON to JSON, on SQLite."""
    files, rounds = (100, 1) if small else (BATCH, _ROUNDS)
    paths = [f"scan/{n // 100:04}/img_{n:06}.tif" for n in range(files)]
    signer = create_s3_store(
        internal_url="http://127.0.0.1:9000",
        public_url="https://store.example.org",
        buckets=Buckets(),
        server=random_credentials(),
        reader=random_credentials(),
    )
    engine = make_engine(f"sqlite:///{place / 'signing.sqlite'}")
    migrate(engine)
    store = _Signing(signer)
    stage = in_memory(engine, lambda: datetime.now(UTC))
    site = replace(stage.site, objects=store, accounts=MemoryAccounts(store))
    calls = _alone(signer, paths) | _whole(site, paths)
    figures = [
        Figure(
            name=name,
            value=files / _best(call, rounds),
            unit="URLs/s",
            target=None if name.startswith("announce") else _TARGET,
            note=f"CPU time of a batch of {files}, the best of {rounds}",
        )
        for name, call in calls.items()
    ]
    engine.dispose()
    signer.close()
    return figures


def _best(call: Callable[[], object], rounds: int) -> float:
    taken = []
    for _ in range(rounds):
        begun = time.process_time()
        call()
        taken.append(time.process_time() - begun)
    return max(min(taken), 1e-6)


def _alone(signer: S3Store, paths: list[str]) -> dict[str, Callable[[], object]]:
    account: Credentials = random_credentials()
    intent, prefix = uuid4(), f"d/{uuid4()}/"

    def put(path: str) -> wire.SignedRequest:
        return signer.sign_put(
            prefix + path, size=5, crc64nvme=_CRC, intent=intent, account=account
        )

    def part(path: str) -> wire.SignedRequest:
        return signer.sign_part(
            prefix + path,
            upload="u" * 60,
            number=7,
            size=5,
            crc64nvme=_CRC,
            account=account,
        )

    def get(path: str) -> wire.SignedRequest:
        return signer.sign_get(prefix + path, str(intent))

    return {
        "sign a PUT": lambda: [put(path) for path in paths],
        "sign a part": lambda: [part(path) for path in paths],
        "sign a GET": lambda: [get(path) for path in paths],
    }


def _whole(site: Site, paths: list[str]) -> dict[str, Callable[[], object]]:
    flow = Flow(site, lambda _, __: 0)
    actor = flow.user("bench")
    dataset = flow.dataset(actor).id
    push = flow.start(actor, dataset)
    turn = count()

    def announce() -> bytes:
        at = next(turn)
        files = [{"path": f"{at}/{p}", "size": 5, "crc64nvme": _CRC} for p in paths]
        raw = msgspec.json.encode({"files": files})
        wanted = read_body(raw, wire.UploadsIn, _JSON)
        return msgspec.json.encode(uploads.announce(site, actor, push, wanted))

    size = 64 * 1024**2 * len(paths)
    large = wire.UploadsIn(files=(wire.UploadIn(path="large", size=size),))
    [upload] = uploads.announce(site, actor, push, large).files
    parts = [
        {"intent": str(upload.intent), "number": n + 1, "crc64nvme": _CRC}
        for n in range(len(paths))
    ]
    asked = msgspec.json.encode({"parts": parts})

    def sign_parts() -> bytes:
        wanted = read_body(asked, wire.PartsIn, _JSON)
        return msgspec.json.encode(uploads.sign_parts(site, actor, push, wanted))

    with site.begin() as work:
        held = {
            "dataset_id": dataset,
            "size": 5,
            "sha256": "0" * 64,
            "crc64nvme": _CRC,
            "version": "v" * 36,
            "intent_id": upload.intent,
            "confirmed": False,
            "committed_at": work.now,
            "committed_by": actor.user,
        }
        rows = [held | {"path": path, "fold": path} for path in paths]
        insert_rows(work.session, File, rows)
    refs = [{"path": path, "version": "v" * 36} for path in paths]
    wished = msgspec.json.encode({"files": refs})

    def fetch() -> bytes:
        wanted = read_body(wished, wire.DownloadsIn, _JSON)
        return msgspec.json.encode(
            downloads.sign_downloads(site, actor, dataset, wanted)
        )

    return {
        "announce, from JSON to JSON": announce,
        "sign_parts, from JSON to JSON": sign_parts,
        "downloads, from JSON to JSON": fetch,
    }

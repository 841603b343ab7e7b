"""The clock of API and worker is ten minutes off the store's."""

import re
from datetime import UTC, datetime, timedelta, tzinfo
from pathlib import Path
from typing import Self

import botocore.auth
import minio.time
import pytest
from sqlalchemy import Engine

from hutch.cli.exits import Exit
from hutch_api.adapters.probe import Target, signatures
from hutch_api.adapters.probe.bench import Bench
from hutch_api.adapters.probe.checks import try_out
from hutch_api.adapters.s3 import objects
from tests.e2e.stage import tree, write
from tests.laws.faults.hall import codes_of, opened, ready_of
from tests.servers import StoreServer

TEN_MINUTES = timedelta(minutes=10)


@pytest.mark.parametrize("off", [TEN_MINUTES, -TEN_MINUTES])
def test_a_wrong_clock_of_the_server_loses_nothing_and_is_named(
    sqlite_engine: Engine,
    store_server: StoreServer,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    off: timedelta,
) -> None:
    def clock() -> datetime:
        return datetime.now(UTC) + off

    with monkeypatch.context() as patch:
        # Whoever signs for the server: hutch itself, and two libraries.
        patch.setattr(objects, "utc_now", clock)
        patch.setattr(minio.time, "utcnow", clock)
        patch.setattr(
            botocore.auth, "get_current_datetime", lambda: clock().replace(tzinfo=None)
        )
        ready = ready_of(store_server)
        with opened(sqlite_engine, ready, tmp_path, clock=clock) as hall:
            person = hall.person
            root = person.dataset("d", {"a": "first", "b": b""})
            person.hutch("push", where=root)
            write(root, {"a": "replaced, so in parts"})
            person.hutch("push", where=root)
            hall.require_kept(root)
            told = hall.attempt("clone", "d", "copy")
            if off > timedelta():
                assert told.exit == Exit.OK
                assert tree(tmp_path / "copy") == tree(root)
            else:  # addresses for reading end in ten minutes, so before they begin
                assert told.exit == Exit.SOME_FAILED
                assert codes_of(told) == {"transfer-failed"}
                assert re.search(r"its clock is 6[0-9]{2} s ahead of", told.out), told
            person.hutch("close", where=root)
            hall.require_kept(root, is_open=False)
            person.hutch("rm", "d", "--yes")
            hall.require_agreement()


@pytest.mark.parametrize("store_server", ["seaweedfs"], indirect=True)
@pytest.mark.parametrize(
    ("off", "found"), [(TEN_MINUTES, "behind"), (-TEN_MINUTES, "ahead of")]
)
def test_the_doctor_says_by_how_much_the_clocks_differ(
    store_server: StoreServer,
    monkeypatch: pytest.MonkeyPatch,
    off: timedelta,
    found: str,
) -> None:
    class Wrong(datetime):
        @classmethod
        def now(cls, tz: tzinfo | None = None) -> Self:
            return super().now(tz) + off

    monkeypatch.setattr(signatures, "datetime", Wrong)
    [check] = [c for c in signatures.CHECKS if c.name == "clock"]
    ready = ready_of(store_server)
    bench = Bench(
        Target(
            place=ready.place,
            api=ready.made.api,
            server=ready.server,
            reader=ready.reader,
            public_url=ready.place.endpoint,
            web_origin=None,
        )
    )
    try:
        told = try_out(check, bench).found
    finally:
        bench.close()
    assert told is not None
    assert re.fullmatch(
        rf"the store's clock is [56][0-9][0-9] s {found} this one", told
    )

"""The clock of API and worker is ten minutes off the store's."""

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import botocore.auth
import minio.time
import pytest
from sqlalchemy import Engine

from hutch.cli.exits import Exit
from hutch_api.adapters.s3 import opening
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
        patch.setattr(opening, "utc_now", clock)
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

"""The API never carries the bytes of files."""

import os
import shutil
from functools import cache
from pathlib import Path

import pytest
from sqlalchemy import Engine

from hutch import clone, push
from hutch.contract.parts import MIB, PART_SIZE
from tests.adapters.ready import set_up
from tests.laws.conftest import Count
from tests.laws.leaks.passing import measured
from tests.servers import StoreServer

FILES, SIZE = 3, 1024 * MIB
ONE = 16 * MIB

_set_up = cache(set_up)


@pytest.mark.timeout(1800)
def test_three_gib_pass_the_api_by(
    minio: StoreServer, sqlite_engine: Engine, tmp_path: Path, count: Count
) -> None:
    with measured(sqlite_engine, _set_up(minio), tmp_path) as passing:
        live = passing.live
        with live.person() as anna:
            workdir = live.workdir(anna)
            for name in range(FILES):
                with (workdir.root / str(name)).open("wb") as file:
                    file.truncate(SIZE)  # holes take no room here; the store has all
                    for start in range(0, SIZE, PART_SIZE):
                        file.seek(start)
                        file.write(os.urandom(MIB))
            assert push(workdir, anna).bytes == FILES * SIZE
            target = tmp_path / "clone"
            report = clone(anna, anna.datasets.get(workdir.dataset), target)
            assert (report.bytes, report.problems) == (FILES * SIZE, ())
            anna.datasets.delete(workdir.dataset)
        shutil.rmtree(target)
        count("pushed and cloned", 2 * FILES * SIZE, "bytes")
        count("passed the API", passing.require_few_bytes(), "bytes")


def test_an_api_that_relays_one_file_is_found(
    minio: StoreServer, sqlite_engine: Engine, tmp_path: Path
) -> None:
    with measured(sqlite_engine, _set_up(minio), tmp_path, relaying=True) as passing:
        live = passing.live
        with live.person() as anna:
            workdir = live.workdir(anna, {"one": os.urandom(ONE)})
            assert push(workdir, anna).bytes == ONE
        with pytest.raises(AssertionError, match="passed the API"):
            passing.require_few_bytes()

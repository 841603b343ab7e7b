"""The libraries that scientists use read through it, as their own pages show."""

from pathlib import Path

import dask
import dask.array
import dask.bytes
import fsspec
import h5py
import numpy as np
import pandas as pd
import pytest
import zarr

from hutch import Client
from tests.fs.conftest import Asked, NewShown
from tests.meta.tree import ROOT
from tests.servers import StoreServer

TOOTH = ROOT / "examples" / "tooth" / "tooth.h5"
VOLUME = np.arange(24 * 20 * 30, dtype="uint16").reshape(24, 20, 30)


@pytest.fixture(scope="module")
def store_server(minio: StoreServer) -> StoreServer:
    """One store is enough: these read what test_reading reads on both."""
    return minio


@pytest.fixture(autouse=True)
def _logged_in(anna: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HUTCH_URL", anna.url)
    monkeypatch.setenv("HUTCH_TOKEN", anna._connection.token or "")
    fsspec.get_filesystem_class("hutch").clear_instance_cache()


@pytest.fixture
def volume(shown: NewShown, tmp_path: Path) -> str:
    """A dataset with a Zarr array of 24 chunks, one of them left out."""
    array = zarr.create_array(
        tmp_path / "volume.zarr", shape=VOLUME.shape, chunks=(4, 10, 15), dtype="uint16"
    )
    array[:] = VOLUME
    files = {
        str(p.relative_to(tmp_path)): p.read_bytes()
        for p in (tmp_path / "volume.zarr").rglob("*")
        if p.is_file()
    }
    return f"hutch://{shown(files).root}/volume.zarr"


def test_pandas_reads_a_table(shown: NewShown) -> None:
    table = b"angle,counts\n0.0,17\n0.5,19\n"
    root = shown({"run 1/table.csv": table}).root
    read = pd.read_csv(f"hutch://{root}/run 1/table.csv")
    assert list(read["counts"]) == [17, 19]
    assert list(read.columns) == ["angle", "counts"]


def test_h5py_reads_a_part_of_a_file(shown: NewShown, asked: Asked) -> None:
    root = shown({"raw/tooth.h5": TOOTH.read_bytes()}).root
    asked.take()
    with (
        fsspec.open(f"hutch://{root}/raw/tooth.h5") as remote,
        h5py.File(remote) as file,
        h5py.File(TOOTH) as here,
    ):
        names: list[str] = []
        here.visit(names.append)
        arrays = [n for n in names if isinstance(here[n], h5py.Dataset)]
        assert arrays
        for name in arrays:
            assert np.array_equal(file[name][()], here[name][()])
    assert asked.signings() == 1


def test_zarr_reads_chunks(volume: str, asked: Asked) -> None:
    asked.take()
    array = zarr.open_array(volume, mode="r")
    assert np.array_equal(array[5:9, 3:12, ::2], VOLUME[5:9, 3:12, ::2])
    assert np.array_equal(array[:], VOLUME)
    assert asked.signings() <= 10  # of 24 chunks and their description
    with pytest.raises((OSError, ValueError), match="read-only"):
        zarr.create_array(volume + "2", shape=(1,), dtype="u1")


def test_dask_reads_chunks_in_threads(volume: str) -> None:
    lazy = dask.array.from_zarr(volume)
    assert int(lazy.sum().compute(scheduler="threads")) == int(VOLUME.sum())


def test_dask_reads_blocks_of_files(shown: NewShown) -> None:
    lines = b"".join(b"%06d\n" % n for n in range(5_000))
    root = shown({f"log/{n}.txt": lines for n in range(3)}).root
    _, blocks = dask.bytes.read_bytes(
        f"hutch://{root}/log/*.txt", delimiter=b"\n", blocksize=10_000
    )
    parts = [part for file in blocks for part in file]
    assert b"".join(dask.compute(*parts, scheduler="threads")) == lines * 3
    in_processes = dask.compute(*parts[:2], scheduler="processes", num_workers=2)
    assert b"".join(in_processes) == lines[: sum(map(len, in_processes))]

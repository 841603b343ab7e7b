"""Previews from the command line to the store and back, by the real program."""

import io
import json
from collections.abc import Iterator
from pathlib import Path
from uuid import UUID

import h5py
import numpy as np
import pytest
from PIL import Image

from hutch import Client, connect, credentials
from hutch.contract.wire.runs import RunState
from tests.derivations.commands.near import near_runner
from tests.derivations.commands.playing import Hall
from tests.e2e.stage import Person

TOOTH = Path(__file__).parents[3] / "examples" / "tooth" / "tooth.h5"


@pytest.fixture
def near(hall: Hall, tmp_path: Path) -> Iterator[Path]:
    with near_runner(hall.board.world.site, hall.url, tmp_path / "runner") as place:
        yield place


@pytest.fixture
def ida(hall: Hall) -> Person:
    return hall.person()


@pytest.fixture
def client(hall: Hall, ida: Person) -> Iterator[Client]:
    held = credentials.find(hall.url, environ=ida.environ())
    with connect(hall.url, token=held.token) as made:
        yield made


def closed(hall: Hall, person: Person, files: dict[str, bytes]) -> UUID:
    return hall.board.flow.closed(hall.actor(person), files)


def broken(tmp_path: Path) -> dict[str, bytes]:
    """Files of all kinds, and some that mean harm or are cut off."""
    npy = io.BytesIO()
    np.save(npy, np.arange(24 * 32).reshape(24, 32))
    reaching = tmp_path / "reaching.h5"
    with h5py.File(reaching, "w") as file:
        file.create_dataset("passwd", (4, 64), "u1", external=[("/etc/passwd", 0, 256)])
        layout = h5py.VirtualLayout((4, 64), "u1")
        layout[:] = h5py.VirtualSource("/etc/other.h5", "a", (4, 64))
        file.create_virtual_dataset("virtual", layout)
    return {
        "a.npy": npy.getvalue(),
        "b.npy": npy.getvalue()[:-1],
        "c.h5": TOOTH.read_bytes()[:20_000],
        "d.png": b"no image",
        "reaching.h5": reaching.read_bytes(),
        "tooth.h5": TOOTH.read_bytes(),
        "notes.txt": b"nothing to be seen",
    }


def test_previews_of_a_real_scan_are_made_by_the_real_program(
    hall: Hall, near: Path, ida: Person, client: Client, tmp_path: Path
) -> None:
    scan = closed(hall, ida, broken(tmp_path))
    run = client.run("hutch-preview", inputs={"dataset": scan}, wait=True)
    log = b"".join(client.runs.read_log(run.id)).decode()
    assert run.state is RunState.SUCCEEDED, (run.detail, log)
    listed = client.previews.list(scan)
    assert listed.run == run.id
    got = {one.name: data for one, data in client.previews.fetch(scan, listed)}
    index = json.loads(got.pop("index.json"))
    assert (index["dataset"], index["files"]) == (str(scan), 7)
    shown = {(one["file"], one["object"]): one for one in index["images"]}
    assert set(shown) == {
        ("a.npy", ""),
        ("tooth.h5", "/exchange/data"),
        ("tooth.h5", "/exchange/data_dark"),
        ("tooth.h5", "/exchange/data_white"),
    }
    tooth = shown["tooth.h5", "/exchange/data"]
    assert (tooth["shape"], tooth["dtype"]) == ([181, 2, 640], "float32")
    assert tooth["slice"] == ":, 1, :"
    with h5py.File(TOOTH) as file:
        sinogram = file["exchange/data"][:, 1, :]
    assert (tooth["min"], tooth["max"]) == (sinogram.min(), sinogram.max())
    for one in index["images"]:
        with Image.open(io.BytesIO(got.pop(one["png"]))) as image:
            assert (image.format, image.mode) == ("PNG", "L")
            assert max(image.size) <= 512
    assert got == {}
    unread = {one["file"]: one["reason"] for one in index["unread"]}
    assert set(unread) == {"b.npy", "c.h5", "d.png", "reaching.h5"}
    assert unread["b.npy"] == "it ends too early"
    assert "its numbers lie in another file" in unread["reaching.h5"]
    assert "hutch:progress" in log
    assert str(near) not in log

"""Previews from the command line to the store and back, by the real program."""

import io
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Event, Thread
from uuid import UUID

import h5py
import numpy as np
import pytest
from PIL import Image

from hutch import Client, connect, credentials
from hutch.cli.exits import Exit
from hutch.cli.running import Steps
from hutch.contract.wire.runs import RunOut, RunState
from hutch_api.services import system
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


# --- the command


def test_the_command_makes_shows_and_fetches_previews(
    hall: Hall, near: Path, ida: Person
) -> None:
    scan = closed(hall, ida, {"tooth.h5": TOOTH.read_bytes()})
    name = hall.board.world.see(hall.actor(ida), scan).name
    assert near.is_dir()
    told = ida.hutch("preview", name)
    assert "began the run" in told.err
    assert told.out.splitlines()[0].split() == ["preview", "size", "type"]
    assert "4 previews of" in told.out
    assert told.out.splitlines()[-1] == "next: the same with --to DIR fetches them"
    told = ida.hutch("preview", name, "--to", "seen/here")
    assert "began" not in told.err
    assert told.out.splitlines()[-1] == "they are in seen/here"
    there = ida.home / "seen" / "here"
    assert sorted(p.name for p in there.iterdir()) == [
        "0001.png",
        "0002.png",
        "0003.png",
        "index.json",
    ]
    before = {p.name: p.read_bytes() for p in there.iterdir()}
    (there / "0001.png").write_bytes(b"mine")
    (there / "0002.png").unlink()
    words = ("preview", name, "--to", str(there))
    refused = ida.refused(Exit.CONFLICT, "conflict", *words)
    assert "0001.png' is in the way" in refused.problem["detail"]
    assert (there / "0001.png").read_bytes() == b"mine"
    assert not (there / "0002.png").exists()
    again = ida.json("preview", name, "--again", "--to", "anew")
    assert (again["dataset"], again["state"]) == (str(scan), "succeeded")
    assert again["items"][0]["file"] == "anew/0001.png"
    assert "http" not in json.dumps(again)
    anew = {p.name: p.read_bytes() for p in (ida.home / "anew").iterdir()}
    assert anew == before
    runs = ida.json("runs", "--definition", "hutch-preview")["items"]
    assert [run["state"] for run in runs] == ["succeeded", "succeeded"]
    assert again["run"] == runs[0]["id"]


def test_a_run_under_way_is_joined_and_its_failure_told(
    hall: Hall, ida: Person
) -> None:
    system.ensure(hall.board.world.site)
    scan = closed(hall, ida, {"a.txt": b"x"})
    begun = ida.json("run", "hutch-preview", f"dataset={scan}")
    assert begun["target"] == "previews"
    ida.refused(Exit.CONFLICT, "name-taken", "run", "hutch-preview", f"dataset={scan}")
    ida.json("run", "cancel", begun["id"])
    assert "previews; it is found as" in ida.hutch("run", "show", begun["id"]).out
    again = ida.hutch("run", "hutch-preview", f"dataset={scan}")
    assert "which makes previews" in again.out
    with cancelling(hall, ida):
        told = ida.hutch("preview", str(scan), exits=Exit.FAILED)
    assert "they are being made by the run" in told.err
    assert "cancelled" in told.err


@contextmanager
def cancelling(hall: Hall, person: Person) -> Iterator[None]:
    """Cancel the run that somebody waits for, once they look at it."""
    looked = Event()
    held = credentials.find(hall.url, environ=person.environ())

    def cancel() -> None:
        looked.wait(60)
        with connect(hall.url, token=held.token) as client:
            [waiting] = client.runs.list(state=RunState.QUEUED).items
            client.runs.cancel(waiting.id)

    def note(run: RunOut) -> None:
        looked.set()

    thread = Thread(target=cancel, daemon=True)
    thread.start()
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(Steps, "__call__", lambda _self, run: note(run))
        yield
    thread.join(60)
    assert not thread.is_alive()


def test_an_open_dataset_has_none(hall: Hall, ida: Person) -> None:
    system.ensure(hall.board.world.site)
    hall.board.world.create(hall.actor(ida), "open")
    ida.refused(Exit.STATE, "parent-open", "preview", "open")
    ida.refused(Exit.NOT_FOUND, "not-found", "preview", "other")

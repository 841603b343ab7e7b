"""What the program makes of files: which planes, which pictures, what is refused."""

import io
import json
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast
from uuid import UUID

import h5py
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from hutch.contract.wire.previews import MAX_BYTES
from hutch.contract.wire.transfer import FileOut
from hutch.previews import flat, hdf5, planes
from hutch.previews.job import PreviewJob
from hutch.previews.making import Album, ending_of, spread
from hutch.previews.pictures import extent, picture
from hutch.previews.planes import Plane, UnreadableError, cut
from hutch.previews.remote import RemoteFile

STACK = np.arange(5 * 20 * 30, dtype="<u2").reshape(5, 20, 30)
"""Images one after the other."""


class Held(io.BytesIO):
    """A file that is here."""

    @property
    def size(self) -> int:
        return len(self.getbuffer())


class Counted(Held):
    """The same, which counts what is read of it."""

    count = 0

    def readinto(self, buffer: Any, /) -> int:
        read = super().readinto(buffer)
        self.count += read
        return read

    def read(self, size: int | None = -1, /) -> bytes:
        data = super().read(size)
        self.count += len(data)
        return data


def held(data: bytes) -> RemoteFile:
    return cast("RemoteFile", Held(data))


def saved(array: NDArray[Any]) -> RemoteFile:
    file = io.BytesIO()
    np.save(file, array)
    return held(file.getvalue())


def hdf(path: Path, **arrays: NDArray[Any]) -> h5py.File:
    file = h5py.File(path, "w")
    for name, array in arrays.items():
        file[name] = array
    return file


def read_hdf(path: Path, wanted: int = 16) -> list[Plane | UnreadableError]:
    return list(hdf5.read(held(path.read_bytes()), wanted))


def shown(path: Path, wanted: int = 16) -> list[str]:
    return [one.inside for one in read_hdf(path, wanted) if isinstance(one, Plane)]


def image(**how: Any) -> bytes:
    file = io.BytesIO()
    pages = [Image.fromarray(page) for page in STACK]
    pages[0].save(file, "TIFF", save_all=True, append_images=pages[1:], **how)
    return file.getvalue()


# --- planes


@pytest.mark.parametrize(
    ("shape", "text"),
    [
        ((20, 30), ":, :"),
        ((5, 20, 30), "2, :, :"),
        ((181, 2, 640), ":, 1, :"),
        ((640, 181, 2), ":, :, 1"),
        ((100_000, 2, 640), "50000, :, :"),
        ((10_000, 20_000), "::12, :"),
    ],
)
def test_the_plane_in_the_middle_is_read_and_no_more(
    shape: tuple[int, ...], text: str
) -> None:
    assert cut(shape, 4).text == text


@pytest.mark.parametrize("shape", [(), (3,), (1, 2, 3, 4), (0, 3), (2, 10**9)])
def test_what_has_no_plane_is_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(UnreadableError):
        cut(shape, 4)


# --- HDF5


def test_the_largest_arrays_come_first_and_what_is_to_be_plotted_before_them(
    tmp_path: Path,
) -> None:
    path = tmp_path / "a.h5"
    with hdf(path, small=STACK[0], large=STACK, line=STACK[0, 0]) as file:
        file["names"] = ["a", "b"]
        file["entry/data/signal"] = STACK[0, :5]
        file.attrs["default"] = "entry"
        file["entry"].attrs["default"] = "data"
        file["entry/data"].attrs["signal"] = "signal"
    assert shown(path) == ["/entry/data/signal", "/large", "/small"]
    assert shown(path, 1) == ["/entry/data/signal"]
    [_, large, _] = read_hdf(path)
    assert isinstance(large, Plane)
    assert np.array_equal(large.pixels, STACK[2])
    assert (large.shape, large.dtype, large.index) == ((5, 20, 30), "uint16", "2, :, :")


@pytest.mark.parametrize("name", ["nothing", "..", "/secret", b"\xff", 3])
def test_a_default_that_leads_nowhere_is_left_alone(tmp_path: Path, name: Any) -> None:
    path = tmp_path / "a.h5"
    with hdf(path, large=STACK) as file:
        file.attrs["default"] = name
    assert shown(path) == ["/large"]


def test_no_other_file_is_read(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_bytes(bytes(range(256)))
    with hdf(tmp_path / "secret.h5", numbers=STACK):
        pass
    path = tmp_path / "a.h5"
    with hdf(path, mine=STACK[0]) as file:
        file.create_dataset("raw", (16, 16), "u1", external=[(str(secret), 0, 256)])
        layout = h5py.VirtualLayout((5, 20, 30), "u2")
        layout[:] = h5py.VirtualSource(tmp_path / "secret.h5", "numbers", STACK.shape)
        file.create_virtual_dataset("virtual", layout)
        file["there"] = h5py.ExternalLink(str(tmp_path / "secret.h5"), "/numbers")
        file["soft"] = h5py.SoftLink("/there")
        file.attrs["default"] = "there"
    found = read_hdf(path)
    assert [one.inside for one in found if isinstance(one, Plane)] == ["/mine"]
    assert sorted(str(one) for one in found if isinstance(one, UnreadableError)) == [
        "/raw: its numbers lie in another file",
        "/virtual: its numbers lie in another file",
    ]


def test_chunks_that_no_memory_holds_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.h5"
    with h5py.File(path, "w") as file:
        file.create_dataset("a", data=STACK, chunks=(5, 20, 30), compression="gzip")
    monkeypatch.setattr(hdf5, "MOST", STACK.nbytes - 1)
    [refused] = read_hdf(path)
    assert str(refused) == "/a: its chunks are too large"


def test_a_file_without_images_says_so(tmp_path: Path) -> None:
    path = tmp_path / "a.h5"
    with hdf(path, line=STACK[0, 0]):
        pass
    with pytest.raises(UnreadableError, match="no images"):
        read_hdf(path)


# --- files of one array or image


@pytest.mark.parametrize("order", ["C", "F"])
def test_the_middle_of_an_array_is_read(order: Any) -> None:
    [plane] = flat.read_npy(saved(np.asarray(STACK, order=order)), 1)
    assert np.array_equal(plane.pixels, STACK[2])
    assert plane.index == "2, :, :"


def test_of_a_large_array_rows_are_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (planes, flat):
        monkeypatch.setattr(module, "WHOLE", 300)
    monkeypatch.setattr(planes, "MOST", 10_000)
    [plane] = flat.read_npy(saved(STACK), 1)
    assert plane.index == "2, ::4, :"
    assert np.array_equal(plane.pixels, STACK[2, ::4])
    with pytest.raises(UnreadableError, match="scattered"):
        list(flat.read_npy(saved(np.asfortranarray(STACK)), 1))


@pytest.mark.parametrize(
    ("array", "said"),
    [
        (np.array(["a", "b"]), "holds no numbers"),
        (np.array([1 + 2j]), "holds no numbers"),
        (np.array([{"a": 1}], dtype=object), "holds no numbers"),
        (np.zeros(3), "not two or three dimensions"),
    ],
)
def test_an_array_of_something_else_is_refused(array: NDArray[Any], said: str) -> None:
    with pytest.raises(UnreadableError, match=said):
        list(flat.read_npy(saved(array), 1))


def test_an_array_that_is_cut_off_is_refused() -> None:
    file = io.BytesIO()
    np.save(file, STACK)
    for cut_off in (1, STACK[0].nbytes):
        # The plane itself is there.
        with pytest.raises(UnreadableError, match="ends too early"):
            list(flat.read_npy(held(file.getvalue()[:-cut_off]), 1))


def test_the_middle_page_of_a_tiff_is_read() -> None:
    [plane] = flat.read_image(held(image()), 1)
    assert np.array_equal(plane.pixels, STACK[2])
    assert (plane.shape, plane.index) == ((5, 20, 30), "2, :, :")


def test_a_compressed_tiff_is_not_read_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    data = image(compression="tiff_lzw")
    [plane] = flat.read_image(held(data), 1)
    assert np.array_equal(plane.pixels, STACK[2])
    monkeypatch.setattr(flat, "_COMPRESSED", len(data) - 1)
    with pytest.raises(UnreadableError, match="compressed"):
        list(flat.read_image(held(data), 1))


def test_an_image_that_would_be_huge_is_not_unpacked() -> None:
    assert Image.MAX_IMAGE_PIXELS == 100_000_000
    file = io.BytesIO()
    Image.new("1", (15_000, 15_000)).save(file, "PNG")
    with pytest.raises(Image.DecompressionBombError):
        list(flat.read_image(held(file.getvalue()), 1))


def test_colours_become_grey() -> None:
    file = io.BytesIO()
    Image.new("RGB", (8, 4), (255, 0, 0)).save(file, "JPEG")
    [plane] = flat.read_image(held(file.getvalue()), 1)
    assert plane.pixels.shape == (4, 8)
    assert plane.dtype == "RGB"


@pytest.mark.parametrize("kind", ["h5", "npy", "tiff"])
def test_of_a_stack_little_more_is_read_than_a_plane(kind: str, tmp_path: Path) -> None:
    stack = np.zeros((400, 100, 200), np.uint16)
    file = tmp_path / "stack"
    if kind == "h5":
        with hdf(file, stack=stack):
            pass
    elif kind == "npy":
        with file.open("wb") as opened_file:
            np.save(opened_file, stack)
    else:
        pages = [Image.fromarray(page) for page in stack]
        pages[0].save(file, "TIFF", save_all=True, append_images=pages[1:])
    counted = Counted(file.read_bytes())
    reading = {"h5": hdf5.read, "npy": flat.read_npy, "tiff": flat.read_image}[kind]
    [plane] = reading(cast("RemoteFile", counted), 1)
    assert isinstance(plane, Plane)
    assert plane.pixels.shape == (100, 200)
    assert counted.size > 100 * stack[0].nbytes
    assert counted.count < 10 * stack[0].nbytes


# --- pictures


def opened(data: bytes) -> Image.Image:
    return Image.open(io.BytesIO(data))


def test_a_picture_is_grey_small_and_stretched() -> None:
    pixels = np.linspace(1_000, 2_000, 100 * 200).reshape(100, 200)
    pixels[0, 0] = 1e9
    drawn = opened(picture(pixels, 64))
    assert (drawn.mode, drawn.size) == ("L", (64, 32))
    grey = np.asarray(drawn)
    assert grey[0, 1:].max() < 20
    assert grey[-2:].min() > 235
    assert opened(picture(STACK[0], 512)).size == (30, 20)


@pytest.mark.parametrize(
    "pixels",
    [
        np.full((4, 4), np.nan),
        np.array([[np.inf, -np.inf], [np.nan, 1.0]]),
        np.zeros((3, 3), bool),
        np.array([[0, 2**64 - 1]], "u8"),
        np.full((2, 2), 1e308),
        np.array([[-1e308, 1e308]]),
        np.zeros((1, 5_000)),
        np.ones((3, 3), np.float16),
    ],
)
def test_numbers_that_are_none_or_all_the_same_are_drawn(pixels: NDArray[Any]) -> None:
    assert opened(picture(pixels, 64)).format == "PNG"
    between = extent(pixels)
    assert between is None or json.dumps(between, allow_nan=False)


def test_a_picture_is_no_longer_than_a_preview_may_be() -> None:
    noise = np.random.default_rng(1).integers(0, 255, (2_048, 2_048))
    drawn = picture(noise, 2_048)
    assert len(drawn) <= MAX_BYTES
    assert 1_000 < max(opened(drawn).size) < 2_048


# --- which files


def test_files_are_chosen_evenly() -> None:
    files: Any = list(range(1_000))
    assert [str(one) for one in spread(files, 4)] == ["0", "250", "500", "750"]
    assert [str(one) for one in spread(files[:3], 4)] == ["0", "1", "2"]


def test_the_end_of_a_name_says_what_a_file_is() -> None:
    assert ending_of("a.b/Scan.NXS") == ".nxs"
    assert ending_of("a.h5/readme") == ""


def test_what_is_noted_is_bounded_and_text(tmp_path: Path) -> None:
    job = PreviewJob(
        api="", token="", dataset=UUID(int=1), edge=64, images=2, out=tmp_path
    )
    album = Album(job)
    file = FileOut(
        path="a.h5",
        size=1,
        sha256="",
        crc64nvme="",
        version="v",
        confirmed=False,
        committed_at=datetime.now(UTC),
        committed_by="ida",
    )
    inside = "/" + "\udcff" * 5_000
    plane = Plane(
        inside=inside, shape=(20, 30), dtype="u2", index=":, :", pixels=STACK[0]
    )
    album.add(file, plane)
    for number in range(1_000):
        album.skip(file, ValueError(f"{number}\n" + "x" * 5_000))
    album.close(files=3)
    index = json.loads((tmp_path / "index.json").read_bytes())
    assert (len(index["images"]), len(index["unread"])) == (1, 100)
    assert len(index["images"][0]["object"]) == 1_000
    assert len(index["unread"][7]["reason"]) == 200
    assert index["unread"][7]["reason"].startswith("7 x")


def test_without_the_extra_it_says_what_is_missing(tmp_path: Path) -> None:
    """Of an installation that lacks it; here the library cannot be found."""
    (tmp_path / "h5py.py").write_text("raise ImportError('no h5py')")
    program = (
        "import sys; sys.path.insert(0, sys.argv.pop(1)); "
        "from hutch.previews.__main__ import main; sys.exit(main())"
    )
    ended = subprocess.run(  # noqa: S603 -- hutch's own program
        [sys.executable, "-c", program, str(tmp_path)], capture_output=True, check=False
    )
    assert ended.returncode == 1
    said = json.loads(ended.stdout)["detail"]
    assert "pip install 'hutch[server,previews]'" in said

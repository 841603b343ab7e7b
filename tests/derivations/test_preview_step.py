"""What a program leaves as previews is looked at before any of it is sent."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from hutch.contract.wire.previews import MAX_BYTES, MAX_PREVIEWS
from hutch.step.previews import read_previews
from hutch.step.rejecting import RejectedError


def link_to_a_secret(out: Path) -> None:
    (out.parent / "secret").write_bytes(b"secret")
    (out / "a.png").symlink_to(out.parent / "secret")


def hard_link_to_a_secret(out: Path) -> None:
    (out.parent / "secret").write_bytes(b"secret")
    os.link(out.parent / "secret", out / "a.png")


def leave_a_fifo(out: Path) -> None:
    os.mkfifo(out / "a.png")


def leave_a_directory(out: Path) -> None:
    (out / "a.png").mkdir()


def leave_too_much(out: Path) -> None:
    (out / "a.png").write_bytes(b"x" * (MAX_BYTES + 1))


def leave_too_many(out: Path) -> None:
    for number in range(MAX_PREVIEWS + 1):
        (out / f"{number}.png").touch()


def leave_nothing(_out: Path) -> None:
    pass


LEAVES: dict[str, Callable[[Path], None]] = {
    "cannot be read": link_to_a_secret,
    "no ordinary file of its own: a hard link": hard_link_to_a_secret,
    "no ordinary file of its own: a fifo": leave_a_fifo,
    "no ordinary file of its own: a directory": leave_a_directory,
    "bytes, 2097152 are allowed": leave_too_much,
    "more than 200 previews": leave_too_many,
    "no previews": leave_nothing,
}


@pytest.mark.parametrize("said", LEAVES)
def test_what_is_no_preview_is_refused(tmp_path: Path, said: str) -> None:
    out = tmp_path / "out"
    out.mkdir()
    LEAVES[said](out)
    with pytest.raises(RejectedError, match=said.partition(":")[0]):
        list(read_previews(out))


@pytest.mark.parametrize(
    "name", ["A.png", ".hidden.png", "a.svg", "a b.png", "a\n.png"]
)
def test_a_name_that_is_none_is_refused_before_anything_is_sent(
    tmp_path: Path, name: str
) -> None:
    (tmp_path / "0.png").touch()
    (tmp_path / name).touch()
    with pytest.raises(RejectedError, match="not the name of a preview"):
        next(read_previews(tmp_path))


def test_previews_come_in_the_order_of_their_names(tmp_path: Path) -> None:
    for name in ("index.json", "0002.png", "0001.png"):
        (tmp_path / name).write_text(name)
    assert list(read_previews(tmp_path)) == [
        (name, name.encode()) for name in ("0001.png", "0002.png", "index.json")
    ]


def test_an_output_that_is_a_link_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "there").mkdir()
    (tmp_path / "there" / "a.png").touch()
    (tmp_path / "out").symlink_to(tmp_path / "there")
    with pytest.raises(RejectedError, match="cannot be read"):
        list(read_previews(tmp_path / "out"))

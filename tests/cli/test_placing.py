"""Files that were fetched are placed whole, and never over one that is there."""

import os
from pathlib import Path

import pytest

from hutch.cli.placing import place, require_free
from hutch.contract.problems import ConflictError


def test_a_file_is_placed_whole(tmp_path: Path) -> None:
    require_free(tmp_path / "new" / "er", ["a"])
    place(tmp_path / "new" / "er" / "a", b"data")
    assert [p.name for p in (tmp_path / "new" / "er").iterdir()] == ["a"]
    assert (tmp_path / "new" / "er" / "a").read_bytes() == b"data"


def test_a_file_is_never_replaced(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"mine")
    (tmp_path / "gone").symlink_to(tmp_path / "nowhere")
    for name in ("a", "gone"):
        with pytest.raises(ConflictError, match="in the way"):
            require_free(tmp_path, ["other", name])
        with pytest.raises(ConflictError, match="in the way"):
            place(tmp_path / name, b"data")
    assert (tmp_path / "a").read_bytes() == b"mine"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a", "gone"]


def test_where_there_are_no_links_a_file_is_renamed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise PermissionError("no links here")

    monkeypatch.setattr(os, "link", refuse)
    place(tmp_path / "a", b"data")
    assert [p.name for p in tmp_path.iterdir()] == ["a"]
    with pytest.raises(ConflictError):
        place(tmp_path / "a", b"other")
    assert (tmp_path / "a").read_bytes() == b"data"

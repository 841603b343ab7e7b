"""Writing into a directory that somebody has prepared with traps."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from hutch.contract.paths import RelativePath
from hutch.errors import LocalChangesError, WorkdirError
from hutch.workdir.tree import Placing, Tree
from hutch.workdir.walk import Stamp


@pytest.fixture
def root(tmp_path: Path) -> Path:
    made = tmp_path / "root"
    (made / ".hutch").mkdir(parents=True)
    return made


@pytest.fixture
def tree(root: Path) -> Iterator[Tree]:
    with Tree(root) as tree:
        yield tree


def _place(tree: Tree, path: str, expected: Stamp | None = None) -> Stamp:
    with closing(tree.draft(3)) as draft:
        draft.write(0, memoryview(b"new"))
        (outcome,) = tree.place([Placing(draft, RelativePath(path), expected, 10**9)])
    if isinstance(outcome, Exception):
        raise outcome
    return outcome


def test_a_file_gets_its_place_and_time(tree: Tree, root: Path) -> None:
    stamp = _place(tree, "a/b/c")
    assert (root / "a/b/c").read_bytes() == b"new"
    assert stamp == Stamp.of((root / "a/b/c").stat())
    assert stamp.mtime_ns == 10**9


def test_a_linked_directory_is_not_entered(tree: Tree, root: Path) -> None:
    outside = root.parent / "outside"
    outside.mkdir()
    (root / "a").symlink_to(outside)
    with pytest.raises(LocalChangesError):
        _place(tree, "a/b")
    assert list(outside.iterdir()) == []


def test_a_link_in_the_place_is_left_alone(tree: Tree, root: Path) -> None:
    outside = root.parent / "precious"
    outside.write_bytes(b"old")
    (root / "a").symlink_to(outside)
    with pytest.raises(LocalChangesError):
        _place(tree, "a")
    assert outside.read_bytes() == b"old"


def test_a_file_that_appeared_meanwhile_is_left_alone(tree: Tree, root: Path) -> None:
    (root / "a").write_bytes(b"mine")
    with pytest.raises(LocalChangesError):
        _place(tree, "a")
    assert (root / "a").read_bytes() == b"mine"


def test_a_file_that_changed_meanwhile_is_neither_replaced_nor_removed(
    tree: Tree, root: Path
) -> None:
    stamp = _place(tree, "a")
    (root / "a").write_bytes(b"mine")
    with pytest.raises(LocalChangesError):
        _place(tree, "a", stamp)
    with pytest.raises(LocalChangesError):
        tree.remove("a", expected=stamp)
    assert (root / "a").read_bytes() == b"mine"


def test_removal_takes_empty_directories_along(tree: Tree, root: Path) -> None:
    stamp = _place(tree, "a/b/c")
    _place(tree, "a/d")
    tree.remove("a/b/c", expected=stamp)
    tree.prune()
    assert sorted(p.name for p in root.rglob("*") if ".hutch" not in p.parts) == [
        "a",
        "d",
    ]


def test_a_linked_hidden_directory_is_refused(root: Path) -> None:
    (root / ".hutch").rename(root.parent / "elsewhere")
    (root / ".hutch").symlink_to(root.parent / "elsewhere")
    with pytest.raises(WorkdirError, match=r"Not a directory|symbolic"):
        Tree(root)


def test_leftovers_of_an_interrupted_run_go(root: Path) -> None:
    with Tree(root) as tree:
        with closing(tree.draft(10)), Tree(root):
            pass
        assert list((root / ".hutch/tmp").iterdir()) == []

"""Whatever a dataset holds, pages tell the same as looking at all paths."""

from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hutch.contract import paths
from hutch.contract.wire.checks import require_text
from hutch.contract.wire.transfer import FileOut, FilePage
from hutch.errors import CorruptDataError
from hutch.fs import listing
from hutch.fs.listing import Listing, before


def _is_path(text: str) -> bool:
    try:
        paths.parse(text)
    except paths.PathError:
        return False
    return True


# Few different names, so that directories come about; and all that sort around a slash.
NAMES = st.text(
    st.sampled_from("ab-./0 \ud7ff\ue000\U0010fffd"), min_size=1, max_size=7
)
PATHS = NAMES.filter(_is_path)
TREES = st.sets(PATHS, max_size=25).map(
    lambda found: {p for p in found if not set(paths.ancestors(p)) & found}
)
AT = datetime(2026, 1, 1, tzinfo=UTC)


class Pages:
    """Serves pages as the API does; the order is that of the paths' bytes."""

    def __init__(self, tree: set[str], most: int) -> None:
        self._files = [_file(p) for p in sorted(tree, key=paths.sort_key)]
        self._most = most

    def page(self, _dataset: UUID, *, after: str | None, limit: int) -> FilePage:
        require_text("after", after or "", most=4_000)
        begin = (after or "").encode()
        here = [f for f in self._files if f.path.encode() > begin]
        items = here[: min(limit, self._most)]
        more = len(items) < len(here)
        return FilePage(
            items=tuple(items), revision=1, next=items[-1].path if more else None
        )


def _file(path: str) -> FileOut:
    return FileOut(
        path=path,
        size=1,
        sha256="",
        crc64nvme="",
        version="v",
        confirmed=True,
        committed_at=AT,
        committed_by="ida",
    )


def _listing(tree: set[str], most: int) -> Listing:
    client: Any = SimpleNamespace(files=Pages(tree, most))
    return Listing(client, UUID(int=0))


@given(TREES, st.lists(PATHS), st.integers(1, 4))
def test_files_are_found_if_they_are_there(
    tree: set[str], wanted: list[str], most: int
) -> None:
    seen = _listing(tree, most)
    for asked in ([*wanted, *tree], wanted[:1], [*tree]):
        found = seen.find(asked)
        assert {p for p, file in found.items() if file} == tree & set(asked)
        assert set(found) == set(asked)


@given(TREES, st.lists(PATHS), st.integers(1, 4))
def test_directories_are_what_files_lie_in(
    tree: set[str], wanted: list[str], most: int
) -> None:
    seen = _listing(tree, most)
    above = {d for p in tree for d in paths.ancestors(p)}
    for path in ["", *sorted(above), *wanted]:
        prefix = f"{path}/" if path else ""
        inside = [p[len(prefix) :] for p in sorted(tree) if p.startswith(prefix)]
        here = seen.directory(path)
        assert [f.path for f in here.files] == [
            prefix + name for name in inside if "/" not in name
        ]
        assert set(here.directories) == {
            name.partition("/")[0] for name in inside if "/" in name
        }
        assert [f.path for f in seen.below(path)] == [prefix + p for p in inside]
        if path:
            fresh = _listing(tree, most)
            assert fresh.is_directory(path) == (path in above)
            assert bool(fresh.find([path])[path]) == (path in tree)
            assert fresh.is_directory(path) == (path in above)


@given(PATHS, PATHS)
def test_nothing_lies_between_a_path_and_what_is_before_it(one: str, two: str) -> None:
    assert before(one).encode() < one.encode()
    assert not before(one).encode() < two.encode() < one.encode()


def test_what_is_remembered_has_an_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listing, "MOST", 3)
    tree = {f"f{n}" for n in range(9)}
    seen = _listing(tree, 2)
    assert len(list(seen.below(""))) == 9
    assert len(seen._files) <= 4
    assert {p for p, file in seen.find(tree).items() if file} == tree


def test_a_name_that_leads_elsewhere_is_not_taken() -> None:
    """``fs.get`` writes files under the names that the server lists."""
    for path in ("../x", "a/../../x", "/etc/x", ".hutch/x"):
        seen = _listing({path}, 9)
        with pytest.raises(CorruptDataError):
            seen.directory("")

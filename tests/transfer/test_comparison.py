"""A listing against a manifest, without a store."""

from collections.abc import Sequence
from datetime import UTC, datetime
from uuid import UUID, uuid4

import pytest

from hutch_api.domain.layout import key_of
from hutch_api.ports.objects import Version
from hutch_api.services import comparison
from hutch_api.services.comparison import Comparison, Oddity, compare
from hutch_api.store.tables import File

DATASET = UUID(int=1)
NOW = datetime(2026, 1, 1, tzinfo=UTC)


def file(path: str, version: str = "own") -> File:
    return File(
        dataset_id=DATASET,
        path=path,
        fold=path,
        size=1,
        sha256="",
        crc64nvme="",
        version=version,
        intent_id=uuid4(),
        committed_at=NOW,
        committed_by=uuid4(),
    )


def row(path: str, version: str = "own", *, marker: bool = False) -> Version:
    return Version(
        key=key_of(DATASET, path),
        version=version,
        size=1,
        is_latest=False,
        is_marker=marker,
        modified=NOW,
    )


def compared(
    files: Sequence[File],
    listed: Sequence[Version],
    *,
    takes: frozenset[Oddity] = frozenset(),
) -> tuple[Comparison, list[list[str]]]:
    """Compare; versions named ``dead…`` are ours and have no use."""
    removed: list[list[str]] = []

    def remove(batch: Sequence[Version]) -> None:
        if batch:
            removed.append([v.version for v in batch])

    found = compare(
        DATASET,
        files,
        listed,
        is_dead=lambda _, v: v.version.startswith("dead"),
        remove=remove,
        takes=takes,
    )
    return found, removed


def oddities(found: Comparison) -> list[tuple[str, str]]:
    return [(d.path, str(d.oddity)) for d in found.differences]


def test_what_is_equal_differs_in_nothing() -> None:
    found, removed = compared([file("a"), file("b")], [row("a"), row("b")])
    assert (found, removed) == (Comparison(), [])


def test_each_way_to_differ_has_its_name() -> None:
    files = [file(p) for p in ("deleted", "gone", "last", "over")]
    listed = [
        row("added", "x"),
        row("deleted", "m", marker=True),
        row("deleted"),
        row("over", "x"),
        row("over"),
    ]
    found, removed = compared(files[:2] + files[3:], listed)
    assert oddities(found) == [
        ("added", "added"),
        ("deleted", "deleted"),
        ("gone", "missing"),
        ("over", "overwritten"),
    ]
    assert removed == []


def test_what_is_missing_behind_the_last_row_is_found() -> None:
    found, _ = compared([file("a"), file("y"), file("z")], [row("a")])
    assert oddities(found) == [("y", "missing"), ("z", "missing")]


def test_a_pinned_id_on_a_marker_is_not_the_file() -> None:
    found, _ = compared([file("a")], [row("a", "own", marker=True)])
    assert oddities(found) == [("a", "missing")]


@pytest.mark.parametrize(
    ("rows", "oddity"),
    [
        ([row("a"), row("a", "below")], Oddity.BURIED),
        ([row("a"), row("b", "m", marker=True)], Oddity.MARKED),
    ],
)
def test_what_no_reader_gets_is_no_difference_but_can_be_taken(
    rows: list[Version], oddity: Oddity
) -> None:
    found, removed = compared([file("a")], rows)
    assert (found.differences, found.counts, removed) == ([], {}, [])
    found, removed = compared([file("a")], rows, takes=frozenset({oddity}))
    assert (found.removed, removed) == (1, [[rows[1].version]])


def test_dead_versions_go_without_asking() -> None:
    listed = [row("a", "dead1"), row("a"), row("b", "dead2")]
    found, removed = compared([file("a")], listed)
    assert (oddities(found), removed, found.removed) == ([], [["dead1", "dead2"]], 2)


def test_what_may_be_taken_goes_and_the_rest_is_told() -> None:
    listed = [row("a", "x"), row("a"), row("b", "y")]
    found, removed = compared([file("a")], listed, takes=frozenset({Oddity.ADDED}))
    assert (oddities(found), removed) == ([("a", "overwritten")], [["y"]])
    assert found.taken[Oddity.ADDED] == 1


def test_a_missing_file_stays_missing_when_what_lies_there_is_taken() -> None:
    found, removed = compared([file("a")], [row("a", "x")], takes=frozenset(Oddity))
    assert (oddities(found), removed) == ([("a", "missing")], [["x"]])


def test_what_lies_below_an_added_object_may_only_be_hidden() -> None:
    files = [file("a/b"), file("ab"), file("z")]
    listed = [row("a", "x"), row("a!y", "x"), row("z")]  # as MinIO lists it
    found, _ = compared(files, listed)
    assert oddities(found) == [
        ("a", "added"),
        ("a!y", "added"),
        ("a/b", "hidden"),
        ("ab", "missing"),
    ]


def test_memory_is_bounded_by_batches_and_names(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(comparison, "BATCH", 2)
    told: list[int] = []
    monkeypatch.setattr(comparison, "TELL_EVERY", 2)
    listed = [row(name, "dead") for name in "abcde"] + [row("f", "x"), row("g", "x")]
    removed: list[int] = []
    found = compare(
        DATASET,
        [],
        listed,
        is_dead=lambda _, v: v.version == "dead",
        remove=lambda batch: removed.append(len(batch)),
        named=1,
        tell=told.append,
    )
    assert removed == [2, 2, 1]
    assert (len(found.differences), found.counts[Oddity.ADDED]) == (1, 2)
    assert told == [0, 0, 0]

"""Laws of the pure parts: checksums, batches, patterns."""

from collections.abc import Callable, Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hutch.contract.parts import plan
from hutch.transfer.checksums import (
    Hasher,
    combine,
    crc64nvme,
    from_text,
    to_text,
)
from hutch.transfer.pipeline import AHEAD, batches, run
from hutch.workdir.patterns import chooser


@given(st.binary(max_size=2000), st.integers(1, 300))
def test_the_crcs_of_the_parts_give_that_of_the_whole(data: bytes, length: int) -> None:
    parts = [data[p.offset :][: p.size] for p in plan(len(data), length=length)]
    whole = combine((crc64nvme(part), len(part)) for part in parts)
    assert whole == crc64nvme(data)


def test_the_crc_is_the_one_that_stores_compute() -> None:
    # the check value of CRC-64/NVME in the catalogue of CRCs
    assert crc64nvme(b"123456789") == 0xAE8B14860A799888


@given(st.integers(0, 2**64 - 1))
def test_a_crc_survives_its_text(crc: int) -> None:
    assert from_text(to_text(crc)) == crc


@given(st.lists(st.binary(max_size=50)))
def test_a_hasher_does_not_care_how_the_bytes_come(pieces: list[bytes]) -> None:
    one, other = Hasher(), Hasher()
    one.update(b"".join(pieces))
    for piece in pieces:
        other.update(memoryview(piece))
    assert one.sums() == other.sums()


@given(st.lists(st.integers(0, 100)), st.integers(1, 10), st.integers(0, 300))
def test_batches_keep_everything_in_order(
    sizes: list[int], files: int, total: int
) -> None:
    made = list(batches(sizes, lambda s: s, most_files=files, most_bytes=total))
    assert [s for batch in made for s in batch] == sizes
    assert all(1 <= len(batch) <= files for batch in made)
    assert all(sum(batch) <= total or len(batch) == 1 for batch in made)


def test_a_pipeline_is_only_a_few_batches_ahead() -> None:
    taken: list[int] = []
    most = 0

    def work() -> Iterator[int]:
        nonlocal most
        for number in range(50):
            most = max(most, number + 1 - len(taken))
            yield number

    run(work(), lambda n: n, take=taken.append, stop=lambda: None)
    assert sorted(taken) == list(range(50))
    assert most <= AHEAD


def test_a_failing_batch_stops_the_others_and_comes_out() -> None:
    stopped: list[bool] = []

    def drive(number: int) -> int:
        if number == 3:
            raise ValueError("three")
        return number

    with pytest.raises(ValueError, match="three"):
        run(
            range(1000),
            drive,
            take=lambda _n: None,
            stop=lambda: stopped.append(True),
        )
    assert stopped == [True]


@pytest.mark.parametrize(
    ("pattern", "matches", "others"),
    [
        ("*.h5", ["a.h5", "x/y.h5"], ["a.h5x", "a/h5"]),
        ("raw", ["raw", "raw/a", "x/raw/b"], ["rawer", "x/rawer"]),
        ("raw/*", ["raw/a", "raw/a/b"], ["x/raw/a", "raw"]),
        ("/top", ["top", "top/x"], []),
        ("a/**/z", ["a/z", "a/b/z", "a/b/c/z"], ["az", "a/bz"]),
        ("a/?.t[x]t", ["a/b.t[x]t"], ["a/b.txt", "a/bb.t[x]t"]),
        ("a/", ["a/b"], ["b/c"]),
    ],
)
def test_patterns_choose(pattern: str, matches: list[str], others: list[str]) -> None:
    chosen: Callable[[str], bool] = chooser([pattern])
    assert [p for p in matches if not chosen(p)] == []
    assert [p for p in others if chosen(p)] == []


def test_no_pattern_chooses_everything() -> None:
    assert chooser([])("any/thing")

"""Parts cover a file without gap or overlap, within what S3 allows."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hutch.contract.parts import (
    MAX_PARTS,
    MAX_SIZE,
    MIB,
    PART_SIZE,
    part,
    part_size,
    plan,
)

SIZES = st.integers(0, 100 * PART_SIZE) | st.integers(0, MAX_SIZE)


@given(st.integers(0, 2_000), st.integers(1, 300))
def test_parts_cover_the_file_in_order(size: int, length: int) -> None:
    at = 0
    for number, piece in enumerate(plan(size, length=length), start=1):
        assert (piece.number, piece.offset) == (number, at)
        at += piece.size
    assert at == size


@given(SIZES)
def test_parts_are_what_s3_takes(size: int) -> None:
    length = part_size(size)
    count = max(1, -(-size // length))
    assert count <= MAX_PARTS
    assert length >= PART_SIZE
    assert length % MIB == 0


@given(SIZES, st.data())
def test_one_part_is_the_same_as_in_the_plan(size: int, data: st.DataObject) -> None:
    length = part_size(size)
    count = max(1, -(-size // length))
    number = data.draw(st.integers(1, min(count, 50)))
    for piece in plan(size):
        if piece.number == number:
            assert part(number, size, length=length) == piece
            break


def test_an_empty_file_has_one_empty_part() -> None:
    [only] = plan(0)
    assert (only.number, only.offset, only.size) == (1, 0, 0)


@pytest.mark.parametrize("size", [-1, MAX_SIZE + 1])
def test_sizes_that_no_file_has_are_refused(size: int) -> None:
    with pytest.raises(ValueError, match="bytes"):
        part_size(size)


@pytest.mark.parametrize(("number", "size"), [(0, 10), (2, 10), (3, 20), (2, 0)])
def test_parts_that_a_file_does_not_have_are_refused(number: int, size: int) -> None:
    with pytest.raises(ValueError, match="no part"):
        part(number, size, length=10)


def test_a_part_length_is_positive() -> None:
    with pytest.raises(ValueError, match="at least one byte"):
        list(plan(1, length=0))

"""Cursors of lists."""

from datetime import UTC, datetime
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hutch.contract.problems import InvalidInputError
from hutch_api.domain.cursors import Cursor

moments = st.datetimes(min_value=datetime(1, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001 - the zone is added


@given(moments, st.uuids())
def test_a_cursor_comes_back_to_the_microsecond(at: datetime, row: UUID) -> None:
    assert Cursor.parse(Cursor(at, row).text()) == Cursor(at, row)


@given(st.text())
def test_any_text_is_a_cursor_or_refused(text: str) -> None:
    try:
        cursor = Cursor.parse(text)
    except InvalidInputError as error:
        assert error.facts == {"field": "after"}  # noqa: PT017 - either is fine
    else:
        assert Cursor.parse(cursor.text()) == cursor


@pytest.mark.parametrize(
    "text", ["", "=", "AAAA", "A" * 32 + "AAAA", "f" * 32, "A+/" * 10, "A" * 31]
)
def test_what_is_no_cursor_is_refused(text: str) -> None:
    with pytest.raises(InvalidInputError):
        Cursor.parse(text)

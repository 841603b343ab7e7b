"""Values as people type them."""

import contextlib
from argparse import ArgumentTypeError
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hutch.cli import values
from hutch.contract.wire.datasets import PrincipalKind

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("k=1", 1),
        ("k=25.5", 25.5),
        ("k=true", True),
        ("k=text", "text"),
        ("k=a=b", "a=b"),
        ('k="42"', "42"),
        ("k=[1,2]", [1, 2]),
        ('k={"value":1,"unit":"mm"}', {"value": 1, "unit": "mm"}),
        ("k=NaN", "NaN"),
        ("k=", None),
    ],
)
def test_a_value_is_json_if_it_can_be(text: str, value: Any) -> None:
    assert values.assignment(text) == (("k",), value)


@pytest.mark.parametrize("text", ["k", "=1", "a..b=1", ".a=1"])
def test_an_assignment_needs_a_key(text: str) -> None:
    with pytest.raises(ArgumentTypeError, match="key=value"):
        values.assignment(text)


def test_dotted_keys_make_nested_objects() -> None:
    typed = map(values.assignment, ["a.b=1", "a.c=x", "d=2", "d=3"])
    assert values.nested(typed) == {"a": {"b": 1, "c": "x"}, "d": 3}


def test_a_key_is_a_value_or_an_object_not_both() -> None:
    with pytest.raises(ArgumentTypeError, match=r"a\.b"):
        values.nested(map(values.assignment, ["a=1", "a.b=2"]))


def test_in_something_new_nothing_is_removed() -> None:
    typed = values.nested(map(values.assignment, ["a.b=", "a.c=1", "d="]))
    assert values.without_removals(typed) == {"a": {"c": 1}}


@pytest.mark.parametrize(
    ("text", "ends"),
    [
        ("90m", NOW + timedelta(minutes=90)),
        ("12h", NOW + timedelta(hours=12)),
        ("30d", NOW + timedelta(days=30)),
        ("2w", NOW + timedelta(weeks=2)),
        ("2026-03-01", datetime(2026, 3, 1, 23, 59, 59, tzinfo=UTC)),
        ("2026-03-02T08:00", datetime(2026, 3, 2, 8, tzinfo=UTC)),
        ("2026-03-02T08:00+02:00", datetime(2026, 3, 2, 6, tzinfo=UTC)),
    ],
)
def test_an_expiry_is_a_span_or_a_date(text: str, ends: datetime) -> None:
    assert values.expiry(text, now=NOW) == ends


@pytest.mark.parametrize("text", ["0d", "2026-02-28", "-1d", "", "d", "30", "30y"])
def test_an_expiry_lies_ahead(text: str) -> None:
    with pytest.raises(ArgumentTypeError):
        values.expiry(text, now=NOW)


def test_an_expiry_beyond_the_calendar_is_refused_in_words() -> None:
    with pytest.raises(ArgumentTypeError, match="999999w"):
        values.expiry("999999w", now=NOW)


def test_a_principal_has_its_kind_in_front() -> None:
    assert values.principal("group:lab") == (PrincipalKind.GROUP, "lab")
    for text in ("lab", "group:", ":lab", "role:lab"):
        with pytest.raises(ArgumentTypeError, match="user:NAME"):
            values.principal(text)


def test_a_dataset_may_be_left_out_in_front_of_other_words() -> None:
    split = values.first_is_dataset
    assert split(["anna/t", "a=1"], mark="=") == ("anna/t", ["a=1"])
    assert split(["a=1", "b=2"], mark="=") == (None, ["a=1", "b=2"])
    assert split([], mark="=") == (None, [])


@given(st.text(), st.text())
def test_no_text_makes_reading_fail_in_another_way(key: str, value: str) -> None:
    with contextlib.suppress(ArgumentTypeError):
        values.nested([values.assignment(f"{key}={value}")])


def test_a_dotted_key_changes_a_part_and_keeps_the_rest() -> None:
    there = {"a": {"b": 1, "c": {"d": 2}}, "e": 5}
    typed = list(map(values.assignment, ["a.c.d=3", "a.b=", "e=", "f.g=1", "f.h=2"]))
    assert values.changed(there, typed) == {
        "a": {"c": {"d": 3}},
        "e": None,
        "f": {"g": 1, "h": 2},
    }
    assert there == {"a": {"b": 1, "c": {"d": 2}}, "e": 5}


def test_a_dotted_key_does_not_destroy_a_value() -> None:
    with pytest.raises(ArgumentTypeError, match="'a' is a value"):
        values.changed({"a": 1}, [(("a", "b"), 2)])

"""Errors travel: what the server raises, the client raises again."""

import re

import pytest

from hutch.contract.problems import (
    ConflictError,
    FileChangedError,
    HutchError,
    descendants,
    from_problem,
    to_problem,
)

ALL: list[type[HutchError]] = [HutchError, *descendants()]
CONTRACT = [e for e in ALL if e.__module__ == "hutch.contract.problems"]


@pytest.mark.parametrize("error", CONTRACT, ids=[e.code for e in CONTRACT])
def test_an_error_comes_back_as_itself(error: type[HutchError]) -> None:
    sent = error("what happened", path="a/b", count=3)
    got = from_problem(to_problem(sent))
    assert type(got) is error
    assert (got.detail, got.facts) == (sent.detail, sent.facts)


@pytest.mark.parametrize("error", CONTRACT, ids=[e.code for e in CONTRACT])
def test_codes_and_titles_keep_their_form(error: type[HutchError]) -> None:
    assert re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", error.code)
    assert error.title.endswith(".")
    assert error.__doc__


def test_codes_are_given_once() -> None:
    codes = [e.code for e in CONTRACT]
    assert len(set(codes)) == len(codes)


def test_a_code_of_a_newer_server_is_an_error_all_the_same() -> None:
    got = from_problem({"type": "urn:hutch:problem:not-yet-known", "detail": "new"})
    assert type(got) is HutchError
    assert str(got) == "new"


def test_an_error_is_caught_by_its_family() -> None:
    with pytest.raises(ConflictError):
        raise FileChangedError("changed", path="a")

"""The text of tokens."""

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hutch_api.domain import tokens

randoms = st.text(tokens.ALPHABET, min_size=40, max_size=40)


@given(randoms)
def test_a_text_with_its_checksum_is_a_token(random: str) -> None:
    text = tokens.with_checksum(random)
    assert tokens.is_token(text)
    assert len(text) == len("hutch_") + 40 + 6


@given(randoms, st.integers(6, 51), st.sampled_from(tokens.ALPHABET))
def test_a_single_typo_is_always_found(random: str, place: int, typed: str) -> None:
    text = tokens.with_checksum(random)
    wrong = text[:place] + typed + text[place + 1 :]
    assert tokens.is_token(wrong) is (wrong == text)


@given(randoms, st.integers(6, 50))
def test_two_swapped_characters_are_always_found(random: str, place: int) -> None:
    text = tokens.with_checksum(random)
    wrong = text[:place] + text[place + 1] + text[place] + text[place + 2 :]
    assert tokens.is_token(wrong) is (wrong == text)


@given(st.text())
def test_any_other_text_is_no_token(text: str) -> None:
    assert not tokens.is_token(text)


def test_new_tokens_differ_and_use_the_whole_alphabet() -> None:
    made = [tokens.new_text() for _ in range(200)]
    assert len(set(made)) == 200
    assert all(map(tokens.is_token, made))
    used = set("".join(text[6:46] for text in made))
    assert used == set(string.digits + string.ascii_letters)


def test_the_form_never_changes() -> None:
    assert tokens.with_checksum("0" * 40) == "hutch_" + "0" * 40 + "25elyc"


@pytest.mark.parametrize("random", ["", "0" * 39, "0" * 41, "-" * 40, "\u0660" * 40])
def test_another_random_part_is_refused(random: str) -> None:
    with pytest.raises(ValueError, match="base62"):
        tokens.with_checksum(random)


@pytest.mark.parametrize("end", ["\n", " ", "x"])
def test_nothing_may_follow_a_token(end: str) -> None:
    assert not tokens.is_token(tokens.new_text() + end)

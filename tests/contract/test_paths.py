"""One rule for names: what passes can lie in any dataset and on any disk."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hutch.contract.paths import (
    MAX_BYTES,
    MAX_DEPTH,
    PathError,
    ancestors,
    fold,
    parse,
    sort_key,
)

REFUSED = [
    "",
    "/",
    "/a",
    "a/",
    "a//b",
    ".",
    "..",
    "a/..",
    "../a",
    "a/./b",
    "./a",
    " ",
    "a/ /b",
    "a/\u2003/b",
    "\u3000..",
    ".. ",
    "a\\b",
    "..\\a",
    "a\x00",
    "a\nb",
    "a\rb",
    "\x1b[2J",
    "a\x7f",
    "a\x85",
    "a\u2028b",
    "abc\u202egnp",
    "a\u200fb",
    "a\u2066b",
    "\ufdd0",
    "a\uffff",
    "a\U0001fffe",
    "\ud800",
    "e\u0301",
    ".hutch",
    ".hutch/journal",
    ".HUTCH/x",
    ".Hutch",
    "a__XLDIR__",
    "a" * 256,
    "ä" * 128,
    "/".join("a" * (MAX_DEPTH + 1)),
    "a" * 250 + "/" + "b" * 250 + "/" + "c" * 250 + "/" + "d" * 250,
]
ALLOWED = [
    "a", "a/b", "with blank.tif", "ümläut/straße.h5", "日本語/データ.tif", "a" * 255,
    "/".join("a" * MAX_DEPTH), "+&=?#%~'()*!@$,;:[]", "..a", "a..", "...", ".hidden",
    ".hutchx", "sub/.hutch", "~", "-rf", "CON", "a:b", "🦷.tif",
]  # fmt: skip


@pytest.mark.parametrize("text", REFUSED)
def test_a_name_that_could_do_harm_is_refused(text: str) -> None:
    with pytest.raises(PathError) as caught:
        parse(text)
    assert caught.value.path == text
    assert caught.value.reason


@pytest.mark.parametrize("text", ALLOWED)
def test_an_ordinary_name_passes(text: str) -> None:
    assert parse(text) == text


@pytest.mark.parametrize(
    "text",
    [
        "CON",
        "con.txt",
        "a/aux",
        "COM1",
        "lpt9.dat",
        "nul .x",
        "a.",
        "b ",
        "a:b",
        "what?",
        "<x>",
        "pipe|",
        'quo"te',
        "star*",
        "COM¹",
    ],
)
def test_what_windows_cannot_hold_is_refused_on_demand(text: str) -> None:
    assert parse(text) == text
    with pytest.raises(PathError):
        parse(text, portable=True)


@pytest.mark.parametrize("text", ["console", "auxiliary/x", "com10", "a.b", "été"])
def test_portable_names_pass(text: str) -> None:
    assert parse(text, portable=True) == text


@given(st.text(max_size=400))
def test_whatever_passes_is_harmless(text: str) -> None:
    try:
        path = parse(text)
    except PathError:
        return
    assert 1 <= len(path.encode()) <= MAX_BYTES
    assert unicodedata.is_normalized("NFC", path)
    segments = path.split("/")
    assert not {"", ".", ".."} & {s.strip() for s in segments}
    assert not any(unicodedata.category(c) == "Cc" for c in path)


@given(st.lists(st.text("aAäÄßsS/.", min_size=1, max_size=8), max_size=6))
def test_folding_is_stable_and_ignores_case(names: list[str]) -> None:
    for name in names:
        try:
            path = parse(unicodedata.normalize("NFC", name))
        except PathError:
            continue
        folded = fold(path)
        assert folded == unicodedata.normalize("NFC", folded.casefold())
        assert folded.count("/") == path.count("/")


def test_names_that_differ_only_in_case_fold_alike() -> None:
    assert fold(parse("Straße/SCAN")) == fold(parse("STRASSE/scan"))


def test_ancestors_are_the_directories_above() -> None:
    assert ancestors("a/b/c") == ["a", "a/b"]
    assert ancestors("a") == []


@given(st.lists(st.text(max_size=5)))
def test_paths_sort_by_their_bytes(names: list[str]) -> None:
    clean = [n for n in names if not any(0xD800 <= ord(c) < 0xE000 for c in n)]
    assert sorted(clean, key=sort_key) == sorted(clean)

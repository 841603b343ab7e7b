"""Names that a store keeps for itself never reach it."""

import pytest

from hutch.contract.paths import PathError, parse


@pytest.mark.parametrize(
    "path",
    [
        ".uploads",
        "a/.uploads/b",
        ".uploads2/b",
        "scan.versions",
        "scan.versions/b",
        "a__XLDIR__",
        "a__XLDIR__/b",
    ],
)
def test_a_name_that_a_store_hides_is_refused(path: str) -> None:
    with pytest.raises(PathError, match="keep for themselves"):
        parse(path)


@pytest.mark.parametrize("path", ["uploads/a", "my.uploads", "a.versions.txt"])
def test_names_that_only_look_like_them_are_fine(path: str) -> None:
    assert parse(path) == path

"""What ``import hutch`` gives, and what it does not load."""

import subprocess
import sys

import pytest

import hutch


@pytest.mark.parametrize("name", hutch.__all__)
def test_each_name_of_the_library_is_there(name: str) -> None:
    assert getattr(hutch, name) is not None
    assert name in dir(hutch)


def test_another_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'pul'"):
        _ = hutch.pul


@pytest.mark.parametrize(
    "module",
    ["hutch.sync", "hutch.transfer", "awscrt", "rich.console", "click", "pygments"],
)
def test_a_command_that_moves_nothing_does_not_load(module: str) -> None:
    loaded = subprocess.run(
        [sys.executable, "-c", "import sys, hutch.cli.__main__; print(*sys.modules)"],
        check=True,
        capture_output=True,
        text=True,
    ).stdout.split()
    assert "hutch.cli.__main__" in loaded
    assert module not in loaded

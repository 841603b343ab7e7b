"""Every error has an ending, and every ending is explained."""

from importlib import import_module
from pkgutil import walk_packages

import pytest

import hutch
from hutch import errors
from hutch.cli import parser
from hutch.cli.exits import EXITS, MEANING, Exit, epilog, exit_of, exit_of_files
from hutch.contract.problems import HutchError, descendants, from_problem

PUBLIC = {"hutch.contract.problems", "hutch.errors", "hutch.cli.screen"}


def test_every_problem_has_an_exit_status() -> None:
    for module in walk_packages(hutch.__path__, "hutch."):
        if not module.name.endswith("__main__"):
            import_module(module.name)  # so that every error there is, is seen
    theirs = {e for e in descendants() if e.__module__.startswith("hutch.")}
    public = {e for e in theirs if e.__module__ in PUBLIC}
    assert public - set(EXITS) == set()
    assert [e for e in theirs if not set(e.__mro__) & set(EXITS)] == []


def test_every_exit_status_is_explained() -> None:
    assert set(MEANING) == set(Exit)


def test_a_script_may_rely_on_the_numbers() -> None:
    assert {e.name: int(e) for e in Exit} == {
        "OK": 0,
        "FAILED": 1,
        "USAGE": 2,
        "SOME_FAILED": 3,
        "NOT_LOGGED_IN": 4,
        "NOT_FOUND": 5,
        "STATE": 6,
        "CONFLICT": 7,
        "UNREACHABLE": 8,
        "MISMATCH": 9,
        "INTERRUPTED": 130,
    }


@pytest.mark.parametrize("name", parser.COMMANDS)
def test_every_command_explains_its_exit_status(name: str) -> None:
    text = parser.children(parser.build())[name].epilog or ""
    assert text.startswith("exit status:\n    0  ")
    assert "  130  " in text


def test_a_problem_of_a_newer_server_is_a_failure() -> None:
    unknown = from_problem({"type": "urn:hutch:problem:brand-new", "detail": "no"})
    assert exit_of(unknown) is Exit.FAILED


def test_an_error_without_a_number_of_its_own_ends_as_its_parent_does() -> None:
    class StrangeClosedError(errors.DatasetClosedError):
        pass

    assert exit_of(StrangeClosedError("closed")) is Exit.STATE


@pytest.mark.parametrize(
    ("failures", "ending"),
    [
        ([], Exit.OK),
        ([errors.TransferError("x")], Exit.SOME_FAILED),
        ([errors.FileChangedError("x"), errors.PathBusyError("y")], Exit.CONFLICT),
        ([errors.FileChangedError("x"), errors.TransferError("y")], Exit.SOME_FAILED),
        ([errors.TransferError("x"), errors.CorruptDataError("y")], Exit.MISMATCH),
    ],
)
def test_running_again_is_advised_only_where_it_can_help(
    failures: list[HutchError], ending: Exit
) -> None:
    assert exit_of_files(failures) is ending


def test_an_epilog_refuses_words_for_an_ending_that_it_does_not_have() -> None:
    with pytest.raises(ValueError, match="conflict"):
        epilog(ok="fine", conflict="never printed")

"""The list of guards fits the code, and a mutant is judged by what its test says."""

import ast
import xml.etree.ElementTree as ET
from typing import Final

import pytest

from tests.meta import mutants, tree
from tests.meta.mutants import Edit, Mutant, Verdict, judge

GUARDS: Final = mutants.read_mutants((tree.ROOT / mutants.LIST).read_text("utf-8"))
FEWEST: Final = 100


def test_guards_enough_are_listed_under_names_of_their_own() -> None:
    assert len(GUARDS) >= FEWEST
    assert len({guard.name for guard in GUARDS}) == len(GUARDS)


def test_every_guard_is_found_where_the_list_says() -> None:
    faults = {guard.name: mutants.fault_of(guard) for guard in GUARDS}
    assert {name: fault for name, fault in faults.items() if fault} == {}


def test_every_test_of_a_guard_exists() -> None:
    missing = []
    for guard in GUARDS:
        file, *names = guard.test.partition("[")[0].split("::")
        known = {
            node.name
            for node in ast.walk(tree.tree_of(tree.ROOT / file))
            if isinstance(node, ast.FunctionDef | ast.ClassDef)
        }
        if not set(names) - {"runTest"} <= known:
            missing.append(guard.test)
    assert missing == []


@pytest.mark.parametrize(
    ("edit", "fault"),
    [
        (Edit("api/nothing.py", "x", "y"), "0 times"),
        (Edit("api/hutch_api/domain/access.py", "return", "x"), "times"),
        (
            Edit("api/hutch_api/domain/access.py", "_RANK: Final", "_RANK Final"),
            "parse",
        ),
        (Edit("api/hutch_api/domain/access.py", "Who may do what", "Nobody"), None),
        (
            Edit("api/hutch_api/domain/access.py", "_RANK: Final", "_RANK:  Final"),
            "not",
        ),
        (Edit("tests/meta/tree.py", "@cache", ""), "no code"),
    ],
)
def test_a_mutant_that_cannot_be_tried_says_why(edit: Edit, fault: str | None) -> None:
    mutant = Mutant("one", (edit,), "tests/meta/test_mutations.py::test_x")
    found = mutants.fault_of(mutant)
    assert found is None if fault is None else found is not None and fault in found


@pytest.mark.parametrize(
    ("status", "case", "verdict"),
    [
        (1, '<failure message="assert 1 == 2"/>', Verdict.KILLED),
        (0, "", Verdict.SURVIVED),
        (0, "<skipped/>", Verdict.LEFT_OUT),
        (1, '<failure message="NameError: name x"/>', Verdict.FAULTY),
        (1, '<failure message="Failed: Timeout (&gt;60.0s)"/>', Verdict.FAULTY),
        (1, '<error message="failed on setup"/>', Verdict.FAULTY),
        (2, '<error message="collection failure"/>', Verdict.FAULTY),
        (-9, "", Verdict.FAULTY),
    ],
)
def test_only_a_failure_inside_the_test_kills(
    status: int, case: str, verdict: Verdict
) -> None:
    cases = [ET.fromstring(f"<testcase>{case}</testcase>")]  # noqa: S314 -- written here
    assert judge(status, "", cases).verdict is verdict


def test_a_run_without_any_test_kills_nothing() -> None:
    assert judge(5, "no tests ran", []).verdict is Verdict.FAULTY
    assert judge(0, "", []).verdict is Verdict.SURVIVED

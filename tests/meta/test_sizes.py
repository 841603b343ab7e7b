"""How long files and functions may be, and how they may not be called."""

import ast
import re
from typing import Final

from tests.meta import tree

FILE_LINES: Final = 400
FUNCTION_LINES: Final = 60
VAGUE: Final = {"utils", "util", "helpers", "helper", "common", "misc", "manager"}
MACHINE: Final = re.compile(r"(?<![\w$}/.*])/(?:home|root|work|Users)/\w+")
"""A directory of one machine: somebody's home, or where this was written."""


def test_no_file_is_too_long() -> None:
    long = {
        str(file.relative_to(tree.ROOT)): lines
        for file in tree.python_files()
        if (lines := len(file.read_text(encoding="utf-8").splitlines())) > FILE_LINES
    }
    assert long == {}


def test_no_function_is_too_long() -> None:
    long = {
        f"{file.relative_to(tree.ROOT)}:{node.lineno} {node.name}": lines
        for file in tree.python_files()
        for node in ast.walk(tree.tree_of(file))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and (lines := (node.end_lineno or 0) - node.lineno + 1) > FUNCTION_LINES
    }
    assert long == {}


def test_modules_are_named_after_what_they_hold() -> None:
    assert [f for f in tree.python_files() if f.stem in VAGUE] == []


def test_no_file_names_a_path_of_one_machine() -> None:
    found = []
    for file in tree.tracked():
        try:
            text = file.read_text(encoding="utf-8")
        except UnicodeDecodeError:
            continue  # data
        found += [
            f"{file.relative_to(tree.ROOT)}:{number}"
            for number, line in enumerate(text.splitlines(), 1)
            if MACHINE.search(line) or str(tree.ROOT) in line
        ]
    assert found == []


def test_every_noqa_names_its_code_and_a_reason() -> None:
    bare = [
        f"{file.relative_to(tree.ROOT)}:{number}"
        for file in tree.python_files()
        for number, line in enumerate(file.read_text("utf-8").splitlines(), 1)
        if re.search(r"# (ruff: )?noqa(?!: [A-Z]+\d+(, ?[A-Z]+\d+)* --? \w)", line)
    ]
    assert bare == []

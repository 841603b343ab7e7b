"""What is documented is there, and what is there is documented."""

import re
import tomllib
from importlib.metadata import version
from typing import Final

import pytest

from hutch.contract import problems
from hutch.contract.version import VERSION
from hutch_api import settings
from hutch_api.command_line import COMMANDS
from hutch_api.setting_values import parse_seconds
from tests.meta import tree

DOCS: Final = tree.ROOT / "docs"
CODE: Final = (tree.ROOT, tree.ROOT / "api" / "hutch_api")
NAMED_CODE: Final = re.compile(
    r"`((?:tests|client|domain|services|adapters|http|worker|store)/[\w/.]*)`"
)
"""Code that a text names, from the root of the project or from the server's."""
NAMED_TEST: Final = re.compile(r"`(tests/[\w/]+\.py)::(\w+)`")
LINK: Final = re.compile(r"\]\((?!https?:|#|mailto:)([^)#]+)")


def test_every_setting_is_documented() -> None:
    text = (DOCS / "reference/settings.md").read_text("utf-8")
    assert [v.name for v in settings.variables() if f"`{v.name}`" not in text] == []


def test_every_setting_says_its_unit() -> None:
    spans = [v.name for v in settings.variables() if v.parse is parse_seconds]
    assert [name for name in spans if not name.endswith("_S")] == []


def test_every_problem_is_documented() -> None:
    text = (DOCS / "reference/problems.md").read_text("utf-8")
    codes = {
        error.code
        for error in problems.descendants()
        if not error.__module__.startswith("hutch.cli")
    }
    assert [code for code in sorted(codes) if f"## {code}\n" not in text] == []


def test_every_command_of_the_server_is_documented() -> None:
    text = (DOCS / "reference/hutch-api.md").read_text("utf-8")
    assert [name for name in COMMANDS if f"hutch-api {name}" not in text] == []


@pytest.mark.parametrize(
    "target",
    ["help", "setup", "demo", "test", "test-slow", "check", "minio", "docs", "bench"],
)
def test_the_makefile_has_the_target_and_tells_of_it(target: str) -> None:
    text = (tree.ROOT / "Makefile").read_text("utf-8")
    assert re.search(rf"^{target}:.*## \w", text, re.MULTILINE)


def test_the_readme_names_only_targets_that_exist() -> None:
    makefile = (tree.ROOT / "Makefile").read_text("utf-8")
    readme = (tree.ROOT / "README.md").read_text("utf-8")
    named = set(re.findall(r"\bmake ([a-z][a-z-]*)", readme))
    assert {"demo", "test"} <= named
    assert {
        t for t in named if not re.search(rf"^{t}:", makefile, re.MULTILINE)
    } == set()


def test_links_between_documents_lead_somewhere() -> None:
    broken = [
        f"{file.relative_to(tree.ROOT)}: {target}"
        for file in tree.tracked()
        if file.suffix == ".md"
        for target in LINK.findall(file.read_text("utf-8"))
        if not (file.parent / target).exists()
    ]
    assert broken == []


def test_the_tests_and_modules_that_documents_name_exist() -> None:
    missing = [
        f"{file.relative_to(tree.ROOT)}: {name}"
        for file in tree.tracked()
        if file.suffix == ".md"
        for name in NAMED_CODE.findall(file.read_text("utf-8"))
        if not any((place / name).exists() for place in CODE)
    ]
    assert missing == []


def test_the_guarantees_name_tests_that_exist() -> None:
    text = (DOCS / "explanation/guarantees.md").read_text("utf-8")
    named = NAMED_TEST.findall(text)
    missing = [
        (file, test)
        for file, test in named
        if f"def {test}(" not in (tree.ROOT / file).read_text("utf-8")
    ]
    assert missing == []
    for law in re.findall(r"^## \d\. .*?(?=^## )", text, re.MULTILINE | re.DOTALL):
        assert NAMED_TEST.search(law), law.partition("\n")[0]


def test_the_version_is_written_down_once_and_needs_no_git() -> None:
    project = tomllib.loads((tree.ROOT / "pyproject.toml").read_text("utf-8"))
    assert project["project"]["dynamic"] == ["version"]
    assert re.fullmatch(r"\d+\.\d+\.\d+", VERSION)
    assert version("hutch") == VERSION


def test_the_lock_file_names_versions_and_no_host() -> None:
    lines = (tree.ROOT / "requirements.lock").read_text("utf-8").splitlines()
    pins = [line for line in lines if not line.startswith("#")]
    assert [p for p in pins if not re.fullmatch(r"[\w.-]+==[\w.+!-]+", p)] == []


def test_decisions_are_numbered_without_gaps_and_have_the_four_parts() -> None:
    pages = sorted((DOCS / "decisions").glob("*.md"))
    numbers = [page.name[:4] for page in pages]
    assert numbers == [f"{number:04}" for number in range(1, len(pages) + 1)]
    for page in pages:
        text = page.read_text("utf-8")
        assert text.startswith(f"# {page.name[:4]}. ")
        for part in ("Status", "Context", "Decision", "Consequences"):
            assert part in text, f"{page.name} has no {part}"

"""The crash steps: each stands at one place in the code and in the documents."""

import re
from collections import Counter

from hutch.contract.steps import Step
from tests.meta import tree

_CALL = re.compile(r"\breached\(Step\.([A-Z_]+)\)")
_ROW = re.compile(r"^\| `([a-z-]+)` \|", re.MULTILINE)


def test_each_step_is_reached_at_one_place() -> None:
    calls = Counter(
        name
        for file in tree.modules().values()
        for name in _CALL.findall(file.read_text())
    )
    assert calls == Counter(step.name for step in Step)


def test_the_explanation_lists_the_steps_in_order() -> None:
    page = tree.ROOT / "docs/explanation/protocol.md"
    section = page.read_text().partition("## Crash steps\n")[2].partition("\n## ")[0]
    assert _ROW.findall(section) == [step.value for step in Step]

"""The examples of the wire page are what the code reads and writes."""

import json
import re
from typing import Any, Final

import msgspec
import pytest

from hutch.contract.problems import URN, from_problem
from hutch.contract.wire import accounts, datasets, previews, runs, tools, transfer
from hutch_api.http.operations import ENDPOINTS
from hutch_api.http.problems import STATUS
from tests.docs.pages import DOCS, Block, blocks

PAGE: Final = DOCS / "reference" / "wire.md"
EXAMPLES: Final = [block for block in blocks(PAGE) if block.language == "json"]
ROW: Final = re.compile(r"^\| (\d{3}) \| `([a-z-]+)` \|", re.MULTILINE)
ADDRESS: Final = re.compile(r"`(GET|POST|PUT|PATCH|DELETE) (/v1/[^`?]*)")


def type_of(name: str) -> Any:
    for module in (accounts, datasets, previews, runs, tools, transfer):
        if hasattr(module, name):
            return getattr(module, name)
    raise LookupError(name)


def is_within(example: Any, whole: Any) -> bool:
    """Tell whether all that an example says was understood."""
    if isinstance(example, dict):
        return isinstance(whole, dict) and all(
            key in whole and is_within(value, whole[key])
            for key, value in example.items()
        )
    if isinstance(example, list):
        return len(example) == len(whole) and all(
            is_within(e, w) for e, w in zip(example, whole, strict=True)
        )
    return bool(example == whole)


@pytest.mark.parametrize("block", EXAMPLES, ids=lambda b: f"{b.remark}:{b.line}")
def test_an_example_is_what_the_code_reads_and_writes(block: Block) -> None:
    example = json.loads(block.text)
    if block.remark == "problem":
        error = from_problem(example)
        assert example["type"] == f"{URN}{error.code}"
        assert example["title"] == error.title
        assert example["status"] == STATUS[type(error)]
        return
    value = msgspec.json.decode(block.text, type=type_of(block.remark))
    written = json.loads(msgspec.json.encode(value))
    assert is_within(example, written)


def test_a_misspelt_member_would_be_seen() -> None:
    assert not is_within({"nmae": "tooth"}, {"name": "tooth"})


def test_every_error_is_shown_with_its_status() -> None:
    status = {error.code: int(STATUS[error]) for error in STATUS}
    rows = ROW.findall(PAGE.read_text("utf-8"))
    assert len(rows) > 20
    wrong = [(n, code) for n, code in rows if status.get(code) != int(n)]
    assert wrong == []


def test_every_address_exists() -> None:
    shown = set(ADDRESS.findall(PAGE.read_text("utf-8")))
    known = {(e.method, e.template) for e in ENDPOINTS}
    assert len(shown) > 10
    assert shown - known == set()


def test_every_step_of_a_transfer_has_its_errors() -> None:
    text = PAGE.read_text("utf-8")
    of_transfers = {
        error.code
        for endpoint in ENDPOINTS
        if endpoint.path.startswith("/v1/pushes")
        for error in endpoint.problems
    }
    assert [code for code in sorted(of_transfers) if f"`{code}`" not in text] == []

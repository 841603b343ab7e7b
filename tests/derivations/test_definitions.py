"""Definitions: versions that never change, and how they are listed."""

from typing import Any

import pytest
from sqlalchemy import event

from hutch.contract.problems import (
    InvalidInputError,
    NameTakenError,
    NotFoundError,
    TokenInsufficientError,
)
from hutch.contract.wire.accounts import Scope
from hutch.contract.wire.definitions import DefinitionOut, ImageIn
from hutch_api.domain.access import Actor
from hutch_api.services import definitions, images
from tests.derivations.board import IMAGE, Board

OTHER = f"sha256:{'2' * 64}"


def listed(board: Board, actor: Actor) -> list[DefinitionOut]:
    with board.world.site.look() as work:
        return list(definitions.list_definitions(work, actor).items)


def get(board: Board, actor: Actor, name: str, version: int | None) -> DefinitionOut:
    with board.world.site.look() as work:
        return definitions.get_definition(work, actor, name, version)


def retire(board: Board, actor: Actor, name: str) -> None:
    with board.world.site.begin() as work:
        definitions.retire_definition(work, actor, name)


def test_the_newest_of_each_is_listed_by_name(board: Board, anna: Actor) -> None:
    for name, image in (("b", IMAGE), ("a", OTHER), ("b", OTHER), ("b", IMAGE)):
        board.define(anna, name, image=image)
    assert [(d.name, d.version, d.approved) for d in listed(board, anna)] == [
        ("a", 1, False),
        ("b", 3, True),
    ]


def test_old_versions_keep_nothing_out_of_the_list(
    board: Board, anna: Actor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(definitions, "_MOST_LISTED", 2)
    for title in ("one", "two", "three"):
        board.define(anna, "a", title=title)
    board.define(anna, "b")
    assert [(d.name, d.version) for d in listed(board, anna)] == [("a", 3), ("b", 1)]


def test_a_list_takes_no_query_for_each(board: Board, anna: Actor) -> None:
    sent: list[Any] = []
    engine = board.world.site.engine
    event.listen(engine, "before_cursor_execute", lambda *a: sent.append(a[2]))
    counts = []
    for number in range(3):
        board.define(anna, f"d{number}")
        sent.clear()
        assert len(listed(board, anna)) == number + 1
        counts.append(len(sent))
    assert len(set(counts)) == 1


def test_what_is_there_already_is_not_added_again(board: Board, anna: Actor) -> None:
    for _ in range(2):
        board.define(anna, "a", title="same")
    assert get(board, anna, "a", None).version == 1
    board.define(anna, "a", title="other")
    board.define(anna, "a", title="same")
    assert get(board, anna, "a", None).version == 3
    assert get(board, anna, "a", 2).title == "other"
    with pytest.raises(NotFoundError, match="a@4"):
        get(board, anna, "a", 4)


def test_a_retired_definition_is_listed_no_more(board: Board, anna: Actor) -> None:
    board.define(anna, "a")
    board.define(anna, "a", title="two")
    retire(board, anna, "a")
    assert listed(board, anna) == []
    assert get(board, anna, "a", 1).retired_at is not None
    board.define(anna, "a", title="two")
    assert [d.version for d in listed(board, anna)] == [3]


def test_a_name_belongs_to_whoever_came_first(
    board: Board, anna: Actor, ben: Actor
) -> None:
    board.define(anna, "a")
    with pytest.raises(NameTakenError):
        board.define(ben, "a")
    retire(board, anna, "a")
    with pytest.raises(NameTakenError):
        board.define(ben, "a")


def test_the_types_of_a_definition_exist(board: Board, anna: Actor) -> None:
    for part in (
        {"inputs": {"scan": {"type": "scan.nothing"}}},
        {"output": {"type": "nothing"}},
    ):
        with pytest.raises(InvalidInputError, match="there is no type"):
            board.define(anna, "a", **part)


def test_a_token_for_certain_datasets_changes_nothing_for_all(
    board: Board, anna: Actor
) -> None:
    board.define(anna, "a")
    scan = board.world.create(anna, "scan").id
    limited = board.world.limited(anna, *Scope, of=[scan])
    with pytest.raises(TokenInsufficientError, match="certain datasets"):
        board.define(limited, "b")
    with pytest.raises(TokenInsufficientError):
        retire(board, limited, "a")
    approver = board.world.limited(board.approver, *Scope, of=[])
    with (
        board.world.site.begin() as work,
        pytest.raises(TokenInsufficientError),
    ):
        images.approve_image(work, approver, ImageIn(image=OTHER))
    assert [d.name for d in listed(board, anna)] == ["a"]

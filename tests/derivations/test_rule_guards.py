"""Rules: each of their guards by itself."""

from uuid import UUID

import pytest
from sqlmodel import select

from hutch.contract.problems import NameTakenError
from hutch_api.domain.access import Actor
from hutch_api.services import firing, rules
from hutch_api.store.run_tables import Firing
from tests.derivations.board import Board
from tests.derivations.test_rules import add, fired


@pytest.fixture(autouse=True)
def defined(board: Board, anna: Actor) -> None:
    board.define(anna)


def test_who_comes_second_begins_nothing(board: Board, anna: Actor) -> None:
    rule = add(board, anna)
    scan = board.scan(anna)
    [run] = fired(board, anna)
    firing._fire(board.world.site, rule.id, scan.id)
    assert [again.id for again in fired(board, anna)] == [run.id]


def test_a_rule_is_not_told_of_what_its_owner_may_not_read(
    board: Board, anna: Actor, ben: Actor
) -> None:
    add(board, ben)
    board.scan(anna)
    assert fired(board, ben) == []
    with board.world.site.look() as work:
        assert rules.list_rules(work, ben).items[0].fired == 0
        assert work.session.exec(select(Firing)).all() == []


def test_two_rules_of_one_name_are_not_made_at_once(
    board: Board, anna: Actor, monkeypatch: pytest.MonkeyPatch
) -> None:
    add(board, anna)
    monkeypatch.setattr(rules, "_of", lambda *_: [])
    with pytest.raises(NameTakenError):
        add(board, anna)


def test_a_rule_is_there_for_its_owner_only(
    board: Board, anna: Actor, ben: Actor
) -> None:
    rule: UUID = add(board, anna).id
    with board.world.site.look() as work:
        assert [r.id for r in rules.list_rules(work, anna).items] == [rule]
        assert rules.list_rules(work, ben).items == ()

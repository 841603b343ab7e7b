"""Rules: one run for each dataset that closes, and never two."""

from typing import Any
from uuid import UUID

import pytest
from sqlmodel import select

from hutch.contract.problems import (
    InvalidInputError,
    NameTakenError,
    NotFoundError,
    TokenInsufficientError,
)
from hutch.contract.wire.accounts import Scope
from hutch.contract.wire.rules import RuleIn, RuleOut
from hutch.contract.wire.runs import RunOut
from hutch_api.domain.access import Actor
from hutch_api.services import firing, rules, runs, users
from hutch_api.store.run_tables import Firing
from tests.conftest import Clock
from tests.derivations.board import Board


def add(board: Board, actor: Actor, name: str = "rule", **more: Any) -> RuleOut:
    wanted = {"type": "generic", "definition": "copy", **more}
    with board.world.site.begin() as work:
        return rules.add_rule(work, actor, RuleIn(name=name, **wanted))


def fired(board: Board, actor: Actor) -> list[RunOut]:
    """Fire what is due, and list the runs of an actor, the oldest first."""
    while firing.fire_rules(board.world.site):
        pass
    with board.world.site.look() as work:
        return list(reversed(runs.list_runs(work, actor).items))


def details(board: Board) -> list[str]:
    with board.world.site.look() as work:
        return list(work.session.exec(select(Firing.detail)))


@pytest.fixture(autouse=True)
def defined(board: Board, anna: Actor) -> None:
    schema = {
        "type": "object",
        "properties": {
            "centre": {"type": "number", "default": 1.0},
            "rings": {"type": "boolean", "default": False},
        },
    }
    board.define(anna, parameters=schema)


def test_a_dataset_that_closes_begins_the_run_of_a_rule(
    board: Board, anna: Actor
) -> None:
    add(
        board,
        anna,
        parameters={"rings": True},
        from_attributes={"centre": "axis"},
        output_name="{name}-copy",
    )
    scan = board.world.closed(anna, "tooth", attributes={"axis": 295.9})
    [run] = fired(board, anna)
    assert (run.name, run.rule, run.owner) == ("tooth-copy", "rule", "anna")
    assert run.parameters == {"centre": 295.9, "rings": True}
    assert run.inputs[0].dataset == scan.id
    board.succeed(board.take())


def test_a_rule_sees_each_dataset_once(board: Board, anna: Actor) -> None:
    add(board, anna)
    scan = board.scan(anna)
    assert len(fired(board, anna)) == 1
    firing._consider(board.world.site, scan.id)
    assert len(fired(board, anna)) == 1


def test_a_rule_that_was_killed_between_two_steps_goes_on(
    board: Board, anna: Actor, monkeypatch: pytest.MonkeyPatch
) -> None:
    add(board, anna, "a")
    add(board, anna, "b", output_name="{name}-b")
    board.scan(anna)
    fire = firing._fire

    def die_after_first(*arguments: Any) -> None:
        fire(*arguments)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(firing, "_fire", die_after_first)
        with pytest.raises(KeyboardInterrupt):
            firing.fire_rules(board.world.site)
    assert sorted(run.rule or "" for run in fired(board, anna)) == ["a", "b"]


def test_only_matching_datasets_fire(board: Board, anna: Actor) -> None:
    add(board, anna, type="scan", matching={"quality": "good"})
    board.world.closed(anna, "x", attributes={"quality": "good"})
    board.world.closed(
        anna, "y", type="scan", attributes={"sample": "s", "quality": "bad"}
    )
    board.world.closed(
        anna, "z", type="scan", attributes={"sample": "s", "quality": "good"}
    )
    assert [run.name for run in fired(board, anna)] == ["z-copy"]


def test_a_rule_acts_only_on_what_its_owner_may_read(
    board: Board, anna: Actor, ben: Actor
) -> None:
    add(board, ben)
    hidden = board.world.create(anna, "hidden")
    shared = board.world.create(anna, "shared")
    board.world.share(anna, shared.id, "user:ben")
    for dataset in (hidden, shared):
        board.flow.close(anna, dataset.id, empty=True)
    assert [run.name for run in fired(board, ben)] == ["shared-copy"]


def test_a_rule_does_not_act_on_what_closed_before_it(
    board: Board, anna: Actor, clock: Clock
) -> None:
    board.scan(anna)
    clock.move(firing._LATER)
    add(board, anna)
    assert fired(board, anna) == []


def test_an_ended_rule_begins_nothing(board: Board, anna: Actor, ben: Actor) -> None:
    rule = add(board, anna)
    with board.world.site.begin() as work, pytest.raises(NotFoundError):
        rules.end_rule(work, ben, rule.id)
    with board.world.site.begin() as work:
        rules.end_rule(work, anna, rule.id)
    board.scan(anna)
    assert fired(board, anna) == []


def test_a_rule_of_a_disabled_user_begins_nothing(
    board: Board, anna: Actor, ben: Actor
) -> None:
    add(board, ben)
    scan = board.world.create(anna, "scan")
    board.world.share(anna, scan.id, "user:ben")
    with board.world.site.begin() as work:
        users.disable_user(work, "ben")
    board.flow.close(anna, scan.id, empty=True)
    assert fired(board, ben) == []
    assert details(board) != [""]


def test_rules_that_feed_each_other_come_to_an_end(board: Board, anna: Actor) -> None:
    add(board, anna)
    board.scan(anna)
    for _ in range(firing.DEEPEST):
        fired(board, anna)
        board.succeed(board.take())
    assert len(fired(board, anna)) == firing.DEEPEST
    assert any("lie behind" in detail for detail in details(board))


def test_a_rule_that_fires_too_often_waits(
    board: Board, anna: Actor, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(firing, "MOST_PER_HOUR", 1)
    add(board, anna)
    board.scan(anna, "one")
    board.scan(anna, "two")
    assert len(fired(board, anna)) == 1
    clock.move(firing._HOUR + firing._LATER)
    assert len(fired(board, anna)) == 2


def test_a_rule_fits_its_definition(board: Board, anna: Actor) -> None:
    board.define(
        anna, "pair", inputs={"a": {"type": "generic"}, "b": {"type": "generic"}}
    )
    board.define(anna, "tomo", inputs={"scan": {"type": "scan.tomo"}})
    with pytest.raises(InvalidInputError, match=r"only one|no other"):
        add(board, anna, definition="pair")
    with pytest.raises(InvalidInputError, match=r"takes scan\.tomo"):
        add(board, anna, definition="tomo")
    with pytest.raises(InvalidInputError, match="centre"):
        add(board, anna, parameters={"centre": "x"})
    add(board, anna)
    with pytest.raises(NameTakenError):
        add(board, anna)


@pytest.mark.parametrize("lacking", [Scope.RUN, Scope.READ])
def test_a_rule_needs_a_token_that_may_run_and_read(
    board: Board, anna: Actor, lacking: Scope
) -> None:
    with pytest.raises(TokenInsufficientError):
        add(board, board.world.limited(anna, *(set(Scope) - {lacking})))


def test_a_token_for_certain_datasets_makes_and_sees_no_rules(
    board: Board, anna: Actor
) -> None:
    add(board, anna)
    scan: UUID = board.scan(anna).id
    limited = board.world.limited(anna, *Scope, of=[scan])
    with pytest.raises(TokenInsufficientError):
        add(board, limited, "other")
    with board.world.site.look() as work:
        assert rules.list_rules(work, limited).items == ()

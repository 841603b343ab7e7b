"""System definitions: they come with hutch, and nobody else makes or changes one."""

from dataclasses import replace
from typing import Any

import msgspec
import pytest
from sqlmodel import select

from hutch.contract.problems import (
    ForbiddenError,
    ImageUnapprovedError,
    InvalidInputError,
)
from hutch.contract.wire.definitions import DefinitionIn, DefinitionOut, ImageIn
from hutch.contract.wire.rules import RuleIn
from hutch_api.domain import system as declared
from hutch_api.domain.access import Actor
from hutch_api.domain.system import PREVIEW
from hutch_api.services import definitions, firing, rules, system
from hutch_api.store.run_tables import Definition
from hutch_api.store.tables import Audit
from tests.derivations.board import IMAGE, Board
from tests.derivations.previewing import PreviewBoard


def get(board: Board, actor: Actor) -> DefinitionOut:
    with board.world.site.look() as work:
        return definitions.get_definition(work, actor, PREVIEW.name)


def test_they_are_there_once_however_often_it_is_seen_to(
    board: Board, anna: Actor
) -> None:
    for _ in range(3):
        system.ensure(board.world.site)
    shown = get(board, anna)
    assert (shown.version, shown.owner, shown.approved, shown.image) == (
        1,
        "hutch",
        True,
        "system",
    )
    assert (shown.target, shown.output) == ("previews", None)
    with board.world.site.look() as work:
        listed = definitions.list_definitions(work, anna).items
        added = work.session.exec(
            select(Audit).where(Audit.action == "add-definition")
        ).all()
    assert [one.name for one in listed] == [PREVIEW.name]
    assert [(row.actor_id, row.facts["version"]) for row in added] == [(None, 1)]


def test_what_says_something_new_is_the_next_version(
    board: Board, anna: Actor, monkeypatch: pytest.MonkeyPatch
) -> None:
    system.ensure(board.world.site)
    newer = replace(PREVIEW, title="Even smaller pictures")
    monkeypatch.setattr(declared, "DEFINITIONS", (newer,))
    for _ in range(2):
        system.ensure(board.world.site)
    assert (get(board, anna).version, get(board, anna).title) == (2, newer.title)


def test_nobody_makes_or_ends_one(board: Board, anna: Actor) -> None:
    with pytest.raises(msgspec.ValidationError, match="definitions of hutch itself"):
        board.define(anna, "hutch-mine")
    with pytest.raises(msgspec.ValidationError, match="which bytes are meant"):
        board.define(anna, "mine", image="system")
    with pytest.raises(ValueError, match="which bytes are meant"):
        ImageIn(image="system")
    system.ensure(board.world.site)
    with (
        board.world.site.begin() as work,
        pytest.raises(ForbiddenError, match="hutch itself"),
    ):
        definitions.retire_definition(work, anna, PREVIEW.name)


def test_nothing_that_a_definition_says_makes_previews() -> None:
    wanted: dict[str, Any] = {
        "name": "a",
        "image": IMAGE,
        "argv": ("a",),
        "inputs": {"scan": {}},
    }
    assert "target" not in DefinitionIn.__dataclass_fields__
    assert msgspec.convert(wanted, DefinitionIn).name == "a"


@pytest.mark.parametrize(
    "change",
    [{"image": IMAGE + "0"}, {"owner_id": "anna"}, {"target": "dataset"}],
    ids=lambda change: next(iter(change)),
)
def test_only_hutchs_own_programs_need_no_approval(
    board: Board, anna: Actor, change: dict[str, Any]
) -> None:
    """What the database says alone makes nobody's program run without one."""
    making = PreviewBoard(board)
    if "owner_id" in change:
        change = {"owner_id": anna.user}
    with board.world.site.begin() as work:
        row = work.session.exec(select(Definition)).one()
        row.sqlmodel_update({**change, "output_type": "generic"})
    with pytest.raises(ImageUnapprovedError):
        making.start(anna, board.scan(anna).id)


def test_a_rule_makes_previews_of_what_closes(board: Board, anna: Actor) -> None:
    making = PreviewBoard(board)
    with board.world.site.begin() as work:
        wanted = RuleIn(name="see", type="generic", definition=PREVIEW.name)
        assert rules.add_rule(work, anna, wanted).output_name == ""
        named = replace(wanted, name="b", output_name="{name}-x")
        with pytest.raises(InvalidInputError, match="makes previews"):
            rules.add_rule(work, anna, named)
    scan = board.scan(anna)
    while firing.fire_rules(board.world.site):
        pass
    making.send(taken := making.take().lease)
    making.board.finish(taken)
    assert making.names(anna, scan.id) == ["0001.png", "index.json"]

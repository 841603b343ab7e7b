"""``hutch rule``: whole commands."""

from hutch.cli.exits import Exit
from hutch_api.services import firing
from tests.derivations.commands.playing import Hall
from tests.e2e.stage import Person


def test_a_rule_runs_what_closes(hall: Hall, anna: Person) -> None:
    told = anna.hutch(
        *("rule", "add", "copies", "--type", "generic", "--run", "copy"),
        *("--where", "quality=good", "-p", "centre=1.5", "--name", "{name}-again"),
    )
    assert "from now on copy@1 runs on each generic that closes" in told.out
    anna.hutch("init", "d", "--name", "fresh", "--attr", "quality=good")
    (anna.home / "d" / "a").write_text("a")
    anna.hutch("push", "d")
    anna.hutch("close", "fresh")
    while firing.fire_rules(hall.board.world.site):
        pass
    [run] = anna.json("runs")["items"]
    assert (run["name"], run["rule"]) == ("fresh-again", "copies")
    assert run["parameters"]["centre"] == 1.5
    [rule] = anna.json("rule", "list")["items"]
    assert (rule["name"], rule["fired"]) == ("copies", 1)
    anna.hutch("rule", "end", "copies")
    assert anna.json("rule", "list")["items"] == []


def test_a_rule_that_cannot_be_is_refused(anna: Person) -> None:
    line = ("rule", "add", "r", "--type", "generic", "--run")
    anna.refused(Exit.NOT_FOUND, "not-found", *line, "nothing")
    anna.refused(Exit.USAGE, "usage", *line, "copy", "--from", "centre")
    anna.refused(Exit.USAGE, "usage", *line, "copy", "--name", "same")
    anna.refused(Exit.NOT_FOUND, "not-found", "rule", "end", "nothing")

"""``hutch definition``, ``image``, ``run``, ``runs``, ``rerun``: whole commands."""

from datetime import timedelta
from pathlib import Path

import pytest

from hutch.cli.exits import Exit
from hutch.cli.recipes import read_recipe
from hutch.cli.screen import UsageError
from hutch.contract.wire.accounts import Role
from hutch.contract.wire.runs import Reason
from hutch.errors import ServerUnavailableError
from hutch.resources.runs import Runs
from tests.derivations.board import IMAGE
from tests.derivations.commands.playing import RECIPE, Hall, Play
from tests.e2e.stage import Person

OTHER = "2" * 64
ESCAPES = b"\x1b]0;evil\x07"
FAULTS = [
    (('mode = "staged"', 'mode = "fast"'), "fast"),
    (("cpu = 0.5", 'cpu = "all"'), "resources.cpu"),
    (("cpu = 0.5", "cpus = 1"), "resources.cpus is not a part of a definition"),
    (("[inputs.scan]\ntype", "[inputs.scan]\nkind"), "inputs.scan.kind"),
    (('argv = ["copy"]', ""), "argv"),
    ((f'image = "{IMAGE}"', ""), "names no image"),
    (('name = "copy"', 'name = "show"'), "a word of 'hutch run' itself"),
    (('name = "copy"', "name = ="), "is not TOML"),
    (('title = "Copies"', "title = 1"), "title"),
]
WRONG = {
    "run": "name a definition",
    "run copy scan=scan": "--name",
    "run copy scan --name r": "INPUT=DATASET",
    "run copy scan=a scan=b --name r": "given already",
    "run copy@x scan=scan --name r": "NAME@VERSION",
    "run copy scan=scan --name r-": "is not a name",
    "run copy scan=scan --name r -p a=1 -p a.b=2": "given a value already",
    "run copy scan=scan --name r --attempt 1": "--attempt",
    "run show": "takes one RUN",
    "run show a b": "takes one RUN",
    "run cancel a --follow": "--follow",
    "run logs a --name n": "--name",
    "run logs a --follow --attempt 1": "--attempt",
    "definition show copy@0": "NAME@VERSION",
    "rerun scan": "was not made by a run",
}
"""Lines that are refused, and what is said of them."""


# Definitions and images


def test_a_definition_is_added_from_a_file(hall: Hall) -> None:
    cara = hall.person()
    (cara.home / "copy.toml").write_text(RECIPE)
    told = cara.hutch("definition", "add", "copy.toml")
    assert told.out.splitlines() == [
        "copy@1 is there: Copies",
        "next: hutch run copy scan=DATASET --name N",
    ]
    assert cara.json("definition", "add", "copy.toml")["version"] == 1
    (cara.home / "copy.toml").write_text(RECIPE.replace("Copies", "Copies it"))
    assert cara.hutch("definition", "add", "copy.toml", "-q").out == "copy@2\n"
    shown = cara.json("definition", "show", "copy@1")
    assert (shown["title"], shown["retries"]) == ("Copies", 1)
    assert shown["resources"]["cpu"] == 0.5
    told = cara.hutch("definition", "show", "copy")
    assert "Copies it" in told.out
    assert "centre     number  px    320.5    Column of the axis" in told.out
    assert cara.hutch("definition", "list").out.splitlines()[1].split()[:4] == [
        "copy@2",
        "generic",
        "generic",
        "yes",
    ]


def test_a_retired_definition_starts_no_more_runs(anna: Person) -> None:
    anna.hutch("definition", "retire", "copy")
    assert anna.json("definition", "list")["items"] == []
    anna.refused(
        Exit.STATE, "definition-retired", "run", "copy", "scan=scan", "--name", "r"
    )


@pytest.mark.parametrize(("change", "said"), FAULTS)
def test_a_file_that_is_no_definition_says_why(
    tmp_path: Path, change: tuple[str, str], said: str
) -> None:
    file = tmp_path / "copy.toml"
    assert change[0] in RECIPE
    file.write_text(RECIPE.replace(*change))
    with pytest.raises(UsageError, match="copy") as raised:
        read_recipe(file, None)
    assert said in raised.value.detail


def test_an_image_is_never_named_by_a_tag(hall: Hall) -> None:
    cara = hall.person()
    (cara.home / "copy.toml").write_text(RECIPE.replace(IMAGE, "hutch-tomo"))
    add = ("definition", "add", "copy.toml")
    told = cara.refused(Exit.USAGE, "usage", *add)
    assert "podman inspect --format '{{.Id}}' hutch-tomo" in told.problem["detail"]
    assert "--image sha256:" in told.problem["detail"]
    cara.refused(Exit.USAGE, "usage", *add, "--image", "sha256:abc")
    added = cara.hutch(*add, "--image", OTHER)
    assert f"next: hutch image approve sha256:{OTHER}" in added.out
    assert cara.json("definition", "show", "copy")["image"] == f"sha256:{OTHER}"


def test_only_an_approver_approves(hall: Hall, anna: Person) -> None:
    anna.refused(Exit.NOT_FOUND, "forbidden", "image", "approve", OTHER)
    anna.refused(Exit.USAGE, "usage", "image", "approve", "hutch-tomo:latest")
    lea = hall.person(Role.APPROVER)
    told = lea.hutch("image", "approve", OTHER, "--note", "tomography 1.0")
    assert told.out.startswith(f"approved sha256:{OTHER} (")
    listed = anna.json("image", "list")["items"]
    assert [i["note"] for i in listed if OTHER in i["image"]] == ["tomography 1.0"]
    assert "tomography 1.0" in anna.hutch("image", "list").out
    lea.hutch("image", "revoke", OTHER)
    assert OTHER not in anna.hutch("image", "list").out
    lea.refused(Exit.NOT_FOUND, "not-found", "image", "revoke", OTHER)


def test_without_approval_nothing_runs(hall: Hall, anna: Person) -> None:
    lea = hall.person(Role.APPROVER)
    [approved] = lea.json("image", "list")["items"]
    lea.hutch("image", "revoke", approved["id"][:8])
    told = anna.refused(
        Exit.STATE, "image-unapproved", "run", "copy", "scan=scan", "--name", "r"
    )
    assert "hutch image approve" in told.problem["detail"]


# Runs


def test_a_run_is_begun_listed_shown_and_cancelled(anna: Person) -> None:
    told = anna.hutch("run", "copy", "scan=scan", "--name", "result", "-p", "centre=3")
    first, after = told.out.splitlines()
    [listed] = anna.json("runs")["items"]
    short = listed["id"][:8]
    assert first == f"began the run {short} of copy@1, which makes result"
    assert f"hutch run logs {short} --follow" in after
    assert (listed["state"], listed["parameters"]) == ("queued", {"centre": 3})
    row = anna.hutch("runs", "--state", "queued", "--definition", "copy").out
    assert row.splitlines()[1].split()[:5] == [short, "copy@1", "result", "queued", "-"]
    assert anna.json("runs", "--state", "failed")["items"] == []
    shown = anna.hutch("run", "show", "result").out
    assert "centre=3" in shown
    assert IMAGE in shown
    assert "nothing yet" in anna.hutch("run", "logs", short).err
    assert anna.hutch("run", "cancel", short).out.startswith("cancelled the run")
    assert anna.json("run", "show", listed["id"])["state"] == "cancelled"
    anna.refused(
        Exit.CONFLICT, "name-taken", "run", "copy", "scan=scan", "--name", "scan"
    )


def test_a_run_that_is_waited_for_names_what_it_made(hall: Hall, anna: Person) -> None:
    words = ("run", "copy@1", "scan=scan", "--name", "result", "--wait")
    with hall.board.playing(Play(progress=0.5)):
        told = anna.hutch(*words)
    made = anna.json("info", "result")
    assert f"made {anna.name}/result ({made['id']}): 1 file" in told.out
    assert f"digest {made['digest']}" in told.out
    assert "began the run" in told.err
    assert made["run"]["definition"] == "copy@1"
    shown = anna.hutch("info", "result").out
    line = next(x for x in shown.splitlines() if x.startswith("made by"))
    assert f"copy@1 in sha256:{'1' * 12}… for {anna.name}, 20" in line
    table = anna.hutch("run", "show", "result").out
    assert ["1", "bench", "bench-1"] in [x.split()[:3] for x in table.splitlines()]
    [row] = anna.hutch("runs").out.splitlines()[1:]
    assert "succeeded" in row
    again = ("run", "copy", "scan=scan", "--name")
    with hall.board.playing(Play()):
        quiet = anna.hutch(*again, "quiet", "--wait", "-q").out
    assert quiet.strip() == anna.json("info", "quiet")["id"]
    with hall.board.playing(Play()):
        told = anna.hutch(*again, "third", "--wait", "--json")
    assert (told.document["state"], told.err) == ("succeeded", "")


def test_a_run_that_fails_ends_the_command_with_1(hall: Hall, anna: Person) -> None:
    words = ("run", "copy", "scan=scan", "--name")
    with hall.board.playing(Play(reason=Reason.ERROR)):
        told = anna.hutch(*words, "a", "--wait", exits=Exit.FAILED)
    assert "failed: the program ended with exit code 1 [error]" in told.err
    assert "next: hutch run logs" in told.out
    with hall.board.playing(Play(reason=Reason.OOM)):
        told = anna.hutch(*words, "b", "--wait", "--json", exits=Exit.FAILED)
    assert (told.document["state"], told.document["reason"]) == ("failed", "oom")
    assert "failed (oom)" in anna.hutch("runs", "--limit", "1").out


def test_what_a_program_writes_is_printed_as_it_comes(hall: Hall, anna: Person) -> None:
    written = (b"one\n", b"tw", b"o\r", b"\n", b"\tthr\xc3", b"\xa9e")
    with hall.board.playing(Play(log=written)):
        told = anna.hutch("run", "copy", "scan=scan", "--name", "r", "--follow")
    log = ["one", "two", "        thrée"]
    assert told.out.splitlines()[:3] == log
    assert "made" in told.out.splitlines()[3]
    assert anna.hutch("run", "logs", "r").out.splitlines() == log
    follows = anna.hutch("run", "logs", "r", "--follow")
    assert follows.out.splitlines() == log
    assert "has ended: succeeded" in follows.err
    for more in ([], ["--follow"]):
        document = anna.json("run", "logs", "r", *more)
        assert document["text"] == "one\ntwo\r\n\tthrée"
        assert (document["complete"], document["truncated"]) == (True, False)


def test_the_log_of_each_attempt_is_there(
    hall: Hall, anna: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hutch_api.services.attempts.FIRST_PAUSE", timedelta())
    words = ("run", "copy", "scan=scan", "--name", "r", "--follow")
    lost = Play(log=(b"first",), reason=Reason.LOST)
    with hall.board.playing(lost, Play(log=(b"second\n",))):
        told = anna.hutch(*words)
    assert told.out.splitlines()[:2] == ["first", "second"]
    assert "attempt 2" in told.err
    assert anna.hutch("run", "logs", "r").out == "second\n"
    assert anna.hutch("run", "logs", "r", "--attempt", "1").out == "first\n"
    anna.refused(Exit.NOT_FOUND, "not-found", "run", "logs", "r", "--attempt", "9")


def test_a_log_moves_no_cursor(hall: Hall, anna: Person) -> None:
    with hall.board.playing(Play(log=(ESCAPES + b"here",))):
        told = anna.hutch("run", "copy", "scan=scan", "--name", "r", "--follow")
    assert "\x1b" not in told.out
    assert "here" in told.out


def test_what_another_run_makes_is_an_input(hall: Hall, anna: Person) -> None:
    anna.hutch("run", "copy", "scan=scan", "--name", "one")
    anna.hutch("run", "copy", "scan=run:one", "--name", "two")
    assert anna.json("run", "show", "two")["state"] == "waiting"
    assert "= what the run" in anna.hutch("run", "show", "two").out
    hall.board.play(Play())
    hall.board.play(Play())
    made = anna.json("info", "two")
    assert made["inputs"][0]["id"] == anna.json("info", "one")["id"]


def test_ctrl_c_says_that_the_run_goes_on(
    anna: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    def press(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    words = ("run", "copy", "scan=scan", "--wait", "--name")
    with monkeypatch.context() as patch:
        patch.setattr(Runs, "wait", press)
        told = anna.hutch(*words, "a", exits=Exit.INTERRUPTED)
        listed = anna.json("runs")["items"]
        document = anna.hutch(*words, "b", "--json", exits=Exit.INTERRUPTED)
    short = listed[0]["id"][:8]
    assert f"the run {short} goes on" in told.err
    assert f"hutch run cancel {short}" in told.err
    assert document.problem["run"] in {r["id"] for r in anna.json("runs")["items"]}


def test_a_server_that_is_gone_takes_no_run_with_it(
    anna: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    def vanish(*_: object, **__: object) -> None:
        raise ServerUnavailableError("gone")

    monkeypatch.setattr(Runs, "wait", vanish)
    words = ("run", "copy", "scan=scan", "--wait", "--name", "a")
    told = anna.hutch(*words, exits=Exit.UNREACHABLE)
    assert "goes on; 'hutch run logs" in told.err
    assert "[server-unavailable]" in told.err


def test_what_cannot_be_meant_is_refused(anna: Person) -> None:
    for line, said in WRONG.items():
        told = anna.hutch(*line.split(), exits=Exit.USAGE)
        assert said in told.err, line
        assert "[usage]" in told.err
    assert anna.json("runs")["items"] == []


def test_what_does_not_fit_is_named_by_the_server(anna: Person) -> None:
    words = ("run", "copy", "scan=scan", "--name", "r")
    told = anna.refused(Exit.USAGE, "invalid-input", *words, "-p", "centre=left")
    assert "centre" in told.problem["detail"]
    told = anna.refused(Exit.USAGE, "invalid-input", "run", "copy", "--name", "r")
    assert "inputs.scan" in told.problem["detail"]
    anna.refused(Exit.NOT_FOUND, "not-found", "run", "other", "scan=scan", "--name=r")
    anna.refused(Exit.NOT_FOUND, "not-found", "run", "show", "never")


# Making once more


def test_a_dataset_is_made_once_more_and_compared(hall: Hall, anna: Person) -> None:
    words = ("run", "copy", "scan=scan", "--name", "result", "-p", "centre=3")
    anna.hutch(*words)
    hall.board.play(Play())
    (anna.home / "copy.toml").write_text(RECIPE)  # another version, not run again
    anna.hutch("definition", "add", "copy.toml")
    with hall.board.playing(Play()):
        told = anna.hutch("rerun", "result", "--wait")
    assert f"the same files as {anna.name}/result" in told.out
    again = anna.json("run", "show", "result-rerun")
    assert (again["definition"], again["parameters"]) == ("copy@1", {"centre": 3})
    with hall.board.playing(Play(files={"out.dat": b"other"})):
        told = anna.hutch(
            "rerun", "result", "--wait", "--name", "x", exits=Exit.MISMATCH
        )
    digests = [anna.json("info", name)["digest"] for name in ("result", "x")]
    assert all(digest in told.out for digest in digests)
    assert f"{anna.name}/x holds other files than {anna.name}/result" in told.err
    with hall.board.playing(Play(files={"out.dat": b"other"})):
        answer = anna.hutch(
            "rerun", "result", "--wait", "--name=y", "--json", exits=Exit.MISMATCH
        ).document
    assert (answer["digest"], answer["made"], answer["equal"]) == (*digests, False)
    with hall.board.playing(Play(reason=Reason.ERROR)):
        anna.hutch("rerun", "result", "--wait", "--name", "z", exits=Exit.FAILED)
    assert anna.json("rerun", "result", "--name", "q")["equal"] is None
    assert anna.json("runs")["items"][0]["name"] == "q"

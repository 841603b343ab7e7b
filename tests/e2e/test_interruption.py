"""What happens in the middle: Ctrl-C, kill, two at once."""

import os
import signal
import subprocess
from collections.abc import Iterator

import pytest

from hutch.cli.exits import Exit
from tests.e2e.conftest import NewPerson
from tests.e2e.stage import Person, ended, id_of, tree, write
from tests.servers import wait_until

MANY = 1_200
"""Files that take long enough for something to happen in the middle."""


def many(seed: str, count: int = MANY) -> dict[str, bytes | str]:
    return {f"{n % 20:02}/{seed}-{n:05}": f"{seed} {n}" for n in range(count)}


@pytest.fixture
def started() -> Iterator[list[subprocess.Popen[str]]]:
    """Kill what a failed test would leave running."""
    processes: list[subprocess.Popen[str]] = []
    yield processes
    for process in processes:
        if process.poll() is None:
            process.kill()
            process.wait()


def wait_for_files(person: Person, root: os.PathLike[str], least: int) -> None:
    with person.client() as client:
        dataset = id_of(person.home / root)
        wait_until(
            lambda: client.datasets.get(dataset).files >= least,
            seconds=60,
            what=f"{least} files",
        )


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL])
def test_a_push_goes_on_where_it_was_stopped(
    anna: Person, how: signal.Signals, started: list[subprocess.Popen[str]]
) -> None:
    root = anna.dataset("d", many("a"))
    push = anna.start("push", where=root)
    started.append(push)
    wait_for_files(anna, root, MANY // 3)
    push.send_signal(how)
    out, err = push.communicate(timeout=60)
    if how is signal.SIGINT:
        assert push.returncode == Exit.INTERRUPTED, (out, err)
        assert "run the same command again" in err
        assert "Traceback" not in err
    there = anna.json("info", "d")["files"]
    assert there < MANY, "it was over before it could be stopped"

    # What the stopped push was told to be there is not sent again; of a killed one
    # the last batch may be there without its knowing.
    known = anna.json("status", where=root)["unchanged"]
    assert 0 < known <= there
    report = anna.json("push", where=root)
    assert report["sent"] <= MANY - known
    assert report["sent"] + report["unchanged"] == MANY
    anna.hutch("close", where=root)
    anna.hutch("verify", where=root)


def test_a_clone_goes_on_where_it_was_stopped(
    anna: Person, started: list[subprocess.Popen[str]]
) -> None:
    root = anna.pushed("d", many("a"))
    clone = anna.start("clone", "d", "copy")
    started.append(clone)
    copy = anna.home / "copy"
    wait_until(lambda: copy.exists() and len(tree(copy)) > 5, what="a few files")
    clone.send_signal(signal.SIGINT)
    _, err = clone.communicate(timeout=60)
    assert clone.returncode == Exit.INTERRUPTED
    assert "Traceback" not in err
    here = len(tree(copy))
    assert here < MANY, "it was over before it could be stopped"
    report = anna.json("clone", "d", "copy")
    assert report["fetched"] <= MANY - here
    assert tree(copy) == tree(root)


def test_two_people_push_the_same_tree_at_once(
    anna: Person, ben: Person, started: list[subprocess.Popen[str]]
) -> None:
    files = many("same", 300)
    hers = anna.dataset("d", files)
    anna.hutch("share", "d", f"user:{ben.name}", "write")
    ben.hutch("clone", f"{anna.name}/d")
    his = ben.home / "d"
    write(his, files)
    pushes = [anna.start("push", where=hers), ben.start("push", where=his)]
    started += pushes
    for push in pushes:
        out, err = push.communicate(timeout=120)
        assert push.returncode in {Exit.OK, Exit.SOME_FAILED, Exit.CONFLICT}, (out, err)
        assert "Traceback" not in err
    # Whoever was refused looks again: the dataset holds what they have.
    ben.hutch("pull", where=his)
    anna.hutch("pull", where=hers)
    assert anna.json("push", where=hers)["problems"] == []
    assert ben.json("push", where=his)["problems"] == []
    assert anna.json("info", "d")["files"] == 300
    anna.hutch("close", where=hers)
    assert tree(hers) == tree(his)
    anna.hutch("verify", f"{anna.name}/d")


def test_two_people_push_different_trees_at_once(
    anna: Person, ben: Person, started: list[subprocess.Popen[str]]
) -> None:
    hers = anna.dataset("d", many("hers", 300))
    anna.hutch("share", "d", f"user:{ben.name}", "write")
    ben.hutch("clone", f"{anna.name}/d")
    his = ben.home / "d"
    write(his, many("his", 300))
    pushes = [anna.start("push", where=hers), ben.start("push", where=his)]
    started += pushes
    for push in pushes:
        ended(push)
    assert anna.json("info", "d")["files"] == 600
    anna.hutch("pull", where=hers)
    ben.hutch("pull", where=his)
    assert tree(hers) == tree(his)
    anna.hutch("close", where=hers)


def test_one_directory_is_pushed_by_one_process_at_a_time(
    anna: Person, started: list[subprocess.Popen[str]]
) -> None:
    root = anna.dataset("d", many("a"))
    push = anna.start("push", where=root)
    started.append(push)
    wait_for_files(anna, root, 1)
    told = anna.hutch("push", "--json", where=root, exits=Exit.CONFLICT)
    assert told.code == "workdir-busy"
    assert told.problem["pid"] == push.pid
    ended(push)


def test_a_right_that_is_lost_ends_a_push(
    new_person: NewPerson, started: list[subprocess.Popen[str]]
) -> None:
    anna, ben = new_person(), new_person()
    anna.dataset("d", {})
    anna.hutch("share", "d", f"user:{ben.name}", "write")
    ben.hutch("clone", f"{anna.name}/d")
    his = ben.home / "d"
    write(his, many("his"))
    push = ben.start("push", where=his)
    started.append(push)
    wait_for_files(ben, his, 1)
    anna.hutch("unshare", "d", f"user:{ben.name}")
    out, err = push.communicate(timeout=120)
    assert push.returncode == Exit.NOT_FOUND, (out, err)
    assert "[not-found]" in err
    there = anna.json("info", "d")["files"]
    assert there < MANY
    assert anna.json("close", "d")["files"] == there
    anna.hutch("verify", f"{anna.name}/d")

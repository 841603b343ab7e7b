"""What happens in the middle: Ctrl-C, kill, two at once."""

import signal
import subprocess
from collections.abc import Iterator

import pytest

from hutch.cli.exits import Exit
from tests.e2e.stage import Person, Server, ended, tree, write
from tests.gate import Gate
from tests.gate import gate as gate_before
from tests.servers import wait_until

MANY = 1_200
"""Files of more than one batch, and of several that are finished together."""
FINISHED = 250
"""Files that one request finishes (``hutch.transfer.uploads.FINISH_AT``)."""


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


@pytest.fixture
def gate(server: Server) -> Iterator[Gate]:
    with gate_before(server.url) as one:
        yield one


@pytest.fixture
def anna(anna: Person, gate: Gate) -> Person:
    return behind(gate, anna)


def behind(gate: Gate, person: Person) -> Person:
    """Have all requests of a person come through the gate."""
    person.url = gate.url
    person.log_in()
    return person


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL])
def test_a_push_goes_on_where_it_was_stopped(
    anna: Person,
    gate: Gate,
    how: signal.Signals,
    started: list[subprocess.Popen[str]],
) -> None:
    root = anna.dataset("d", many("a"))
    gate.hold("/finish", after=1)
    push = anna.start("push", where=root)
    started.append(push)
    gate.wait()
    push.send_signal(how)
    gate.cut()
    out, err = push.communicate(timeout=60)
    gate.open()
    if how is signal.SIGINT:
        assert push.returncode == Exit.INTERRUPTED, (out, err)
        assert "run the same command again" in err
        assert "Traceback" not in err
    there = anna.json("info", "d")["files"]
    assert 0 < there <= FINISHED

    # What the stopped push was told to be there is not sent again; of a killed one
    # the last answer may not have been noted any more.
    known = anna.json("status", where=root)["unchanged"]
    assert known in ({there} if how is signal.SIGINT else {0, there})
    report = anna.json("push", where=root)
    assert report["sent"] <= MANY - known
    assert report["sent"] + report["unchanged"] == MANY
    anna.hutch("close", where=root)
    anna.hutch("verify", where=root)


def test_a_clone_goes_on_where_it_was_stopped(
    anna: Person, gate: Gate, started: list[subprocess.Popen[str]]
) -> None:
    root = anna.pushed("d", many("a"))
    gate.hold("/downloads", after=1)
    clone = anna.start("clone", "d", "copy")
    started.append(clone)
    gate.wait()
    copy = anna.home / "copy"
    wait_until(lambda: copy.exists() and len(tree(copy)) > 5, what="a few files")
    clone.send_signal(signal.SIGINT)
    gate.cut()
    _, err = clone.communicate(timeout=60)
    gate.open()
    assert clone.returncode == Exit.INTERRUPTED, err
    assert "Traceback" not in err
    here = len(tree(copy))
    assert here < MANY
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
    anna: Person, gate: Gate, started: list[subprocess.Popen[str]]
) -> None:
    root = anna.dataset("d", many("a", 10))
    gate.hold("/finish")
    push = anna.start("push", where=root)
    started.append(push)
    gate.wait()
    told = anna.hutch("push", "--json", where=root, exits=Exit.CONFLICT)
    assert told.code == "workdir-busy"
    assert told.problem["pid"] == push.pid
    gate.open()
    ended(push)


def held_push(
    anna: Person, ben: Person, gate: Gate, started: list[subprocess.Popen[str]]
) -> subprocess.Popen[str]:
    """Let ben push into a dataset of anna's; it is held when some files are there."""
    behind(gate, ben)
    anna.dataset("d", {})
    anna.hutch("share", "d", f"user:{ben.name}", "write")
    ben.hutch("clone", f"{anna.name}/d")
    his = ben.home / "d"
    write(his, many("his"))
    gate.hold("/finish", after=1)
    push = ben.start("push", where=his)
    started.append(push)
    gate.wait()
    return push


def test_a_right_that_is_lost_ends_a_push(
    anna: Person, ben: Person, gate: Gate, started: list[subprocess.Popen[str]]
) -> None:
    push = held_push(anna, ben, gate, started)
    anna.hutch("unshare", "d", f"user:{ben.name}")
    gate.open()
    told = ended(push, exits=Exit.NOT_FOUND)
    assert "[not-found]" in told.err
    there = anna.json("info", "d")["files"]
    assert 0 < there < MANY
    assert anna.json("close", "d")["files"] == there
    anna.hutch("verify", f"{anna.name}/d")


def test_a_close_by_somebody_else_ends_a_push(
    anna: Person, ben: Person, gate: Gate, started: list[subprocess.Popen[str]]
) -> None:
    push = held_push(anna, ben, gate, started)
    closed = anna.json("close", "d", "--abandon")
    gate.open()
    told = ended(push, exits=Exit.STATE)
    assert "[dataset-closed]" in told.err or "[dataset-busy]" in told.err
    assert anna.json("info", "d")["files"] == closed["files"]
    anna.hutch("verify", f"{anna.name}/d")

"""What is refused, with which code, which exit status, and what then is still so."""

import signal
from uuid import uuid4

import pytest

from hutch.cli.commands import init
from hutch.cli.exits import Exit
from hutch.contract.wire.transfer import UploadIn, UploadsIn
from hutch.errors import WorkdirError
from tests.e2e.stage import Person, Server, id_of, tree, write
from tests.servers import free_port


def test_a_directory_that_cannot_be_bound_leaves_no_dataset(
    anna: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> None:
        raise WorkdirError("no space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(init, "make_workdir", full)
        anna.hutch("init", "d", "--name", "d", exits=Exit.USAGE)
    assert anna.json("ls")["items"] == []
    anna.hutch("init", "d", "--name", "d")


def test_a_closed_dataset_takes_nothing_any_more(anna: Person) -> None:
    root = anna.closed("d", {"a": "1"})
    write(root, {"b": "2"})
    anna.refused(Exit.STATE, "dataset-closed", "push", where=root)
    anna.refused(Exit.STATE, "dataset-closed", "push", "--force", where=root)
    (root / "b").unlink()
    anna.refused(Exit.STATE, "dataset-closed", "close", where=root)
    assert [f["path"] for f in anna.json("files", "d")["items"]] == ["a"]


def test_nothing_is_derived_from_an_open_dataset(anna: Person) -> None:
    anna.pushed("d", {"a": "1"})
    anna.refused(Exit.STATE, "parent-open", "derive", "d", "--name", "child")
    assert not (anna.home / "child").exists()
    assert len(anna.json("ls")["items"]) == 1


def test_what_is_not_shared_does_not_exist(anna: Person, ben: Person) -> None:
    root = anna.pushed("d", {"a": "1"})
    dataset = str(id_of(root))
    never = str(uuid4())
    for words in (
        ("info",),
        ("files",),
        ("clone",),
        ("lineage",),
        ("log",),
        ("verify",),
        ("close",),
        ("share",),
    ):
        told = [
            ben.hutch(*words, word, "--json", exits=Exit.NOT_FOUND).problem
            for word in (dataset, never)
        ]
        assert told[0]["type"] == "urn:hutch:problem:not-found"
        assert str(told[0]["detail"]).replace(dataset, never) == told[1]["detail"]


def test_a_reader_reads_and_does_nothing_else(anna: Person, ben: Person) -> None:
    anna.pushed("d", {"a": "1"})
    anna.hutch("share", "d", f"user:{ben.name}", "read")
    name = f"{anna.name}/d"
    ben.hutch("clone", name, "d")
    write(ben.home / "d", {"b": "2"})
    ben.refused(Exit.NOT_FOUND, "forbidden", "push", where=ben.home / "d")
    ben.refused(Exit.NOT_FOUND, "forbidden", "close", name)
    ben.refused(Exit.NOT_FOUND, "forbidden", "rm", name, "--yes")
    ben.refused(Exit.NOT_FOUND, "forbidden", "set", name, "a=1")
    ben.refused(Exit.NOT_FOUND, "forbidden", "give", name, ben.name)
    ben.refused(Exit.NOT_FOUND, "forbidden", "share", name, f"user:{ben.name}", "write")


def test_a_type_that_nobody_declared_is_named(anna: Person) -> None:
    told = anna.refused(
        Exit.USAGE, "invalid-input", "init", "d", "--name", "d", "--type", "scan.spiral"
    )
    assert "scan.spiral" in told.problem["detail"]
    assert not (anna.home / "d").exists()


def test_a_name_is_taken_once_by_each_owner(anna: Person, ben: Person) -> None:
    anna.dataset("d", {})
    ben.dataset("d", {})
    anna.refused(Exit.CONFLICT, "name-taken", "init", "e", "--name", "d")
    assert not (anna.home / "e").exists()


def test_a_path_that_somebody_is_pushing_is_busy(anna: Person, ben: Person) -> None:
    root = anna.dataset("d", {"a": "1", "b": "2"})
    anna.hutch("share", "d", f"user:{ben.name}", "write")
    with ben.client() as client:
        push = client.pushes.start(id_of(root)).id
        held = client.pushes.announce(
            push,
            UploadsIn(files=(UploadIn(path="a", size=3, crc64nvme="AAAAAAAAAAA="),)),
        )
    assert held.files[0].problem is None

    told = anna.hutch("push", where=root, exits=Exit.CONFLICT)
    assert "[path-busy]" in told.err
    assert ben.name in told.err
    report = anna.hutch("push", "--json", where=root, exits=Exit.CONFLICT).document
    (problem,) = report["problems"]
    assert problem["path"] == "a"
    assert problem["error"]["type"] == "urn:hutch:problem:path-busy"
    assert "since" in problem["error"]
    assert str(held.files[0].intent) not in str(report)
    assert [f["path"] for f in anna.json("files", "d")["items"]] == ["b"]

    anna.refused(Exit.STATE, "close-refused", "close", "d")
    assert anna.json("push", "--force", where=root)["sent"] == 1


def test_unfinished_uploads_are_abandoned_only_on_purpose(anna: Person) -> None:
    root = anna.pushed("d", {"a": "1"})
    with anna.client() as client:
        push = client.pushes.start(id_of(root)).id
        wanted = UploadIn(path="never-sent", size=30_000_000)
        client.pushes.announce(push, UploadsIn(files=(wanted,)))
    told = anna.refused(Exit.STATE, "close-refused", "close", "d")
    assert "never-sent" in told.problem["detail"]
    assert anna.json("close", "d", "--abandon")["files"] == 1


def test_a_server_that_is_gone_is_named(anna: Person) -> None:
    gone = f"http://127.0.0.1:{free_port()}"
    config = anna.home / ".config/hutch/credentials.json"
    config.write_text(config.read_text().replace(anna.url, gone))
    told = anna.refused(Exit.UNREACHABLE, "server-unavailable", "ls")
    assert gone in told.problem["detail"]


def test_an_address_that_is_no_hutch_is_named(server: Server, anna: Person) -> None:
    told = anna.hutch(
        *("login", server.s3_url, "--user", "a", "--password-stdin", "--json"),
        typed="x\n",
        exits=Exit.UNREACHABLE,
    )
    assert told.code == "server-answer"


def test_outside_a_working_directory_it_says_so(anna: Person) -> None:
    for word in ("status", "push", "pull", "verify"):
        anna.refused(Exit.USAGE, "no-workdir", word)
    told = anna.refused(Exit.USAGE, "usage", "info")
    assert "hutch ls" in told.problem["detail"]


def test_working_directories_do_not_lie_in_each_other(anna: Person) -> None:
    root = anna.dataset("d", {})
    anna.refused(Exit.USAGE, "workdir", "init", "e", "--name", "e", where=root)
    anna.refused(Exit.USAGE, "workdir", "clone", "d", "sub", where=root)
    assert len(anna.json("ls")["items"]) == 1


def test_a_clone_does_not_mix_with_what_is_there(anna: Person) -> None:
    anna.pushed("d", {"a": "1"})
    write(anna.home / "full", {"mine": "1"})
    anna.refused(Exit.USAGE, "workdir", "clone", "d", "full")
    assert tree(anna.home / "full") == {"mine": b"1"}


def test_words_that_fit_several_datasets_are_refused_with_their_ids(
    anna: Person,
) -> None:
    first, second = (str(id_of(anna.dataset(name, {}))) for name in ("d", "e"))
    anna.hutch("set", second, "--name", first[:8])  # a name that is also a prefix
    told = anna.refused(Exit.NOT_FOUND, "ambiguous", "info", first[:8])
    assert set(told.problem["candidates"]) == {first, second}


def test_a_reader_of_the_output_may_leave(anna: Person) -> None:
    anna.dataset("d", {})
    with anna.start("ls", "--json") as process:
        assert process.stdout is not None
        process.stdout.close()
        process.stdout = None
        _, err = process.communicate(timeout=60)
    assert err == ""
    assert process.returncode == Exit.FAILED
    assert process.returncode != -signal.SIGPIPE


def test_a_file_that_cannot_travel_does_not_stop_the_others(anna: Person) -> None:
    root = anna.dataset("d", {"a": "1", "bad\\name": "2", "Case": "3", "case": "4"})
    (root / "link").symlink_to("a")
    told = anna.hutch("push", "--json", where=root, exits=Exit.SOME_FAILED)
    codes = {
        p["path"]: p["error"]["type"].rpartition(":")[2]
        for p in told.document["problems"]
    }
    assert codes.pop("link") == "unsupported-file"
    assert codes.pop("Case", codes.pop("case", None)) == "path-clash"
    (bad,) = codes.values()
    assert bad in {"unsupported-file", "path-invalid"}
    assert told.document["sent"] == 2

"""The whole way of a dataset, as a person walks it."""

import hashlib
from uuid import UUID

import pexpect

from hutch.cli.exits import Exit
from hutch.contract.wire.accounts import Role
from hutch_api.services import users
from tests.e2e.conftest import NewPerson
from tests.e2e.stage import BIN, Person, Server, id_of, tree, write

FILES: dict[str, bytes | str] = {
    "scan.h5": b"\x89HDF" + bytes(range(256)) * 4,
    "log/run 1.txt": "first\n",
    "log/Grüße.txt": "umlauts\n",
    "empty": b"",
}


def test_a_directory_becomes_a_dataset_others_can_build_on(
    anna: Person, ben: Person
) -> None:
    root = anna.home / "tooth"
    write(root, FILES)

    told = anna.shell("init", "tooth", "--name", "tooth", "--attr", "sample=tooth")
    assert "next: hutch push" in told.out
    assert "new       scan.h5" in anna.shell("status", where=root).out
    told = anna.shell("push", where=root)
    assert "sent 4 files" in told.out
    assert "next: hutch close" in told.out
    told = anna.shell("close", where=root)
    assert "closed" in told.out
    assert "seal" in told.out

    anna.shell("group", "create", f"lab-{anna.name}")
    anna.shell("group", "add", f"lab-{anna.name}", ben.name)
    ben.refused(Exit.NOT_FOUND, "not-found", "info", f"{anna.name}/tooth")
    anna.shell("share", "tooth", f"group:lab-{anna.name}", "read")

    ben.shell("clone", f"{anna.name}/tooth")
    assert tree(ben.home / "tooth") == tree(root)
    assert "everything is as recorded" in ben.shell("verify", "tooth").out

    ben.shell("derive", f"{anna.name}/tooth", "sino", "--name", "sino")
    write(ben.home / "sino", {"sino.h5": b"computed"})
    ben.shell("push", where=ben.home / "sino")
    ben.shell("close", where=ben.home / "sino")
    told = ben.shell("lineage", "sino")
    assert f"{anna.name}/tooth" in told.out
    assert f"{ben.name}/sino" in told.out
    told = ben.shell("verify", "sino", "--lineage")
    assert "digest and seal are right" in told.out

    # Anna sees that something came of it, but not what: it is Ben's.
    told = anna.shell("lineage", "tooth")
    assert f"{ben.name}/sino" not in told.out
    assert str(id_of(ben.home / "sino")) not in told.out


def test_every_step_gives_programs_what_the_api_says(anna: Person) -> None:
    root = anna.home / "d"
    write(root, {"a": "1", "b/c": "22"})
    made = anna.json("init", "d", "--name", "d", "--type", "generic")
    assert (made["name"], made["owner"], made["state"]) == ("d", anna.name, "open")
    assert UUID(made["id"]) == id_of(root)

    status = anna.json("status", where=root)
    assert (status["new"], status["unchanged"]) == (["a", "b/c"], 0)
    assert status["dataset"] == made["id"]

    pushed = anna.json("push", where=root)
    assert (pushed["sent"], pushed["bytes"], pushed["problems"]) == (2, 3, [])

    files = anna.json("files", where=root)["items"]
    assert [f["path"] for f in files] == ["a", "b/c"]
    assert files[0]["sha256"] == hashlib.sha256(b"1").hexdigest()

    closed = anna.json("close", where=root)
    assert (closed["state"], closed["files"], closed["bytes"]) == ("closed", 2, 3)
    assert closed == anna.json("info", where=root)

    child = anna.json("derive", "d", "--name", "e")
    assert child["inputs"] == [
        {"id": made["id"], "digest": closed["digest"], "seal": closed["seal"]}
    ]
    assert id_of(anna.home / "e") == UUID(child["id"])
    lineage = anna.json("lineage", "e")
    assert {n["id"]: n["depth"] for n in lineage["nodes"]} == {
        child["id"]: 0,
        made["id"]: -1,
    }

    listed = anna.json("ls")
    assert [d["name"] for d in listed["items"]] == ["e", "d"]
    cloned = anna.json("clone", "d", "copy")
    assert (cloned["fetched"], cloned["problems"]) == (2, [])
    verified = anna.json("verify", "d", "--lineage")
    assert (verified["files"]["files"], verified["files"]["problems"]) == (2, [])
    assert [check["dataset"] for check in verified["lineage"]] == [made["id"]]
    actions = [entry["action"] for entry in anna.json("log", "d")["items"]]
    assert actions[-1] == "create"
    assert {"push", "commit", "close"} <= set(actions)


def test_quiet_prints_only_what_is_needed_to_go_on(anna: Person) -> None:
    write(anna.home / "d", {"a": "1"})
    told = anna.hutch("init", "d", "--name", "d", "--quiet")
    assert told.out == f"{id_of(anna.home / 'd')}\n"
    told = anna.hutch("push", "-q", where=anna.home / "d")
    assert (told.out, told.err) == ("", "")


def test_files_can_be_checked_with_sha256sum(anna: Person) -> None:
    root = anna.pushed("d", {"a b": "1", "c": ""})
    lines = anna.hutch("files", "--sha256", where=root).out.splitlines()
    assert lines == [
        f"{hashlib.sha256(content).hexdigest()}  {path}"
        for path, content in tree(root).items()
    ]


def test_a_list_shows_what_was_asked_for(anna: Person, ben: Person) -> None:
    anna.closed("done", {"a": "1"})
    anna.dataset("going-on", {})
    anna.hutch("set", "going-on", "--description", "molar of a wild boar")

    def names(person: Person, *words: str) -> list[str]:
        return [d["name"] for d in person.json("ls", *words)["items"]]

    assert names(anna) == ["going-on", "done"]
    assert names(anna, "--state", "closed") == ["done"]
    assert names(anna, "--query", "boar") == ["going-on"]
    assert names(anna, "--limit", "1") == ["going-on"]
    assert names(anna, "--owner", ben.name) == []
    assert names(ben) == []
    assert "no dataset" in ben.hutch("ls").out
    table = anna.hutch("ls").out.splitlines()
    assert table[0].split() == [
        *("id", "dataset", "state", "type", "files", "size", "changed")
    ]
    assert table[2].split()[1:3] == [f"{anna.name}/done", "closed"]


def test_a_dataset_is_found_by_id_by_its_beginning_and_by_name(
    anna: Person, ben: Person
) -> None:
    root = anna.dataset("d", {})
    anna.hutch("share", "d", f"user:{ben.name}")
    whole = str(id_of(root))
    for word in (whole, whole[:13], f"{anna.name}/d", "d"):
        assert anna.json("info", word)["id"] == whole
    assert ben.json("info", f"{anna.name}/d")["id"] == whole
    ben.refused(Exit.NOT_FOUND, "not-found", "info", "d")


def test_attributes_are_set_while_open_and_words_also_later(anna: Person) -> None:
    root = anna.dataset("d", {"a": "1"})
    changed = anna.json("set", "d", "energy_keV=25.5", "setup.name=tooth", "x=1")
    assert changed["attributes"] == {
        "energy_keV": 25.5,
        "setup": {"name": "tooth"},
        "x": 1,
    }
    changed = anna.json("set", "x=", "setup.mass=2", where=root)
    assert changed["attributes"] == {
        "energy_keV": 25.5,
        "setup": {"name": "tooth", "mass": 2},
    }
    anna.hutch("push", where=root)
    anna.hutch("close", where=root)
    anna.refused(Exit.STATE, "dataset-closed", "set", "d", "x=2")
    changed = anna.json(
        "set", "d", "--name", "renamed", "--description", "later", "--keyword", "k"
    )
    assert (changed["name"], changed["description"]) == ("renamed", "later")
    assert changed["keywords"] == ["k"]
    assert "later" in anna.hutch("info", "renamed").out


def test_the_type_is_checked_when_the_dataset_is_closed(anna: Person) -> None:
    write(anna.home / "s", {"a": "1"})
    anna.hutch("init", "s", "--name", "s", "--type", "scan.tomo")
    anna.hutch("push", where=anna.home / "s")
    problem = anna.refused(Exit.STATE, "close-refused", "close", "s").problem
    assert {r["reason"] for r in problem["reasons"]} == {"attributes"}
    assert "projections" in str(problem["reasons"])
    anna.hutch("set", "s", "projections=181", "rotation_range=180", "sample=tooth")
    anna.hutch("close", "s")


def test_an_empty_dataset_is_closed_only_on_purpose(anna: Person) -> None:
    anna.dataset("d", {})
    told = anna.refused(Exit.STATE, "close-refused", "close", "d")
    assert "--empty" in told.problem["detail"]
    assert anna.json("close", "d", "--empty")["state"] == "closed"


def test_close_does_not_leave_out_what_was_not_pushed(anna: Person) -> None:
    root = anna.pushed("d", {"a": "1"})
    write(root, {"late": "2"})
    told = anna.refused(Exit.CONFLICT, "local-changes", "close", where=root)
    assert told.problem["new"] == ["late"]
    assert anna.json("close", "--as-is", where=root)["files"] == 1


def test_a_correction_is_a_derived_dataset(anna: Person) -> None:
    anna.closed("raw", {"a": "1"})
    child = anna.json("derive", "raw", "--name", "raw2", "--revision")
    assert child["correction"]
    assert "correction" in anna.hutch("lineage", "raw2").out


def test_a_dataset_has_many_parents(anna: Person) -> None:
    for name in ("flats", "darks"):
        anna.closed(name, {name: "1"})
    child = anna.json("derive", "flats", "darks", "./out", "--name", "both")
    assert len(child["inputs"]) == 2
    assert id_of(anna.home / "out") == UUID(child["id"])
    # A mistyped parent never becomes a directory by accident.
    anna.refused(
        Exit.NOT_FOUND,
        "not-found",
        *("derive", "flats", f"{anna.name}/drks", "--name", "wrong"),
    )


def test_deleting_asks_for_the_name_and_leaves_a_tombstone(
    anna: Person, ben: Person
) -> None:
    anna.closed("raw", {"a": "1"})
    anna.hutch("share", "raw", f"user:{ben.name}")
    ben.hutch("derive", f"{anna.name}/raw", "--name", "child")
    ben.refused(Exit.NOT_FOUND, "forbidden", "rm", f"{anna.name}/raw", "--yes")
    told = anna.refused(Exit.USAGE, "usage", "rm", "raw")
    assert "--yes" in told.problem["detail"]
    before = anna.json("info", "raw")

    gone = anna.json("rm", "raw", "--yes")
    assert (gone["kind"], gone["state"]) == ("delete", "done")
    left = anna.json("info", before["id"])
    assert (left["state"], left["seal"]) == ("deleted", before["seal"])
    ben.refused(Exit.STATE, "dataset-deleted", "clone", before["id"], "x")
    parents = ben.json("info", "child")["inputs"]
    assert parents[0]["seal"] == before["seal"]


def test_a_person_confirms_a_deletion_by_typing_the_name(anna: Person) -> None:
    anna.dataset("d", {})

    def delete(answer: str) -> int:
        shell = pexpect.spawn(
            str(BIN / "hutch"),
            ["rm", "d"],
            env=anna.environ(),
            cwd=str(anna.home),
            encoding="utf-8",
            timeout=60,
        )
        shell.expect("Type its name")
        shell.sendline(answer)
        shell.expect(pexpect.EOF)
        shell.wait()
        return int(shell.exitstatus)

    assert delete("yes") == Exit.USAGE
    assert anna.json("info", "d")["state"] == "open"
    assert delete("d") == Exit.OK
    assert anna.json("ls")["items"] == []


def test_an_open_dataset_goes_without_a_trace_of_its_files(anna: Person) -> None:
    root = anna.pushed("d", {"a": "1"})
    dataset = str(id_of(root))
    anna.hutch("rm", "d", "--yes")
    assert anna.json("ls")["items"] == []
    anna.hutch("push", where=root, exits=Exit.OK)
    write(root, {"b": "2"})
    told = anna.hutch("push", where=root, exits=Exit.STATE)
    assert "[dataset-deleted]" in told.err
    assert dataset


def test_a_dataset_is_given_to_somebody_else(anna: Person, ben: Person) -> None:
    root = anna.dataset("d", {})
    given = anna.json("give", "d", ben.name)
    assert (given["owner"], given["right"]) == (ben.name, "read")
    assert ben.json("info", "d")["right"] == "own"
    ben.hutch("unshare", "d", f"user:{anna.name}")
    anna.refused(Exit.NOT_FOUND, "not-found", "info", str(id_of(root)))


def test_an_admin_gives_what_a_disabled_user_has_left_without_seeing_it(
    server: Server, new_person: NewPerson, anna: Person, ben: Person
) -> None:
    root = anna.dataset("d", {})
    admin = new_person(role=Role.ADMIN)
    orphan = str(id_of(root))
    admin.refused(Exit.NOT_FOUND, "not-found", "give", orphan, ben.name)
    with server.site.begin() as work:
        users.disable_user(work, anna.name)
    admin.refused(Exit.NOT_FOUND, "not-found", "info", orphan)
    given = admin.json("give", orphan, ben.name)
    assert given == {"id": orphan, "owner": ben.name}
    assert ben.json("info", "d")["id"] == orphan
    admin.refused(Exit.NOT_FOUND, "not-found", "info", orphan)


def test_a_beamline_account_pushes_for_somebody_else(
    new_person: NewPerson, anna: Person
) -> None:
    beamline = new_person(role=Role.BEAMLINE)
    write(beamline.home / "d", {"a": "1"})
    made = beamline.json("init", "d", "--name", "d", "--owner", anna.name)
    assert (made["owner"], made["creator"]) == (anna.name, beamline.name)
    beamline.hutch("push", where=beamline.home / "d")
    anna.hutch("clone", "d")
    assert tree(anna.home / "d") == {"a": b"1"}
    write(anna.home / "x", {})
    told = anna.hutch(
        *("init", "x", "--name", "x", "--owner", beamline.name),
        exits=Exit.NOT_FOUND,
    )
    assert "[forbidden]" in told.err


def test_a_share_can_be_listed_lowered_and_taken_back(
    anna: Person, ben: Person
) -> None:
    root = anna.pushed("d", {"a": "1"})
    anna.hutch("share", f"user:{ben.name}", "write", where=root)
    assert f"user:{ben.name}" in anna.hutch("share", "d").out
    ben.hutch("clone", f"{anna.name}/d")
    write(ben.home / "d", {"b": "2"})
    ben.hutch("push", where=ben.home / "d")

    anna.hutch("unshare", "d", f"user:{ben.name}", "write")
    write(ben.home / "d", {"c": "3"})
    ben.refused(Exit.NOT_FOUND, "forbidden", "push", where=ben.home / "d")
    anna.hutch("unshare", f"user:{ben.name}", where=root)
    ben.refused(Exit.NOT_FOUND, "not-found", "push", where=ben.home / "d")
    assert anna.json("share", "d")["items"] == []
    # Taking 'write' from somebody who has nothing gives them nothing.
    anna.refused(
        Exit.NOT_FOUND, "not-found", "unshare", "d", f"user:{ben.name}", "write"
    )
    assert anna.json("share", "d")["items"] == []


def test_only_a_part_of_a_dataset_is_cloned(anna: Person) -> None:
    anna.pushed("d", {"a.h5": "1", "b.txt": "2", "sub/c.h5": "3"})
    anna.hutch("clone", "d", "some", "--include", "*.h5")
    assert set(tree(anna.home / "some")) == {"a.h5", "sub/c.h5"}
    assert anna.json("status", "some")["deleted"] == []

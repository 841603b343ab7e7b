"""What changes after a push: here, there, in both places, and meanwhile."""

import os
import threading
from pathlib import Path

from hutch.cli.exits import Exit
from tests.e2e.stage import Person, tree, write

MIB = 1024 * 1024


def both(anna: Person, ben: Person, files: dict[str, bytes | str]) -> tuple[Path, Path]:
    """Give two people working directories of one dataset."""
    hers = anna.pushed("d", files)
    anna.hutch("share", "d", f"user:{ben.name}", "write")
    ben.hutch("clone", f"{anna.name}/d")
    return hers, ben.home / "d"


def content(person: Person, name: str) -> dict[str, bytes]:
    """Clone a dataset afresh and read it."""
    copy = person.home / f"copy-of-{name.replace('/', '-')}"
    person.hutch("clone", name, str(copy))
    return tree(copy)


def test_a_push_after_a_small_change_sends_only_that(anna: Person) -> None:
    root = anna.pushed("d", {f"f{n}": os.urandom(1000) for n in range(30)})
    write(root, {"f7": b"changed"})
    report = anna.json("push", where=root)
    assert (report["sent"], report["bytes"], report["unchanged"]) == (1, 7, 29)
    assert content(anna, "d") == tree(root)


def test_a_touched_file_is_not_sent_again(anna: Person) -> None:
    root = anna.pushed("d", {"a": "1"})
    os.utime(root / "a", (1, 1))
    assert anna.json("push", where=root)["sent"] == 0


def test_a_change_that_hides_behind_its_time_is_found_by_checksum(
    anna: Person,
) -> None:
    root = anna.pushed("d", {"a": "old"})
    write(root, {"a": "new"})
    assert anna.json("push", "--checksum", where=root)["sent"] == 1
    assert content(anna, "d") == {"a": b"new"}


def test_a_file_deleted_here_stays_there_until_it_is_wanted(anna: Person) -> None:
    root = anna.pushed("d", {"a": "1", "b": "2"})
    (root / "a").unlink()
    report = anna.json("push", where=root)
    assert (report["removed"], report["kept"]) == (0, ["a"])
    assert set(content(anna, "d")) == {"a", "b"}
    report = anna.json("push", "--delete", where=root)
    assert (report["removed"], report["kept"]) == (1, [])
    assert [f["path"] for f in anna.json("files", "d")["items"]] == ["b"]


def test_delete_takes_nothing_that_was_never_here(anna: Person, ben: Person) -> None:
    hers, his = both(anna, ben, {"a": "1"})
    write(hers, {"b": "2"})
    anna.hutch("push", where=hers)
    assert ben.json("push", "--delete", where=his)["removed"] == 0
    assert set(content(anna, "d")) == {"a", "b"}


def test_replace_delete_and_push_again(anna: Person) -> None:
    root = anna.pushed("d", {"a": "1", "b": "1"})
    write(root, {"a": "22", "b": os.urandom(20 * MIB)})
    assert anna.json("push", where=root)["sent"] == 2
    (root / "a").unlink()
    anna.hutch("push", "--delete", where=root)
    write(root, {"a": "333"})
    assert anna.json("push", where=root)["sent"] == 1
    (root / "a").unlink()
    write(root, {"a/below": "a directory takes the place of a file"})
    assert anna.json("push", "--delete", where=root)["sent"] == 1
    anna.hutch("close", where=root)
    assert content(anna, "d") == tree(root)


def test_an_old_journal_does_not_overwrite_what_others_pushed(
    anna: Person, ben: Person
) -> None:
    hers, his = both(anna, ben, {"a": "1", "b": "1"})
    write(hers, {"a": "from anna"})
    anna.hutch("push", where=hers)
    write(his, {"a": "from ben", "c": "new"})

    told = ben.hutch("push", where=his, exits=Exit.CONFLICT)
    assert "[file-changed]" in told.err
    assert anna.name in told.err
    # The rest went through, the file is as Anna left it.
    assert content(anna, "d") == {"a": b"from anna", "b": b"1", "c": b"new"}

    assert ben.json("push", "--force", where=his)["sent"] == 1
    assert content(ben, f"{anna.name}/d")["a"] == b"from ben"


def test_a_deletion_does_not_take_what_others_pushed(anna: Person, ben: Person) -> None:
    hers, his = both(anna, ben, {"a": "1"})
    write(hers, {"a": "from anna"})
    anna.hutch("push", where=hers)
    (his / "a").unlink()
    told = ben.hutch("push", "--delete", "--json", where=his, exits=Exit.CONFLICT)
    (problem,) = told.document["problems"]
    assert problem["error"]["type"] == "urn:hutch:problem:file-changed"
    assert content(anna, "d") == {"a": b"from anna"}


def test_a_pull_brings_what_others_did(anna: Person, ben: Person) -> None:
    hers, his = both(anna, ben, {"a": "1", "b": "1", "c": "1"})
    write(hers, {"a": "22", "new/d": "4"})
    (hers / "b").unlink()
    anna.hutch("push", "--delete", where=hers)
    report = ben.json("pull", where=his)
    assert (report["fetched"], report["removed"], report["unchanged"]) == (2, 1, 1)
    assert tree(his) == tree(hers)
    assert ben.json("pull", where=his)["fetched"] == 0


def test_a_pull_never_overwrites_a_local_change(anna: Person, ben: Person) -> None:
    hers, his = both(anna, ben, {"a": "1", "b": "1", "c": "1"})
    write(hers, {"a": "from anna", "c": "from anna"})
    (hers / "b").unlink()
    anna.hutch("push", "--delete", where=hers)
    write(his, {"a": "from ben", "b": "from ben"})

    told = ben.hutch("pull", where=his, exits=Exit.CONFLICT)
    assert told.err.count("[local-changes]") == 2
    assert tree(his) == {"a": b"from ben", "b": b"from ben", "c": b"from anna"}
    report = ben.hutch("pull", "--json", where=his, exits=Exit.CONFLICT).document
    assert {p["path"] for p in report["problems"]} == {"a", "b"}


def test_a_pull_restores_what_was_deleted_here_only_on_purpose(anna: Person) -> None:
    root = anna.pushed("d", {"a": "1", "b": "2"})
    (root / "a").unlink()
    assert anna.json("pull", where=root)["absent"] == ["a"]
    assert set(tree(root)) == {"b"}
    assert anna.json("pull", "--restore", where=root)["fetched"] == 1
    assert set(tree(root)) == {"a", "b"}


def test_files_of_no_bytes_and_strange_names_arrive(anna: Person, ben: Person) -> None:
    names = [
        "empty",
        "with blanks in it",
        "Größe/Übersicht.txt",
        "日本語/ファイル",
        "plus+and&and=and#and%20and~",
        "quote'and`and$HOME",
        "x" * 255,
        "ü" * 127 + "y",
        "/".join(["deep"] * 60),
    ]
    files = {name: name.encode() for name in names} | {"empty": b""}
    root = anna.dataset("d", dict(files))
    anna.hutch("push", where=root)
    anna.hutch("close", where=root)
    anna.hutch("share", "d", f"user:{ben.name}")
    assert content(ben, f"{anna.name}/d") == files
    assert "everything is as recorded" in ben.hutch("verify", f"{anna.name}/d").out


def test_a_name_of_256_bytes_is_refused_by_name(anna: Person) -> None:
    # No local file can have such a name; below directories the whole may be too long.
    root = anna.dataset("d", {"/".join(["d" * 250] * 4): "1", "fine": "1"})
    told = anna.hutch("push", "--json", where=root, exits=Exit.SOME_FAILED)
    (problem,) = told.document["problems"]
    assert "900" in problem["error"]["detail"]
    assert told.document["sent"] == 1


def test_a_file_that_changes_while_it_is_pushed_is_never_half_there(
    anna: Person,
) -> None:
    root = anna.dataset("d", {"calm": "1"})
    live = root / "live.bin"
    live.write_bytes(bytes(64 * MIB))
    done = threading.Event()

    def keep_writing() -> None:
        with live.open("r+b") as file:
            n = 0
            while not done.is_set():
                n += 1
                file.seek(n * 4096 % (64 * MIB))
                file.write(os.urandom(64))
                file.flush()

    writer = threading.Thread(target=keep_writing)
    writer.start()
    try:
        told = anna.hutch("push", where=root, exits=Exit.SOME_FAILED)
    finally:
        done.set()
        writer.join()
    assert "[file-changing]" in told.err
    assert [f["path"] for f in anna.json("files", "d")["items"]] == ["calm"]
    assert anna.json("push", where=root)["sent"] == 1
    anna.hutch("close", where=root)
    assert content(anna, "d") == tree(root)


def test_verify_names_a_file_that_is_not_as_recorded(anna: Person) -> None:
    root = anna.closed("d", {"a": "11", "b": "22"})
    assert anna.json("verify", where=root)["files"]["files"] == 2
    before = (root / "a").stat()
    (root / "a").write_bytes(b"1x")
    os.utime(root / "a", ns=(before.st_atime_ns, before.st_mtime_ns))
    told = anna.hutch("verify", where=root, exits=Exit.MISMATCH)
    assert "a" in told.err
    report = anna.hutch("verify", "--json", where=root, exits=Exit.MISMATCH).document
    assert [p["path"] for p in report["files"]["problems"]] == ["a"]


def test_a_checksum_is_confirmed_by_anybody_but_its_uploader(
    anna: Person, ben: Person
) -> None:
    anna.closed("d", {"a": "11", "b": "22"})
    anna.hutch("share", "d", f"user:{ben.name}")
    assert anna.json("verify", "d")["files"]["confirmed"] == 0
    assert not any(f["confirmed"] for f in anna.json("files", "d")["items"])
    assert ben.json("verify", f"{anna.name}/d")["files"]["confirmed"] == 2
    assert all(f["confirmed"] for f in anna.json("files", "d")["items"])


def test_status_names_what_cannot_be_pushed(anna: Person) -> None:
    root = anna.dataset("d", {"a": "1"})
    (root / "link").symlink_to("a")
    told = anna.hutch("status", where=root, exits=Exit.SOME_FAILED)
    assert "new       a" in told.out
    assert "link" in told.err

"""``hutch export``: datasets as RO-Crates that others read without hutch."""

import hashlib
import json
import sys
from typing import Any
from uuid import UUID

import httpx
import pytest

from hutch import credentials
from hutch.cli.exits import Exit
from hutch.contract.manifest import Entry
from hutch.errors import ExtraMissingError, ServerAnswerError
from hutch.export import crate as crates
from hutch.export.entities import Graph, image
from hutch.export.making import Making
from hutch.resources.files import Files
from tests.derivations.board import IMAGE
from tests.derivations.commands.crates import (
    Crate,
    read_crate,
    require_process,
)
from tests.derivations.commands.playing import Hall, Play
from tests.e2e.stage import Person, tree

FILES = {"out.dat": b"result", "more/ä b#%.txt": b"text", "nothing": b""}
LICENCE = "https://creativecommons.org/licenses/by/4.0/"
RECORD: dict[str, Any] = {
    "id": str(UUID(int=1)),
    "definition": "copy@1",
    "image": IMAGE,
    "argv": ["copy"],
    "parameters": {},
    "inputs": [],
    "started_at": "2026-01-01T00:00:00+00:00",
    "ended_at": "2026-01-01T00:00:01.000001+00:00",
    "by": "anna",
}
UNREADABLE: dict[str, Any] = {
    "id": "x",
    "definition": "copy",
    "image": None,
    "argv": [1],
    "parameters": 1,
    "inputs": [{"name": "scan"}],
    "started_at": "yesterday",
    "ended_at": None,
    "by": {},
}


def made(hall: Hall, person: Person, name: str = "result", **more: Any) -> Any:
    """Have a run make a dataset from the person's scan."""
    words = ("run", "copy", "scan=scan", "--name", name, "-p", "centre=3")
    person.hutch(*words)
    hall.board.play(Play(files=FILES, **more))
    return person.json("info", name)


def exported(person: Person, *words: str) -> Crate:
    person.hutch("export", *words)
    where = words[1] if len(words) > 1 and not words[1].startswith("-") else words[0]
    return read_crate(person.home / where)


# What a run made


def test_what_a_run_made_is_a_process_run_crate(hall: Hall, anna: Person) -> None:
    dataset = made(hall, anna)
    told = anna.hutch("export", "result")
    assert "result/ro-crate-metadata.json makes it a Process Run Crate" in told.out
    assert "no licence was stated; --license URL states one" in told.out
    here = anna.home / "result"
    assert not (here / ".hutch").exists()
    found = tree(here)
    found.pop("ro-crate-metadata.json")
    assert found == FILES
    crate = read_crate(here)
    require_process(crate)
    assert {(e["name"], e["contentSize"], e["sha256"]) for e in crate.of("File")} == {
        (name, str(len(data)), hashlib.sha256(data).hexdigest())
        for name, data in FILES.items()
    }
    root = crate.root
    assert root["name"] == f"{anna.name}/result"
    assert root["identifier"][0] == f"urn:uuid:{dataset['id']}"
    assert crate.values(root, "identifier") == {
        "digest": dataset["digest"],
        "seal": dataset["seal"],
    }
    assert root["license"].startswith("No licence was stated")
    assert crate.follow(root, "author")[0]["name"] == anna.name


def test_it_tells_how_the_run_made_it(hall: Hall, anna: Person) -> None:
    dataset = made(hall, anna)
    record = dataset["run"]
    crate = exported(anna, "result")
    action = require_process(crate)
    assert action["@id"] == f"urn:uuid:{record['id']}"
    assert action["name"] == f"Making {anna.name}/result"
    assert action["description"] == "copy"
    [tool] = crate.follow(action, "instrument")
    assert (tool["name"], tool["softwareVersion"]) == ("copy", "1")
    assert tool["@id"] == f"{hall.url}/v1/definitions/copy?version=1"
    [used] = crate.follow(action, "containerImage")
    assert f"sha256:{used['sha256']}" == IMAGE
    [parent] = record["inputs"]
    scan = crate[f"urn:uuid:{parent['id']}"]
    assert crate.follow(action, "object") == [scan, crate["#parameter/centre"]]
    assert crate.values(action, "object") == {"centre": 3}
    assert (scan["name"], scan["alternateName"]) == (f"{anna.name}/scan", "scan")
    assert crate.values(scan, "identifier") == {
        "digest": parent["digest"],
        "seal": parent["seal"],
    }
    assert crate.follow(crate.root, "isBasedOn") == [scan]
    assert crate.values(action, "additionalProperty") == {
        "exit_code": 0,
        "executor": "engine",
        "node": "bench-1",
        "attempt": 1,
        "log": record["log"],
        "mode": "staged",
    }
    with httpx.Client(trust_env=False) as client:
        token = credentials.find(hall.url, environ=anna.environ()).token
        headers = {"Authorization": f"Bearer {token}"}
        answer = client.get(tool["@id"], headers=headers)
    assert answer.json()["name"] == "copy"


def test_an_input_that_one_may_not_read_has_no_name(hall: Hall, anna: Person) -> None:
    made(hall, anna)
    ben = hall.person()
    anna.hutch("share", "result", f"user:{ben.name}")
    crate = exported(ben, f"{anna.name}/result", "there", "--metadata-only")
    action = require_process(crate)
    scan = crate.follow(action, "object")[0]
    assert "name" not in scan
    assert scan["alternateName"] == "scan"
    assert f"{anna.name}/scan" not in json.dumps(crate.document)


# What people made


def test_what_people_made_is_a_plain_crate(anna: Person) -> None:
    anna.closed("tooth", {"a.txt": b"1"})
    root = anna.home / "half"
    anna.hutch("derive", "tooth", "./half", "--name", "half")
    (root / "b.h5").write_bytes(b"2")
    anna.hutch("push", where=root)
    anna.hutch("set", "about.unit=mm", "energy_keV=25.5", where=root)
    anna.hutch("close", where=root)
    words = ("half", "crate", "--license", LICENCE)
    told = anna.hutch("export", *words)
    assert "makes it an RO-Crate" in told.out
    assert "--license" not in told.out
    crate = read_crate(anna.home / "crate")
    assert crate.of("CreateAction") == []
    assert "conformsTo" not in crate.root
    [licence] = crate.follow(crate.root, "license")
    assert licence["@id"] == LICENCE
    [tooth] = crate.follow(crate.root, "isBasedOn")
    parent = anna.json("info", "tooth")
    assert (tooth["@id"], tooth["name"]) == (
        f"urn:uuid:{parent['id']}",
        f"{anna.name}/tooth",
    )
    assert "alternateName" not in tooth
    assert crate.values(crate.root, "additionalProperty") == {
        "dataset type": "generic@1",
        "about": '{"unit": "mm"}',
        "energy_keV": 25.5,
    }


def test_what_a_person_says_of_a_dataset_is_in_it(anna: Person) -> None:
    anna.closed("tooth", {"a.txt": b"1"})
    anna.hutch("set", "tooth", "--description", "A tooth", "--keyword", "enamel")
    crate = exported(anna, "tooth", "crate")
    assert crate.root["description"] == "A tooth"
    assert crate.root["keywords"] == "enamel"
    assert crate["a.txt"]["encodingFormat"] == "text/plain"


# Without files


def test_without_files_it_tells_where_they_are(hall: Hall, anna: Person) -> None:
    dataset = made(hall, anna)
    crate = exported(anna, "result", "far/away", "--metadata-only")
    require_process(crate)
    here = anna.home / "far/away"
    assert [p.name for p in here.iterdir()] == ["ro-crate-metadata.json"]
    addresses = {e["name"]: e["@id"] for e in crate.of("File")}
    assert set(addresses) == set(FILES)
    token = credentials.find(hall.url, environ=anna.environ()).token
    with httpx.Client(trust_env=False, follow_redirects=True) as client:
        for name, address in addresses.items():
            assert str(dataset["id"]) in address
            headers = {"Authorization": f"Bearer {token}"}
            assert client.get(address, headers=headers).content == FILES[name]
    told = anna.refused(
        Exit.USAGE, "workdir", "export", "result", "far/away", "--metadata-only"
    )
    assert "is there already" in told.problem["detail"]
    document = anna.json("export", "result", "elsewhere", "--metadata-only")
    assert document == {
        "dataset": dataset["id"],
        "directory": "elsewhere",
        "metadata": "elsewhere/ro-crate-metadata.json",
        "profile": "https://w3id.org/ro/wfrun/process/0.5",
        "files": 3,
        "fetched": None,
    }
    quiet = anna.hutch("export", "result", "third", "--metadata-only", "-q")
    assert quiet.out == "third\n"


def test_an_empty_dataset_is_a_crate_too(anna: Person) -> None:
    assert "hasPart" not in exported(anna, "scan").root


# What is refused


def test_only_a_closed_dataset_is_exported(anna: Person) -> None:
    anna.pushed("open", {"a": b"1"})
    anna.refused(Exit.STATE, "dataset-open", "export", "open", "crate")
    there = anna.json("info", "scan")["id"]
    anna.hutch("rm", "scan", "--yes")
    anna.refused(Exit.STATE, "dataset-deleted", "export", there, "crate")
    assert not (anna.home / "crate").exists()


def test_a_file_of_the_dataset_is_not_overwritten(anna: Person) -> None:
    anna.closed("odd", {"RO-Crate-metadata.json": b"{}", "a": b"1"})
    told = anna.refused(Exit.CONFLICT, "conflict", "export", "odd", "crate")
    assert "--metadata-only" in told.problem["detail"]
    assert not (anna.home / "crate").exists()
    assert len(exported(anna, "odd", "crate", "--metadata-only").of("File")) == 2


def test_what_is_in_the_directory_stays(anna: Person) -> None:
    anna.closed("tooth", {"a": b"1"})
    (anna.home / "full").mkdir()
    (anna.home / "full/mine").write_bytes(b"mine")
    anna.refused(Exit.USAGE, "workdir", "export", "tooth", "full")
    anna.refused(Exit.USAGE, "workdir", "export", "tooth", "tooth")
    anna.refused(
        Exit.USAGE, "workdir", "export", "tooth", "full/mine", "--metadata-only"
    )
    assert tree(anna.home / "full") == {"mine": b"mine"}
    exported(anna, "tooth", "full", "--metadata-only")


def test_a_manifest_of_another_digest_is_not_written_down(
    anna: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    anna.closed("tooth", {"a": b"1"})
    for lie in ([Entry("a", 1, "0" * 64)], [Entry("../a", 1, "0" * 64)], []):
        monkeypatch.setattr(Files, "manifest", lambda *_, lie=lie: iter(lie))
        anna.refused(Exit.MISMATCH, "corrupt-data", "export", "tooth", "crate")
    assert not (anna.home / "crate").exists()


def test_without_the_library_the_command_says_how_to_get_it(
    anna: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "rocrate", None)
    told = anna.refused(Exit.USAGE, "extra-missing", "export", "scan", "crate")
    assert "pip install 'hutch[crate]'" in told.problem["detail"]
    with pytest.raises(ExtraMissingError):
        crates.load()


# Going on


def test_an_interrupted_export_goes_on(
    anna: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    anna.closed("tooth", {"a": b"1", "b": b"2"})
    interrupt(anna, monkeypatch, "_write")
    assert not (anna.home / "crate/ro-crate-metadata.json").exists()
    interrupt(anna, monkeypatch, "unbind")
    document = anna.json("export", "tooth", "crate")
    assert (document["fetched"]["fetched"], document["fetched"]["unchanged"]) == (0, 2)
    assert len(read_crate(anna.home / "crate").of("File")) == 2
    assert not (anna.home / "crate/.hutch").exists()
    anna.refused(Exit.USAGE, "workdir", "export", "tooth", "crate")


def test_what_was_changed_meanwhile_is_no_part_of_the_dataset(
    anna: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    anna.closed("tooth", {"a": b"1", "b": b"2"})
    interrupt(anna, monkeypatch, "_write")
    here = anna.home / "crate"
    (here / "a").write_bytes(b"altered")
    told = anna.hutch("export", "tooth", "crate", exits=Exit.CONFLICT)
    assert "'a' was changed here" in told.err
    assert "no RO-Crate yet" in told.out
    document = anna.hutch("export", "tooth", "crate", "--json", exits=Exit.CONFLICT)
    assert document.document["metadata"] is None
    assert not (here / "ro-crate-metadata.json").exists()
    (here / "a").unlink()
    assert len(exported(anna, "tooth", "crate").of("File")) == 2


def interrupt(person: Person, patch: pytest.MonkeyPatch, step: str) -> None:
    """Press Ctrl-C where a step begins."""

    def press(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    with patch.context() as inner:
        inner.setattr(crates, step, press)
        person.hutch("export", "tooth", "crate", exits=Exit.INTERRUPTED)


# The words


@pytest.mark.parametrize("name", RECORD)
def test_a_record_that_is_not_understood_is_said_to_be_so(name: str) -> None:
    assert Making.read(RECORD | {"newer": 1}).facts == {"newer": 1}
    for record in (
        RECORD | {name: UNREADABLE[name]},
        {k: v for k, v in RECORD.items() if k != name},
    ):
        with pytest.raises(ServerAnswerError, match="new enough"):
            Making.read(record)


@pytest.mark.parametrize(
    ("text", "name", "registry"),
    [
        (IMAGE, IMAGE, None),
        (f"docker.io/library/x@{IMAGE}", "library/x", "docker.io"),
        (f"localhost:5000/x@{IMAGE}", "x", "localhost:5000"),
        (f"localhost/x@{IMAGE}", "x", "localhost"),
        (f"lab/x@{IMAGE}", "lab/x", None),
    ],
)
def test_an_image_is_named_as_in_its_registry(
    text: str, name: str, registry: str | None
) -> None:
    entity = image(text)
    assert (entity["name"], entity.get("registry")) == (name, registry)
    assert f"sha256:{entity['sha256']}" == IMAGE


def test_values_are_plain_or_text() -> None:
    graph = Graph()
    values: dict[str, Any] = {
        "a/b": {"c": [1]},
        "none": None,
        "yes": True,
        "list": [],
        "x": 1e-5,
    }
    graph.add_values("v", values)
    assert {e["name"]: e["value"] for e in graph.known.values()} == {
        "a/b": '{"c": [1]}',
        "none": "null",
        "yes": True,
        "list": "[]",
        "x": 1e-5,
    }
    assert "#v/a%2Fb" in graph.known

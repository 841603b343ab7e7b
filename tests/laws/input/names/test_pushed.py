"""No hostile name gets into a dataset, by the client or past it."""

import json
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from hutch import push
from hutch.client import Client
from hutch_api.adapters.memory import MemoryStore
from hutch_api.http.app import create_app
from hutch_api.services.work import Site
from tests.client.live import Live
from tests.http.files import push_file
from tests.http.people import Person, assert_problem
from tests.laws.conftest import Count
from tests.laws.input.names.hostile import LOOKALIKES, NOWHERE, ODD, TWINS, UNPORTABLE

HOSTILE = NOWHERE | ODD
SEPARATE = ("the same twice", "a directory's case")
"""The first is no request; of the second no disk loses a file."""
UNSENT = ("NUL", "NUL at the end", "half a letter", "the other half")
"""Those that no JSON text may hold: the whole request is refused."""


def _announce(person: Person, dataset: str, *paths: str) -> Any:
    begun = person.post(f"/v1/datasets/{dataset}/pushes").json()["id"]
    files = [{"path": path, "size": 1, "crc64nvme": "AAAAAAAAAAA="} for path in paths]
    # Written here: the client refuses to write half a letter.
    return person.call(
        "POST",
        f"/v1/pushes/{begun}/uploads",
        content=json.dumps({"files": files}),
        headers={"Content-Type": "application/json"},
    )


def _codes(answer: Any) -> list[str | None]:
    assert answer.status_code == 200, answer.text
    problems = [item["problem"] for item in answer.json()["files"]]
    return [p and p["type"].rpartition(":")[2] for p in problems]


@pytest.mark.parametrize("name", [n for n in HOSTILE if n not in UNSENT])
def test_the_api_refuses_the_name_and_takes_the_rest(
    ada: Person, name: str, count: Count
) -> None:
    dataset = ada.create("tooth")
    answer = _announce(ada, dataset, HOSTILE[name], "good")
    assert _codes(answer) == ["path-invalid", None]
    assert answer.json()["files"][0]["path"] == HOSTILE[name]
    for verb, field in (("GET", "files"), ("HEAD", "files")):
        path = HOSTILE[name].replace("/", "%2F").encode()[:3_000].hex("%")
        found = ada.call(verb, f"/v1/datasets/{dataset}/{field}/%{path}")
        assert found.status_code in {307, 404}
    count("hostile names at push, past the client", 1, "names")


@pytest.mark.parametrize("name", UNSENT)
def test_what_is_no_text_is_no_request(ada: Person, name: str, count: Count) -> None:
    answer = _announce(ada, ada.create("tooth"), HOSTILE[name], "good")
    assert answer.status_code in {400, 422}
    code = {400: "malformed", 422: "invalid-input"}[answer.status_code]
    assert_problem(answer, answer.status_code, code)
    count("hostile names at push, past the client", 1, "names")


@pytest.mark.parametrize("name", UNPORTABLE)
def test_a_portable_dataset_has_only_portable_names(
    site: Site, ada: Person, name: str, count: Count
) -> None:
    app = create_app(replace(site, portable_paths=True))
    with TestClient(app) as client:
        person = replace(ada, client=client)
        answer = _announce(person, person.create("tooth"), UNPORTABLE[name], "good")
        assert _codes(answer) == ["path-invalid", None]
    count("hostile names at push, past the client", 1, "names")


@pytest.mark.parametrize("name", LOOKALIKES)
def test_an_odd_but_honest_name_is_taken(
    ada: Person, store: MemoryStore, name: str
) -> None:
    dataset = ada.create("tooth")
    push_file(ada, store, dataset, LOOKALIKES[name], b"content")
    listed = ada.get(f"/v1/datasets/{dataset}/files").json()["items"]
    assert [item["path"] for item in listed] == [LOOKALIKES[name]]


@pytest.mark.parametrize("together", [True, False], ids=["at once", "one by one"])
@pytest.mark.parametrize("twins", [t for t in TWINS if t not in SEPARATE])
def test_of_two_that_clash_the_second_is_refused(
    ada: Person, store: MemoryStore, *, twins: str, together: bool
) -> None:
    first, second = TWINS[twins]
    dataset = ada.create("tooth")
    if together:
        assert sorted(map(str, _codes(_announce(ada, dataset, first, second)))) in (
            ["None", "path-clash"],
            ["None", "path-invalid"],
        )
    else:
        push_file(ada, store, dataset, first, b"content")
        assert _codes(_announce(ada, dataset, second)) in (
            ["path-clash"],
            ["path-invalid"],
        )


def test_the_same_twice_is_no_request(ada: Person) -> None:
    answer = _announce(ada, ada.create("tooth"), "a", "a")
    assert_problem(answer, 422, "invalid-input")


def test_the_client_names_each_hostile_file_and_sends_the_rest(
    live: Live, anna: Client, count: Count
) -> None:
    workdir = live.workdir(anna, {"good": b"good"})
    root = os.fsencode(workdir.root)
    names = [n.encode() for n in (ODD | UNPORTABLE).values()]
    names += [b"\xff\xfe", b"half \xed\xa0\x80", b"\xc0\xaf", b"a/b/" + b"\x1b[2J"]
    for name in names:
        place = Path(os.fsdecode(root + b"/" + name))
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(b"evil")
    deep = workdir.root / "/".join("d" * 70)
    deep.mkdir(parents=True)
    (deep / "file").write_bytes(b"evil")
    for link, leads in (
        ("to-file", "good"), ("to-dir", "a"), ("dangling", "nowhere"), ("out", "/etc"),
    ):  # fmt: skip
        (workdir.root / link).symlink_to(leads)
    report = push(workdir, anna)
    assert report.sent == 1
    told = "\n".join(p.error.detail for p in report.problems)
    assert len(report.problems) >= len(names) + 5
    assert "to-file" in told
    assert "d/d" in told
    listed = anna.files.iterate(workdir.dataset)
    assert [f.path for f in listed] == ["good"]
    count("hostile names at push, by the client", len(names) + 5, "names")

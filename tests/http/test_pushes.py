"""Files on their way: pushes, pages, downloads; the bytes never pass the API."""

import hashlib
from typing import Any
from uuid import uuid4

import pytest

from hutch_api.adapters.memory import MemoryStore, checksum
from tests.http.conftest import Line
from tests.http.files import push_file, signed
from tests.http.people import Person, assert_problem

CONTENT = b"content"
CRC = checksum(CONTENT)
SHA = hashlib.sha256(CONTENT).hexdigest()


def _announce(person: Person, push: str, path: str, **more: Any) -> dict[str, Any]:
    item = {"path": path, "size": len(CONTENT), "crc64nvme": CRC, **more}
    answer = person.post(f"/v1/pushes/{push}/uploads", {"files": [item]})
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()["files"][0]
    return found


def _push(person: Person, dataset: str) -> str:
    answer = person.post(f"/v1/datasets/{dataset}/pushes")
    assert answer.status_code == 201, answer.text
    return str(answer.json()["id"])


@pytest.fixture
def dataset(ada: Person) -> str:
    return ada.create("tooth")


def test_a_file_goes_to_the_store_and_comes_back_from_it(
    ada: Person, store: MemoryStore, dataset: str
) -> None:
    finished = push_file(ada, store, dataset, "raw/scan.h5", CONTENT)
    page = ada.get(f"/v1/datasets/{dataset}/files").json()
    assert [(f["path"], f["size"], f["sha256"]) for f in page["items"]] == [
        ("raw/scan.h5", len(CONTENT), SHA)
    ]
    wanted = {"path": "raw/scan.h5", "version": finished["version"]}
    answer = ada.post(f"/v1/datasets/{dataset}/downloads", {"files": [wanted]})
    fetched = store.send(signed(answer.json()["files"][0]["request"]))
    assert (fetched.status, fetched.body) == (200, CONTENT)


def test_getting_a_file_leads_to_the_store(
    ada: Person, store: MemoryStore, dataset: str
) -> None:
    push_file(ada, store, dataset, "raw/scan.h5", CONTENT)
    answer = ada.get(f"/v1/datasets/{dataset}/files/raw/scan.h5")
    assert (answer.status_code, answer.content) == (307, b"")
    assert f"d/{dataset}/raw/scan.h5" in answer.headers["location"]
    assert answer.headers["cache-control"] == "no-store"
    head = ada.call("HEAD", f"/v1/datasets/{dataset}/files/raw/scan.h5")
    assert head.status_code == 200
    assert head.headers["content-length"] == str(len(CONTENT))
    assert head.headers["etag"] == f'"{SHA}"'
    assert head.headers["x-hutch-sha256"] == SHA


def test_a_missing_file_is_not_found(ada: Person, dataset: str) -> None:
    path = f"/v1/datasets/{dataset}/files/raw/none.h5"
    assert_problem(ada.get(path), 404, "not-found")
    assert ada.call("HEAD", path).status_code == 404


def test_head_is_answered_while_the_store_is_down(
    ada: Person, store: MemoryStore, dataset: str, line: Line
) -> None:
    push_file(ada, store, dataset, "scan.h5", CONTENT)
    line.cut = True
    path = f"/v1/datasets/{dataset}/files/scan.h5"
    assert ada.call("HEAD", path).status_code == 200
    answer = ada.get(path)
    assert_problem(answer, 503, "store-unavailable")
    assert int(answer.headers["retry-after"]) > 0


def test_a_page_of_files_leads_to_the_next(
    ada: Person, store: MemoryStore, dataset: str
) -> None:
    for path in ("a b", "a/b", "ü", "z"):
        push_file(ada, store, dataset, path, CONTENT)
    seen: list[str] = []
    query = {"limit": "2"}
    while True:
        page = ada.get(f"/v1/datasets/{dataset}/files", params=query).json()
        seen += [f["path"] for f in page["items"]]
        if page["next"] is None:
            break
        query["after"] = page["next"]
    assert seen == ["a b", "a/b", "z", "ü"]


def test_the_manifest_needs_a_closed_dataset(
    ada: Person, store: MemoryStore, dataset: str
) -> None:
    push_file(ada, store, dataset, "scan.h5", CONTENT)
    path = f"/v1/datasets/{dataset}/manifest"
    assert_problem(ada.get(path), 409, "dataset-open")
    ada.post(f"/v1/datasets/{dataset}/close", {})
    answer = ada.get(path)
    assert answer.headers["content-type"] == "text/plain; charset=utf-8"
    assert answer.text == f"{SHA}  7  scan.h5\n"
    told = ada.get(f"/v1/datasets/{dataset}").json()
    assert told["digest"] == hashlib.sha256(answer.content).hexdigest()


def test_nothing_can_be_pushed_to_a_closed_dataset(
    ada: Person, store: MemoryStore, dataset: str
) -> None:
    """The system before this one took uploads to closed datasets."""
    push = _push(ada, dataset)
    push_file(ada, store, dataset, "scan.h5", CONTENT)
    assert ada.post(f"/v1/datasets/{dataset}/close", {}).json()["state"] == "done"
    assert_problem(ada.post(f"/v1/datasets/{dataset}/pushes"), 409, "dataset-closed")
    item = {"path": "late.h5", "size": 7, "crc64nvme": CRC}
    late = ada.post(f"/v1/pushes/{push}/uploads", {"files": [item]})
    assert_problem(late, 409, "dataset-closed")
    known = ada.get(f"/v1/datasets/{dataset}/files").json()["items"][0]
    ref = {"path": known["path"], "version": known["version"]}
    gone = ada.post(f"/v1/pushes/{push}/deletions", {"files": [ref]})
    assert_problem(gone, 409, "dataset-closed")


def test_a_request_signed_before_the_close_is_refused_after_it(
    ada: Person, store: MemoryStore, dataset: str
) -> None:
    push_file(ada, store, dataset, "scan.h5", CONTENT)
    upload = _announce(ada, _push(ada, dataset), "late.h5")
    closed = ada.post(f"/v1/datasets/{dataset}/close", {"abandon": True})
    assert closed.json()["state"] == "done"
    assert store.send(signed(upload["request"]), CONTENT).status == 403


def test_an_unfinished_upload_stands_against_closing(ada: Person, dataset: str) -> None:
    _announce(ada, _push(ada, dataset), "scan.h5")
    refused = ada.post(f"/v1/datasets/{dataset}/close", {"empty": True})
    assert_problem(refused, 409, "close-refused")


def test_a_readers_push_is_refused(ada: Person, bob: Person, dataset: str) -> None:
    ada.put(f"/v1/datasets/{dataset}/shares/user/bob", {"right": "read"})
    assert_problem(bob.post(f"/v1/datasets/{dataset}/pushes"), 403, "forbidden")


def test_somebody_elses_push_is_not_there(
    ada: Person, bob: Person, dataset: str
) -> None:
    ada.put(f"/v1/datasets/{dataset}/shares/user/bob", {"right": "write"})
    push = _push(ada, dataset)
    item = {"path": "scan.h5", "size": 7, "crc64nvme": CRC}
    answer = bob.post(f"/v1/pushes/{push}/uploads", {"files": [item]})
    assert_problem(answer, 404, "not-found")


def test_a_keyed_push_is_started_once(ada: Person, dataset: str) -> None:
    key = {"Idempotency-Key": "push"}
    path = f"/v1/datasets/{dataset}/pushes"
    first, again = (ada.post(path, headers=key) for _ in range(2))
    assert (first.status_code, first.json()) == (again.status_code, again.json())


def test_a_key_of_one_dataset_is_not_good_for_another(
    ada: Person, dataset: str
) -> None:
    key = {"Idempotency-Key": "push"}
    assert ada.post(f"/v1/datasets/{dataset}/pushes", headers=key).status_code == 201
    other = ada.create("other")
    answer = ada.post(f"/v1/datasets/{other}/pushes", headers=key)
    assert_problem(answer, 409, "idempotency-conflict")


def test_items_of_a_batch_fail_by_themselves(ada: Person, dataset: str) -> None:
    files = [
        {"path": "good.h5", "size": 7, "crc64nvme": CRC},
        {"path": "../bad.h5", "size": 7, "crc64nvme": CRC},
    ]
    answer = ada.post(f"/v1/pushes/{_push(ada, dataset)}/uploads", {"files": files})
    assert answer.status_code == 200
    good, bad = answer.json()["files"]
    assert good["problem"] is None
    assert bad["problem"]["type"] == "urn:hutch:problem:path-invalid"
    assert bad["request"] is None


def test_two_people_push_one_path(ada: Person, bob: Person, dataset: str) -> None:
    ada.put(f"/v1/datasets/{dataset}/shares/user/bob", {"right": "write"})
    _announce(ada, _push(ada, dataset), "scan.h5")
    busy = _announce(bob, _push(bob, dataset), "scan.h5")
    assert busy["problem"]["type"] == "urn:hutch:problem:path-busy"


def test_a_large_file_travels_in_parts(
    ada: Person, store: MemoryStore, dataset: str
) -> None:
    push = _push(ada, dataset)
    upload = _announce(ada, push, "big.h5", size=17 * 1024**2, crc64nvme=None)
    assert upload["verb"] == "multipart"
    part = {"intent": upload["intent"], "number": 1, "crc64nvme": CRC}
    answer = ada.post(f"/v1/pushes/{push}/parts", {"parts": [part]})
    assert answer.json()["parts"][0]["request"]["method"] == "PUT"
    assert len(store.uploads(f"d/{dataset}/big.h5")) == 1
    aborted = ada.post(f"/v1/pushes/{push}/aborts", {"intents": [upload["intent"]]})
    assert (aborted.status_code, aborted.content) == (204, b"")
    assert store.uploads(f"d/{dataset}/big.h5") == []


def test_a_file_is_taken_out_in_the_version_that_is_known(
    ada: Person, store: MemoryStore, dataset: str
) -> None:
    known = push_file(ada, store, dataset, "scan.h5", CONTENT)
    path = f"/v1/pushes/{_push(ada, dataset)}/deletions"
    stale = ada.post(path, {"files": [{"path": "scan.h5", "version": "old"}]})
    problem = stale.json()["files"][0]["problem"]
    assert problem["type"] == "urn:hutch:problem:file-changed"
    ref = {"path": "scan.h5", "version": known["version"]}
    assert ada.post(path, {"files": [ref]}).json()["files"][0]["problem"] is None
    assert ada.get(f"/v1/datasets/{dataset}/files").json()["items"] == []


def test_another_version_is_not_signed(
    ada: Person, store: MemoryStore, dataset: str
) -> None:
    push_file(ada, store, dataset, "scan.h5", CONTENT)
    wanted = {"path": "scan.h5", "version": "old"}
    answer = ada.post(f"/v1/datasets/{dataset}/downloads", {"files": [wanted]})
    problem = answer.json()["files"][0]["problem"]
    assert problem["type"] == "urn:hutch:problem:file-changed"


def test_a_confirmation_is_believed_only_if_it_agrees(
    ada: Person, bob: Person, store: MemoryStore, dataset: str
) -> None:
    known = push_file(ada, store, dataset, "scan.h5", CONTENT)
    ada.put(f"/v1/datasets/{dataset}/shares/user/bob", {"right": "read"})
    item = {"path": "scan.h5", "version": known["version"], "sha256": "0" * 64}
    path = f"/v1/datasets/{dataset}/confirmations"
    assert_problem(bob.post(path, {"files": [item]}), 409, "dataset-open")
    ada.post(f"/v1/datasets/{dataset}/close", {})
    assert_problem(bob.post(path, {"files": [item]}), 422, "invalid-input")
    item["sha256"] = SHA
    assert bob.post(path, {"files": [item]}).json() == {"confirmed": 1}


def test_signed_writes_end_when_the_right_to_write_ends(
    ada: Person, bob: Person, store: MemoryStore, dataset: str
) -> None:
    share = f"/v1/datasets/{dataset}/shares/user/bob"
    ada.put(share, {"right": "write"})
    upload = _announce(bob, _push(bob, dataset), "scan.h5")
    assert ada.put(share, {"right": "read"}).status_code == 200
    assert store.send(signed(upload["request"]), CONTENT).status == 403


@pytest.mark.parametrize("way", ["unshare", "group", "give", "logout"])
def test_every_way_to_lose_the_right_ends_signed_writes(
    ada: Person, bob: Person, store: MemoryStore, dataset: str, way: str
) -> None:
    ada.post("/v1/groups", {"name": "team"})
    ada.put("/v1/groups/team/members/bob")
    to = "group/team" if way == "group" else "user/bob"
    ada.put(f"/v1/datasets/{dataset}/shares/{to}", {"right": "write"})
    upload = _announce(bob, _push(bob, dataset), "scan.h5")
    answer = {
        "unshare": lambda: ada.delete(f"/v1/datasets/{dataset}/shares/{to}"),
        "group": lambda: ada.delete("/v1/groups/team/members/bob"),
        "give": lambda: ada.put(f"/v1/datasets/{dataset}/owner", {"owner": "bob"}),
        "logout": lambda: bob.post("/v1/logout"),
    }[way]()
    assert answer.status_code in {200, 204}, answer.text
    assert store.send(signed(upload["request"]), CONTENT).status == 403


def test_a_right_is_taken_back_while_the_store_is_down(
    ada: Person,
    bob: Person,
    dataset: str,
    line: Line,
    caplog: pytest.LogCaptureFixture,
) -> None:
    share = f"/v1/datasets/{dataset}/shares/user/bob"
    ada.put(share, {"right": "write"})
    push = _push(bob, dataset)
    _announce(bob, push, "scan.h5")
    line.cut = True
    assert ada.delete(share).status_code == 204
    assert "wait for their deletion" in caplog.text
    item = {"path": "scan.h5", "size": 7, "crc64nvme": CRC}
    refused = bob.post(f"/v1/pushes/{push}/uploads", {"files": [item]})
    assert_problem(refused, 404, "not-found")


def test_an_upload_while_the_store_is_down_can_be_tried_again(
    ada: Person, dataset: str, line: Line
) -> None:
    push = _push(ada, dataset)
    line.cut = True
    item = {"path": "scan.h5", "size": 7, "crc64nvme": CRC}
    answer = ada.post(f"/v1/pushes/{push}/uploads", {"files": [item]})
    assert_problem(answer, 503, "store-unavailable")
    assert int(answer.headers["retry-after"]) > 0
    line.cut = False
    assert _announce(ada, push, "scan.h5")["problem"] is None


@pytest.mark.parametrize("call", ["uploads", "parts", "finish", "aborts", "deletions"])
def test_an_empty_batch_is_refused(ada: Person, dataset: str, call: str) -> None:
    field = {"parts": "parts", "aborts": "intents"}.get(call, "files")
    path = f"/v1/pushes/{_push(ada, dataset)}/{call}"
    assert_problem(ada.post(path, {field: []}), 422, "invalid-input")


def test_finishing_what_is_unknown_fails_by_item(ada: Person, dataset: str) -> None:
    item = {"intent": str(uuid4()), "crc64nvme": CRC, "sha256": SHA}
    path = f"/v1/pushes/{_push(ada, dataset)}/finish"
    answer = ada.post(path, {"files": [item]})
    assert answer.status_code == 200
    assert answer.json()["files"][0]["problem"]["type"].startswith("urn:hutch:problem:")

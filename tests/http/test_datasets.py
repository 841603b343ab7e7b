"""Datasets over HTTP: made, found, described, derived, closed, deleted."""

from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from starlette.testclient import TestClient

from hutch.contract.wire.accounts import Role, Scope
from hutch_api.adapters.memory import MemoryStore
from hutch_api.services.work import Site
from tests.conftest import Clock
from tests.http.conftest import Limited
from tests.http.files import push_file
from tests.http.people import Person, add_person, assert_problem, disable


def _patch(person: Person, dataset: str, if_match: str | None = None, **to: Any) -> Any:
    headers = {} if if_match is None else {"If-Match": if_match}
    return person.call("PATCH", f"/v1/datasets/{dataset}", json=to, headers=headers)


def _close(person: Person, store: MemoryStore, dataset: str) -> None:
    push_file(person, store, dataset, "scan.h5", b"content")
    answer = person.post(f"/v1/datasets/{dataset}/close", {})
    assert (answer.status_code, answer.json()["state"]) == (200, "done"), answer.text


def test_a_new_dataset_is_open_and_ones_own(ada: Person) -> None:
    answer = ada.post("/v1/datasets", {"name": "tooth", "keywords": ["enamel"]})
    made = answer.json()
    assert answer.status_code == 201
    assert (made["state"], made["owner"], made["right"]) == ("open", "ada", "own")
    again = ada.get(f"/v1/datasets/{made['id']}")
    assert again.json() == made
    assert again.headers["etag"] == answer.headers["etag"]


def test_a_new_dataset_is_readable_by_nobody_else(ada: Person, bob: Person) -> None:
    """The system before this one made new datasets readable by everyone."""
    dataset = ada.create("tooth")
    assert_problem(bob.get(f"/v1/datasets/{dataset}"), 404, "not-found")
    assert bob.get("/v1/datasets").json()["items"] == []


@pytest.mark.parametrize(
    ("body", "at"),
    [
        ({}, None),
        ({"name": "a/b"}, "name"),
        ({"name": "x" * 101}, "name"),
        ({"name": "a", "keywords": "enamel"}, "keywords"),
        ({"name": "a", "keywords": ["ok", "x" * 101]}, "keywords[1]"),
        ({"name": "a", "inputs": ["nonsense"]}, "inputs[0]"),
        ({"name": "a", "attributes": []}, "attributes"),
        ({"name": "a", "state": "closed"}, "state"),
        ({"name": "a", "correction": True}, "correction"),
    ],
)
def test_a_dataset_that_cannot_be_is_refused(
    ada: Person, body: dict[str, Any], at: str | None
) -> None:
    facts = {} if at is None else {"at": at}
    assert_problem(ada.post("/v1/datasets", body), 422, "invalid-input", **facts)


def test_attributes_hold_no_null_character(ada: Person) -> None:
    body = {"name": "a", "attributes": {"sample": "a\0b"}}
    assert_problem(ada.post("/v1/datasets", body), 422, "invalid-input")


def test_a_name_is_taken_once(ada: Person) -> None:
    ada.create("tooth")
    assert_problem(ada.post("/v1/datasets", {"name": "tooth"}), 409, "name-taken")


def test_only_beamline_accounts_make_datasets_for_others(
    ada: Person, bob: Person, site: Site, client: TestClient
) -> None:
    wanted = {"name": "tooth", "owner": "bob"}
    assert_problem(ada.post("/v1/datasets", wanted), 403, "forbidden")
    beamline = add_person(site, client, "id19", role=Role.BEAMLINE)
    made = beamline.post("/v1/datasets", wanted).json()
    assert (made["owner"], made["creator"]) == ("bob", "id19")
    assert bob.get(f"/v1/datasets/{made['id']}").json()["right"] == "own"


def test_a_keyed_request_makes_one_dataset(ada: Person) -> None:
    key = {"Idempotency-Key": "make tooth"}
    answers = [
        ada.post("/v1/datasets", {"name": "tooth"}, headers=key) for _ in range(3)
    ]
    assert {a.status_code for a in answers} == {201}
    assert len({a.json()["id"] for a in answers}) == 1
    assert len(ada.get("/v1/datasets").json()["items"]) == 1


def test_a_keyed_request_can_be_repeated_with_a_token_that_only_creates(
    limited: Limited,
) -> None:
    maker = limited(Scope.CREATE)
    key = {"Idempotency-Key": "make tooth"}
    first = maker.post("/v1/datasets", {"name": "tooth"}, headers=key)
    again = maker.post("/v1/datasets", {"name": "tooth"}, headers=key)
    assert (first.status_code, again.status_code) == (201, 201)
    assert first.json() == again.json()


def test_a_key_belongs_to_one_request_of_one_user(ada: Person, bob: Person) -> None:
    key = {"Idempotency-Key": "make"}
    dataset = ada.post("/v1/datasets", {"name": "tooth"}, headers=key).json()["id"]
    other = ada.post("/v1/datasets", {"name": "bone"}, headers=key)
    assert_problem(other, 409, "idempotency-conflict")
    path = f"/v1/datasets/{dataset}/pushes"
    assert_problem(ada.post(path, headers=key), 409, "idempotency-conflict")
    assert bob.post("/v1/datasets", {"name": "bone"}, headers=key).status_code == 201


@pytest.mark.parametrize("key", ["", "x" * 300, "tab\there"])
def test_an_odd_key_is_refused(ada: Person, key: str) -> None:
    headers = {"Idempotency-Key": key}
    answer = ada.post("/v1/datasets", {"name": "tooth"}, headers=headers)
    assert_problem(answer, 422, "invalid-input")


def test_a_request_that_failed_may_be_repeated_with_its_key(ada: Person) -> None:
    key = {"Idempotency-Key": "make"}
    dataset = ada.create("tooth")
    assert_problem(
        ada.post("/v1/datasets", {"name": "tooth"}, headers=key), 409, "name-taken"
    )
    _patch(ada, dataset, name="molar")
    answer = ada.post("/v1/datasets", {"name": "tooth"}, headers=key)
    assert answer.status_code == 201


def test_a_list_is_paged_by_a_cursor(ada: Person, clock: Clock) -> None:
    for number in range(5):
        ada.create(f"d{number}")
        clock.move(timedelta(seconds=1))
    seen, after = [], ""
    while True:
        page = ada.get(f"/v1/datasets?limit=2{after}").json()
        seen += [d["name"] for d in page["items"]]
        if page["next"] is None:
            break
        after = f"&after={page['next']}"
    assert seen == ["d4", "d3", "d2", "d1", "d0"]


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("name=tooth", ["tooth"]),
        ("owner=ada&state=open", ["bone", "tooth"]),
        ("owner=bob", []),
        ("state=closed", []),
        ("type=generic", ["bone", "tooth"]),
        ("type=scan", []),
        ("query=enam", ["tooth"]),
        ("query=%25", []),
    ],
)
def test_a_list_is_filtered(ada: Person, query: str, found: list[str]) -> None:
    ada.create("tooth", keywords=["enamel"])
    ada.create("bone")
    items = ada.get(f"/v1/datasets?{query}").json()["items"]
    assert sorted(d["name"] for d in items) == found


def test_a_dataset_is_found_by_the_start_of_its_id(ada: Person) -> None:
    dataset = ada.create("tooth")
    ada.create("bone")
    items = ada.get(f"/v1/datasets?prefix={dataset[:13]}").json()["items"]
    assert [d["id"] for d in items] == [dataset]


def test_a_cursor_of_somebody_else_is_refused(ada: Person) -> None:
    assert_problem(ada.get("/v1/datasets?after=nonsense"), 422, "invalid-input")


def test_a_change_needs_the_etag_that_was_seen(ada: Person) -> None:
    dataset = ada.create("tooth")
    seen = ada.get(f"/v1/datasets/{dataset}").headers["etag"]
    first = _patch(ada, dataset, seen, description="mine")
    assert first.status_code == 200
    assert first.headers["etag"] != seen
    assert_problem(
        _patch(ada, dataset, seen, description="lost"), 412, "precondition-failed"
    )
    again = _patch(ada, dataset, first.headers["etag"], description="again")
    assert again.json()["description"] == "again"


def test_a_change_without_etag_takes_the_dataset_as_it_is(ada: Person) -> None:
    dataset = ada.create("tooth", attributes={"sample": "a", "proposal": "p"})
    changed = _patch(ada, dataset, attributes={"sample": None, "instrument": "i"})
    assert changed.json()["attributes"] == {"proposal": "p", "instrument": "i"}


def test_a_closed_dataset_keeps_its_attributes(ada: Person, store: MemoryStore) -> None:
    dataset = ada.create("tooth")
    _close(ada, store, dataset)
    refused = _patch(ada, dataset, attributes={"sample": "b"})
    assert_problem(refused, 409, "dataset-closed")
    assert _patch(ada, dataset, description="later").status_code == 200


def test_nothing_opens_a_closed_dataset(ada: Person, store: MemoryStore) -> None:
    """The system before this one could reopen."""
    dataset = ada.create("tooth")
    _close(ada, store, dataset)
    assert_problem(_patch(ada, dataset, state="open"), 422, "invalid-input", at="state")
    again = ada.post(f"/v1/datasets/{dataset}/close", {})
    assert_problem(again, 409, "dataset-closed")
    assert ada.get(f"/v1/datasets/{dataset}").json()["state"] == "closed"


def test_an_empty_dataset_closes_only_when_told(ada: Person) -> None:
    dataset = ada.create("tooth")
    refused = ada.post(f"/v1/datasets/{dataset}/close", {})
    assert assert_problem(refused, 409, "close-refused")["reasons"]
    assert ada.get(f"/v1/datasets/{dataset}").json()["state"] == "open"
    closed = ada.post(f"/v1/datasets/{dataset}/close", {"empty": True})
    assert closed.json()["state"] == "done"
    told = ada.get(f"/v1/operations/{closed.json()['id']}").json()
    assert (told["kind"], told["dataset"]) == ("close", dataset)


def test_only_closed_datasets_can_be_derived_from(
    ada: Person, store: MemoryStore
) -> None:
    """The system before this one derived from open parents."""
    parent = ada.create("tooth")
    child = {"name": "sinogram", "inputs": [parent]}
    assert_problem(ada.post("/v1/datasets", child), 409, "parent-open")
    _close(ada, store, parent)
    made = ada.post("/v1/datasets", child)
    assert made.status_code == 201
    assert made.json()["inputs"][0]["id"] == parent
    shown = ada.get(f"/v1/datasets/{made.json()['id']}/lineage?depth=1").json()
    assert {n["id"] for n in shown["nodes"]} == {parent, made.json()["id"]}


def test_an_unreadable_parent_does_not_exist(ada: Person, bob: Person) -> None:
    for parent in (ada.create("tooth"), str(uuid4())):
        answer = bob.post("/v1/datasets", {"name": "a", "inputs": [parent]})
        assert_problem(answer, 404, "not-found")


def test_deriving_needs_the_scope_to_read(
    ada: Person, store: MemoryStore, limited: Limited
) -> None:
    parent = ada.create("tooth")
    _close(ada, store, parent)
    answer = limited(Scope.CREATE).post(
        "/v1/datasets", {"name": "child", "inputs": [parent]}
    )
    assert_problem(answer, 403, "token-insufficient")


def test_deletion_leaves_a_tombstone(ada: Person, store: MemoryStore) -> None:
    """The system before this one answered and deleted nothing."""
    dataset = ada.create("tooth")
    _close(ada, store, dataset)
    assert list(store.versions(f"d/{dataset}/"))
    answer = ada.delete(f"/v1/datasets/{dataset}")
    assert (answer.status_code, answer.json()["state"]) == (200, "done")
    assert list(store.versions(f"d/{dataset}/")) == []
    tomb = ada.get(f"/v1/datasets/{dataset}").json()
    assert tomb["state"] == "deleted"
    assert tomb["digest"]
    told = ada.get(f"/v1/operations/{answer.json()['id']}")
    assert told.json()["kind"] == "delete"
    assert_problem(
        ada.get(f"/v1/datasets/{dataset}/files/scan.h5"), 410, "dataset-deleted"
    )
    manifest = ada.get(f"/v1/datasets/{dataset}/manifest")
    assert manifest.text.endswith("  7  scan.h5\n")
    assert ada.get("/v1/datasets").json()["items"] == []


def test_a_reader_cannot_close_or_delete(ada: Person, bob: Person) -> None:
    dataset = ada.create("tooth")
    ada.put(f"/v1/datasets/{dataset}/shares/user/bob", {"right": "write"})
    assert_problem(bob.delete(f"/v1/datasets/{dataset}"), 403, "forbidden")
    assert_problem(bob.post(f"/v1/datasets/{dataset}/close", {}), 403, "forbidden")
    assert_problem(_patch(bob, dataset, name="mine"), 403, "forbidden")
    assert _patch(bob, dataset, attributes={"sample": "b"}).status_code == 200


def test_shares_are_given_and_taken_back(ada: Person, bob: Person) -> None:
    dataset = ada.create("tooth")
    path = f"/v1/datasets/{dataset}/shares/user/bob"
    given = ada.put(path, {"right": "read"})
    assert given.json()["right"] == "read"
    assert bob.get(f"/v1/datasets/{dataset}").json()["right"] == "read"
    assert_problem(bob.put(path, {"right": "write"}), 403, "forbidden")
    listed = bob.get(f"/v1/datasets/{dataset}/shares").json()["items"]
    assert [(s["kind"], s["name"]) for s in listed] == [("user", "bob")]
    assert ada.delete(path).status_code == 204
    assert_problem(bob.get(f"/v1/datasets/{dataset}"), 404, "not-found")
    assert_problem(ada.delete(path), 404, "not-found")


def test_shares_with_groups_have_an_effect(ada: Person, bob: Person) -> None:
    """The system before this one had groups without effect."""
    dataset = ada.create("tooth")
    ada.post("/v1/groups", {"name": "team"})
    ada.put(f"/v1/datasets/{dataset}/shares/group/team", {"right": "read"})
    assert_problem(bob.get(f"/v1/datasets/{dataset}"), 404, "not-found")
    ada.put("/v1/groups/team/members/bob")
    assert bob.get(f"/v1/datasets/{dataset}").status_code == 200
    ada.delete("/v1/groups/team")
    assert_problem(bob.get(f"/v1/datasets/{dataset}"), 404, "not-found")


def test_a_dataset_of_the_same_name_is_another(ada: Person, bob: Person) -> None:
    """The system before this one matched rights by name."""
    mine, theirs = ada.create("tooth"), bob.create("tooth")
    ada.put(f"/v1/datasets/{mine}/shares/user/bob", {"right": "write"})
    assert_problem(ada.get(f"/v1/datasets/{theirs}"), 404, "not-found")


@pytest.mark.parametrize(
    ("path", "right", "status", "code"),
    [
        ("user/nobody", "read", 404, "not-found"),
        ("group/nothing", "read", 404, "not-found"),
        ("robot/bob", "read", 404, "not-found"),
        ("user/bob", "own", 422, "invalid-input"),
        ("user/bob", "all", 422, "invalid-input"),
    ],
)
@pytest.mark.usefixtures("bob")
def test_a_share_that_cannot_be_is_refused(
    ada: Person, path: str, right: str, status: int, code: str
) -> None:
    answer = ada.put(
        f"/v1/datasets/{ada.create('tooth')}/shares/{path}", {"right": right}
    )
    assert_problem(answer, status, code)


def test_a_dataset_is_given_away(ada: Person, bob: Person) -> None:
    dataset = ada.create("tooth")
    given = ada.put(f"/v1/datasets/{dataset}/owner", {"owner": "bob"})
    assert (given.json()["owner"], given.json()["right"]) == ("bob", "read")
    assert bob.get(f"/v1/datasets/{dataset}").json()["right"] == "own"


def test_an_admin_gives_an_orphan_without_seeing_it(
    ada: Person, bob: Person, site: Site, client: TestClient
) -> None:
    dataset = ada.create("tooth")
    root = add_person(site, client, "root", role=Role.ADMIN)
    path = f"/v1/datasets/{dataset}/owner"
    assert_problem(root.put(path, {"owner": "bob"}), 404, "not-found")
    disable(site, "ada")
    answer = root.put(path, {"owner": "bob"})
    assert (answer.status_code, answer.content) == (204, b"")
    assert_problem(root.get(f"/v1/datasets/{dataset}"), 404, "not-found")
    assert bob.get(f"/v1/datasets/{dataset}").json()["owner"] == "bob"


def test_the_audit_tells_what_was_done(ada: Person) -> None:
    dataset = ada.create("tooth")
    _patch(ada, dataset, description="x")
    page = ada.get(f"/v1/datasets/{dataset}/audit?limit=1").json()
    assert [row["action"] for row in page["items"]] == ["patch"]
    rest = ada.get(f"/v1/datasets/{dataset}/audit?after={page['next']}").json()
    assert [row["action"] for row in rest["items"]] == ["create"]


def test_types_are_listed_with_their_schemas(ada: Person) -> None:
    items = {t["name"]: t for t in ada.get("/v1/types").json()["items"]}
    assert items["scan.tomo"]["parent"].startswith("scan")
    assert items["generic"]["json_schema"]["type"] == "object"


@pytest.mark.parametrize("depth", ["0", "101", "x"])
def test_the_depth_of_a_lineage_is_bounded(ada: Person, depth: str) -> None:
    answer = ada.get(f"/v1/datasets/{ada.create('tooth')}/lineage?depth={depth}")
    assert_problem(answer, 422, "invalid-input", at="depth")

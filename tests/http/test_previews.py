"""Previews over HTTP: what a step may send, and what is answered to those who read."""

from base64 import b64encode
from typing import Any
from uuid import uuid4

import pytest
from starlette.testclient import TestClient

from hutch.contract.wire.previews import MAX_BYTES
from hutch.contract.wire.runs import StepKind
from hutch_api.domain.system import EXECUTOR, PREVIEW
from hutch_api.services import attempts, claims, outputs, system
from hutch_api.services.attempts import Assignment, Runner
from hutch_api.services.work import Site
from tests.http.people import Person, assert_problem

PIXEL = b"\x89PNG\r\n"


class Sender:
    """The last step of a run that makes previews of Ada's dataset."""

    def __init__(self, site: Site, client: TestClient, ada: Person) -> None:
        self.site, self.client = site, client
        system.ensure(site)
        self.scan = ada.create("scan")
        ada.post(f"/v1/datasets/{self.scan}/close", {"empty": True})
        begun = ada.post(
            "/v1/runs",
            {"definition": PREVIEW.name, "inputs": {"dataset": self.scan}},
        )
        assert begun.status_code == 201, begun.text
        self.run = begun.json()
        self.taken = self._take()
        code = claims.make_claim(site, self.taken.lease, StepKind.OUT)
        claimed = client.post("/v1/claims", json={"code": code})
        self.job = claimed.json()

    def _take(self) -> Assignment:
        runner = Runner(name="near", holder=uuid4(), executor=EXECUTOR)
        taken = attempts.take(self.site, runner)
        assert taken is not None
        return taken

    def put(self, name: str, body: object) -> Any:
        return self.client.put(
            f"/v1/previews/{name}",
            json=body,
            headers={"Authorization": f"Bearer {self.job['token']}"},
        )


@pytest.fixture
def sender(site: Site, client: TestClient, ada: Person) -> Sender:
    return Sender(site, client, ada)


def sent(data: bytes) -> dict[str, str]:
    return {"data": b64encode(data).decode()}


def test_previews_are_sent_and_read(sender: Sender, ada: Person) -> None:
    assert (sender.run["target"], sender.run["name"]) == (
        "previews",
        f"hutch-preview-{sender.scan[:8]}",
    )
    assert (sender.job["target"], sender.job["dataset"]) == ("previews", None)
    assert sender.put("0001.png", sent(PIXEL)).status_code == 204
    path = f"/v1/datasets/{sender.scan}/previews"
    assert ada.get(path).json() == {"items": [], "run": None, "made_at": None}
    outputs.accept(sender.site, sender.taken.lease)
    assert outputs.finish(sender.site, sender.taken.lease)
    shown = ada.get(path).json()
    assert shown["run"] == sender.run["id"]
    [item] = shown["items"]
    assert (item["name"], item["bytes"], item["media_type"]) == (
        "0001.png",
        len(PIXEL),
        "image/png",
    )
    assert item["request"]["method"] == "GET"
    assert_problem(sender.put("0001.png", sent(PIXEL)), 409, "attempt-ended")


@pytest.mark.parametrize(
    ("name", "body", "status"),
    [
        ("a.txt", sent(b"x"), 422),
        ("..%2Fa.png", sent(b"x"), 422),
        ("a.png", {"data": "no base64"}, 422),
        ("a.png", {}, 422),
        ("a.png", {"data": 1}, 422),
        ("a.png", sent(b"x" * (MAX_BYTES + 1)), 422),
        ("a.png", sent(b"x" * (4 * MAX_BYTES)), 413),
    ],
)
def test_what_is_no_preview_is_refused(
    sender: Sender, name: str, body: object, status: int
) -> None:
    assert sender.put(name, body).status_code == status
    assert list(sender.site.objects.records("previews/")) == []


def test_the_definition_of_previews_is_hutchs_own(sender: Sender, ada: Person) -> None:
    shown = ada.get(f"/v1/definitions/{PREVIEW.name}").json()
    assert (shown["owner"], shown["image"], shown["target"], shown["output"]) == (
        "hutch",
        "system",
        "previews",
        None,
    )
    path = f"/v1/definitions/{PREVIEW.name}"
    assert_problem(ada.delete(path), 403, "forbidden")
    named = {
        "definition": PREVIEW.name,
        "inputs": {"dataset": sender.scan},
        "name": "mine",
    }
    assert_problem(ada.post("/v1/runs", named), 422, "invalid-input")

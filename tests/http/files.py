"""Files that got into a dataset as the protocol has it."""

import hashlib
from typing import Any

from hutch.contract.wire.transfer import SignedRequest
from hutch_api.adapters.memory import MemoryStore, checksum
from tests.http.people import Person


def signed(document: dict[str, Any]) -> SignedRequest:
    """Read a signed request from an answer."""
    return SignedRequest(**document)


def push_file(
    person: Person, store: MemoryStore, dataset: str, path: str, content: bytes
) -> dict[str, Any]:
    """Push a new file and return what the server says of it."""
    push = person.post(f"/v1/datasets/{dataset}/pushes").json()["id"]
    announced = person.post(
        f"/v1/pushes/{push}/uploads",
        {
            "files": [
                {"path": path, "size": len(content), "crc64nvme": checksum(content)}
            ]
        },
    ).json()["files"][0]
    assert announced["problem"] is None, announced
    parts = _send(person, store, push, announced, content)
    finished: dict[str, Any] = person.post(
        f"/v1/pushes/{push}/finish",
        {
            "files": [
                {
                    "intent": announced["intent"],
                    "crc64nvme": checksum(content),
                    "sha256": hashlib.sha256(content).hexdigest(),
                    "parts": parts,
                }
            ]
        },
    ).json()["files"][0]
    assert finished["problem"] is None, finished
    return finished


def _send(
    person: Person,
    store: MemoryStore,
    push: str,
    announced: dict[str, Any],
    content: bytes,
) -> list[dict[str, Any]]:
    """Send a file as the server wants it, and return its parts."""
    if announced["verb"] == "single":
        assert store.send(signed(announced["request"]), content).status == 200
        return []
    part = {"intent": announced["intent"], "number": 1, "crc64nvme": checksum(content)}
    answer = person.post(f"/v1/pushes/{push}/parts", {"parts": [part]}).json()
    sent = store.send(signed(answer["parts"][0]["request"]), content)
    assert sent.status == 200
    part["etag"] = sent.headers["etag"]
    del part["intent"]
    return [part]

"""S3 tools beside hutch: what they did is shown, taken in, or undone."""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from uuid import UUID

import boto3
import pytest
from botocore.config import Config

from hutch.cli.exits import Exit
from hutch.contract.wire.tools import StoreAccess
from tests.e2e.stage import Person, tree, write

pytestmark = pytest.mark.foreign


@contextmanager
def tool(person: Person, name: str) -> Iterator["Tool"]:
    """Give somebody a tool that may write to a dataset of theirs."""
    with person.client() as client:
        dataset = client.find(name).id
        made = client.store_accounts.create(dataset, StoreAccess.WRITE)
        yield Tool(made, dataset)


class Tool:
    """boto3, with an account of one dataset."""

    def __init__(self, made: Any, dataset: UUID) -> None:
        self.dataset, self.bucket, self.prefix = dataset, made.bucket, made.prefix
        self.s3 = boto3.client(
            "s3",
            endpoint_url=made.endpoint,
            region_name=made.region,
            aws_access_key_id=made.key_id,
            aws_secret_access_key=made.secret,
            config=Config(s3={"addressing_style": "path"}),
        )

    def put(self, path: str, data: bytes) -> None:
        self.s3.put_object(Bucket=self.bucket, Key=self.prefix + path, Body=data)

    def delete(self, path: str) -> None:
        self.s3.delete_object(Bucket=self.bucket, Key=self.prefix + path)


def worked_on(anna: Person, name: str) -> Any:
    """A dataset in which a tool added, overwrote and deleted."""
    root = anna.pushed(name, {"kept": "0", "over": "1", "gone": "2"})
    with tool(anna, name) as s3:
        s3.put("new/a", b"added")
        s3.put("new/bi\u202edi", b"odd")
        s3.put("over", b"overwritten")
        s3.delete("gone")
    return root


def test_status_shows_what_tools_did(anna: Person) -> None:
    root = worked_on(anna, "shown")
    told = anna.hutch("status", where=root).out
    assert "added       new/a\n" in told
    assert "overwritten over" in told
    assert "deleted     gone" in told
    assert "\u202e" not in told
    assert "which is not allowed" in told
    assert "hutch adopt" in told
    strays = anna.json("status", where=root)["strays"]
    assert [s["path"] for s in strays] == ["gone", "new/a", "new/bi\u202edi", "over"]


def test_status_says_nothing_of_tools_where_none_may_write(anna: Person) -> None:
    root = anna.pushed("quiet", {"a": "1"})
    assert anna.json("status", where=root)["strays"] == []
    assert "tools" not in anna.hutch("status", where=root).out


def test_adopt_takes_in_what_is_wanted_and_names_the_rest(anna: Person) -> None:
    root = worked_on(anna, "adopted")
    listed = anna.json("adopt", "--dry-run", "--include", "new", where=root)
    assert [s["path"] for s in listed] == ["new/a", "new/bi\u202edi"]
    told = anna.hutch("adopt", "--include", "new/a", where=root)
    assert "took 1 file into" in told.out
    refused = anna.hutch("close", where=root, exits=Exit.STATE)
    assert "--adopt" in refused.err
    told = anna.hutch("adopt", where=root, exits=Exit.SOME_FAILED)
    assert "took 1 file into" in told.out
    assert "took 1 file out of" in told.out
    assert "[path-invalid]" in told.err
    assert "\u202e" not in told.err
    anna.hutch("pull", where=root)
    assert tree(root) == {"kept": b"0", "new/a": b"added", "over": b"overwritten"}
    assert "undid 1 change" in anna.hutch("adopt", "--drop", where=root).out
    assert "changed nothing" in anna.hutch("adopt", where=root).out
    anna.hutch("close", where=root)


def test_close_adopts_and_a_clone_is_the_same(anna: Person) -> None:
    root = anna.pushed("closed", {"kept": "0", "over": "1", "gone": "2"})
    large = hashlib.sha256(b"seed").digest() * (17 * 2**15)
    with tool(anna, "closed") as s3:
        s3.put("large", large)
        s3.put("over", b"overwritten")
        s3.delete("gone")
    anna.hutch("close", "--adopt", where=root)
    anna.hutch("clone", "closed", "copy")
    copy = tree(anna.home / "copy")
    assert copy == {"kept": b"0", "large": large, "over": b"overwritten"}
    assert anna.json("verify", f"{anna.name}/closed")["files"]["files"] == 3
    files = {f["path"]: f["confirmed"] for f in anna.json("files", "closed")["items"]}
    assert files["large"]


def test_close_drops_what_tools_did(anna: Person) -> None:
    root = worked_on(anna, "dropped")
    write(root, {"over": "1"})
    anna.hutch("close", "--drop", where=root, exits=Exit.OK)
    anna.hutch("clone", "dropped", "as-pushed")
    assert set(tree(anna.home / "as-pushed")) == {"kept", "over", "gone"}

"""``hutch s3``: accounts listed and revoked, refusals, and where nothing secret is."""

import json
import stat
from pathlib import Path
from typing import Any
from uuid import uuid4

from hutch.cli.exits import Exit
from hutch_api.services.tool_accounts import MOST
from tests.e2e.stage import Person
from tests.tools.conftest import Hutch, asked, dataset


def close(person: Person, name: str) -> None:
    person.hutch("close", name, "--empty")


def test_accounts_are_listed_and_revoked(anna: Person, tooth: str) -> None:
    assert "no store account" in anna.hutch("s3", "list", tooth).out
    first = json.loads(anna.hutch("s3", "credentials", tooth).out)
    [listed] = anna.json("s3", "list", "tooth")["items"]
    shown = anna.hutch("s3", "list", tooth).out
    assert listed["id"] in shown
    assert first["AccessKeyId"] not in shown
    anna.hutch("s3", "revoke", listed["id"])
    assert anna.json("s3", "list", tooth)["items"] == []
    assert kept(anna) == []
    second = json.loads(anna.hutch("s3", "credentials", tooth).out)
    assert second["AccessKeyId"] != first["AccessKeyId"]


def kept(person: Person) -> list[Path]:
    return list((person.home / ".cache/hutch/s3").glob("*.json"))


def test_all_of_a_dataset_are_revoked_at_once(anna: Person, tooth: str) -> None:
    other = dataset(anna, "other")
    for words in ((tooth,), (tooth, "--write"), (other,)):
        anna.hutch("s3", "credentials", *words)
    assert len(anna.json("s3", "revoke", "tooth", "--all")["revoked"]) == 2
    assert anna.json("s3", "list", tooth)["items"] == []
    assert len(anna.json("s3", "list", other)["items"]) == 1
    assert len(kept(anna)) == 1
    assert anna.json("s3", "revoke", "tooth", "--all") == {"revoked": []}


def test_nothing_is_kept_after_the_logout(anna: Person, tooth: str) -> None:
    anna.hutch("s3", "credentials", tooth)
    assert len(kept(anna)) == 1
    anna.hutch("logout")
    assert kept(anna) == []


def test_what_is_not_an_account_is_not_revoked(anna: Person, ben: Person) -> None:
    theirs = dataset(ben, "tooth")
    ben.hutch("s3", "credentials", theirs)
    [account] = ben.json("s3", "list", theirs)["items"]
    anna.refused(Exit.NOT_FOUND, "not-found", "s3", "revoke", account["id"])
    anna.refused(Exit.NOT_FOUND, "not-found", "s3", "revoke", str(uuid4()))
    anna.refused(Exit.USAGE, "usage", "s3", "revoke", "tooth")
    assert len(ben.json("s3", "list", theirs)["items"]) == 1


def test_refusals_say_why_on_stderr_alone(anna: Person, ben: Person) -> None:
    """Tools show what a credential process says there."""
    mine, theirs = dataset(anna, "tooth"), dataset(ben, "tooth")
    credentials = ("s3", "credentials")
    anna.refused(Exit.NOT_FOUND, "not-found", *credentials, theirs)
    ben.hutch("share", "tooth", f"user:{anna.name}", "read")
    for form in ("credentials", "config", "env", "rclone"):
        words = ("s3", form, theirs, "--write")
        anna.refused(Exit.NOT_FOUND, "forbidden", *words)
    close(anna, "tooth")
    for form in ("credentials", "config", "env", "rclone"):
        words = ("s3", form, mine, "--write")
        told = anna.refused(Exit.STATE, "dataset-closed", *words)
        assert told.out == ""
        assert "stays as it is" in told.problem["detail"]
    anna.hutch("logout")
    told = anna.hutch(*credentials, mine, exits=Exit.NOT_LOGGED_IN)
    assert told.out == ""
    assert "hutch login" in told.err


def test_one_account_too_many_is_said(anna: Person, tooth: str) -> None:
    with anna.client() as client:
        for _ in range(MOST):
            client.store_accounts.create(client.find(tooth).id)
    told = anna.refused(Exit.CONFLICT, "conflict", "s3", "credentials", tooth)
    assert "hutch s3 revoke" in told.problem["detail"]


def test_nothing_secret_is_in_settings_or_on_stderr(
    anna: Person, tooth: str, hutch: Hutch
) -> None:
    told = [
        anna.hutch("s3", *words.split())
        for words in (
            "config tooth",
            "config tooth --write",
            "env tooth",
            "rclone tooth --save",
            "rclone tooth",
            "url tooth",
        )
    ]
    answers = [asked(anna, "hutch-tooth"), asked(anna, "hutch-tooth-write")]
    told += [anna.hutch("s3", "list", tooth), anna.hutch("s3", "config", tooth)]
    said = "".join(outcome.out + outcome.err for outcome in told)
    files = [p for p in anna.home.rglob("*") if p.is_file() and ".cache" not in p.parts]
    written = "".join(p.read_text() for p in files if p.name != "credentials.json")
    assert "[profile hutch-tooth]" in written
    assert "[hutch-tooth-store]" in written
    for answer in answers:
        for secret in (answer["AccessKeyId"], answer["SecretAccessKey"]):
            assert secret not in said + written
            assert all(secret not in repr(row) for row in audit_of(hutch))
    # Where they are kept they are nobody else's.
    assert {stat.S_IMODE(p.stat().st_mode) for p in kept(anna)} == {0o600}


def audit_of(hutch: Hutch) -> list[Any]:
    from sqlalchemy import text  # noqa: PLC0415 - one query

    with hutch.site.look() as work:
        return list(work.session.execute(text("SELECT * FROM audit")))

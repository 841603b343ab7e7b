"""Whose database was lost goes on working with the one that was rebuilt."""

import json
from pathlib import Path
from uuid import UUID

from hutch_api.services import users
from tests.client.live import serving
from tests.e2e.stage import Person, tree, write
from tests.laws.conftest import Count
from tests.laws.integrity.emptied import emptied, rebuilt
from tests.laws.integrity.family import RESULT, SCAN, Family

PASSWORD = "another secret"


def test_its_owner_reads_and_goes_on(
    family: Family, tmp_path: Path, count: Count
) -> None:
    name = family.person.name
    with emptied(family.live.site, tmp_path) as site:
        report = rebuilt(site)  # and what other tests left in the bucket
        assert name in report.users
        assert not {family.parent, family.child} & report.failed.keys()
        with site.begin() as work:
            users.set_password(work, name=name, password=PASSWORD)
            users.enable_user(work, name)
        with serving(site) as url:
            owner = Person(name, PASSWORD, tmp_path / "again", url)
            owner.home.mkdir()
            owner.log_in()
            _read_all(owner, family)
            _go_on(owner, family.child)
    count("files cloned and verified by a rebuilt database", len(SCAN) + len(RESULT))


def _read_all(owner: Person, family: Family) -> None:
    for dataset, files in ((family.parent, SCAN), (family.child, RESULT)):
        owner.hutch("clone", str(dataset), str(dataset))
        assert tree(owner.home / str(dataset)) == files
        owner.hutch("verify", "--lineage", str(dataset))


def _go_on(owner: Person, parent: UUID) -> None:
    owner.closed("new", {"n": "1"})
    listed = {d["name"]: d["id"] for d in owner.json("ls")["items"]}
    owner.hutch("derive", str(parent), listed["new"], "--name", "more")
    write(owner.home / "more", {"m": "2"})
    for words in (("push",), ("close",), ("verify", "--lineage", "more")):
        owner.hutch(*words, where=owner.home / "more")
    owner.hutch("clone", "more", "copy")
    assert tree(owner.home / "copy") == {"m": b"2"}
    inputs = json.dumps(owner.json("info", "more"))
    assert str(parent) in inputs
    assert listed["new"] in inputs

"""One changed byte, wherever it lies, is found and named by who believes nobody."""

from collections.abc import Callable, Mapping
from typing import Final

from hutch import Client, verify_lineage
from hutch.cli.exits import Exit
from hutch.contract import records
from hutch.contract.problems import HutchError
from hutch.contract.wire.datasets import PrincipalKind, Right, State
from tests.e2e.stage import tree
from tests.laws.conftest import Count
from tests.laws.integrity.family import RESULT, SCAN, Family

Hurt = Callable[[Family], None]
DATASETS: Final = "UPDATE datasets SET {} WHERE id = :id"
ZEROS: Final = "0" * 64


def _sql(f: Family, change: str, *, child: bool = False, **values: object) -> None:
    which = (f.child if child else f.parent).hex
    f.damage.sql(DATASETS.format(change), id=which, **values)


OBJECT: Final = "an object"
DAMAGES: Final[Mapping[str, tuple[Hurt, str, str]]] = {
    OBJECT: (lambda f: f.damage.flip(f.parent, "sub/b"), "file", "'sub/b'"),
    "a piece of the manifest": (
        lambda f: f.damage.piece(f.parent, "manifest"),
        "manifest",
        "piece 1 of 1 of its manifest",
    ),
    "a piece of the pins": (
        lambda f: f.damage.piece(f.parent, "pins"),
        "pins",
        "piece 1 of 1 of its pins",
    ),
    "the seal record": (
        lambda f: f.damage.record(f.parent, records.SEAL),
        "seal-record",
        "seal record is damaged",
    ),
    "the record about it": (
        lambda f: f.damage.record(f.parent, records.ABOUT),
        "about-record",
        "record about it is damaged",
    ),
    "a record that is gone": (
        lambda f: f.damage.lose_record(f.parent, records.SEAL),
        "seal-record",
        "seal record is gone",
    ),
    "a piece that is gone": (
        lambda f: f.damage.lose_record(
            f.parent, f.damage.pieces(f.parent, "manifest")[0]
        ),
        "manifest",
        "is gone",
    ),
    "an attribute": (
        lambda f: _sql(f, "attributes = :a", a='{"sample":"toooth","energy":1e22}'),
        "attribute",
        "attribute 'sample'",
    ),
    "the type": (lambda f: _sql(f, "type = 'scan'"), "type", "type is scan"),
    "the digest": (lambda f: _sql(f, f"digest = '{ZEROS}'"), "digest", ZEROS),
    "the seal": (lambda f: _sql(f, f"seal = '{ZEROS}'"), "seal", ZEROS),
    "an edge": (
        lambda f: f.damage.sql(
            f"UPDATE inputs SET seal = '{ZEROS}' WHERE child_id = :id",  # noqa: S608 -- constants of this file
            id=f.child.hex,
        ),
        "edge",
        "{parent}",
    ),
    "the digest of an edge": (
        lambda f: f.damage.sql(
            f"UPDATE inputs SET digest = '{ZEROS}' WHERE child_id = :id",  # noqa: S608 -- constants of this file
            id=f.child.hex,
        ),
        "edge",
        "{parent}",
    ),
    "an edge that is gone": (
        lambda f: f.damage.sql(
            "DELETE FROM inputs WHERE child_id = :id", id=f.child.hex
        ),
        "edge",
        "{parent}",
    ),
    "a recorded sum": (
        lambda f: f.damage.file(f.parent, "a", sha256=ZEROS),
        "file",
        "'a' has the sha256",
    ),
    "a recorded size": (
        lambda f: f.damage.file(f.parent, "a", size=9),
        "file",
        "'a' has the size",
    ),
    "a pin": (
        lambda f: f.damage.file(f.parent, "a", version="another"),
        "file",
        "'a' has the version",
    ),
    "a recorded CRC": (
        lambda f: f.damage.file(f.parent, "a", crc64nvme="AAAAAAAAAAA="),
        "file",
        "'a' has the crc64nvme",
    ),
    "a file that is gone": (
        lambda f: f.damage.sql(
            "DELETE FROM files WHERE dataset_id = :id AND path = 'a'",
            id=f.parent.hex,
        ),
        "file",
        "'a' is not in the database",
    ),
}


def test_nothing_is_found_where_nothing_was_changed(family: Family) -> None:
    checks = list(
        verify_lineage(family.client, family.client.datasets.get(family.child))
    )
    assert [(c.dataset, c.errors, c.skipped) for c in checks] == [
        (family.child, (), None),
        (family.parent, (), None),
    ]
    family.person.hutch("verify", "--lineage", str(family.child))


def test_the_change_is_found_and_named(family: Family, count: Count) -> None:
    for what in DAMAGES:
        if what != OBJECT:
            with family.damage.undone():
                _require_found(family, what)
            count("changed bytes found and named", 1)
    assert _found(family) == []  # so that each was found for itself
    _require_found(family, OBJECT)  # no store puts a version back
    count("changed bytes found and named", 1)


def _found(family: Family) -> list[HutchError]:
    child = family.client.datasets.get(family.child)
    return [e for c in verify_lineage(family.client, child) for e in c.errors]


def _require_found(family: Family, what: str) -> None:
    hurt, thing, named = DAMAGES[what]
    hurt(family)
    found = _found(family)
    assert thing in {str(error.facts["thing"]) for error in found}, what
    words = named.format(parent=family.parent)
    assert any(words in e.detail for e in found if e.facts["thing"] == thing), what
    # From the child on, since whoever verifies begins with what they hold.
    told = family.person.hutch(
        "verify", "--lineage", str(family.child), exits=Exit.MISMATCH
    )
    assert words in told.err, what


def test_a_flipped_object_is_refused_by_a_clone(family: Family) -> None:
    family.damage.flip(family.parent, "sub/b")
    told = family.person.hutch("verify", str(family.parent), exits=Exit.MISMATCH)
    assert "'sub/b' has the SHA-256" in told.err
    _clone_without(family, "sub/b")


def test_a_lost_version_is_named_missing(family: Family) -> None:
    family.damage.lose(family.parent, "sub/b")
    told = family.person.hutch("verify", str(family.parent), exits=Exit.MISMATCH)
    assert "'sub/b' is missing" in told.err
    _clone_without(family, "sub/b")


def _clone_without(family: Family, path: str) -> None:
    told = family.person.hutch("clone", str(family.parent), "here", exits=Exit.MISMATCH)
    assert repr(path) in told.err
    target = family.person.home / "here"
    assert tree(target) == {p: d for p, d in SCAN.items() if p != path}
    # Nothing half-written waits there either: hutch's own files are small and known.
    everything = b"".join(p.read_bytes() for p in target.rglob("*") if p.is_file())
    assert SCAN[path][:-1] not in everything


def test_a_deleted_parent_is_checked_by_its_tombstone(family: Family) -> None:
    client = family.client
    client.datasets.wait(client.datasets.delete(family.parent))
    assert client.datasets.get(family.parent).state is State.DELETED
    family.person.hutch("verify", "--lineage", str(family.child))
    family.damage.sql(DATASETS.format(f"digest = '{ZEROS}'"), id=family.parent.hex)
    told = family.person.hutch(
        "verify", "--lineage", str(family.child), exits=Exit.MISMATCH
    )
    assert str(family.parent) in told.err


def test_a_reader_of_the_child_alone_proves_what_they_may_read(
    family: Family,
) -> None:
    with family.live.person() as reader:
        _share(family, reader)
        checks = list(verify_lineage(reader, reader.datasets.get(family.child)))
        held = [f.path for f in reader.files.iterate(family.child)]
    assert held == [*RESULT]
    assert [(c.dataset, c.errors, c.skipped) for c in checks] == [
        (family.child, (), None),
        (family.parent, (), "you may not read this dataset"),
    ]


def _share(family: Family, reader: Client) -> None:
    family.client.datasets.share(
        family.child,
        kind=PrincipalKind.USER,
        name=reader.account.whoami().user.name,
        right=Right.READ,
    )

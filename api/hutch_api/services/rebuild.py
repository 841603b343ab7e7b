"""Making an empty database whole again from what lies in the buckets.

Every closed dataset has left its records in the meta bucket, every deleted one that
was closed its tombstone. A dataset is ``closing`` while its files come in, so that a
rebuild that was killed is known by it and begins that dataset anew; one that is back
is not touched again. What cannot be proven by its hashes is not restored, but told.
"""

import hashlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from graphlib import TopologicalSorter
from typing import Final
from uuid import UUID, uuid4

from sqlalchemy import delete, insert, update
from sqlmodel import col, select

from hutch.contract import manifest as contract
from hutch.contract import records as forms
from hutch.contract.paths import RelativePath, fold
from hutch.contract.problems import ConflictError, StoreError, StoreUnavailableError
from hutch.contract.records import Pin, SealRecord
from hutch.contract.wire.accounts import Role
from hutch.contract.wire.datasets import State
from hutch_api.domain import instance
from hutch_api.domain.layout import INSTANCE, RECORDS
from hutch_api.services import about, audit, installation, records
from hutch_api.services.about import About
from hutch_api.services.work import Site, Work
from hutch_api.store.tables import Dataset, File, Input, Instance, User

UNUSABLE: Final = "!"
"""No hash: nothing that is typed fits, until the administrator sets a password."""
_DATA: Final = "d/"


@dataclass(slots=True)
class Rebuilt:
    """What a rebuild did.

    Attributes:
        closed: Closed datasets that are back.
        deleted: Tombstones that are back.
        files: Files of the closed ones.
        there: Datasets that an earlier run had brought back.
        renamed: New names of datasets whose own one was taken.
        failed: Why a dataset is not back.
        left: Datasets that were open: the store has files, but no record says which.
        users: Everybody who was made: disabled, without a password.
    """

    closed: int = 0
    deleted: int = 0
    files: int = 0
    there: int = 0
    renamed: dict[UUID, str] = field(default_factory=dict)
    failed: dict[UUID, str] = field(default_factory=dict)
    left: list[UUID] = field(default_factory=list)
    users: list[str] = field(default_factory=list)


def adopt(site: Site) -> UUID:
    """Make an empty database that of the installation whose buckets these are.

    Returns:
        The id of the installation; the site has to be opened again with it.

    Raises:
        ConflictError: The database holds data that no rebuild has brought there.
        StoreError: The buckets belong to no installation.
    """
    record = site.objects.get_record(INSTANCE)
    try:
        found = instance.decode(record or b"")
    except ValueError as error:
        raise StoreError("the buckets belong to no installation of hutch") from error
    with site.begin() as work:
        row = installation.find(work)
        if row.rebuild_since is None:
            for table in (User, Dataset):
                if work.session.exec(select(table.id).limit(1)).first() is not None:
                    raise ConflictError(
                        "the database holds data; rebuild only into an empty one"
                    )
        elif row.id != found:
            raise ConflictError(
                f"the database is being rebuilt from the buckets of {row.id}; these "
                f"belong to {found}"
            )
        since = row.rebuild_since or work.now
        work.session.exec(
            update(Instance).values(id=found, rebuild_since=since, probe=None)
        )
    return found


def rebuild(site: Site, *, tell: Callable[[str], None] = lambda _: None) -> Rebuilt:
    """Bring back every closed dataset and every tombstone that the buckets prove.

    Parents come before their children. It may be killed and run again.

    Args:
        site: The site, opened after ``adopt``.
        tell: Is told one line for each dataset.

    Raises:
        StoreUnavailableError: The store failed; running it again goes on.
    """
    report = Rebuilt()
    seals = _read_seals(site, report)
    parents = {
        dataset: [UUID(edge.id) for edge in seal.edges]
        for dataset, seal in seals.items()
    }
    for dataset in TopologicalSorter(parents).static_order():
        if dataset not in seals:
            report.failed.setdefault(dataset, "its records are gone")
            continue
        try:
            _require_parents(parents[dataset], report)
            _restore(site, dataset, seals[dataset], report)
        except StoreUnavailableError:
            raise
        except (StoreError, ValueError, KeyError) as error:
            report.failed[dataset] = getattr(error, "detail", str(error))
            _undo(site, dataset)
        tell(f"{dataset}  {report.failed.get(dataset, 'is back')}")
    report.left = [d for d in _stored(site) if d not in {*seals, *report.failed}]
    if not report.failed:
        with site.begin() as work:
            installation.find(work).rebuild_since = None
    return report


def _read_seals(site: Site, report: Rebuilt) -> dict[UUID, SealRecord]:
    """Read the seal of every dataset that has records."""
    found: dict[UUID, SealRecord] = {}
    for dataset in _recorded(site):
        try:
            seal = records.read_seal(site, dataset)
            if seal is None:
                report.failed[dataset] = "its seal record is missing"
            elif (seal.instance, seal.record["id"]) != (
                str(site.instance),
                str(dataset),
            ):
                report.failed[dataset] = "its seal record is that of another dataset"
            else:
                found[dataset] = seal
        except StoreUnavailableError:
            raise
        except StoreError as error:
            report.failed[dataset] = error.detail
    return found


def _recorded(site: Site) -> Iterator[UUID]:
    last = None
    for name in site.objects.records(RECORDS):
        text = name.removeprefix(RECORDS).partition("/")[0]
        if text != last:
            last = text
            yield UUID(text)


def _stored(site: Site) -> Iterator[UUID]:
    """Name the datasets of which the data bucket holds anything."""
    first: str | None = None
    while True:
        row = next(iter(site.objects.versions(_DATA, first=first)), None)
        if row is None:
            return
        name = row.key.removeprefix(_DATA).partition("/")[0]
        yield UUID(name)
        first = f"{_DATA}{name}0"  # "0" comes after "/"


def _require_parents(parents: list[UUID], report: Rebuilt) -> None:
    for parent in parents:
        if parent in report.failed:
            raise ValueError(f"its parent {parent} is not back")


def _restore(site: Site, dataset: UUID, seal: SealRecord, report: Rebuilt) -> None:
    with site.look() as work:
        row = work.session.get(Dataset, dataset)
    if row is not None and row.state is not State.CLOSING:
        report.there += 1
        return
    if row is not None:
        _undo(site, dataset)
    described = about.read(site, dataset)
    if described.state is State.CLOSED:
        _begin(site, dataset, seal, described, report)
        _restore_files(site, dataset, seal, described, report)
        report.closed += 1
        report.files += described.files
    else:
        _restore_tombstone(site, dataset, seal, described, report)
        report.deleted += 1


def _begin(
    site: Site, dataset: UUID, seal: SealRecord, described: About, report: Rebuilt
) -> None:
    with site.begin() as work:
        row = _row(work, dataset, seal, described, report)
        row.name = _free_name(work, row, report)
        work.session.add(row)


def _restore_files(
    site: Site, dataset: UUID, seal: SealRecord, described: About, report: Rebuilt
) -> None:
    """Bring the files back, a piece at a time, and then the state.

    Raises:
        ValueError: Manifest, pins and counts do not fit together.
    """
    digest, files, size = hashlib.sha256(), 0, 0
    for names in zip(seal.manifest, seal.pins, strict=True):
        lines, pins = (records.read_piece(site, dataset, name) for name in names)
        digest.update(lines)
        entries = [contract.read_line(line.decode()) for line in lines.splitlines()]
        pinned = [forms.read_pin(line) for line in pins.splitlines()]
        with site.begin() as work:
            people = _people(work, {p.committed_by for p in pinned}, report)
            rows = [
                _file(dataset, entry, pin, people)
                for entry, pin in zip(entries, pinned, strict=True)
            ]
            work.session.execute(insert(File), rows)
        files += len(entries)
        size += sum(entry.size for entry in entries)
    found = (digest.hexdigest(), files, size)
    if found != (seal.digest, described.files, described.bytes):
        raise ValueError("its manifest does not fit to its digest and counts")
    with site.begin() as work:
        row = work.session.get_one(Dataset, dataset)
        row.state = State.CLOSED
        _finish(work, row, seal)


def _restore_tombstone(
    site: Site, dataset: UUID, seal: SealRecord, described: About, report: Rebuilt
) -> None:
    with site.begin() as work:
        row = _row(work, dataset, seal, described, report)
        row.state = State.DELETED
        row.deleted_at = described.deleted_at or described.updated_at
        if (
            described.state is not State.DELETED
        ):  # the files were going when it was lost
            row.about_at = work.now
        work.session.add(row)
        _finish(work, row, seal)


def _row(
    work: Work, dataset: UUID, seal: SealRecord, described: About, report: Rebuilt
) -> Dataset:
    people = _people(work, {described.owner, described.creator}, report)
    kind, _, version = str(seal.record["type"]).rpartition("@")
    return Dataset(
        id=dataset,
        name=described.name,
        name_is_unique=described.name_is_unique,
        owner_id=people[described.owner],
        creator_id=people[described.creator],
        type=kind,
        type_version=int(version),
        attributes=seal.record["attributes"],
        run=seal.record["run"],
        description=described.description,
        keywords=described.keywords,
        state=State.CLOSING,
        revision=described.revision,
        correction=described.correction,
        files=described.files,
        bytes=described.bytes,
        digest=seal.digest,
        seal=seal.seal,
        created_at=described.created_at,
        updated_at=described.updated_at,
        closed_at=described.closed_at,
        sweep_at=work.now,
    )


def _finish(work: Work, row: Dataset, seal: SealRecord) -> None:
    work.session.flush()
    for position, edge in enumerate(seal.edges):
        work.session.add(
            Input(
                child_id=row.id,
                position=position,
                parent_id=UUID(edge.id),
                digest=edge.digest,
                seal=edge.seal,
            )
        )
    audit.record(work, None, "rebuild", row.id, name=row.name, files=row.files)


def _file(
    dataset: UUID, entry: contract.Entry, pin: Pin, people: Mapping[str, UUID]
) -> dict[str, object]:
    if entry.path != pin.path:
        raise ValueError(f"{entry.path!r} is pinned as {pin.path!r}")
    return {
        "dataset_id": dataset,
        "path": entry.path,
        "fold": fold(RelativePath(entry.path)),
        "size": entry.size,
        "sha256": entry.sha256,
        "crc64nvme": pin.crc64nvme,
        "version": pin.version,
        "intent_id": UUID(pin.intent),
        "confirmed": pin.confirmed,
        "committed_at": datetime.fromisoformat(pin.committed_at),
        "committed_by": people[pin.committed_by],
    }


def _people(work: Work, names: set[str], report: Rebuilt) -> dict[str, UUID]:
    """Find users by name; who is not there is made, disabled and without a password."""
    found = work.session.exec(
        select(User.name, User.id).where(col(User.name).in_(names))
    ).all()
    people = dict(found)
    for name in sorted(names - people.keys()):
        row = User(
            id=uuid4(),
            name=name,
            password=UNUSABLE,
            role=Role.USER,
            created_at=work.now,
            disabled_at=work.now,
        )
        work.session.add(row)
        audit.record(work, None, "add-user", user=name, role=Role.USER)
        people[name] = row.id
        report.users.append(name)
    work.session.flush()
    return people


def _free_name(work: Work, row: Dataset, report: Rebuilt) -> str:
    """Choose another name where the owner has a dataset of this one already.

    It happens if a rename was not in the records yet when the database was lost.
    """
    taken = select(Dataset.id).where(
        Dataset.owner_id == row.owner_id,
        Dataset.name == row.name,
        col(Dataset.name_is_unique),
        col(Dataset.state) != State.DELETED,
    )
    if not row.name_is_unique or work.session.exec(taken).first() is None:
        return row.name
    row.about_at = work.now
    report.renamed[row.id] = f"{row.name[:90]}-{str(row.id)[:8]}"
    return report.renamed[row.id]


def _undo(site: Site, dataset: UUID) -> None:
    """Take back a dataset that came half."""
    with site.begin() as work:
        row = work.session.get(Dataset, dataset)
        if row is None or row.state is not State.CLOSING:
            return
        work.session.exec(delete(File).where(col(File.dataset_id) == dataset))
        work.session.delete(row)

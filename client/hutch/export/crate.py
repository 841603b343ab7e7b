"""``export``: a closed dataset as an RO-Crate, which others read without hutch."""

import json
import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from mimetypes import MimeTypes
from pathlib import Path
from types import ModuleType
from typing import Final
from urllib.parse import quote
from uuid import UUID

from hutch.client import Client
from hutch.contract import manifest
from hutch.contract.manifest import Entry
from hutch.contract.paths import fold, parse
from hutch.contract.problems import ConflictError, DatasetOpenError, DeletedError
from hutch.contract.wire.datasets import DatasetOut, State
from hutch.errors import (
    CorruptDataError,
    ExtraMissingError,
    LocalChangesError,
    WorkdirError,
)
from hutch.export.description import Description, describe
from hutch.export.entities import RUN_TERMS, Entity, moment
from hutch.export.making import Making
from hutch.models import Problem, PullReport
from hutch.progress import Tell, ignore
from hutch.sync.pulling import begin_clone
from hutch.workdir.directory import Workdir, unbind
from hutch.workdir.status import read_status

Address = Callable[[str], str]

METADATA: Final = "ro-crate-metadata.json"
_VERSION: Final = "1.1"
"""Of RO-Crate: the profile extends this one."""
_SHA256: Final = {"sha256": "http://schema.org/sha256"}
"""The word is younger than RO-Crate 1.1; the terms of runs bring their own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CrateReport:
    """What an export did.

    Attributes:
        metadata: The file that describes the dataset; None if files are missing: the
            same again goes on.
        profile: The profile that the crate follows; None beside RO-Crate itself.
        files: Number of files that it describes.
        fetched: What was fetched; None if only the description was wanted.
    """

    dataset: UUID
    directory: Path
    metadata: Path | None
    profile: str | None
    files: int
    fetched: PullReport | None = None


def export_crate(
    client: Client,
    dataset: DatasetOut,
    directory: Path,
    *,
    licence_url: str | None = None,
    metadata_only: bool = False,
    jobs: int | None = None,
    tell: Tell = ignore,
) -> CrateReport:
    """Write a closed dataset as an RO-Crate.

    What a run made follows the Process Run Crate profile: the crate tells which program
    ran in which image, on which inputs, with which parameters.

    Args:
        client: Logged in to the server.
        dataset: As ``client.find`` gave it.
        directory: Is made if needed; must be empty, or hold an unfinished export,
            which is then continued. For the description alone it may hold other files.
        licence_url: Of the licence of the data; None says that none was stated.
        metadata_only: Fetch no files; the crate tells where they can be asked for.
        jobs: Transfers at a time; None means as many as are found to be good.
        tell: Is told what happens, one event at a time.

    Raises:
        ExtraMissingError: If the library for RO-Crates is not installed.
        DatasetOpenError: If the dataset is not closed.
        CorruptDataError: If its files are not those of its digest.
        WorkdirError: If the directory holds something else.
        HutchError: Whatever stops the export as a whole.
    """
    library = load()
    _require_closed(dataset)
    entries = _entries(client, dataset)
    described = _describe(client, dataset, licence_url)
    report = CrateReport(
        dataset=dataset.id,
        directory=directory,
        metadata=directory / METADATA,
        profile=described.profile,
        files=len(entries),
    )
    if metadata_only:
        _require_room(directory)
        address = partial(client.files.address, dataset.id)
        text = _text(library, described, entries, address)
        _write(directory, text, unfinished=directory / f".{METADATA}.new")
        return report
    _require_unused(dataset, entries)
    workdir, fetched = begin_clone(client, dataset, directory, jobs=jobs, tell=tell)
    if fetched.unchanged:
        fetched = replace(fetched, problems=(*fetched.problems, *_altered(workdir)))
    if fetched.problems:
        return replace(report, metadata=None, fetched=fetched)
    text = _text(library, described, entries, None)
    _write(workdir.root, text, unfinished=workdir.hidden / f"{METADATA}.new")
    unbind(workdir)
    return replace(report, fetched=fetched)


def load() -> ModuleType:
    """Load the library that knows RO-Crates.

    Raises:
        ExtraMissingError: If it is not installed.
    """
    try:
        from rocrate import rocrate  # noqa: PLC0415 - an extra, and slow to load
    except ImportError:
        raise ExtraMissingError(
            "To write an RO-Crate hutch needs a library that is not installed. Run: "
            "pip install 'hutch[crate]'.",
            extra="crate",
        ) from None
    module: ModuleType = rocrate
    return module


def _require_closed(dataset: DatasetOut) -> None:
    if dataset.state in {State.DELETING, State.DELETED}:
        raise DeletedError(f"{dataset.name} was deleted; there is nothing to export.")
    if dataset.state is not State.CLOSED:
        raise DatasetOpenError(
            f"{dataset.name} is {dataset.state}: what it holds may still change. Close "
            "it with 'hutch close', then export it."
        )


def _entries(client: Client, dataset: DatasetOut) -> list[Entry]:
    """Read the manifest, and prove that it is the one that the digest names."""
    try:
        entries = list(client.files.manifest(dataset.id))
        for entry in entries:
            parse(entry.path)
        digest = manifest.digest(entries)
    except ValueError as e:
        raise CorruptDataError(
            f"The manifest of {dataset.name} cannot be read: {e}. Tell the facility."
        ) from e
    if digest != dataset.digest:
        raise CorruptDataError(
            f"The manifest of {dataset.name} has the digest {digest}, not "
            f"{dataset.digest}. Tell the owner and the facility.",
            dataset=str(dataset.id),
        )
    return entries


def _describe(
    client: Client, dataset: DatasetOut, licence_url: str | None
) -> Description:
    making = None if dataset.run is None else Making.read(dataset.run)
    program = (
        ""
        if making is None
        else client.definitions.address(making.definition, making.version)
    )
    return describe(
        dataset,
        making,
        names=_names(client, dataset),
        program=program,
        licence_url=licence_url,
    )


def _names(client: Client, dataset: DatasetOut) -> dict[UUID, str]:
    """Name the inputs that the caller may read."""
    if not dataset.inputs:
        return {}
    found = client.datasets.lineage(dataset.id, depth=1)
    return {
        node.id: f"{node.owner}/{node.name}"
        for node in found.nodes
        if node.name is not None
    }


def _require_unused(dataset: DatasetOut, entries: Iterable[Entry]) -> None:
    """Refuse to write the description over a file of the dataset."""
    for entry in entries:
        if fold(parse(entry.path.partition("/")[0])) == METADATA:
            raise ConflictError(
                f"{dataset.name} holds {entry.path!r} itself, in the place of the "
                "description. 'hutch clone' fetches it as it is; --metadata-only "
                "describes it elsewhere.",
                path=entry.path,
            )


def _require_room(directory: Path) -> None:
    if os.path.lexists(directory / METADATA):
        raise WorkdirError(
            f"{directory / METADATA} is there already. Remove it, or export into "
            "another directory."
        )


def _altered(workdir: Workdir) -> list[Problem]:
    """Find what was changed here since an earlier try fetched it."""
    return [
        Problem(
            path,
            LocalChangesError(
                f"{path!r} was changed here after it was fetched; remove it, and the "
                "same command again fetches it.",
                path=path,
            ),
        )
        for path in read_status(workdir).changed
    ]


def _text(
    library: ModuleType,
    described: Description,
    entries: Iterable[Entry],
    address: Address | None,
) -> bytes:
    """Write the description down.

    Args:
        library: As ``load`` gave it.
        described: What is said beside the files.
        entries: The files.
        address: Tells by the path where a file can be asked for; None where they lie
            beside the description.
    """
    crate = library.ROCrate(version=_VERSION)
    if described.profile is None:
        crate.metadata.extra_terms.update(_SHA256)
    else:
        crate.metadata.extra_contexts.append(f"{RUN_TERMS}/context")
    for name, value in described.root.items():
        crate.root_dataset[name] = value
    for entity in described.entities:
        crate.add_jsonld(dict(entity))
    # The library would take ten times as long for each file.
    files = list(_files(entries, address))
    crate.root_dataset["hasPart"] = [{"@id": file["@id"]} for file in files]
    document = crate.metadata.generate()
    document["@graph"] = [_compact(e) for e in (*document["@graph"], *files)]
    text = json.dumps(document, ensure_ascii=False, indent=2, sort_keys=True)
    return f"{text}\n".encode()


def _files(entries: Iterable[Entry], address: Address | None) -> Iterator[Entity]:
    kinds = MimeTypes()
    seen = {} if address is None else {"sdDatePublished": moment(datetime.now(UTC))}
    for entry in entries:
        # The slash keeps what looks like a URL from being read as one.
        kind, packed = kinds.guess_type(f"/{entry.path}")
        known = kind is not None and packed is None
        yield {
            "@id": quote(entry.path) if address is None else address(entry.path),
            "@type": "File",
            "name": entry.path,
            "contentSize": str(entry.size),
            "sha256": entry.sha256,
            **({"encodingFormat": kind} if known else {}),
            **seen,
        }


def _compact(entity: Entity) -> Entity:
    """Write one value as itself, and none not at all, as the specification asks."""
    return {
        name: value[0] if isinstance(value, list) and len(value) == 1 else value
        for name, value in entity.items()
        if value != []
    }


def _write(directory: Path, text: bytes, *, unfinished: Path) -> None:
    """Write the description as a whole; what lies there already is replaced."""
    target = directory / METADATA
    try:
        directory.mkdir(parents=True, exist_ok=True)
        with unfinished.open("wb") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        unfinished.replace(target)
    except OSError as e:
        raise WorkdirError(f"{target} cannot be written: {e.strerror}.") from e

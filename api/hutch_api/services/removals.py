"""Take files out of an open dataset."""

from collections.abc import Mapping, Sequence
from uuid import UUID

from sqlmodel import col, delete

from hutch.contract.problems import HutchError, to_problem
from hutch.contract.wire.transfer import (
    Deleted,
    DeletionsIn,
    DeletionsOut,
    FileRef,
)
from hutch_api.domain.access import Actor
from hutch_api.domain.lifecycle import require_open
from hutch_api.services import audit
from hutch_api.services.announcement import require_base
from hutch_api.services.commit import superseded
from hutch_api.services.files import user_names
from hutch_api.services.pushes import find_push
from hutch_api.services.work import Work
from hutch_api.store.rows import FILES, FileRow, among, insert_rows, read_files
from hutch_api.store.tables import Dataset, File, Superseded


def remove_files(
    work: Work, actor: Actor, push: UUID, wanted: DeletionsIn
) -> DeletionsOut:
    """Remove files that a working directory held and no longer has.

    A file that is gone already is fine; one that others changed is not removed
    unless ``force`` is set. The versions stay in the store for two hours.
    """
    _, dataset = find_push(work, actor, push, lock=True)
    require_open(dataset.state, name=dataset.name)
    files = {
        f.path: f
        for f in read_files(
            work.session,
            FILES.where(
                col(File.dataset_id) == dataset.id,
                among(work.session, col(File.path), [r.path for r in wanted.files]),
            ),
        )
    }
    names = user_names(work, {f.committed_by for f in files.values()})
    removed: list[FileRow] = []
    outcomes = []
    for ref in wanted.files:
        file = files.pop(ref.path, None)
        problem = None if wanted.force else _problem(ref, file, names)
        outcomes.append(Deleted(path=ref.path, problem=problem))
        if file is not None and problem is None:
            removed.append(file)
    if removed:
        take_out(work, dataset, removed)
        dataset.revision += 1
        dataset.updated_at = work.now
        audit.record(
            work,
            actor,
            "remove",
            dataset.id,
            files=len(removed),
            revision=dataset.revision,
        )
    return DeletionsOut(files=tuple(outcomes), revision=dataset.revision)


def take_out(work: Work, dataset: Dataset, files: Sequence[FileRow]) -> None:
    """Take files out of a dataset; their versions wait for their deletion."""
    if not files:
        return
    gone = [superseded(work, dataset.id, file) for file in files]
    insert_rows(work.session, Superseded, gone)
    work.session.exec(
        delete(File).where(
            col(File.dataset_id) == dataset.id,
            among(work.session, col(File.path), [f.path for f in files]),
        )
    )
    dataset.files -= len(files)
    dataset.bytes -= sum(f.size for f in files)


def _problem(
    ref: FileRef, file: FileRow | None, names: Mapping[UUID, str]
) -> dict[str, object] | None:
    if file is None:
        return None
    try:
        require_base(ref.path, file, ref.version, known=names)
    except HutchError as error:
        return to_problem(error)
    return None

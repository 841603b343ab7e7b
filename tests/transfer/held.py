"""What a dataset holds, by the database and by the store."""

from uuid import UUID

from sqlmodel import select

from hutch_api.domain.layout import key_of
from hutch_api.store.tables import File
from tests.transfer.flow import Flow


def held(flow: Flow, dataset: UUID) -> dict[str, str]:
    """Versions of the dataset by path."""
    with flow.site.look() as work:
        rows = work.session.exec(select(File).where(File.dataset_id == dataset))
        return {f.path: f.version for f in rows}


def stored(flow: Flow, dataset: UUID, path: str) -> bytes:
    return b"".join(
        flow.site.objects.read(key_of(dataset, path), held(flow, dataset)[path])
    )

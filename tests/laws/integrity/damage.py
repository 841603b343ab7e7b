"""What somebody does with the server's identity at the store, or with SQL."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from uuid import UUID

from sqlalchemy import delete, insert, select, text, update

from hutch_api.domain.layout import key_of, record_of
from hutch_api.services import records
from hutch_api.services.work import Site
from hutch_api.store.tables import Dataset, File, Input

_DATASETS, _FILES, _INPUTS = (
    kind.__table__  # type: ignore[union-attr]
    for kind in (Dataset, File, Input)
)

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client


def flipped(data: bytes, at: int | None = None) -> bytes:
    """The same bytes with one bit of one of them changed."""
    place = len(data) // 2 if at is None else at
    return data[:place] + bytes([data[place] ^ 1]) + data[place + 1 :]


@dataclass(frozen=True, slots=True)
class Damage:
    """Changes one thing, and nothing else."""

    site: Site
    server: "S3Client"
    bucket: str

    def record(self, dataset: UUID, name: str) -> None:
        """Flip a bit of a record."""
        place = record_of(dataset, name)
        data = self.site.objects.get_record(place)
        assert data is not None
        self.site.objects.put_record(place, flipped(data))

    def lose_record(self, dataset: UUID, name: str) -> None:
        self.site.objects.delete_records(record_of(dataset, name))

    def piece(self, dataset: UUID, kind: str) -> None:
        """Flip a bit in the first piece of ``manifest`` or ``pins``."""
        self.record(dataset, self.pieces(dataset, kind)[0])

    def pieces(self, dataset: UUID, kind: str) -> tuple[str, ...]:
        seal = records.read_seal(self.site, dataset)
        assert seal is not None
        return seal.manifest if kind == "manifest" else seal.pins

    def sql(self, statement: str, **values: object) -> None:
        """Change exactly one row of the database."""
        with self.site.engine.begin() as connection:
            changed = connection.execute(text(statement), values)
        assert changed.rowcount == 1, statement

    def file(self, dataset: UUID, path: str, **columns: object) -> None:
        """Change columns of a file's row."""
        with self.site.begin() as work:
            row = work.session.get_one(File, (dataset, path))
            for name, value in columns.items():
                setattr(row, name, value)

    def lose(self, dataset: UUID, path: str) -> None:
        """Delete the version that is pinned."""
        with self.site.look() as work:
            version = work.session.get_one(File, (dataset, path)).version
        self.server.delete_object(
            Bucket=self.bucket, Key=key_of(dataset, path), VersionId=version
        )

    def flip(self, dataset: UUID, path: str) -> None:
        """Put another object in place of a file's, with one bit changed.

        No request to a store changes a version, so the row is made to pin the new one.
        """
        key = key_of(dataset, path)
        with self.site.look() as work:
            version = work.session.get_one(File, (dataset, path)).version
        data = b"".join(self.site.objects.read(key, version))
        made = self.server.put_object(Bucket=self.bucket, Key=key, Body=flipped(data))
        self.server.delete_object(Bucket=self.bucket, Key=key, VersionId=version)
        self.file(dataset, path, version=made["VersionId"])

    @contextmanager
    def undone(self) -> Iterator[None]:
        """Put rows and records back as they were; objects are not."""
        rows, records_ = self._rows(), self._records()
        yield
        with self.site.engine.begin() as connection:
            for row in rows["datasets"]:
                same = update(_DATASETS).where(_DATASETS.c.id == row["id"])
                connection.execute(same.values(**row))
            for table in (_FILES, _INPUTS):
                connection.execute(delete(table))
                connection.execute(insert(table), rows[table.name])
        for name, data in records_.items():
            self.site.objects.put_record(name, data)
        assert (self._rows(), self._records()) == (rows, records_)

    def _rows(self) -> dict[str, list[dict[str, Any]]]:
        with self.site.engine.connect() as connection:
            return {
                table.name: [
                    dict(row)
                    for row in connection.execute(
                        select(table).order_by(*table.primary_key)
                    ).mappings()
                ]
                for table in (_DATASETS, _FILES, _INPUTS)
            }

    def _records(self) -> dict[str, bytes]:
        store = self.site.objects
        return {
            name: store.get_record(name) or b""
            for row in self._rows()["datasets"]
            for name in store.records(record_of(row["id"], ""))
        }

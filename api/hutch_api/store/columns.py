"""Column types that mean the same on SQLite and PostgreSQL."""

from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, Final

from sqlalchemy import JSON, BigInteger, DateTime, Dialect, Enum, Integer, String
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.types import TypeDecorator


class UtcDateTime(TypeDecorator[datetime]):
    """An aware UTC time; SQLite would forget the zone."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(
        self, value: datetime | None, dialect: Dialect
    ) -> datetime | None:
        """Refuse naive times; store UTC."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("a time without zone cannot be stored")
        utc = value.astimezone(UTC)
        return utc.replace(tzinfo=None) if dialect.name == "sqlite" else utc

    def process_result_value(
        self, value: datetime | None, dialect: Dialect
    ) -> datetime | None:
        """Give the zone back."""
        if value is None:
            return None
        naive = dialect.name == "sqlite"
        return value.replace(tzinfo=UTC) if naive else value.astimezone(UTC)


BIG: Final[Any] = BigInteger().with_variant(Integer(), "sqlite")
JsonColumn: Final[Any] = JSON().with_variant(JSONB(), "postgresql")
ExactJson: Final[Any] = JSON()
"""JSON whose text the database keeps: JSONB would turn 1e22 into an integer, and
with it the seal that is computed from it."""
ByteOrdered: Final[Any] = String().with_variant(String(collation="C"), "postgresql")
"""Text in the order of its bytes, as S3 lists keys; SQLite does so by itself."""


def one_of(kind: type[StrEnum]) -> Any:
    """Text that is one of an enumeration's values, and comes back as such."""
    return Enum(
        kind,
        native_enum=False,
        create_constraint=False,
        length=20,
        values_callable=lambda members: [m.value for m in members],
    )

"""What the record of a run says, read so that it can be written down elsewhere."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Self
from uuid import UUID

from hutch.errors import ServerAnswerError
from hutch.resources.definitions import split_label


@dataclass(frozen=True, slots=True, kw_only=True)
class MadeFrom:
    """An input, by what it held when something was made from it.

    Attributes:
        name: Under which a program found it; None if people made something from it.
    """

    id: UUID
    digest: str
    seal: str
    name: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Making:
    """How a run made a dataset.

    Attributes:
        id: Of the run.
        definition: Name of what was run.
        version: Its version.
        argv: The command in the container.
        by: For whom it ran.
        facts: What else the record tells, by name.
    """

    id: UUID
    definition: str
    version: int
    image: str
    argv: tuple[str, ...]
    parameters: Mapping[str, Any]
    inputs: tuple[MadeFrom, ...]
    started_at: datetime
    ended_at: datetime
    by: str
    facts: Mapping[str, Any]

    @classmethod
    def read(cls, record: Mapping[str, Any]) -> Self:
        """Read the record of a run.

        Raises:
            ServerAnswerError: If it does not say what it has to.
        """
        try:
            return cls._read(dict(record))
        except (AttributeError, KeyError, TypeError, ValueError) as e:
            raise ServerAnswerError(
                "The record of the run does not say how the dataset was made; is this "
                "client new enough for the server?"
            ) from e

    @classmethod
    def _read(cls, record: dict[str, Any]) -> Self:
        definition, version = split_label(record.pop("definition"))
        if version is None:
            raise ValueError("the definition has no version")
        return cls(
            id=UUID(record.pop("id")),
            definition=definition,
            version=version,
            image=_text(record.pop("image")),
            argv=tuple(_text(word) for word in record.pop("argv")),
            parameters=dict(record.pop("parameters")),
            inputs=tuple(_input(row) for row in record.pop("inputs")),
            started_at=datetime.fromisoformat(record.pop("started_at")),
            ended_at=datetime.fromisoformat(record.pop("ended_at")),
            by=_text(record.pop("by")),
            facts={name: fact for name, fact in record.items() if fact is not None},
        )


def _input(row: Mapping[str, Any]) -> MadeFrom:
    return MadeFrom(
        name=_text(row["name"]),
        id=UUID(row["id"]),
        digest=_text(row["digest"]),
        seal=_text(row["seal"]),
    )


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{value!r} is no text")
    return value

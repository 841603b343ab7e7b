"""What a runner tells the program."""

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self
from uuid import UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class PreviewJob:
    """What to make pictures of.

    Attributes:
        api: Address of the server.
        token: Reads the dataset and nothing else.
        edge: Longest edge of a picture in pixels.
        images: Pictures at most.
        out: Directory for them.
    """

    api: str
    token: str = field(repr=False)
    dataset: UUID
    edge: int
    images: int
    out: Path

    @classmethod
    def read(cls, file: Path) -> Self:
        """Read the job as hutch has written it."""
        job = json.loads(file.read_bytes())
        ((_, given),) = job["inputs"].items()
        return cls(
            api=job["api"],
            token=Path(job["token_file"]).read_text("ascii").strip(),
            dataset=UUID(given["id"]),
            edge=int(job["parameters"]["edge"]),
            images=int(job["parameters"]["images"]),
            out=Path(job["output"]["path"]),
        )

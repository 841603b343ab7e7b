"""Where things lie in the containers of a run."""

from dataclasses import dataclass
from pathlib import Path
from typing import Final


@dataclass(frozen=True, slots=True, kw_only=True)
class Places:
    """The directories that the steps of an attempt share.

    Attributes:
        inputs: Has a directory for each input.
        output: What the program leaves.
        notes: What the program is told: ``job.json``.
        claim: The claim code of the step; the program has no such file.
        program: The claim code of a program that fetches its input itself; its token
            is what it finds.
    """

    inputs: Path = Path("/in")
    output: Path = Path("/out")
    notes: Path = Path("/run/hutch")
    claim: Path = Path("/run/claim/claim")
    program: Path = Path("/run/claim/program")

    @classmethod
    def below(cls, root: Path) -> "Places":
        """Give those of an attempt that has a directory instead of containers."""
        return cls(
            inputs=root / "in",
            output=root / "out",
            notes=root / "run",
            claim=root / "claim" / "claim",
            program=root / "claim" / "program",
        )

    @property
    def job(self) -> Path:
        """What the program reads about its run."""
        return self.notes / "job.json"

    @property
    def token(self) -> Path:
        """The token of a program that fetches its input itself."""
        return self.notes / "token"


IN_CONTAINER: Final = Places()
ATTRIBUTES: Final = "attributes.json"
"""Below ``.hutch`` of the output: the attributes of the dataset that is made."""

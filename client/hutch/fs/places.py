"""A path of the file system, taken apart."""

from dataclasses import dataclass
from typing import Self

from hutch.contract import paths
from hutch.contract.problems import NotFoundError
from hutch.contract.wire.checks import NAME


@dataclass(frozen=True, slots=True)
class Place:
    """Where a path leads: to all owners, an owner, a dataset, or into one.

    Attributes:
        owner: Empty at the root.
        name: Name of the dataset; empty above the datasets.
        path: Within the dataset; empty for the dataset itself.
    """

    owner: str = ""
    name: str = ""
    path: str = ""

    @classmethod
    def parse(cls, text: str) -> Self:
        """Take a path apart, such as ``ida/tooth/raw/tooth.h5``.

        Raises:
            NotFoundError: If nothing can have that name, so that nobody is asked.
        """
        owner, _, rest = text.partition("/")
        name, _, path = rest.partition("/")
        is_fit = all(NAME.fullmatch(part) for part in (owner, name) if part)
        if not is_fit or (path and not name) or (rest and not owner):
            raise NotFoundError(
                f"{text!r} is no path of hutch://; it looks like owner/dataset/path."
            )
        if path:
            try:
                paths.parse(path)
            except paths.PathError as e:
                raise NotFoundError(f"No dataset can hold {e}.", path=path) from e
        return cls(owner, name, path)

    @property
    def is_inside(self) -> bool:
        """Whether it is a dataset, or lies in one."""
        return bool(self.name)

    @property
    def dataset(self) -> str:
        """The dataset as the file system names it."""
        return f"{self.owner}/{self.name}"

    @property
    def text(self) -> str:
        """This place as the file system names it."""
        return "/".join(part for part in (self.owner, self.name, self.path) if part)

    def of(self, path: str) -> str:
        """Name a path of the same dataset as the file system does."""
        return f"{self.dataset}/{path}" if path else self.dataset

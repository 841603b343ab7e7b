"""Who may do what: rights, scopes, and what a token takes away."""

from dataclasses import dataclass
from typing import Final
from uuid import UUID

from hutch.contract.wire.accounts import Role, Scope
from hutch.contract.wire.datasets import Right

_RANK: Final = {Right.READ: 1, Right.WRITE: 2, Right.OWN: 3}


def holds(given: Right | None, wanted: Right) -> bool:
    """Tell whether a right includes another; None is no right at all."""
    return given is not None and _RANK[given] >= _RANK[wanted]


@dataclass(frozen=True, slots=True)
class Limits:
    """What a token takes away from its user.

    Attributes:
        scopes: All that it may be used for.
        datasets: All that it reaches; None means everything its user does.
    """

    scopes: frozenset[Scope]
    datasets: frozenset[UUID] | None = None

    def includes(self, other: "Limits") -> bool:
        """Tell whether ``other`` can do nothing that this cannot."""
        if not other.scopes <= self.scopes:
            return False
        if self.datasets is None:
            return True
        return other.datasets is not None and other.datasets <= self.datasets

    def reaches(self, dataset: UUID) -> bool:
        """Tell whether a dataset is within the filter."""
        return self.datasets is None or dataset in self.datasets


EVERYTHING: Final = Limits(frozenset(Scope))


@dataclass(frozen=True, slots=True)
class Actor:
    """Who asks, by which token, in which request.

    Attributes:
        token: None for the server's own work and for commands of the administrator.
        attempt: The attempt at a run that this is a step of; None for people. It alone
            sees the dataset that it fills.
    """

    user: UUID
    name: str
    role: Role
    request_id: str
    token: UUID | None = None
    limits: Limits = EVERYTHING
    attempt: UUID | None = None

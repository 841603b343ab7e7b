"""What the probe found, in words and as a record."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Self


class Need(StrEnum):
    """How much hutch needs what a check tries."""

    MUST = "must"
    """Without it the server does not start."""
    OPTIONAL = "optional"
    """Without it something is slower, or a warning stands in the report."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What one check found.

    Attributes:
        name: Stable name, kebab-case.
        means: What holds on a store that passes, one sentence.
        remedy: What to do if it does not hold.
        found: What was seen instead; None if it holds.
    """

    name: str
    need: Need
    means: str
    remedy: str
    found: str | None

    @property
    def passed(self) -> bool:
        """Tell whether it holds."""
        return self.found is None


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What all checks found.

    Attributes:
        store: What the store says it is, such as ``MinIO``.
        settings: Fingerprint of what the result depends on; see ``fingerprint``.
        at: When the probe ran.
        rights: For each identity, what it may do.
    """

    store: str
    settings: str
    at: datetime
    outcomes: tuple[Outcome, ...]
    rights: Mapping[str, tuple[str, ...]]

    @property
    def missing(self) -> tuple[Outcome, ...]:
        """List the musts that do not hold."""
        return tuple(o for o in self.outcomes if o.need is Need.MUST and not o.passed)

    @property
    def passed(self) -> bool:
        """Tell whether hutch may use this store."""
        return not self.missing

    def holds(self, name: str) -> bool:
        """Tell whether the check of this name passed."""
        return any(o.name == name and o.passed for o in self.outcomes)

    def lines(self) -> list[str]:
        """Write the report for a person, worst first."""
        order = sorted(self.outcomes, key=lambda o: (o.passed, o.need != Need.MUST))
        lines = [f"store: {self.store}"]
        for outcome in order:
            lines += _describe(outcome)
        for identity, allowed in self.rights.items():
            lines.append(f"the {identity} may: {', '.join(allowed) or 'nothing'}")
        return lines

    def to_record(self) -> dict[str, Any]:
        """Write what the database keeps."""
        return {
            "store": self.store,
            "settings": self.settings,
            "at": self.at.isoformat(),
            "outcomes": [asdict(outcome) for outcome in self.outcomes],
            "rights": {who: list(allowed) for who, allowed in self.rights.items()},
        }

    @classmethod
    def from_record(cls, record: Mapping[str, Any]) -> Self:
        """Read what the database kept.

        Raises:
            ValueError: If it is not such a record.
        """
        try:
            return cls(
                store=record["store"],
                settings=record["settings"],
                at=datetime.fromisoformat(record["at"]),
                outcomes=tuple(
                    Outcome(**{**outcome, "need": Need(outcome["need"])})
                    for outcome in record["outcomes"]
                ),
                rights={who: tuple(may) for who, may in record["rights"].items()},
            )
        except (KeyError, TypeError, AttributeError) as error:
            raise ValueError(f"not the record of a probe: {error!r}") from None


def _describe(outcome: Outcome) -> list[str]:
    if outcome.passed:
        return [f"ok       {outcome.name}: {outcome.means}"]
    label = "MISSING " if outcome.need is Need.MUST else "warning "
    return [
        f"{label} {outcome.name}: {outcome.means}",
        f"         found: {outcome.found}",
        f"         to do: {outcome.remedy}",
    ]

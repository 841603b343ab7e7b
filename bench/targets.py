"""What was asked for, as ratios to the other tools of the same run."""

from dataclasses import dataclass
from typing import Final

from bench.facility import StoreName
from bench.results import Run, Spread, Way, usages

PEERS: Final = ("s5cmd", "rclone", "mc", "aws")
"""The tools that move files and keep no record; DVC is compared by itself."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """A ratio of medians that hutch should reach.

    Attributes:
        against: A tool, or ``peers``: the fastest of them.
        cpu: Compare the client's CPU time; else the wall time.
        ratio: How many times less than the other hutch should take.
    """

    store: StoreName = "default"
    work: str
    way: Way
    against: str = "peers"
    cpu: bool = False
    ratio: float


TARGETS: Final = (
    Target(work="large", way="push", ratio=1.25),
    Target(work="large", way="push", against="s5cmd", cpu=True, ratio=2),
    Target(store="no-compat", work="large", way="push", ratio=1.5),
    Target(work="large", way="clone", ratio=1.8),
    Target(work="small", way="push", ratio=1.0),
    Target(work="small", way="push", against="s5cmd", cpu=True, ratio=2),
    Target(work="small", way="clone", ratio=1.1),
    Target(work="medium", way="push", ratio=1.2),
    Target(work="medium", way="clone", ratio=1.2),
    Target(work="large", way="push", against="dvc", ratio=2.5),
    Target(work="large", way="clone", against="dvc", ratio=2.5),
    Target(work="small", way="push", against="dvc", ratio=1.5),
    Target(work="small", way="clone", against="dvc", ratio=2.5),
)


@dataclass(frozen=True, slots=True)
class Verdict:
    """What became of a target.

    Attributes:
        other: The tool that hutch was compared with.
        ratio: What was reached.
    """

    target: Target
    other: str
    ratio: float

    @property
    def met(self) -> bool:
        """Tell whether the ratio was reached."""
        return self.ratio >= self.target.ratio


def judge(run: Run, target: Target) -> Verdict | None:
    """Compare the medians; None: the run has not both sides of it."""
    medians = {
        tool: _median([u.client_cpu_s if target.cpu else u.wall_s for u in costs])
        for tool, costs in usages(run, target.store, target.work, target.way).items()
    }
    ours = medians.pop("hutch", None)
    names = PEERS if target.against == "peers" else (target.against,)
    others = {tool: value for tool, value in medians.items() if tool in names}
    if not ours or not others:
        return None
    best = min(others, key=others.__getitem__)
    return Verdict(target, best, others[best] / ours)


def _median(values: list[float]) -> float:
    return Spread.of(values).median

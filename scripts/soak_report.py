"""Write the page about a run of the proofs from the figures that it noted.

usage: scripts/soak_report.py FIGURES PAGE [SECONDS]
  FIGURES  file of JSON lines, as HUTCH_FIGURES has them written
  PAGE     Markdown page to write
  SECONDS  how long the run took

With HUTCH_SOAK set the page says that it is of a soak run, else of a short one.
"""

import json
import os
import platform
import re
import subprocess
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from tests import programs  # noqa: E402 -- the root is not on the path before

LARGEST: Final = frozenset({"MiB", "µs", "connections"})
"""Units of what is measured: the largest is shown; whatever is counted is added."""
MUTANTS: Final = "mutants"
_GIB: Final = 1024**3
_INTRODUCTION: Final = (
    "What the tests in `tests/laws` counted while they tried to break the laws of",
    "[what hutch guarantees](../explanation/guarantees.md). Counts are added over the",
    "tests; of sizes and times the largest is shown.",
)


@dataclass(frozen=True, slots=True)
class Figure:
    """What a proof noted."""

    area: str
    test: str
    what: str
    figure: float
    unit: str


@dataclass(slots=True)
class Row:
    """A line of the report: a figure of an area over all tests that noted it."""

    figure: float
    tests: set[str]


def read(lines: Iterable[str]) -> list[Figure]:
    """Read what the proofs noted."""
    return [Figure(**json.loads(line)) for line in lines if line.strip()]


def sum_up(figures: Iterable[Figure]) -> dict[str, dict[tuple[str, str], Row]]:
    """Put equal figures of an area together: counts added, others the largest."""
    areas: dict[str, dict[tuple[str, str], Row]] = {}
    for one in figures:
        rows = areas.setdefault(one.area, {})
        row = rows.setdefault((one.what, one.unit), Row(0, set()))
        row.tests.add(one.test)
        added = row.figure + one.figure
        row.figure = max(row.figure, one.figure) if one.unit in LARGEST else added
    return areas


def written(figure: float) -> str:
    """Write a number as people read it."""
    return f"{figure:,.0f}" if figure == int(figure) else f"{figure:,.1f}"


def render(figures: Iterable[Figure], *, soak: bool, seconds: float | None) -> str:
    """Write the page."""
    areas = sum_up(figures)
    mutants = areas.pop(MUTANTS, {})
    kind = "soak run" if soak else "short run"
    lines = [f"# The last {kind}", "", *_INTRODUCTION]
    if soak:
        lines.append("This page is written only when every one of them has held.")
    lines += ["", *(f"- {fact}" for fact in _circumstances(seconds))]
    lines.append(f"- Guards taken away one by one: {_mutants(mutants)}")
    for area in sorted(areas):
        lines += ["", f"## {area}", "", "| what | figure | tests |", "|---|---:|---:|"]
        for (what, unit), row in sorted(areas[area].items()):
            figure = f"{written(row.figure)} {unit}".strip()
            lines.append(f"| {_cell(what)} | {figure} | {len(row.tests)} |")
    return "\n".join(lines) + "\n"


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def _mutants(rows: dict[tuple[str, str], Row]) -> str:
    found = {
        what.removeprefix("mutants "): row.figure for (what, _), row in rows.items()
    }
    if not found:
        return "not in this run"
    killed, tried = found.get("killed", 0), found.get("tried", 0)
    return f"a test noticed {killed:.0f} of {tried:.0f}"


def _circumstances(seconds: float | None) -> list[str]:
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / _GIB
    cores = len(os.sched_getaffinity(0))
    when = f"Ended {datetime.now(UTC):%Y-%m-%d %H:%M} UTC"
    if seconds is not None:
        when += f", after {timedelta(seconds=round(seconds))} h"
    weed = _version(programs.find_weed(), "version")
    postgresql = _version(programs.find_postgresql("postgres"), "--version")
    system = f"Linux {platform.release()}, Python {platform.python_version()}"
    commit = _say("git", "-C", str(ROOT), "rev-parse", "--short", "HEAD")
    return [
        when,
        f"Machine: {cores} cores, {memory:.0f} GiB, {system}",
        f"SeaweedFS {weed}, MinIO {_minio()}, PostgreSQL {postgresql}",
        f"hutch at commit {commit}",
    ]


def _minio() -> str:
    """Find the version that ``make minio`` builds: the program does not know it."""
    pinned = re.search(r"v0\.0\.0-[0-9a-f-]+", (ROOT / "scripts/minio").read_text())
    return pinned[0] if pinned else _version(programs.find_minio(), "--version")


def _version(program: str, word: str) -> str:
    found = re.search(r"\d+\.\d+(\.\d+)?", _say(program, word))
    return found[0] if found else "of unknown version"


def _say(*command: str) -> str:
    return subprocess.run(  # noqa: S603 -- programs of this machine, no shell
        command, check=True, stdout=subprocess.PIPE, text=True
    ).stdout.strip()


def main() -> None:
    """Write the page that is named on the command line."""
    figures, page, *rest = sys.argv[1:]
    text = render(
        read(Path(figures).read_text("utf-8").splitlines()),
        soak=bool(os.environ.get("HUTCH_SOAK")),
        seconds=float(rest[0]) if rest else None,
    )
    Path(page).write_text(text, "utf-8")
    print(f"soak_report: wrote {page}")


if __name__ == "__main__":
    main()

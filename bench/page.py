"""The page about a run, for the reference part of the documents.

usage: python -m bench.page [RESULT.json …]
  RESULT.json  results of one comparison; the newest of bench/results by default
"""

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from bench import results, targets
from bench.figures import Figure
from bench.meter import Usage
from bench.processes import Memory
from bench.results import Run, Spread, Way, WorkDone
from bench.targets import Target
from bench.works import MIB

RESULTS: Final = Path(__file__).parent / "results"
STORES: Final = {"default": "MinIO", "no-compat": "MinIO with `--no-compat`"}

_WAYS: Final[tuple[Way, ...]] = ("push", "clone")
_HEAD: Final = """\
# Benchmarks

<!-- Written by `make docs` from bench/results; run `make bench` for new figures. -->

How fast hutch is beside the tools that people would use instead, on one machine that
runs the client, the store and hutch's own servers at once.
"""
_NONE: Final = "\nNo run is recorded yet; `make bench` makes one.\n"
_HOW: Final = """\
## How it is measured

`make bench` starts MinIO and, as a facility has it, `hutch-api serve`, `worker` and a
database, all on loopback. In each round every tool pushes the same files to a fresh
prefix of a versioned bucket and fetches them into a new directory; the order of the
tools turns from round to round. Before each step everything is written to the disk
(`sync`) and the servers have come to rest; then the source, or the files of the store,
are read once, so that the page cache is warm alike. Afterwards clones and all versions
are deleted; where there are thousands of files at the end of the round, and the next
one waits for a minute: so long ext4 is slow to make files after many were removed. The
files cannot be compressed and no two blocks are the same. In the first round the clone
is compared with the source, byte by byte.

hutch counts from `hutch login` until all files are acknowledged, so with the start of
each command, the password, the dataset and its records. It records sha256 and has
CRC64NVME checked of every part both ways; the settings of the other tools leave out
whatever checks may be left out.

Times are medians, in brackets least and most. CPU is user and system time: of the tool
with all its children, of the store, and of hutch's API, worker and database (which run
all the time; what other tools leave there is what they cost at rest). Memory is the
largest at one moment, sampled 20 times a second; *anonymous* is what is not pages of
files. *Speed* is the wall time of the best other tool (not DVC) divided by this one's.
"""


def write(run: Run | None) -> Iterator[str]:
    """Write the page, piece by piece."""
    yield _HEAD
    if run is None:
        yield _NONE
        return
    parts = "" if run.whole else " Parts of the comparison were left out or joined."
    yield (
        f"\nRun of {run.date}: {run.machine}; rounds: {run.rounds}; hutch on "
        f"{run.database or 'no database'}.{parts}\n"
    )
    yield "\n![Throughput of each tool](../assets/benchmarks.svg)\n\n"
    yield from _targets(run)
    for store in STORES:
        for work in run.works:
            for way in _WAYS:
                yield from _table(run, store, work, way)
    yield from _failures(run)
    for group in run.groups:
        yield from _figures(group.title, group.figures, group.failure)
    yield _HOW
    yield "\n## The tools\n\n| tool | version | settings |\n|---|---|---|\n"
    for tool in run.tools:
        yield f"| {tool.name} | {tool.version} | {tool.settings} |\n"


def _targets(run: Run) -> Iterator[str]:
    judged = [(t, targets.judge(run, t)) for t in targets.TARGETS]
    if not any(verdict for _, verdict in judged):
        return
    yield "## What was asked for\n\n"
    yield "| work | beside | asked | reached | |\n|---|---|---:|---:|---|\n"
    for target, verdict in judged:
        if verdict is not None:
            what = "CPU of " if target.cpu else ""
            yield (
                f"| {_named(run, target)} | {what}{verdict.other} | "
                f"≥ {target.ratio:.2f} × | {verdict.ratio:.2f} × | "
                f"{'yes' if verdict.met else '**no**'} |\n"
            )
    yield "\n"


def _named(run: Run, target: Target) -> str:
    title = next(w.title for w in run.works if w.name == target.work)
    store = "" if target.store == "default" else f", `--{target.store}`"
    return f"{target.way} {title}{store}"


def _table(run: Run, store: str, work: WorkDone, way: Way) -> Iterator[str]:
    found = results.usages(run, store, work.name, way)
    if not found:
        return
    rows = dict(found)
    checked = results.usages(run, store, work.name, "verify").get("hutch")
    if way == "clone" and checked and "hutch" in found:
        pairs = zip(found["hutch"], checked, strict=False)
        rows["hutch, then `hutch verify`"] = [_together(a, b) for a, b in pairs]
    rate = "files/s" if work.by_files else "MB/s"
    yield f"## {way} {work.title}, {STORES[store]}\n\n"
    yield (
        f"| tool | wall (s) | {rate} | speed | CPU (s) | store CPU (s) | "
        "hutch's servers CPU (s) | memory (MiB) | anonymous (MiB) |\n"
        "|---|---:|---:|---:|---:|---:|---:|---:|---:|\n"
    )
    best = min(
        (_median(u.wall_s for u in c) for t, c in found.items() if t in targets.PEERS),
        default=None,
    )
    for tool, costs in rows.items():
        yield _row(tool, costs, work, best)
    yield "\n"


def _row(tool: str, costs: Sequence[Usage], work: WorkDone, best: float | None) -> str:
    wall = Spread.of(u.wall_s for u in costs)
    cells = (
        tool,
        _spread(wall),
        f"{throughput(work, wall.median):,.0f}",
        "" if best is None else f"{best / wall.median:.2f}",
        _spread(Spread.of(u.client_cpu_s for u in costs)),
        _spread(Spread.of(u.store_cpu_s for u in costs)),
        f"{_median(u.server_cpu_s for u in costs):.2f}",
        f"{_median(u.memory.resident for u in costs) / MIB:,.0f}",
        f"{_median(u.memory.anonymous for u in costs) / MIB:,.0f}",
    )
    return f"| {' | '.join(cells)} |\n"


def throughput(work: WorkDone, seconds: float) -> float:
    """Give files/s or MB/s, as the work has it."""
    return (work.files if work.by_files else work.bytes / 1e6) / seconds


def _failures(run: Run) -> Iterator[str]:
    failed = [s for s in run.samples if s.usage is None]
    if failed:
        yield "## What failed\n\n"
    for s in failed:
        said = " ".join(s.failure.split())[:200].replace("|", "\\|")
        yield f"- {s.tool}, {s.way} {s.work}, {s.store}, round {s.round}: {said}\n"
    if failed:
        yield "\n"


def _figures(title: str, figures: Sequence[Figure], failure: str) -> Iterator[str]:
    yield f"## {title}\n\n"
    if failure:
        yield f"Not measured: {failure}\n\n"
    if figures:
        yield "| what | figure | asked | |\n|---|---:|---|---|\n"
    for f in figures:
        value = _number(f.value)
        yield f"| {f.name} | {value} {f.unit} | {f.target or ''} | {f.note} |\n"
    yield "\n"


def _number(value: float) -> str:
    for least, form in ((100, ",.0f"), (10, ".1f")):
        if abs(value) >= least:
            return f"{value:{form}}"
    return f"{value:.2f}"


def _together(one: Usage, other: Usage) -> Usage:
    return Usage(
        wall_s=one.wall_s + other.wall_s,
        client_cpu_s=one.client_cpu_s + other.client_cpu_s,
        store_cpu_s=one.store_cpu_s + other.store_cpu_s,
        server_cpu_s=one.server_cpu_s + other.server_cpu_s,
        memory=one.memory.peak(other.memory),
        server_memory=Memory(),
        steps_s=(*one.steps_s, *other.steps_s),
    )


def _spread(spread: Spread) -> str:
    return f"{spread.median:.2f} ({spread.least:.2f}–{spread.most:.2f})"


def _median(values: Iterator[float]) -> float:
    return Spread.of(values).median


def chosen(files: Sequence[str]) -> Run | None:
    """Read the results that a command line names, or the newest; None: none."""
    if not files:
        return results.newest(RESULTS)
    return results.joined([results.load(Path(name)) for name in files])


if __name__ == "__main__":
    sys.stdout.writelines(write(chosen(sys.argv[1:])))

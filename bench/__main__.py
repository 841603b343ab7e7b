"""Compare hutch with other tools, and measure it by itself.

usage: python -m bench [options]; see --help, and docs/reference/benchmarks.md
"""

import argparse
import os
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Final

from bench import chart, limits, own, page, results
from bench.facility import OPTIONS, Facility, SetUpError, facility
from bench.figures import Figure
from bench.results import Group, Machine, Peer, Run, WorkDone
from bench.rounds import Comparison, Plan
from bench.tools import all_tools
from bench.tools.tool import Tool
from bench.works import GIB, WORKS, Scale
from tests.programs import MissingServerError

ALL: Final = "all"
NO_COMPAT: Final = frozenset({"large"})
"""Works that are also sent to a store without MD5; it matters for long files."""
LIMITS: Final = "limits"
LIMITS_TITLE: Final = "Limits of the machine"

_BEGUN: Final = time.monotonic()


class UsageError(Exception):
    """The command line asks for what is not there; the text says what."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the bench; give the exit status."""
    signal.signal(signal.SIGINT, _stop)
    signal.signal(signal.SIGTERM, _stop)
    options = _parser().parse_args(argv)
    try:
        return _run(options)
    except KeyboardInterrupt:
        print("bench: stopped; nothing is left running", file=sys.stderr)
        return 130
    except (UsageError, MissingServerError, SetUpError) as e:
        print(f"bench: {e}", file=sys.stderr)
        return 2


def _stop(_signal: int, _frame: object) -> None:
    """Stop once; what is ended then is not to be cut short by impatience."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    raise KeyboardInterrupt


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="bench", description=__doc__)
    lists = "names separated by commas, or all, or none"
    parser.add_argument("--rounds", type=int, default=3, help="how often (default: 3)")
    parser.add_argument("--works", default=ALL, help=f"large, small, medium: {lists}")
    parser.add_argument("--tools", default=ALL, help=f"hutch and its peers: {lists}")
    parser.add_argument("--stores", default=ALL, help=f"default, no-compat: {lists}")
    parser.add_argument("--own", default=ALL, help=f"limits, modules of own: {lists}")
    parser.add_argument("--scale", choices=list(WORKS), default="full")
    parser.add_argument("--place", type=Path, help="where to work (default: $TMPDIR)")
    parser.add_argument("--out", type=Path, help="where results go (default: bench/)")
    return parser


def _run(options: argparse.Namespace) -> int:
    small = options.scale != "full"
    modules = {LIMITS: limits, **own.modules()}
    chosen = _chosen(options.own, list(modules), "figure of hutch's own")
    plan, missing = _plan(options)
    whole = not (small or missing) and {
        options.works,
        options.tools,
        options.stores,
        options.own,
    } == {ALL}
    date = datetime.now(UTC)
    with tempfile.TemporaryDirectory(prefix="bench-", dir=options.place) as directory:
        place = Path(directory)
        place.chmod(0o711)  # root runs PostgreSQL as nobody, who has to get through
        _require_room(place, plan.bytes())
        # Servers that the bench starts keep their data there, too.
        tempfile.tempdir = directory
        comparison = Comparison(plan=plan, place=place, say=say)
        comparison.run()
        with ExitStack() as stack:
            # Started when the first needs it, and shared by all.
            hall = cache(lambda: stack.enter_context(facility(place / "hall")))
            groups = []
            for name in chosen:
                say(f"measuring {name}")
                title = LIMITS_TITLE if name == LIMITS else own.title(modules[name])
                found, failure = _measured(
                    modules[name], place / name, hall, small=small
                )
                groups.append(Group(title=title, figures=found, failure=failure))
        tempfile.tempdir = None
    run = _result(date, plan, comparison, groups, whole=whole)
    return _report(run, date, _out(options))


def _plan(options: argparse.Namespace) -> tuple[Plan, list[str]]:
    scale: Scale = options.scale
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    tools = all_tools(cache / "hutch/bench")
    wanted = [tools[name] for name in _chosen(options.tools, list(tools), "tool")]
    missing = [tool.name for tool in wanted if not tool.installed()]
    if missing and options.tools != ALL:
        raise UsageError(f"not installed: {', '.join(missing)}; run scripts/peers")
    if missing:
        say(f"left out, not installed (scripts/peers): {', '.join(missing)}")
    names = _chosen(options.works, [w.name for w in WORKS[scale]], "work")
    some = [work for work in WORKS[scale] if work.name in names]
    asked = _chosen(options.stores, list(OPTIONS), "store")
    plan = Plan(
        tools=[tool for tool in wanted if tool.installed()],
        works={
            store: [w for w in some if store == "default" or w.name in NO_COMPAT]
            for store in OPTIONS
            if store in asked
        },
        clones={store: store == "default" for store in OPTIONS},
        rounds=options.rounds,
    )
    return plan, missing


def _chosen(text: str, known: Sequence[str], what: str) -> list[str]:
    """Read a list of an option.

    Raises:
        UsageError: It names what is not there.
    """
    if text in {ALL, ""}:
        return list(known)
    names = [] if text == "none" else text.split(",")
    for name in names:
        if name not in known:
            raise UsageError(f"no {what} {name!r}; known are {', '.join(known)}")
    return [name for name in known if name in names]


def _require_room(place: Path, needed: int) -> None:
    free = shutil.disk_usage(place).free
    if free < needed:
        raise UsageError(
            f"{needed / GIB:.1f} GiB have to be free at {place.parent}, "
            f"{free / GIB:.1f} GiB are; name another --place, or fewer --works"
        )


def _measured(
    module: ModuleType, place: Path, hall: Callable[[], Facility], *, small: bool
) -> tuple[tuple[Figure, ...], str]:
    try:
        return tuple(own.measure(module, place, hall, small=small)), ""
    except Exception as e:  # noqa: BLE001 -- what one cannot measure, others can
        say(f"FAILED: {e!r}")
        return (), f"{type(e).__name__}: {' '.join(str(e).split())[:300]}"


def _result(
    date: datetime,
    plan: Plan,
    comparison: Comparison,
    groups: Sequence[Group],
    *,
    whole: bool,
) -> Run:
    every = {work.name: work for some in plan.works.values() for work in some}
    return Run(
        date=date.date().isoformat(),
        machine=Machine.here(),
        rounds=plan.rounds,
        database=comparison.database,
        whole=whole,
        works=tuple(
            WorkDone(
                name=w.name,
                title=w.title,
                files=w.files,
                bytes=w.bytes,
                by_files=w.by_files,
            )
            for w in every.values()
        ),
        tools=tuple(_peer(tool) for tool in plan.tools),
        samples=tuple(comparison.samples),
        groups=tuple(groups),
    )


def _peer(tool: Tool) -> Peer:
    return Peer(name=tool.name, version=tool.version(), settings=tool.settings)


def _out(options: argparse.Namespace) -> Path | None:
    """Say where the results are kept; None: nowhere, they mean nothing."""
    if options.out is None and options.scale == "smoke":
        return None
    out: Path = options.out or page.RESULTS
    return out


def _report(run: Run, date: datetime, out: Path | None) -> int:
    """Keep the results, and say them; 1 if anything failed."""
    print("".join(page.write(run)))
    say(f"a chart of {len(list(chart.write(run)))} lines")
    if out is not None:
        # Only a whole run is for the documents; a part can be named to bench.page.
        part = f"part-{date:%Y-%m-%dT%H%M%S}"
        file = out / f"{run.date if run.whole else part}.json"
        results.save(run, file)
        say(f"wrote {file}" + ("; next: make docs" if run.whole else ""))
    failed = [s for s in run.samples if s.usage is None]
    broken = [g for g in run.groups if g.failure]
    if failed or broken:
        say(
            f"FAILED: {len(failed)} of {len(run.samples)} samples, {len(broken)} groups"
        )
    return 1 if failed or broken else 0


def say(text: str) -> None:
    """Tell what happens, and when."""
    print(f"[{time.monotonic() - _BEGUN:6.0f} s] {text}", flush=True)


if __name__ == "__main__":
    sys.exit(main())

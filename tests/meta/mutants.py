"""Take guards away one by one, and see a test go red.

``mutations.toml`` names the guards. Each is taken away in a copy of the tree, and its
test is run there: a test that still passes does not guard what it says. Exit status 1
if one survives, if a guard cannot be found, or if a test fails without any mutant.

usage: python tests/meta/mutants.py [--changed] [WORD …]
  --changed  only mutants whose guard, test or entry has changed, CAP at most
  WORD       only mutants whose name holds one of these words
"""
# ruff: noqa: T201 -- a program that speaks to its caller

import argparse
import ast
import gc
import importlib
import json
import multiprocessing
import os
import queue
import random
import shutil
import subprocess
import sys
import tempfile
import time
import tomllib
import xml.etree.ElementTree as ET
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any, Final

ROOT: Final = Path(__file__).resolve().parents[2]
LIST: Final = "tests/meta/mutations.toml"
CAP: Final = 24
"""Most mutants of one change; about two minutes on two cores."""
DAY_S: Final = 24 * 3600
TEST_S: Final = 60
"""A test that takes longer is a fault: one that hangs proves nothing."""
_CODE: Final = ("client", "api")
_PACKAGES: Final = ("hutch", "hutch_api")
HANGS_S: Final = TEST_S + 30
"""A process that lives so long has a test that does not even let itself be ended."""
_LEFT_BEHIND: Final = (".git", ".venv", "__pycache__", ".*_cache", ".hypothesis")
_BROKEN: Final = (
    "ImportError",
    "ModuleNotFoundError",
    "NameError",
    "SyntaxError",
    "UnboundLocalError",
    "Failed: Timeout",
)
"""What a mutant that is no working program makes a test say."""
_WARM: Final = multiprocessing.get_context("forkserver")
_WARM.set_forkserver_preload(
    ["pytest", "alembic", "boto3", "httpx", "minio", "psycopg", "sqlmodel", "starlette"]
)
"""Most of a quick test is the time to import what it needs: this is done once."""


@dataclass(frozen=True, slots=True)
class Edit:
    """A piece of text that a mutant changes; it stands once in its file."""

    file: str
    find: str
    replace: str


@dataclass(frozen=True, slots=True)
class Mutant:
    """A guard taken away.

    Attributes:
        name: What no longer holds, unique.
        edits: Several where guards cover each other.
        test: Node id of the test that must turn red.
    """

    name: str
    edits: tuple[Edit, ...]
    test: str

    @property
    def files(self) -> set[str]:
        """Files whose change makes it worth trying again."""
        return {edit.file for edit in self.edits} | {self.test.partition("::")[0]}


class Verdict(StrEnum):
    """What became of a mutant."""

    KILLED = "killed"
    SURVIVED = "SURVIVED"
    FAULTY = "FAULTY"
    LEFT_OUT = "left out"


@dataclass(frozen=True, slots=True)
class Result:
    """How tests ended, and why where that needs words."""

    verdict: Verdict
    reason: str = ""


def read_mutants(text: str) -> list[Mutant]:
    """Read the list."""
    return [_mutant(row) for row in tomllib.loads(text)["mutant"]]


def _mutant(row: dict[str, Any]) -> Mutant:
    edits = row.get("edits", [row])
    return Mutant(
        row["name"],
        tuple(
            Edit(e.get("file", row.get("file")), e["find"], e["replace"]) for e in edits
        ),
        row["test"],
    )


def fault_of(mutant: Mutant, root: Path = ROOT) -> str | None:
    """Tell why a mutant cannot be tried; None if it can."""
    test, _, names = mutant.test.partition("::")
    if not (root / test).is_file() or not names:
        return f"there is no test {mutant.test}"
    for edit in mutant.edits:
        if not edit.file.startswith(_CODE):
            return f"{edit.file} is no code of hutch"
        file = root / edit.file
        text = file.read_text("utf-8") if file.is_file() else ""
        if (times := text.count(edit.find)) != 1:
            return f"its text stands {times} times in {edit.file}"
        try:
            before, after = (
                ast.dump(ast.parse(t))
                for t in (text, text.replace(edit.find, edit.replace))
            )
        except SyntaxError as error:
            return f"{edit.file} cannot be parsed with it: {error}"
        if before == after:
            return f"it changes nothing in {edit.file}"
    return None


class Copy:
    """A copy of the tree, in which one mutant at a time lives."""

    def __init__(self, directory: Path) -> None:
        self.root = directory / "tree"
        shutil.copytree(ROOT, self.root, ignore=shutil.ignore_patterns(*_LEFT_BEHIND))
        # A mutant may have the size and the second of what it replaces: by its hash
        # Python still sees that the compiled module is another one.
        command = [sys.executable, "-m", "compileall", "-q"]
        subprocess.run(  # noqa: S603 -- this Python
            [*command, "--invalidation-mode", "checked-hash", *_CODE, "tests"],
            cwd=self.root,
            check=True,
        )

    @contextmanager
    def holding(self, mutant: Mutant) -> Iterator[None]:
        """Let a mutant live here for a while."""
        before = {e.file: (self.root / e.file).read_text("utf-8") for e in mutant.edits}
        try:
            for edit in mutant.edits:
                file = self.root / edit.file
                file.write_text(
                    file.read_text("utf-8").replace(edit.find, edit.replace), "utf-8"
                )
            yield
        finally:
            for name, text in before.items():
                (self.root / name).write_text(text, "utf-8")

    def run(self, *arguments: str) -> tuple[int, str, list[ET.Element]]:
        """Run tests; gives pytest's exit status, its last words, and the test cases."""
        report, words = self.root.parent / "report.xml", self.root.parent / "words"
        report.unlink(missing_ok=True)
        command = [
            "-q",
            "-p",
            "no:anyio",
            "-p",
            "no:cacheprovider",
            "-p",
            "no:randomly",
        ]
        command += [f"--timeout={TEST_S}", f"--junitxml={report}", *arguments]
        process = _WARM.Process(target=_pytest, args=(self.root, command, words))
        process.start()
        process.join(HANGS_S if "-x" in arguments else None)
        if process.is_alive():
            process.kill()
            process.join()
        found = ET.parse(report) if report.exists() else None  # noqa: S314 -- pytest's
        cases = [] if found is None else list(found.iter("testcase"))
        said = words.read_text("utf-8", "replace")[-2_000:]
        return process.exitcode or 0, said, cases


def _pytest(root: Path, arguments: list[str], words: Path) -> None:
    """Run pytest on a copy, in a process of its own."""
    with words.open("wb") as file:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
    gc.freeze()
    os.chdir(root)
    places = [str(root), *(str(root / directory) for directory in _CODE)]
    sys.path[:0] = places
    sys.dont_write_bytecode = False  # pytest then keeps what it has compiled
    os.environ["PYTHONPATH"] = os.pathsep.join(places[1:])  # before what is installed
    for name in ("PYTEST_ADDOPTS", "HUTCH_FIGURES", "HUTCH_SOAK"):
        os.environ.pop(name, None)
    import pytest  # noqa: PLC0415 -- in this process only

    for package in map(importlib.import_module, _PACKAGES):
        if not Path(package.__file__ or "").is_relative_to(root):
            raise ImportError(f"not the copy is tested, but {package.__file__}")
    sys.exit(int(pytest.main(arguments)))


def judge(status: int, words: str, cases: Sequence[ET.Element]) -> Result:
    """Say what a run of a mutant's test shows.

    Only a failure inside the test kills: a mutant that cannot be imported, or whose
    test cannot be set up, shows nothing.
    """
    failures = [f.get("message") or "" for case in cases for f in case.iter("failure")]
    if (
        status == 0
        and cases
        and all(case.find("skipped") is not None for case in cases)
    ):
        return Result(Verdict.LEFT_OUT, "its server is not installed")
    if status == 0:
        return Result(Verdict.SURVIVED)
    if broken := [f for f in failures if f.startswith(_BROKEN)]:
        return Result(Verdict.FAULTY, broken[0])
    if not failures:
        return Result(Verdict.FAULTY, f"the test did not fail by itself\n{words}")
    return Result(Verdict.KILLED, failures[0].partition("\n")[0])


def try_unmutated(copy: Copy, tests: Sequence[str], jobs: int) -> dict[str, str]:
    """Run all tests without any mutant; gives those that do not pass, with reasons."""
    status, _, cases = copy.run(f"-n{jobs}", "--dist=loadfile", *tests)
    if status not in {0, 1}:  # one test that is not there keeps all from running
        _, words, _ = copy.run("--collect-only", "-p", "no:xdist", *tests)
        raise SystemExit(f"mutants: the tests cannot be collected\n{words}")
    outcomes: dict[str, str] = {}
    for case in cases:
        bad = [e.get("message") or "?" for e in case if e.tag in {"failure", "error"}]
        outcomes[_id(case)] = bad[0] if bad else ""
    return {
        test: reason
        for test in tests
        if (reason := _first_fault(test, outcomes)) is not None
    }


def _id(case: ET.Element) -> str:
    return f"{case.get('classname')}.{case.get('name')}"


def _first_fault(test: str, outcomes: dict[str, str]) -> str | None:
    """Look a node id up among the dotted names of a report."""
    file, *names = test.split("::")
    dotted = ".".join([file.removesuffix(".py").replace("/", "."), *names])
    found = [
        r for n, r in outcomes.items() if n == dotted or n.startswith(f"{dotted}[")
    ]
    if not found:
        return "was not collected"
    return next((reason for reason in found if reason), None)


def touched(mutants: Sequence[Mutant]) -> list[Mutant]:
    """Choose the mutants that a change may have brought to life, ``CAP`` at most.

    The change is everything since ``HUTCH_BASE``; without it, since the last commit
    that is a day older than this one, so that a landing of many commits counts as a
    whole. Where history does not reach back so far, every mutant counts.
    """
    base = os.environ.get("HUTCH_BASE") or _a_day_before()
    chosen = list(mutants)
    if base:
        files = set(_git("diff", "--name-only", base).splitlines())
        known = set(read_mutants(_git("show", f"{base}:{LIST}") or "mutant = []"))
        chosen = [m for m in mutants if m not in known or m.files & files]
    print(f"mutants: {len(chosen)} of {len(mutants)} touched since {base or 'ever'}")
    if len(chosen) > CAP:
        seed = _git("rev-parse", "HEAD").strip()
        print(f"mutants: a sample of {CAP} of them, drawn with the seed {seed!r}")
        drawn = set(random.Random(seed).sample(chosen, CAP))  # noqa: S311 -- a sample
        chosen = [m for m in chosen if m in drawn]
    return chosen


def _a_day_before() -> str:
    moment = _git("log", "-1", "--format=%ct").strip()
    if not moment:
        return ""
    before = f"--before=@{int(moment) - DAY_S}"
    return _git("rev-list", "-1", before, "HEAD").strip()


def _git(*args: str) -> str:
    """Ask git; where it knows nothing the answer is empty."""
    return subprocess.run(  # noqa: S603 -- words of this file
        ["git", *args],  # noqa: S607 -- git of this machine
        cwd=ROOT,
        check=False,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ).stdout


def try_all(mutants: Sequence[Mutant], jobs: int) -> dict[Mutant, Result]:
    """Try mutants, each in one of ``jobs`` copies of the tree."""
    results = {m: Result(Verdict.FAULTY, f) for m in mutants if (f := fault_of(m))}
    with tempfile.TemporaryDirectory(prefix="mutants-") as directory:
        copies: queue.SimpleQueue[Copy] = queue.SimpleQueue()
        first, *others = [Copy(Path(directory) / str(n)) for n in range(jobs)]
        good = [m for m in mutants if m not in results]
        red = try_unmutated(first, sorted({m.test for m in good}), jobs) if good else {}
        for mutant in good:
            if mutant.test in red:
                reason = f"its test fails without it: {red[mutant.test]}"
                results[mutant] = Result(Verdict.FAULTY, reason)
        for copy in (first, *others):
            copies.put(copy)
        with ThreadPoolExecutor(jobs) as pool:
            futures = {
                pool.submit(_try, m, copies): m for m in good if m not in results
            }
            for done, future in enumerate(as_completed(futures), 1):
                mutant = futures[future]
                result, seconds = future.result()
                results[mutant] = result
                place = f"{done}/{len(futures)}"
                print(f"{place:>8}  {result.verdict:8} {seconds:5.1f} s  {mutant.name}")
                sys.stdout.flush()
    return results


def _try(mutant: Mutant, copies: "queue.SimpleQueue[Copy]") -> tuple[Result, float]:
    copy = copies.get()
    try:
        began = time.monotonic()
        with copy.holding(mutant):
            result = judge(*copy.run("-x", "-p", "no:xdist", mutant.test))
        return result, time.monotonic() - began
    finally:
        copies.put(copy)


def note(what: str, figure: int) -> None:
    """Note a figure for the report of a soak run."""
    if file := os.environ.get("HUTCH_FIGURES"):
        line = {"area": "mutants", "test": "mutants", "what": what, "figure": figure}
        with Path(file).open("a") as report:
            report.write(json.dumps({**line, "unit": ""}) + "\n")


def main() -> int:
    """Try the mutants that were asked for; 1 if one is not killed."""
    parser = argparse.ArgumentParser(description="Take guards away, see tests go red.")
    parser.add_argument("words", nargs="*", metavar="WORD", help="part of a name")
    parser.add_argument("--changed", action="store_true", help="of changed files only")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, metavar="N")
    options = parser.parse_args()
    chosen = read_mutants((ROOT / LIST).read_text("utf-8"))
    if options.words:
        chosen = [m for m in chosen if any(w in m.name for w in options.words)]
    if options.changed:
        chosen = touched(chosen)
    began = time.monotonic()
    results = try_all(chosen, options.jobs)
    for mutant, result in results.items():
        if result.verdict is not Verdict.KILLED:
            print(f"mutants: {result.verdict}: {mutant.name}: {result.reason}")
    count = {v: sum(r.verdict is v for r in results.values()) for v in Verdict}
    note("mutants tried", len(results))
    note("mutants killed", count[Verdict.KILLED])
    said = ", ".join(f"{n} {verdict}" for verdict, n in count.items() if n)
    print(f"mutants: {said or 'none'} in {time.monotonic() - began:.0f} s")
    return 1 if count[Verdict.SURVIVED] or count[Verdict.FAULTY] else 0


if __name__ == "__main__":
    sys.exit(main())

"""A whole hutch in which everybody speaks through a relay that may do harm.

client ──[api]── API ──[inner]── store
   └─────────[store]───────────────┘
"""

import logging
import re
import sqlite3
import threading
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import cache, partial
from importlib import import_module
from itertools import zip_longest
from pathlib import Path
from uuid import uuid4

from sqlalchemy import Engine

from hutch.cli.exits import Exit
from hutch.contract.problems import descendants
from hutch.contract.wire.accounts import Role
from hutch.contract.wire.datasets import State
from hutch_api.domain.layout import prefix_of
from hutch_api.services import users
from hutch_api.services.upkeep import run_once
from hutch_api.services.work import Clock, Site
from hutch_api.site import utc_now
from hutch_api.worker.loop import work
from tests.adapters.ready import Ready, set_up
from tests.agreement import disagreements
from tests.client.live import make_site, serving
from tests.e2e.stage import Outcome, Person, id_of, tree, write
from tests.laws.faults.faulty import Faulty, Plan
from tests.relay import running

NEVER = frozenset({"internal", "defect", "client-error", "error"})
"""Codes that say nothing to the person who meets them."""
MANY_TIMES = 3
"""So often is a command tried under faults before the faults end."""

ready_of = cache(set_up)
"""One bucket pair for each store that this test worker started."""


@dataclass(frozen=True)
class Hall:
    """The three lines, and somebody at a command line."""

    site: Site
    api: Faulty
    store: Faulty
    inner: Faulty
    person: Person

    @property
    def lines(self) -> tuple[Faulty, Faulty, Faulty]:
        return self.api, self.store, self.inner

    @contextmanager
    def calm(self) -> Iterator[None]:
        """Have no faults for a while."""
        plans = [line.plan for line in self.lines]
        self.plan(None, None, None)
        try:
            yield
        finally:
            self.plan(*plans)

    def plan(self, *plans: Plan | None) -> None:
        """Begin to do harm on the lines, in their order."""
        for line, plan in zip_longest(self.lines, plans):
            line.plan = plan

    def attempt(self, *words: str, where: Path | None = None) -> Outcome:
        """Run a command, which ends as documented, however it ends."""
        outcome = self.person.run(*words, "--json", where=where)
        told = f"hutch {words}: {outcome}"
        assert outcome.exit in documented(words[0]), told
        assert "Traceback" not in outcome.err, told
        for code in codes_of(outcome):
            assert code in known_codes() - NEVER, told
        return outcome

    def insist(self, *words: str, where: Path | None = None) -> int:
        """Run a command until it succeeds, at last without faults.

        Returns:
            How often it failed.
        """
        for number in range(MANY_TIMES):
            outcome = self.attempt(*words, where=where)
            if outcome.exit == Exit.OK or self._is_done(words, where):
                return number
        with self.calm():
            outcome = self.attempt(*words, where=where)
            assert outcome.exit == Exit.OK or self._is_done(words, where), outcome
        return MANY_TIMES

    def _is_done(self, words: Sequence[str], where: Path | None) -> bool:
        """Tell whether a step that is taken once was taken, its answer being lost."""
        if words[0] not in {"close", "rm"}:
            return False
        with self.calm():
            told = self.person.run("info", *words[1:2], "--json", where=where)
        if told.exit == Exit.NOT_FOUND:
            return words[0] == "rm"
        wanted = State.CLOSED if words[0] == "close" else State.DELETED
        return bool(told.document["state"] == wanted)

    def require_kept(self, root: Path, *, is_open: bool = True) -> None:
        """Compare what a directory was told to be safe with what the dataset holds."""
        journal = root / ".hutch/journal.sqlite"
        with closing(sqlite3.connect(journal)) as connection:
            noted = set(connection.execute("SELECT path, version FROM files"))
        with self.calm(), self.person.client() as client:
            held = {(f.path, f.version) for f in client.files.iterate(id_of(root))}
            assert noted <= held, noted - held
            self.require_agreement(is_open=is_open)

    def require_agreement(self, *, is_open: bool = False) -> None:
        """Compare database and store.

        Args:
            is_open: An account may have been made late: the next round of the
                worker ends it. And the request that opens an upload may have come
                twice: the second upload has no part, and ends with the dataset.
        """
        passing = ["an upload", "a store account"] if is_open else []
        found = disagreements(self.site)
        wrong = [line for line in found if not any(p in line for p in passing)]
        assert not wrong, wrong


def live(hall: Hall, *plans: Plan | None) -> int:
    """Push, change, clone, pull, close, verify and delete under faults.

    Args:
        hall: Without faults as yet.
        plans: For the lines of the hall, in their order.

    Returns:
        How often a command failed and was run again.
    """
    person, name = hall.person, f"{hall.person.name}/d"
    root = person.dataset("d", {"a": "first", "b": "second", "c/d": "third"})
    copy = person.home / "copy"
    hall.plan(*plans)
    failures = hall.insist("push", where=root)
    hall.require_kept(root)
    write(root, {"a": "replaced, so in parts", "e": b""})
    (root / "b").unlink()
    failures += hall.insist("push", "--delete", where=root)
    hall.require_kept(root)
    failures += hall.insist("clone", name, "copy")
    assert tree(copy) == tree(root)
    write(root, {"f": "for a pull"})
    failures += hall.insist("push", where=root)
    failures += hall.insist("pull", where=copy)
    assert tree(copy) == tree(root)
    failures += hall.insist("close", where=root)
    failures += hall.insist("verify", where=root)
    hall.require_kept(root, is_open=False)
    with hall.calm():
        person.hutch("clone", name, "last")
        person.hutch("verify", name)
    assert tree(person.home / "last") == tree(root)
    failures += hall.insist("rm", name, "--yes")
    with hall.calm():
        for _ in range(MANY_TIMES):
            run_once(hall.site)
        hall.require_agreement()
        left = list(hall.site.objects.versions(prefix_of(id_of(root))))
        assert not left, left
    return failures


def documented(command: str) -> set[int]:
    """List the endings that a command's help promises."""
    epilog: str = import_module(f"hutch.cli.commands.{command}").EPILOG
    return {int(number) for number in re.findall(r"^ +(\d+) ", epilog, re.MULTILINE)}


def known_codes() -> set[str]:
    """List the codes of all errors."""
    return {error.code for error in descendants()}


def codes_of(outcome: Outcome) -> set[str]:
    """List the problem codes that a command told: its own, or those of its files."""
    text = outcome.err if outcome.err.startswith("{") else outcome.out
    return set(re.findall(r'"urn:hutch:problem:([a-z-]+)"', text))


@contextmanager
def working(site: Site) -> Iterator[None]:
    """Run a worker until the block ends."""
    stop = threading.Event()
    thread = threading.Thread(
        target=work,
        args=(partial(run_once, site),),
        kwargs={"pause": timedelta(milliseconds=50), "stop": stop},
    )
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


class _Defects(logging.Handler):
    """Collects what hutch itself calls a defect."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.found: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.found.append(self.format(record))


@contextmanager
def without_defects() -> Iterator[None]:
    """Fail if a server logs an error: a fault is a warning, or nothing."""
    defects, log = _Defects(), logging.getLogger()
    log.addHandler(defects)
    try:
        yield
    finally:
        log.removeHandler(defects)
    assert not defects.found, defects.found


@contextmanager
def opened(
    engine: Engine,
    ready: Ready,
    home: Path,
    *,
    strict: bool = True,
    worker: Engine | None = None,
    clock: Clock = utc_now,
) -> Iterator[Hall]:
    """Open a hall over a store.

    Args:
        engine: Of an empty database.
        ready: The store.
        home: Of the person in it.
        strict: The servers log no error; those of the database are told as such.
        worker: Of the same database, for the worker; None means as the API has it.
        clock: What API and worker take for the time.
    """
    with ExitStack() as stack:
        inner, store = (
            stack.enter_context(running(Faulty(ready.place.endpoint))) for _ in range(2)
        )
        site = make_site(engine, ready, store.url, internal_url=inner.url, clock=clock)
        api = stack.enter_context(running(Faulty(stack.enter_context(serving(site)))))
        name = f"p-{uuid4().hex[:8]}"
        person = Person(name, f"secret of {name}", home, api.url)
        with site.begin() as work:
            users.add_user(work, name=name, password=person.password, role=Role.USER)
        person.log_in()
        stack.enter_context(working(replace(site, engine=worker or engine)))
        if strict:
            stack.enter_context(without_defects())
        yield Hall(site, api, store, inner, person)
    for key_id in list(ready.accounts().key_ids()):
        ready.accounts().delete(key_id)

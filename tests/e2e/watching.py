"""A server whose secrets are looked for where they must not be."""

import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from tests import leaks
from tests.e2e.stage import Person, Server, up
from tests.leaks import Issued, Kind, Recorder
from tests.relay import running


@contextmanager
def watched(
    directory: Path, issued: Issued, *, store: str = "minio"
) -> Iterator[Server]:
    """Run ``hutch-api up``, noting what it issues; search for that when it has ended.

    Args:
        directory: Of the server.
        issued: Is given what passes.
        store: As of ``up``.
    """
    with up(directory, store=store) as server:
        with running(Recorder(server.url, issued)) as recorder:
            yield replace(server, url=recorder.url)
        issued.note_installation(directory, server.site)
        family = leaks.family_of(server.pid)
        found = list(leaks.found_in_processes(issued, family))
    found += issued.found_in(server.log, server.log.read_bytes())
    found += leaks.found_in_installation(issued, directory)
    # Something was issued, and there was something to look through.
    assert issued.texts[Kind.TOKEN]
    assert len(family) > 3
    assert not found, found


def found_about(issued: Issued, person: Person) -> Iterator[str]:
    """Search what a person leaves for others to see."""
    issued.note(Kind.PASSWORD, person.password)
    yield from issued.found_in(person.name, "\n".join(person.overheard).encode())
    for place in person.home.rglob(".hutch"):
        yield from issued.found_below(place)
    for file in (person.home / ".config").rglob("*"):
        if file.is_file() and stat.S_IMODE(file.stat().st_mode) & 0o077:
            yield f"{file}: others may read the token"

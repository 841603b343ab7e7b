"""A server, and the people of the documents with what the pages begin with."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest

from hutch.contract.wire.accounts import Role
from tests.docs.pages import ROOT
from tests.docs.terminal import PASSWORD, Session, Terminal, session
from tests.e2e.stage import Person, Server, up

PEOPLE = {"ida": Role.USER, "noor": Role.USER, "kim": Role.BEAMLINE}


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with up(tmp_path_factory.mktemp("docs") / "server", store="seaweedfs") as running:
        yield running


@pytest.fixture
def reader(server: Server, tmp_path: Path) -> Iterator[Session]:
    """Three people at their terminals; Ida has closed a scan of a tooth.

    On the server each has a name of this test alone.
    """
    names = {name: f"{name}-{uuid4().hex[:8]}" for name in PEOPLE}
    swaps = names | {"https://hutch.example.org": server.url, "~/hutch": str(ROOT)}
    swaps["tomo-team"] = f"team-{uuid4().hex[:8]}"
    with session(tmp_path, swaps=swaps) as opened:
        for name, role in PEOPLE.items():
            person = Person(names[name], PASSWORD, tmp_path / name, server.url)
            person.home.mkdir()
            server.add(person.name, PASSWORD, role=role)
            person.log_in()
            environ = opened.start | {"HOME": str(person.home)}
            environ["XDG_CONFIG_HOME"] = str(person.home / ".config")
            state = tmp_path / f".state-{name}"
            state.mkdir()
            opened.terminals[name] = Terminal(person.home, environ, state)
            if name == "ida":
                scan_of_a_tooth(person)
        opened.terminals[""] = opened.terminals["ida"]
        yield opened


def scan_of_a_tooth(person: Person) -> None:
    """Make, push and close the dataset that the pages begin with."""
    tooth = person.home / "tooth"
    tooth.mkdir()
    shutil.copy(ROOT / "examples" / "tooth" / "tooth.h5", tooth)
    (tooth / "notes.txt").write_text("The sample was turned by hand.\n")
    given = ("sample=tooth", "projections=181", "rotation_range=180")
    attributes = [word for text in given for word in ("--attr", text)]
    person.hutch("init", "tooth", "--name", "tooth", "--type", "scan.tomo", *attributes)
    person.hutch("push", where=tooth)
    person.hutch("close", where=tooth)

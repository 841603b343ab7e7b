"""What was issued while tests ran, and the search for it where it must not be."""

import json
import re
import stat
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from urllib.parse import quote

from sqlmodel import select

from hutch_api.services.work import Site
from hutch_api.store.tables import Account
from tests.relay import Answer, Relay, Request

_TOKEN = re.compile(rb"hutch_[0-9A-Za-z]{46}")
_SIGNATURE = re.compile(rb"X-Amz-Signature=([0-9a-f]{64})")
_HEXADECIMAL = re.compile(rb"[0-9a-f]{64,}")
_PASSWORD = re.compile(rb'"(?:password|old|new)": ?("(?:[^"\\]|\\.)*")')
_SHORTEST_PASSWORD = 8
"""What the server takes; a shorter one is a refused attempt, and a common word."""
_KEPT = "hutch.json"
"""The one file of an installation that holds its secrets."""
_PUBLIC = {
    "minio": frozenset({"reader_key_id"}),
    "seaweedfs": frozenset({"reader_key_id", "server_key_id", "root_key_id"}),
}
"""The reader's stands in every signed address. On MinIO a key id alone has let its
holder write, so the others are secret; SeaweedFS logs what it refuses, where an id
without its secret opens nothing."""


class Kind(StrEnum):
    """What is not to be found anywhere."""

    TOKEN = "token"
    PASSWORD = "password"
    SIGNATURE = "signature"
    ACCOUNT = "secret of a store account"
    INSTALLATION = "secret of the installation"


OF_PEOPLE = frozenset({Kind.TOKEN, Kind.PASSWORD, Kind.SIGNATURE, Kind.ACCOUNT})


@dataclass(slots=True)
class Issued:
    """Every secret that was seen so far."""

    texts: dict[Kind, set[bytes]] = field(
        default_factory=lambda: {kind: set() for kind in Kind}, repr=False
    )

    def note(self, kind: Kind, *texts: str) -> None:
        """Remember secrets, also as they would stand in an address."""
        for text in texts:
            self.texts[kind] |= {text.encode(), quote(text).encode()}

    def note_passing(self, text: bytes) -> None:
        """Remember tokens, passwords and signatures in what passes."""
        self.texts[Kind.TOKEN].update(_TOKEN.findall(text))
        self.texts[Kind.SIGNATURE].update(_SIGNATURE.findall(text))
        passwords: list[str] = [json.loads(p) for p in _PASSWORD.findall(text)]
        long = [p for p in passwords if len(p) >= _SHORTEST_PASSWORD]
        self.note(Kind.PASSWORD, *long)

    def note_installation(self, directory: Path, site: Site) -> None:
        """Remember the secrets of ``hutch-api up``, and of all accounts it made."""
        kept = json.loads((directory / _KEPT).read_text())
        public = _PUBLIC[kept["store"]]
        secret = [text for name, text in kept["secrets"].items() if name not in public]
        self.note(Kind.INSTALLATION, *secret)
        with site.look() as work:
            for row in work.session.exec(select(Account)):
                _, text = site.keys.account(
                    row.server_key, row.dataset_id, row.generation
                )
                self.note(Kind.ACCOUNT, text)

    def found_in(
        self, place: object, data: bytes, kinds: Collection[Kind] = tuple(Kind)
    ) -> Iterator[str]:
        """Name the secrets in a text by their kinds: a report must not hold them."""
        for kind in kinds:
            texts = self.texts[kind]
            if kind is Kind.SIGNATURE:
                count = len(texts & set(_windows(data)))
            elif kind is Kind.TOKEN:
                count = len(texts & set(_TOKEN.findall(data)))
            else:
                count = sum(text in data for text in texts)
            if count:
                yield f"{place}: {kind} ({count})"

    def found_below(
        self, directory: Path, kinds: Collection[Kind] = tuple(Kind)
    ) -> Iterator[str]:
        """Search all files below a directory, their names too."""
        for path in sorted(directory.rglob("*")):
            name = str(path.relative_to(directory)).encode()
            yield from self.found_in(f"name of {path}", name, kinds)
            if path.is_file():
                yield from self.found_in(path, path.read_bytes(), kinds)


def _windows(data: bytes) -> Iterator[bytes]:
    for run in _HEXADECIMAL.findall(data):
        yield from (run[n : n + 64] for n in range(len(run) - 63))


def found_in_installation(issued: Issued, directory: Path) -> Iterator[str]:
    """Search the directory of ``hutch-api up``: logs, database, store.

    Secrets may be in two places, which are their owner's alone: ``hutch.json`` has
    those of the installation; what the store keeps of its identities and accounts
    lies in the store's own directory. Nobody's token, password or signature is there.
    """
    if stat.S_IMODE(directory.stat().st_mode) != stat.S_IRWXU:
        yield f"{directory}: others may look into it"
    kept = directory / _KEPT
    if stat.S_IMODE(kept.stat().st_mode) != stat.S_IRUSR | stat.S_IWUSR:
        yield f"{kept}: others may read it"
    yield from issued.found_in(kept, kept.read_bytes(), OF_PEOPLE)
    for place in sorted(directory.iterdir()):
        if place.name in {"minio", "seaweedfs"}:
            yield from _found_in_store(issued, place)
        elif place.is_dir():
            yield from issued.found_below(place)
        elif place != kept and place.is_file():
            yield from issued.found_in(place, place.read_bytes())


def _found_in_store(issued: Issued, directory: Path) -> Iterator[str]:
    of_store = {Kind.ACCOUNT, Kind.INSTALLATION}
    for path in sorted(directory.rglob("*")):
        # The bytes of people's files are theirs.
        bytes_of_people = "hutch-data" in path.parts or path.suffix in {".dat", ".sock"}
        if bytes_of_people or not path.is_file():
            continue
        is_log = "log" in path.relative_to(directory).parts[:-1]
        kinds = set(Kind) if is_log else set(Kind) - of_store
        yield from issued.found_in(path, path.read_bytes(), kinds)


def found_in_processes(issued: Issued, pids: Collection[int]) -> Iterator[str]:
    """Search what every local user sees of processes, and what they were given.

    A process of the server is given the installation's secrets in its environment,
    which only its owner can read; nothing of people's is there.
    """
    for pid in pids:
        proc = Path("/proc") / str(pid)
        yield from issued.found_in(proc, (proc / "cmdline").read_bytes())
        environ = (proc / "environ").read_bytes()
        yield from issued.found_in(f"{proc}/environ", environ, OF_PEOPLE)


def family_of(pid: int) -> list[int]:
    """List a process and all below it."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [pid, *(one for child in children for one in family_of(int(child)))]


class Recorder(Relay):
    """Sits before an API and notes what it issues and is given."""

    def __init__(self, upstream: str, issued: Issued) -> None:
        super().__init__(upstream)
        self._issued = issued

    def treat(self, request: Request) -> Answer | None:
        """Pass it on, and note what is secret in it."""
        answer = self.ask(request)
        for part in (request, answer):
            self._issued.note_passing(part.body)
            for name, value in part.headers:
                if name.lower() in {"authorization", "location"}:
                    self._issued.note_passing(value.encode())
        return answer

"""``hutch-api serve`` as a facility runs it, and what has to hold after every test."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

import pytest

from hutch.contract.wire.accounts import Role
from hutch_api.services.work import Site
from hutch_api.settings import Settings
from hutch_api.site import open_site
from hutch_api.store.tables import User
from tests.conftest import Database
from tests.facility.installation import answers, hutch_api, running, store_environ
from tests.http.people import issue_token
from tests.servers import StoreServer, free_port, wait_until

MIB = 1024 * 1024
MOST_MEMORY = 300 * MIB


@dataclass(frozen=True, slots=True)
class Served:
    """A running API.

    Attributes:
        token: Of a user who may make datasets.
    """

    port: int
    pid: int
    log: Path
    token: str

    def peak(self) -> int:
        """Read the most memory in bytes that the process ever held."""
        status = Path(f"/proc/{self.pid}/status").read_text()
        line = next(x for x in status.splitlines() if x.startswith("VmHWM"))
        return int(line.split()[1]) * 1024


@contextmanager
def serving(environ: dict[str, str], log: Path, **limits: str) -> Iterator[Served]:
    """Run ``hutch-api serve`` with these limits until the end of the block."""
    environ = environ | {f"HUTCH_{name}": text for name, text in limits.items()}
    environ["HUTCH_PORT"] = str(free_port())
    site = open_site(Settings.from_environ(environ))
    try:
        with running("serve", environ, log) as process:
            wait_until(lambda: answers(environ), seconds=90, what="the API")
            yield Served(int(environ["HUTCH_PORT"]), process.pid, log, _add_user(site))
    finally:
        site.engine.dispose()


def _add_user(site: Site) -> str:
    with site.begin() as work:
        user = uuid4()
        work.session.add(
            User(
                id=user,
                name=user.hex,
                password="!",
                role=Role.USER,
                created_at=work.now,
            )
        )
    return issue_token(site, user)


@pytest.fixture(scope="session")
def facility(
    seaweedfs: StoreServer, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, str]:
    """Set up an installation by its commands; give the environment of its API."""
    home = tmp_path_factory.mktemp("facility")
    database = Database("sqlite", f"sqlite:///{home}/hutch.sqlite")
    environ = store_environ(seaweedfs, home) | {"HUTCH_DATABASE_URL": database.url}
    root = {
        "HUTCH_S3_ROOT_KEY_ID": seaweedfs.root.key_id,
        "HUTCH_S3_ROOT_SECRET": seaweedfs.root.secret,
    }
    for words in (("migrate",), ("store", "init")):
        done = hutch_api(*words, environ=environ | root)
        assert done.returncode == 0, done.stderr + done.stdout
    return environ


@pytest.fixture(scope="module")
def _usual(
    facility: dict[str, str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Served]:
    log = tmp_path_factory.mktemp("serve") / "log"
    with serving(facility, log) as served:
        yield served


@pytest.fixture
def served(_usual: Served) -> Iterator[Served]:
    """Give an API with its usual limits; it has to survive whatever a test does."""
    yield _usual
    require_unharmed(_usual)


def require_unharmed(served: Served) -> None:
    """Check that an API answers, has taken little memory and met nothing unforeseen."""
    from tests.laws.input.wire import get  # noqa: PLC0415 - it needs nothing of this

    assert get(served.port, "/healthz").status == 200
    assert served.peak() < MOST_MEMORY, f"{served.peak() / MIB:.0f} MiB"
    log = served.log.read_text(errors="replace")
    assert "Traceback" not in log, log[-5_000:]
    assert " ERROR " not in log, log[-5_000:]

"""The order in which an embedded installation starts, and how it ends."""

import json
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from hutch.contract.problems import StoreUnavailableError
from hutch_api import readiness
from hutch_api.adapters.probe import require_passed
from hutch_api.adapters.stores import is_open_to_all
from hutch_api.commands.exits import CommandError
from hutch_api.domain import system
from hutch_api.embedded import stores
from hutch_api.embedded.children import Family, family
from hutch_api.embedded.directory import Kept, locked, settings_of
from hutch_api.embedded.errors import DirectoryError, InterruptError
from hutch_api.embedded.stores import StoreKind
from hutch_api.executors import can_run
from hutch_api.settings import Settings

_STORE_S: Final = 90
"""SeaweedFS once took 21 s after a kill until it took a write; disks may be slower."""
_API_S: Final = 60
_ANSWER_S: Final = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What the caller chose.

    Attributes:
        directory: Where everything is kept; absolute.
        port: Port of the API; None means any free one.
        store: ``auto``, ``seaweedfs`` or ``minio``.
        json: Print the ready line as JSON.
    """

    directory: Path
    port: int | None
    store: str
    json: bool


def up(wanted: Wanted, environ: Mapping[str, str]) -> None:
    """Run everything until SIGTERM, SIGINT or SIGHUP.

    Raises:
        EmbeddedError: It cannot start, or one of its processes died.
    """
    home = wanted.directory
    with (
        suppress(InterruptError),
        locked(home) as lock,
        stores.socket_directory(home) as sockets,
        family(_logs(home), lock) as processes,
    ):
        kept = Kept.load(home)
        kind = stores.choose(wanted.store, kept, environ)
        kept.store = kind
        _choose_port(kept, wanted.port)
        origin = f"http://127.0.0.1:{kept.ports['api']}"
        if kind is not StoreKind.EXTERNAL:
            _start_store(processes, kept, kind, sockets=sockets, origin=origin)
        environ = settings_of(kept, environ)
        kept.save()
        settings = Settings.from_environ(environ)
        _set_up(processes, settings)
        for name, command, more in _programs(settings, home):
            program = [sys.executable, "-m", "hutch_api", *command]
            processes.start(name, program, {**environ, **more})
        processes.wait_until(
            lambda: _answers(f"{origin}/readyz"), seconds=_API_S, what="the API"
        )
        _tell_ready(wanted, settings, kind, origin)
        processes.watch()


def _programs(
    settings: Settings, home: Path
) -> Iterator[tuple[str, Sequence[str], Mapping[str, str]]]:
    """Say what runs beside the store, and what is particular to its environment.

    hutch's own programs have a runner of their own; another one is there only where
    there are containers.
    """
    yield "api", ("serve",), {}
    yield "worker", ("worker",), {}
    runner = ("runner", "--take-along")
    place = settings.runner_dir or home / "runner"
    local = replace(settings, runner_executor=system.EXECUTOR, runner_dir=place)
    if can_run(local):
        yield (
            "local-runner",
            runner,
            {
                "HUTCH_RUNNER_EXECUTOR": system.EXECUTOR,
                "HUTCH_RUNNER_DIR": str(place),
            },
        )
    if settings.runner_executor != system.EXECUTOR and can_run(settings):
        yield "runner", runner, {}


def _logs(home: Path) -> Path:
    logs = home / "log"
    logs.mkdir(exist_ok=True)
    return logs


def _choose_port(kept: Kept, wanted: int | None) -> None:
    before = kept.ports.get("api")
    if wanted is not None:
        kept.ports["api"] = wanted
    port = kept.port("api")
    if wanted is not None and port != wanted:
        if before is not None:
            kept.ports["api"] = before
        raise DirectoryError(f"port {wanted} on 127.0.0.1 is taken; choose another")


def _start_store(
    processes: Family, kept: Kept, kind: StoreKind, *, sockets: Path, origin: str
) -> None:
    data = kept.path.parent / kind
    if kind is StoreKind.MINIO:
        program = stores.minio(kept, data=data, origin=origin)
    else:
        program = stores.weed(kept, data=data, sockets=sockets, origin=origin)
    kept.save()  # the keys are known here before the store hears of them
    processes.start("store", program.command, program.environ)
    url = f"http://127.0.0.1:{kept.ports['s3']}"
    processes.wait_until(lambda: _is_alive(url), seconds=_STORE_S, what="the store")


def _set_up(processes: Family, settings: Settings) -> None:
    """Bring database and store to where a plain start finds them ready."""
    readiness.migrate(settings)
    processes.wait_until(
        lambda: _is_set_up(settings), seconds=_STORE_S, what="the first write"
    )


def _is_alive(url: str) -> bool:
    try:
        is_open_to_all(url)
    except StoreUnavailableError:
        return False
    return True


def _is_set_up(settings: Settings) -> bool:
    """Try to set up the store; a restarted one may take nothing for a while."""
    try:
        if settings.root is not None:
            readiness.init_store(settings)
        try:
            readiness.open_ready(settings).engine.dispose()
        except CommandError:  # never probed, or another version: look at it now
            require_passed(readiness.probe(settings))
    except StoreUnavailableError:
        return False
    return True


def _answers(url: str) -> bool:
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with direct.open(url, timeout=_ANSWER_S) as answer:
            return bool(answer.status == 200)  # noqa: PLR2004 -- ready
    except (OSError, urllib.error.URLError):
        return False


def _tell_ready(
    wanted: Wanted, settings: Settings, kind: StoreKind, origin: str
) -> None:
    if wanted.json:
        line = {"url": origin, "store": kind, "s3_url": settings.s3_public_url}
        print(json.dumps(line), flush=True)
        return
    print(f"hutch is ready at {origin} (store: {kind}, {settings.s3_public_url})")
    print(f"It keeps everything in {wanted.directory}; Ctrl-C ends it.")
    if kind is not StoreKind.EXTERNAL:
        print(
            "This store is for one person's machine: other users of it could reach in."
        )
    if not readiness.has_users(settings):
        print(
            "There is no user yet. In another terminal:\n"
            f"  hutch-api user add NAME --dir {wanted.directory}\n"
            f"  hutch login {origin} --user NAME"
        )
    sys.stdout.flush()

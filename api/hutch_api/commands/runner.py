"""Execute runs in containers; the only process that needs a container engine."""

import logging
from argparse import ArgumentParser, Namespace
from collections.abc import Mapping
from typing import Final
from uuid import uuid4

from hutch_api import readiness
from hutch_api.commands.exits import CommandError, Exit
from hutch_api.commands.log import start_log
from hutch_api.commands.place import add_place, read_settings
from hutch_api.executors import open_executor
from hutch_api.ports.executor import Executor, ExecutorUnavailableError
from hutch_api.runner.loop import Loop
from hutch_api.services.attempts import Runner
from hutch_api.worker.loop import ending_on_signals

_LOG: Final = logging.getLogger("hutch.runner")


def configure(parser: ArgumentParser) -> None:
    """Declare the arguments."""
    add_place(parser)
    parser.add_argument(
        "--once", action="store_true", help="execute what is queued now, then end"
    )
    parser.add_argument(
        "--take-along",
        action="store_true",
        help="at the end, end the containers too; their runs are tried again",
    )


def run(options: Namespace, environ: Mapping[str, str]) -> Exit:
    """Execute runs until SIGTERM or SIGINT.

    Containers go on without the runner; the next one of its name takes them up.
    """
    settings = read_settings(options, environ)
    start_log()
    with ending_on_signals() as stop:
        site = readiness.open_ready(settings)
        try:
            executor = open_executor(settings, site.instance)
        except ExecutorUnavailableError as error:
            raise CommandError(str(error), Exit.UNAVAILABLE) from error
        runner = Runner(
            name=settings.runner_name, holder=uuid4(), executor=executor.name
        )
        _LOG.info("runner %s at work (%s)", runner.name, executor.name)
        loop = Loop(
            site,
            executor,
            runner,
            slots=settings.runner_slots,
            pause=settings.runner_pause,
            stop=stop,
            takes_along=options.take_along,
        )
        loop.run(once=options.once)
        _close(executor)
    site.engine.dispose()
    return Exit.OK


def _close(executor: Executor) -> None:
    """Give back what is held for all attempts; what cannot be is the next start's."""
    try:
        if not executor.held():
            executor.close()
    except ExecutorUnavailableError as error:
        _LOG.warning("%s", error)

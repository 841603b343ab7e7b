"""Do what is due: go on with closes and deletions, end accounts, sweep, scrub."""

import logging
from argparse import ArgumentParser, Namespace
from collections.abc import Mapping
from datetime import timedelta
from functools import partial
from typing import Final

from hutch_api import readiness
from hutch_api.commands.exits import Exit
from hutch_api.commands.log import start_log
from hutch_api.commands.memory import spare_the_collector
from hutch_api.services.scrub import scrub_once
from hutch_api.services.upkeep import run_once
from hutch_api.settings import Settings
from hutch_api.worker.loop import beside, ending_on_signals, work

_LOG: Final = logging.getLogger("hutch.worker")
SCRUB_PAUSE: Final = timedelta(seconds=30)
"""Meanwhile the budget of the scrub grows."""


def configure(parser: ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument(
        "--once", action="store_true", help="do what is due now, then end"
    )


def run(options: Namespace, environ: Mapping[str, str]) -> Exit:
    """Work until SIGTERM or SIGINT; the round that has begun is finished."""
    settings = Settings.from_environ(environ)
    start_log()
    with ending_on_signals() as stop:  # from here on: a start may take a while
        site = readiness.open_ready(settings)
        spare_the_collector()
        scrub = partial(
            scrub_once, site, budget=settings.worker_scrub, stop=stop.is_set
        )
        if options.once:
            for chore in (partial(run_once, site), scrub):
                while not stop.is_set() and chore():
                    pass
        else:
            _LOG.info("at work")
            with beside(scrub, pause=SCRUB_PAUSE, stop=stop):
                work(partial(run_once, site), pause=settings.worker_pause, stop=stop)
    site.engine.dispose()
    return Exit.OK

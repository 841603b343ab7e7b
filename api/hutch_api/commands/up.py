"""Run store, database, API and worker for one person on this machine."""

import os
from argparse import ArgumentParser, Namespace
from collections.abc import Mapping
from pathlib import Path

from hutch_api.commands.exits import Exit
from hutch_api.embedded.up import Wanted, up
from hutch_api.setting_values import parse_port


def configure(parser: ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument(
        "--dir",
        type=Path,
        metavar="DIR",
        default=None,
        help="where everything is kept (default: ~/.local/share/hutch)",
    )
    parser.add_argument(
        "--port",
        type=parse_port,
        metavar="N",
        help="port of the API (default: a free one, kept for the next start)",
    )
    parser.add_argument(
        "--store",
        choices=["auto", "seaweedfs", "minio"],
        default="auto",
        help="the embedded store; auto takes the store at HUTCH_S3_URL if that is set, "
        "else SeaweedFS (default: auto)",
    )
    parser.add_argument(
        "--json", action="store_true", help="print the ready line as JSON"
    )


def run(options: Namespace, environ: Mapping[str, str]) -> Exit:
    """Run until a signal ends it."""
    os.umask(0o077)  # what is kept here is its owner's alone
    directory = options.dir or _home(environ)
    wanted = Wanted(
        directory=Path(os.path.abspath(directory)),  # noqa: PTH100 -- keeps symlinks
        port=options.port,
        store=options.store,
        json=options.json,
    )
    up(wanted, environ)
    return Exit.OK


def _home(environ: Mapping[str, str]) -> Path:
    data = environ.get("XDG_DATA_HOME")
    return (Path(data) if data else Path.home() / ".local" / "share") / "hutch"

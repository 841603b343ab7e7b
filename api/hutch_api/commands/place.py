"""Which installation a command speaks to: the environment's, or a directory's."""

from argparse import ArgumentParser, Namespace
from collections.abc import Mapping
from pathlib import Path

from hutch_api.embedded.directory import environ_of
from hutch_api.settings import Settings


def add_place(parser: ArgumentParser) -> None:
    """Declare ``--dir``."""
    parser.add_argument(
        "--dir",
        type=Path,
        metavar="DIR",
        help="an installation of 'hutch-api up'; without it, the HUTCH_ variables "
        "of the environment say which one",
    )


def read_settings(options: Namespace, environ: Mapping[str, str]) -> Settings:
    """Read the settings of the installation that is meant.

    Raises:
        SettingsError: Some are missing or bad.
        DirectoryError: The directory holds no installation.
    """
    directory: Path | None = options.dir
    if directory is not None:
        environ = environ_of(directory.absolute(), environ)
    return Settings.from_environ(environ)

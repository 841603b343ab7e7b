"""The log of a process: lines on standard error, for whoever runs it to keep."""

import logging
from typing import Final

_FORMAT: Final = "%(asctime)s %(levelname)s %(name)s: %(message)s"
_TALKATIVE: Final = ("alembic", "botocore", "boto3", "urllib3")
"""Libraries whose lower levels tell nothing, or more than a log may hold."""


def start_log() -> None:
    """Begin to log."""
    logging.basicConfig(level=logging.INFO, format=_FORMAT)
    for name in _TALKATIVE:
        logging.getLogger(name).setLevel(logging.WARNING)

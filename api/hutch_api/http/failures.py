"""The log of what should not have happened, without anything secret in it."""

import logging
import re
import traceback
from typing import Final

from hutch_api.services.faults import hide_values

_LOG: Final = logging.getLogger("hutch_api.failures")
_SECRETS: Final = (
    (re.compile(r"hutch_[A-Za-z0-9]{20,}"), "hutch_***"),
    (re.compile(r"(?i)(bearer\s+)[^\s'\"]+"), r"\1***"),
    (re.compile(r"(https?://[^\s'\"?]*)\?[^\s'\"]*"), r"\1?***"),
    (re.compile(r"(?i)(x-amz-[a-z-]+=)[^&\s'\"]+"), r"\1***"),
)


def log_failure(error: BaseException, *, request_id: str) -> None:
    """Write an unexpected exception to the log, with its traceback.

    Messages of libraries may quote what they were given; the values of SQL
    statements, tokens and the queries of URLs are left out.
    """
    hide_values(error)
    text = "".join(traceback.format_exception(error))
    for pattern, stars in _SECRETS:
        text = pattern.sub(stars, text)
    _LOG.error("request %s failed\n%s", request_id, text)


def log_unsettled(error: Exception) -> None:
    """Note that the store did not hear of a revocation yet; the worker repeats it."""
    _LOG.warning("store accounts wait for their deletion: %s", type(error).__name__)

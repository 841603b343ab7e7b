"""Reading the values of settings; a ValueError says what is wrong with one."""

import platform
import re
import shlex
from datetime import timedelta
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from hutch_api.domain import system
from hutch_api.domain.keys import ServerKeys
from hutch_api.domain.secret import Secret
from hutch_api.ports.accounts import AccountsApi

AUTO: Final = "auto"
ENGINE, SLURM = "engine", "slurm"
EXECUTORS: Final = (ENGINE, SLURM, system.EXECUTOR)
_LONGEST_NAME: Final = 50
_LOWEST_PORT, _HIGHEST_PORT = 1, 65_535


def parse_url(text: str) -> str:
    """Read an http or https URL without a path, and drop a slash at its end."""
    url = urlsplit(text)
    if url.scheme not in {"http", "https"} or not url.hostname:
        raise ValueError("is not an http or https URL")
    if url.path not in {"", "/"} or url.query or url.username:
        raise ValueError("must be only scheme, host and port")
    return text.rstrip("/")


def parse_port(text: str) -> int:
    """Read a TCP port."""
    if not text.isdecimal() or not _LOWEST_PORT <= int(text) <= _HIGHEST_PORT:
        raise ValueError(f"is not a port ({_LOWEST_PORT} to {_HIGHEST_PORT})")
    return int(text)


def parse_count(text: str) -> int:
    """Read a whole number of at least one."""
    if not text.isdecimal() or int(text) < 1:
        raise ValueError("is not a whole number of at least 1")
    return int(text)


def parse_seconds(text: str) -> timedelta:
    """Read a time span given in seconds."""
    try:
        span = timedelta(seconds=float(text))
    except (ValueError, OverflowError):
        raise ValueError("is not a number of seconds") from None
    if span <= timedelta(0):
        raise ValueError("must be more than 0 seconds")
    return span


def parse_gib(text: str) -> int:
    """Read an amount given in GiB; gives bytes."""
    try:
        amount = int(float(text) * 1024**3)
    except (ValueError, OverflowError):
        raise ValueError("is not a number of GiB") from None
    if amount < 0:
        raise ValueError("must not be less than 0")
    return amount


def parse_switch(text: str) -> bool:
    """Read yes or no."""
    if text.lower() in {"yes", "true", "1"}:
        return True
    if text.lower() in {"no", "false", "0"}:
        return False
    raise ValueError("is neither yes nor no")


def parse_list(text: str) -> tuple[str, ...]:
    """Read texts that are separated by commas; nothing gives none."""
    return tuple(part.strip() for part in text.split(",") if part.strip())


def parse_words(text: str) -> tuple[str, ...]:
    """Read words as a shell takes them apart; nothing gives none."""
    try:
        return tuple(shlex.split(text))
    except ValueError as fault:
        raise ValueError(f"cannot be taken apart into words: {fault}") from None


def parse_directory(text: str) -> Path:
    """Read the path of a directory that is the same wherever one stands."""
    path = Path(text)
    if not path.is_absolute():
        raise ValueError("is not an absolute path")
    return path


def parse_executor(text: str) -> str:
    """Read by what a runner executes runs."""
    if text not in EXECUTORS:
        raise ValueError(f"must be one of {', '.join(EXECUTORS)}")
    return text


def parse_secret(text: str) -> Secret:
    """Wrap a text that nobody may see."""
    return Secret(text)


def parse_database(text: str) -> Secret:
    """Read a database URL; it may hold a password."""
    if not text.startswith(("sqlite:///", "postgresql+psycopg://")):
        raise ValueError("must begin with sqlite:/// or postgresql+psycopg://")
    return Secret(text)


def parse_accounts(text: str) -> AccountsApi | None:
    """Read the name of an accounts API; ``auto`` gives None: ask the store."""
    if text == AUTO:
        return None
    try:
        return AccountsApi(text)
    except ValueError:
        raise ValueError(f"must be one of {AUTO}, {', '.join(AccountsApi)}") from None


def parse_server_keys(text: str) -> ServerKeys:
    """Read ``<version>:<hex>`` pairs, separated by commas."""
    keys = {}
    for pair in text.split(","):
        version, colon, digits = pair.strip().partition(":")
        if not colon or not version.isdecimal():
            raise ValueError("is not of the form <version>:<hex>,…")
        try:
            keys[int(version)] = bytes.fromhex(digits)
        except ValueError:
            raise ValueError("holds a key that is not hexadecimal") from None
    return ServerKeys(keys)


def parse_runner(text: str) -> str:
    """Read the name of a runner; nothing gives that of this machine."""
    name = text or platform.node() or "runner"
    plain = re.sub(r"[^a-zA-Z0-9_.-]", "-", name)[:_LONGEST_NAME]
    if text and plain != text:
        raise ValueError("may hold letters, digits, '_', '.' and '-', 50 at most")
    return plain

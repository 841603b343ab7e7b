# ruff: noqa: RUF009 -- the calls declare fields, as dataclasses.field does
"""The settings of the server: read once, from the environment.

Every value has one variable. A secret may also come from a file, named by the same
variable with ``_FILE`` behind it. ``docs/reference/settings.md`` is written from the
declarations below, so that it cannot fall behind them.
"""

import dataclasses
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any, Final, Self
from urllib.parse import urlsplit

from hutch_api.domain.keys import ServerKeys
from hutch_api.domain.secret import Secret
from hutch_api.ports.accounts import AccountsApi
from hutch_api.ports.objects import Credentials

PREFIX: Final = "HUTCH_"
_FILE: Final = "_FILE"
_AUTO: Final = "auto"
_LOWEST_PORT, _HIGHEST_PORT = 1, 65_535


class SettingsError(Exception):
    """Settings are missing or cannot be read; all faults at once.

    Attributes:
        faults: One sentence each, beginning with the variable's name.
    """

    def __init__(self, faults: list[str]) -> None:
        super().__init__("\n".join(faults))
        self.faults = faults


@dataclass(frozen=True, slots=True, kw_only=True)
class Variable:
    """What an environment variable means.

    Attributes:
        parse: Turns its text into the value; a ValueError says what is wrong.
        default: The text that stands where the variable does not; None: required.
        secret: It may come from a file, and its value is never shown.
        fallback: The variable whose value stands where this one is not set.
        optional: Where neither is set, the value is None.
    """

    name: str
    meaning: str
    parse: Callable[[str], Any]
    default: str | None = None
    secret: bool = False
    fallback: str | None = None
    optional: bool = False


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
    if text == _AUTO:
        return None
    try:
        return AccountsApi(text)
    except ValueError:
        raise ValueError(f"must be one of {_AUTO}, {', '.join(AccountsApi)}") from None


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


def _setting(name: str, meaning: str, parse: Callable[[str], Any], **more: Any) -> Any:
    variable = Variable(name=PREFIX + name, meaning=meaning, parse=parse, **more)
    return dataclasses.field(metadata={"variable": variable})


def _key_pair(name: str, meaning: str, **more: Any) -> Any:
    return _setting(name, meaning, parse_secret, secret=True, **more)


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What an installation decides; see ``docs/reference/settings.md``."""

    database_url: Secret = _setting(
        "DATABASE_URL",
        "Database: `postgresql+psycopg://user:password@host/name` for a facility, "
        "`sqlite:////path/to/file` for one machine with a local disk.",
        parse_database,
        secret=True,
    )
    server_keys: ServerKeys = _setting(
        "SERVER_KEYS",
        "Keys that tokens and store accounts are computed from: `<version>:<hex>`, "
        "at least 32 bytes each (`openssl rand -hex 32`), separated by commas. The "
        "highest version makes what is new; keep the older ones.",
        parse_server_keys,
        secret=True,
    )
    s3_url: str = _setting(
        "S3_URL", "Object store as the server reaches it.", parse_url
    )
    s3_public_url: str = _setting(
        "S3_PUBLIC_URL",
        "Object store as clients reach it; URLs are signed for this host.",
        parse_url,
        fallback=PREFIX + "S3_URL",
    )
    s3_executor_url: str = _setting(
        "S3_EXECUTOR_URL",
        "Object store as containers reach it.",
        parse_url,
        fallback=PREFIX + "S3_URL",
    )
    s3_region: str = _setting(
        "S3_REGION", "Region that requests are signed for.", str, default="us-east-1"
    )
    s3_data_bucket: str = _setting(
        "S3_DATA_BUCKET", "Bucket of the files.", str, default="hutch-data"
    )
    s3_meta_bucket: str = _setting(
        "S3_META_BUCKET",
        "Bucket of manifests, seals and logs.",
        str,
        default="hutch-meta",
    )
    s3_accounts: AccountsApi | None = _setting(
        "S3_ACCOUNTS",
        "How the store makes short-lived accounts: `minio` (its admin API), `iam` "
        "(the AWS IAM API, as SeaweedFS has it) or `auto` (find out at the start).",
        parse_accounts,
        default=_AUTO,
    )
    s3_root_key_id: Secret | None = _key_pair(
        "S3_ROOT_KEY_ID",
        "Administrator of the store. Only `hutch-api store init` needs it.",
        optional=True,
    )
    s3_root_secret: Secret | None = _key_pair(
        "S3_ROOT_SECRET", "Secret of the administrator.", optional=True
    )
    s3_server_key_id: Secret = _key_pair(
        "S3_SERVER_KEY_ID",
        "The server's own identity: 20 random upper-case letters and digits. On MinIO "
        "the id alone can write, so keep it like a secret.",
    )
    s3_server_secret: Secret = _key_pair(
        "S3_SERVER_SECRET", "Secret of the server's identity: 40 random characters."
    )
    s3_reader_key_id: Secret = _key_pair(
        "S3_READER_KEY_ID",
        "The identity that signs downloads: 20 random upper-case letters and digits.",
    )
    s3_reader_secret: Secret = _key_pair(
        "S3_READER_SECRET", "Secret of the reading identity: 40 random characters."
    )
    web_origin: str | None = _setting(
        "WEB_ORIGIN",
        "Origin of the web pages that may talk to the store, such as "
        "`https://hutch.example.org`.",
        parse_url,
        optional=True,
    )
    host: str = _setting("HOST", "Where the API listens.", str, default="127.0.0.1")
    port: int = _setting(
        "PORT", "Port that the API listens on.", parse_port, default="8400"
    )
    proxies: tuple[str, ...] = _setting(
        "PROXIES",
        "Addresses of reverse proxies, separated by commas: only their "
        "`X-Forwarded-For` and `X-Forwarded-Proto` are believed.",
        parse_list,
        default="",
    )
    portable_paths: bool = _setting(
        "PORTABLE_PATHS",
        "Refuse file names that Windows cannot hold, so that everybody can clone.",
        parse_switch,
        default="yes",
    )
    threads: int = _setting(
        "THREADS",
        "Requests that one process works on at a time.",
        parse_count,
        default="40",
    )
    connections: int = _setting(
        "CONNECTIONS",
        "Connections to one process; one more ends the one that idles for longest.",
        parse_count,
        default="500",
    )
    head_timeout: timedelta = _setting(
        "HEAD_TIMEOUT_S",
        "Seconds for the headers of a request.",
        parse_seconds,
        default="10",
    )
    body_timeout: timedelta = _setting(
        "BODY_TIMEOUT_S",
        "Seconds for the body of a request, and for a client that reads no answer.",
        parse_seconds,
        default="60",
    )
    worker_pause: timedelta = _setting(
        "WORKER_PAUSE_S",
        "Seconds that an idle worker waits before it looks again.",
        parse_seconds,
        default="2",
    )
    worker_scrub: int = _setting(
        "WORKER_SCRUB_GIB_PER_DAY",
        "GiB of closed files that all workers together read again each day, to find "
        "what the store has lost or changed; a file counts 64 KiB more than it holds. "
        "0 reads nothing.",
        parse_gib,
        default="200",
    )

    @property
    def server(self) -> Credentials:
        """The server's own identity."""
        return Credentials(
            self.s3_server_key_id.reveal(), self.s3_server_secret.reveal()
        )

    @property
    def reader(self) -> Credentials:
        """The identity that signs downloads."""
        return Credentials(
            self.s3_reader_key_id.reveal(), self.s3_reader_secret.reveal()
        )

    @property
    def root(self) -> Credentials | None:
        """The store's administrator; None where the settings do not tell."""
        if self.s3_root_key_id is None or self.s3_root_secret is None:
            return None
        return Credentials(self.s3_root_key_id.reveal(), self.s3_root_secret.reveal())

    @classmethod
    def from_environ(cls, environ: Mapping[str, str] = os.environ) -> Self:
        """Read all settings.

        Raises:
            SettingsError: Some are missing or bad; it lists every one.
        """
        faults: list[str] = []
        values: dict[str, Any] = {}
        for name, variable in _declared(cls).items():
            try:
                values[name] = _read(variable, environ)
            except ValueError as fault:
                faults.append(f"{variable.name} {fault}")
        if faults:
            raise SettingsError(faults)
        return cls(**values)


def variables() -> list[Variable]:
    """List what may be set, in the order of the reference page."""
    return list(_declared(Settings).values())


def unknown(environ: Mapping[str, str]) -> list[str]:
    """List variables that look like settings but are none: a typo, most likely.

    ``HUTCH_TOKEN``, ``HUTCH_URL`` and others belong to the client, so only the
    server's own families are looked at.
    """
    known = {variable.name for variable in variables()}
    known |= {v.name + _FILE for v in variables() if v.secret}
    family = (PREFIX + "S3_", PREFIX + "DATABASE", PREFIX + "SERVER", PREFIX + "WORKER")
    return sorted(n for n in environ if n.startswith(family) and n not in known)


def _declared(cls: type[Settings]) -> dict[str, Variable]:
    return {f.name: f.metadata["variable"] for f in dataclasses.fields(cls)}


def _read(variable: Variable, environ: Mapping[str, str]) -> Any:
    text = _text(variable, environ)
    if text is None and variable.fallback:
        try:
            return variable.parse(environ.get(variable.fallback) or "")
        except ValueError:
            return None  # the other variable is named already
    if text is None:
        text = variable.default
    if text is None:
        if variable.optional:
            return None
        also = f" (or {variable.name}{_FILE})" if variable.secret else ""
        raise ValueError(f"is not set{also}")
    return variable.parse(text)


def _text(variable: Variable, environ: Mapping[str, str]) -> str | None:
    text = environ.get(variable.name) or None  # set to nothing is not set
    file = environ.get(variable.name + _FILE) if variable.secret else None
    if not file:
        return text
    if text is not None:
        raise ValueError(f"and {variable.name}{_FILE} are both set; keep one")
    try:
        return Path(file).read_text(encoding="utf-8").strip() or None
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is not UTF-8 text"
        raise ValueError(f"cannot be read from the file {file}: {reason}") from None

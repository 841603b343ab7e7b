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

from hutch_api.domain.keys import ServerKeys
from hutch_api.domain.secret import Secret
from hutch_api.ports.accounts import AccountsApi
from hutch_api.ports.objects import Credentials
from hutch_api.setting_values import (
    AUTO,
    parse_accounts,
    parse_count,
    parse_database,
    parse_directory,
    parse_executor,
    parse_gib,
    parse_list,
    parse_port,
    parse_runner,
    parse_seconds,
    parse_secret,
    parse_server_keys,
    parse_switch,
    parse_url,
    parse_words,
)

PREFIX: Final = "HUTCH_"
_FILE: Final = "_FILE"


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
        default=AUTO,
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
    runner_name: str = _setting(
        "RUNNER_NAME",
        "Name of a runner, the same after each start: it takes up what it left. "
        "Empty: the name of the machine.",
        parse_runner,
        default="",
    )
    runner_slots: int = _setting(
        "RUNNER_SLOTS",
        "Runs that one runner executes at a time.",
        parse_count,
        default="2",
    )
    runner_executor: str = _setting(
        "RUNNER_EXECUTOR",
        "By what a runner executes runs: `engine`, the containers of this machine; "
        "`slurm`, the jobs of a cluster; or `local`, processes of this machine, for "
        "hutch's own programs and nothing else.",
        parse_executor,
        default="engine",
    )
    runner_engine: str | None = _setting(
        "RUNNER_ENGINE",
        "Socket of the container engine, such as `unix:///run/podman/podman.sock`; "
        "not set: that of Podman or Docker, where one is.",
        str,
        optional=True,
    )
    runner_dir: Path | None = _setting(
        "RUNNER_DIR",
        "Directory for the attempts of a `local` runner, its user's alone; not set: "
        "one below that of temporary files.",
        parse_directory,
        optional=True,
    )
    runner_slurm_dir: Path | None = _setting(
        "RUNNER_SLURM_DIR",
        "Directory that runner and nodes of the cluster have in common, under the "
        "same path; `slurm` needs it.",
        parse_directory,
        optional=True,
    )
    runner_slurm_partition: str | None = _setting(
        "RUNNER_SLURM_PARTITION",
        "Partition of the jobs; not set: the default of the cluster.",
        str,
        optional=True,
    )
    runner_slurm_options: tuple[str, ...] = _setting(
        "RUNNER_SLURM_OPTIONS",
        "Further options of `sbatch`, such as `--account=tomo --qos=hutch`; those that "
        "hutch sets itself it sets after them.",
        parse_words,
        default="",
    )
    runner_step_image: str = _setting(
        "RUNNER_STEP_IMAGE",
        "hutch's own client image, which fetches and sends for the programs.",
        str,
        default="localhost/hutch-step:latest",
    )
    runner_api_url: str | None = _setting(
        "RUNNER_API_URL",
        "The API as runners reach it; their containers do by the same address. Not "
        "set: on this machine, at `HUTCH_PORT`.",
        parse_url,
        optional=True,
    )
    runner_pause: timedelta = _setting(
        "RUNNER_PAUSE_S",
        "Seconds that an idle runner waits before it looks again.",
        parse_seconds,
        default="1",
    )

    @property
    def runner_api(self) -> str:
        """The API as runners and their containers reach it."""
        return self.runner_api_url or f"http://127.0.0.1:{self.port}"

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
    families = ("S3_", "DATABASE", "SERVER", "WORKER", "RUNNER")
    family = tuple(PREFIX + name for name in families)
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

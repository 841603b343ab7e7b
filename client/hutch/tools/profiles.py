"""How S3 tools are told of a dataset: profiles of AWS, remotes of rclone.

Neither holds a secret: the tools run ``hutch s3 credentials`` for keys.
"""

import os
import shlex
import sys
import sysconfig
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from uuid import UUID

from hutch.client import Client
from hutch.contract.problems import DatasetClosedError, ForbiddenError
from hutch.contract.wire.datasets import DatasetOut, Right, State
from hutch.contract.wire.site import StorePlace
from hutch.contract.wire.tools import StoreAccess
from hutch.errors import ClientError
from hutch.tools import sections
from hutch.tools.private import locked, prepared
from hutch.tools.sections import Values

_ASKING: Final = ("s3", "credentials")
_SHORT: Final = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """A profile by which tools reach one dataset.

    Attributes:
        name: As in ``AWS_PROFILE``.
        file: Where it stands, or would.
        values: What the profile sets.
        is_new: Something in the file was, or would be, changed for it.
    """

    name: str
    file: Path
    values: Values
    is_new: bool

    def lines(self) -> list[str]:
        """Write the profile alone."""
        alone = sections.put("", ("profile", self.name), self.values)
        return alone.splitlines()


def profile(
    client: Client,
    dataset: DatasetOut,
    access: StoreAccess,
    place: StorePlace,
    *,
    save: bool = True,
    environ: Mapping[str, str] = os.environ,
) -> Profile:
    """Make the profile of a dataset.

    Args:
        client: The server.
        dataset: What it reaches.
        access: What tools may do by it.
        place: Where the files are.
        save: Write it into the file of profiles.
        environ: Where the variables are looked up.

    Raises:
        DatasetClosedError: Nothing writes to it any more.
        ForbiddenError: The caller may not write to it.
        ClientError: The file of profiles cannot be read or written.
    """
    if access is StoreAccess.WRITE:
        _require_writable(dataset)
    asking = [*_ASKING, str(dataset.id)]
    asking += ["--write"] if access is StoreAccess.WRITE else []
    asking += ["--server", client.url]
    values: Values = {
        "credential_process": shlex.join([*program(), *asking]),
        "region": place.region,
        "endpoint_url": place.endpoint,
        # Some names of buckets and most hosts of stores are no good for a host name
        # of each bucket.
        "s3": {"addressing_style": "path"},
        # Newer tools put a checksum behind the data, unsigned over https; MinIO would
        # take such a request from whoever knows the key id, so that it is refused.
        "request_checksum_calculation": "when_required",
        "response_checksum_validation": "when_required",
    }
    file = location(environ)
    with changing(environ):
        before = sections.read(file)
        name = _name(before, dataset, access, asking)
        after = sections.put(before, ("profile", name), values)
        if save:
            sections.write(file, after)
    return Profile(name=name, file=file, values=values, is_new=after != before)


@contextmanager
def changing(environ: Mapping[str, str] = os.environ) -> Iterator[None]:
    """Let one command at a time read settings and write them."""
    with prepared(environ) as place, locked(place, "settings"):
        yield


def location(environ: Mapping[str, str] = os.environ) -> Path:
    """Say where tools of AWS look for profiles."""
    given = environ.get("AWS_CONFIG_FILE")
    return Path(given).expanduser() if given else Path.home() / ".aws" / "config"


def program() -> list[str]:
    """Say how tools start hutch: they run it with a path of their own."""
    own = Path(sys.argv[0]).absolute()
    beside = Path(sysconfig.get_path("scripts")) / "hutch"
    for file in (own, beside):
        if file.name == "hutch" and file.is_file() and os.access(file, os.X_OK):
            return [_one_line(str(file))]
    # -P: what lies in the directory of a tool's caller must not be taken for hutch.
    return [_one_line(sys.executable), "-P", "-m", "hutch.cli"]


def remote(made: Profile, place: StorePlace, dataset: UUID) -> dict[str, Values]:
    """Make the remotes of rclone by name: the store, and the dataset in it."""
    store = f"{made.name}-store"
    return {
        store: {
            "type": "s3",
            "provider": "Other",
            "env_auth": "true",
            "profile": made.name,
            "region": place.region,
            "endpoint": place.endpoint,
            "force_path_style": "true",
            # It may neither make the bucket nor ask about it.
            "no_check_bucket": "true",
        },
        made.name: {
            "type": "alias",
            "remote": f"{store}:{place.bucket}/{place.prefix}{dataset}",
        },
    }


def remotes_location(environ: Mapping[str, str] = os.environ) -> Path:
    """Say where rclone keeps its remotes."""
    if given := environ.get("RCLONE_CONFIG"):
        return Path(given)
    home = environ.get("XDG_CONFIG_HOME") or Path.home() / ".config"
    usual, old = Path(home) / "rclone" / "rclone.conf", Path.home() / ".rclone.conf"
    return old if old.exists() and not usual.exists() else usual


def save_remotes(
    wanted: Mapping[str, Values], *, environ: Mapping[str, str] = os.environ
) -> Path:
    """Put remotes into rclone's own file, and say where that is.

    Raises:
        ClientError: The file is encrypted, or cannot be read or written.
    """
    file = remotes_location(environ)
    with changing(environ):
        sections.write(file, with_remotes(sections.read(file), wanted))
    return file


def with_remotes(text: str, wanted: Mapping[str, Values]) -> str:
    """Put remotes into the text of rclone's file.

    Raises:
        ClientError: The file is encrypted.
    """
    if "RCLONE_ENCRYPT_V" in text:
        raise ClientError(
            "rclone's file of remotes is encrypted; add the remotes that 'hutch s3 "
            "rclone' prints by 'rclone config'"
        )
    for name, values in wanted.items():
        text = sections.put(text, (name,), values)
    return text


def _require_writable(dataset: DatasetOut) -> None:
    name = f"{dataset.owner}/{dataset.name}"
    if dataset.state is State.CLOSED:
        raise DatasetClosedError(
            f"{name} is closed and stays as it is; leave out --write to read it"
        )
    if dataset.right is Right.READ:
        raise ForbiddenError(f"you may read {name}, not write to it")


def _name(
    text: str, dataset: DatasetOut, access: StoreAccess, asking: list[str]
) -> str:
    """Choose a name that nothing else has; one that it has already stays."""
    lines, taken = sections.lines_of(text), set()
    for section in sections.sections(lines):
        if len(section.words) == 2 and section.words[0] == "profile":  # noqa: PLR2004 - the word and the name
            asked = sections.value_of(lines, section, "credential_process") or ""
            if _split(asked)[-len(asking) :] == asking:
                return section.words[1]
            taken.add(section.words[1])
    mine = dataset.right is Right.OWN
    whole = dataset.name if mine else f"{dataset.owner}-{dataset.name}"
    name = f"hutch-{whole}" + ("-write" if access is StoreAccess.WRITE else "")
    for ending in ("", f"-{str(dataset.id)[:_SHORT]}", f"-{dataset.id}"):
        if name + ending not in taken:
            return name + ending
    raise ClientError(f"all names for a profile of {dataset.id} are taken; remove one")


def _split(command: str) -> list[str]:
    try:
        return shlex.split(command)
    except ValueError:
        return []


def _one_line(path: str) -> str:
    if not path.isprintable():
        raise ClientError(f"hutch lies in {path!r}, which no profile can name")
    return path

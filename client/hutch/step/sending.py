"""The step after the program: what it left is looked at, then sent.

The program is gone, but nothing that it wrote is trusted: no link is followed, and the
bookkeeping of the push begins from nothing.
"""

import json
import os
import shutil
import stat as modes
from pathlib import Path
from typing import Any, Final

from hutch.client import Client
from hutch.contract.manifest import canonical_json
from hutch.contract.paths import WORKDIR
from hutch.contract.wire.datasets import DatasetPatch
from hutch.contract.wire.definitions import Resources, Target
from hutch.contract.wire.runs import JobOut
from hutch.step.places import ATTRIBUTES, Places
from hutch.step.previews import send_previews
from hutch.step.rejecting import RejectedError
from hutch.sync.pushing import push
from hutch.workdir.directory import make_workdir
from hutch.workdir.walk import Fault, walk

_MIB: Final = 1024 * 1024
_LONGEST: Final = 1024 * 1024
"""Bytes of ``attributes.json`` that are read at most; the server takes fewer."""


def send(client: Client, job: JobOut, places: Places) -> None:
    """Send the output to the dataset of the attempt, or what are previews.

    Raises:
        RejectedError: The output cannot be a dataset, or no previews.
        HutchError: The server or the store refused it, or is away.
    """
    if job.target is Target.PREVIEWS:
        send_previews(client, places.output)
        return
    assert job.dataset is not None  # noqa: S101 - this step has one
    attributes = read_attributes(places.output)
    require_ordinary(places.output, job.resources)
    _clear(places.output / WORKDIR)
    if attributes:
        client.datasets.patch(job.dataset, DatasetPatch(attributes=attributes))
    workdir = make_workdir(places.output, dataset=job.dataset, server=client.url)
    report = push(workdir, client)
    if report.problems:
        raise report.problems[0].error


def read_attributes(output: Path) -> dict[str, Any]:
    """Read the attributes that the program wrote; none is fine.

    Raises:
        RejectedError: They are no JSON object in an ordinary file.
    """
    place = output / WORKDIR
    name = f"{WORKDIR}/{ATTRIBUTES}"
    try:
        directory = os.open(place, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise RejectedError(
            f"{WORKDIR} is no directory that can be read: {error.strerror}"
        ) from error
    try:
        flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK
        file = os.open(ATTRIBUTES, flags, dir_fd=directory)
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise RejectedError(f"{name} cannot be read: {error.strerror}") from error
    finally:
        os.close(directory)
    if not modes.S_ISREG(os.fstat(file).st_mode):
        os.close(file)  # of a directory Python makes no file
        raise RejectedError(f"{name} is no ordinary file")
    with os.fdopen(file, "rb") as opened:
        data = opened.read(_LONGEST + 1)
    if len(data) > _LONGEST:
        raise RejectedError(f"{name} has more than {_LONGEST} bytes")
    try:
        found = json.loads(data)
        canonical_json(found)  # more is read than can be written: NaN, half characters
    except (ValueError, RecursionError) as error:
        raise RejectedError(f"{name} is not JSON: {error}") from error
    if not isinstance(found, dict):
        raise RejectedError(f"{name} holds no object")
    return found


def _clear(place: Path) -> None:
    """Remove what the program left where the bookkeeping of the push goes.

    Raises:
        RejectedError: It cannot be removed.
    """
    try:
        shutil.rmtree(place)
    except FileNotFoundError:
        return
    except OSError as error:
        raise RejectedError(f"{WORKDIR} cannot be removed: {error.strerror}") from error


def require_ordinary(output: Path, most: Resources) -> None:
    """Refuse links, devices, names that cannot travel, and too much of everything.

    Raises:
        RejectedError: With the first thing that is wrong.
    """
    size = 0
    for number, item in enumerate(walk(output), start=1):
        if isinstance(item, Fault):
            raise RejectedError(item.error.detail)
        links = os.lstat(output / item.path).st_nlink
        if links > 1:
            raise RejectedError(
                f"{item.path!r} is a hard link; only files of their own can be kept"
            )
        size += item.stamp.size
        if number > most.files:
            raise RejectedError(f"there are more than {most.files} files")
        if size > most.scratch_mib * _MIB:
            raise RejectedError(f"the files hold more than {most.scratch_mib} MiB")

"""The step before the program: fetch every input, and prove that it is complete."""

import shutil
from pathlib import Path

from hutch.client import Client
from hutch.contract.manifest import Entry, digest
from hutch.contract.paths import WORKDIR
from hutch.contract.problems import HutchError
from hutch.contract.wire.definitions import Mode
from hutch.contract.wire.runs import JobInput, JobOut
from hutch.step.jobs import claim, describe
from hutch.step.places import Places
from hutch.sync.pulling import clone


def fetch(client: Client, job: JobOut, places: Places) -> None:
    """Put the inputs and the description of the job where the program finds them.

    Raises:
        HutchError: An input is not there (any more), or not as it was recorded.
    """
    if job.mode is Mode.STAGED:
        for name, given in job.inputs.items():
            _fetch(client, given, places.inputs / name)
    else:
        _hand_token(client, places)
    places.job.write_bytes(describe(job, client.url, places))
    places.job.chmod(0o444)


def _hand_token(client: Client, places: Places) -> None:
    """Claim the token of the program, and lay it where the program finds it."""
    token = claim(client.url, places.program).token
    places.token.touch(mode=0o600)
    places.token.write_text(token, encoding="ascii")
    places.token.chmod(0o400)


def _fetch(client: Client, given: JobInput, place: Path) -> None:
    dataset = client.datasets.get(given.id)
    listed = client.files.iterate(given.id)
    found = digest(Entry(file.path, file.size, file.sha256) for file in listed)
    if found != given.digest:
        raise HutchError(
            f"the input {given.name} is not what was recorded: its digest is {found}, "
            f"not {given.digest}"
        )
    report = clone(client, dataset, place)
    if report.problems:
        raise report.problems[0].error
    shutil.rmtree(place / WORKDIR)  # the program finds the files and nothing else

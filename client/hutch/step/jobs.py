"""The job of a step: claimed with a code, and written down for the program."""

import json
from dataclasses import asdict
from pathlib import Path

from hutch.connection import Connection
from hutch.contract.manifest import canonical_json
from hutch.contract.wire.definitions import Mode
from hutch.contract.wire.runs import ClaimIn, JobOut
from hutch.step.places import Places


def claim(api: str, file: Path) -> JobOut:
    """Trade the claim code for the job; it works once.

    Raises:
        HutchError: The code does not work (any more), or the server is away.
    """
    code = file.read_text(encoding="ascii").strip()
    connection = Connection(api)
    try:
        wanted = ClaimIn(code=code)
        # Again does no harm: the code is refused if it was used.
        return connection.call("POST", "/v1/claims", JobOut, body=wanted, repeat=True)
    finally:
        connection.close()


def describe(job: JobOut, api: str, places: Places) -> bytes:
    """Write what a program is told of its run; nothing in it is secret."""
    staged = job.mode is Mode.STAGED
    inputs = {
        name: {
            "id": str(given.id),
            "name": given.name,
            "type": given.type,
            "digest": given.digest,
            "attributes": dict(given.attributes),
            **({"path": str(places.inputs / name)} if staged else {}),
        }
        for name, given in job.inputs.items()
    }
    document = {
        "run": str(job.run),
        "attempt": job.attempt,
        "parameters": dict(job.parameters),
        "inputs": inputs,
        "output": {"type": job.output_type, "path": str(places.output)},
        "resources": asdict(job.resources),
        **({} if staged else {"api": api, "token_file": str(places.token)}),
    }
    return json.dumps(json.loads(canonical_json(document)), indent=2).encode()

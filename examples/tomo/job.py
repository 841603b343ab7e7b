"""What hutch tells a program in a container, and what it takes from it.

This is the whole interface: ``/run/hutch/job.json`` says what to do and where below
``/in`` the inputs are. What the program leaves below ``/out`` becomes a dataset, with
the attributes in ``/out/.hutch/attributes.json``. Outside of a container the
environment says where the job and the output are: ``HUTCH_JOB`` and ``HUTCH_OUT``.
"""

import json
import os
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

GENERAL: Final = (
    "proposal",
    "principal_investigator",
    "sample",
    "instrument",
    "technique",
    "start_time",
    "end_time",
)
"""Attributes that are as true of what is computed as of what was measured."""


class JobError(Exception):
    """The job cannot be done; the text says why."""


@dataclass(frozen=True, slots=True)
class Input:
    """A dataset to work on.

    Attributes:
        name: What the definition calls it.
        attributes: Of the dataset; units as its type says.
        path: Directory with its files; read-only.
    """

    name: str
    attributes: Mapping[str, Any]
    path: Path

    def carried(self, **more: str) -> dict[str, Any]:
        """Give the attributes that a result of it has, too.

        Args:
            more: Attributes beside the general ones, and what they are called there.
        """
        names = {name: name for name in GENERAL} | more
        return {
            there: self.attributes[here]
            for here, there in names.items()
            if self.attributes.get(here) is not None
        }


@dataclass(frozen=True, slots=True)
class Job:
    """What to do.

    Attributes:
        parameters: As the definition's schema describes them.
        inputs: By the name that the definition gives them.
        out: Directory for the result.
    """

    parameters: Mapping[str, Any]
    inputs: Mapping[str, Input]
    out: Path

    def input(self, name: str) -> Input:
        """Give an input.

        Raises:
            JobError: The job has none of this name.
        """
        if name not in self.inputs:
            raise JobError(f"the job has no input {name!r}")
        return self.inputs[name]

    def parameter(self, name: str) -> Any:
        """Give a parameter.

        Raises:
            JobError: The job does not say it; hutch fills in the definition's default.
        """
        if name not in self.parameters:
            raise JobError(f"the job does not say the parameter {name!r}")
        return self.parameters[name]


def run(program: Callable[[Job], Mapping[str, Any]]) -> int:
    """Do the job: the whole of a program.

    Args:
        program: Leaves its files in ``Job.out`` and gives the attributes of the result.

    Returns:
        The exit code. What is wrong with the job or its files is said in one line.
    """
    try:
        job = read()
        publish(job.out, program(job))
    except (JobError, OSError) as error:
        line = " ".join(str(error).split())
        print(f"{Path(sys.argv[0]).name}: {line}", file=sys.stderr)
        return 1
    return 0


def read() -> Job:
    """Read what to do.

    Raises:
        JobError: The file is not what hutch writes.
    """
    path = Path(os.environ.get("HUTCH_JOB", "/run/hutch/job.json"))
    try:
        said = json.loads(path.read_bytes())
        inputs = {
            name: Input(name, given["attributes"], Path(given["path"]))
            for name, given in said["inputs"].items()
        }
        parameters = dict(said["parameters"])
    except (ValueError, LookupError, TypeError, AttributeError) as error:
        raise JobError(f"{path} is not a job of hutch: {error!r}") from None
    return Job(parameters, inputs, Path(os.environ.get("HUTCH_OUT", "/out")))


def publish(out: Path, attributes: Mapping[str, Any]) -> None:
    """Write the attributes of the result where hutch looks for them."""
    place = out / ".hutch"
    place.mkdir(exist_ok=True)
    text = json.dumps(attributes, indent=1, sort_keys=True, allow_nan=False)
    (place / "attributes.json").write_text(f"{text}\n", "utf-8")


def progress(fraction: float, text: str) -> None:
    """Tell hutch, and with it whoever waits, how far it is.

    Args:
        fraction: Part that is done, 0 to 1.
        text: What is going on now.
    """
    print(f"hutch:progress {fraction:.2f} {text}", flush=True)

"""The programs of the tomography example, and how they are run outside hutch."""

import json
import os
import subprocess
import sys
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import h5py
import numpy as np
from numpy.typing import NDArray

from hutch_api.domain import parameters

TOMO: Final = Path(__file__).resolve().parents[2] / "examples" / "tomo"
STEPS: Final = ("sinogram", "volume", "segmentation")
SCAN: Final = {
    "sample": "phantom",
    "projections": 180,
    "rotation_range": 180,
    "pixel_size": 0.65,
}


def definition(step: str) -> dict[str, Any]:
    return tomllib.loads((TOMO / f"{step}.toml").read_text("utf-8"))


@dataclass(frozen=True)
class Step:
    """A program, and the place where it works."""

    name: str
    place: Path

    @property
    def source(self) -> Path:
        return self.place / "in"

    @property
    def out(self) -> Path:
        return self.place / "out"

    @property
    def program(self) -> str:
        return str(TOMO / f"{self.name}.py")

    @property
    def places(self) -> dict[str, str]:
        return {"HUTCH_JOB": str(self.place / "job.json"), "HUTCH_OUT": str(self.out)}

    def tell(self, attributes: Mapping[str, Any] = SCAN, **given: Any) -> None:
        """Write its job: to work on the files below ``source``."""
        self.source.mkdir(parents=True, exist_ok=True)
        self.out.mkdir(exist_ok=True)
        about = definition(self.name)
        [(name, wanted)] = about["inputs"].items()
        told = {"id": "7", "name": "tooth", "type": wanted["type"], "digest": "0"}
        where = {"attributes": dict(attributes), "path": str(self.source)}
        job = {
            "parameters": parameters.complete(about["parameters"], given),
            "inputs": {name: told | where},
            "output": about["output"],
        }
        (self.place / "job.json").write_text(json.dumps(job), "utf-8")

    def run(self) -> subprocess.CompletedProcess[str]:
        kept = {k: os.environ[k] for k in ("PATH", "PYTHONPATH") if k in os.environ}
        return subprocess.run(  # noqa: S603 -- this Python, a program of this tree
            [sys.executable, "-W", "error", "-B", self.program],
            env=kept | self.places,
            cwd="/",
            capture_output=True,
            text=True,
            check=False,
        )

    def succeed(self, attributes: Mapping[str, Any] = SCAN, **given: Any) -> None:
        self.tell(attributes, **given)
        done = self.run()
        assert (done.returncode, done.stderr) == (0, "")
        assert done.stdout.startswith("hutch:progress ")

    def data(self) -> NDArray[Any]:
        with h5py.File(self.out / f"{self.name}.h5") as file:
            return np.asarray(file["entry/data/data"][...])

    def attributes(self) -> dict[str, Any]:
        text = (self.out / ".hutch" / "attributes.json").read_text("utf-8")
        return dict(json.loads(text))

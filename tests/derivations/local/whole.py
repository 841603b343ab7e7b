"""Runs of programs of the tests in place of hutch's own, from queue to end."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest

from hutch.contract.wire.definitions import Resources
from hutch.contract.wire.runs import ENDED, RunIn, RunOut
from hutch_api.domain import system
from hutch_api.domain.access import Actor
from hutch_api.runner import supervision
from hutch_api.services import attempts, previews, runs
from hutch_api.services.system import ensure
from hutch_api.services.work import Site
from tests.derivations.commands.near import near_runner
from tests.derivations.commands.playing import Hall
from tests.derivations.local.near import PROGRAM
from tests.servers import wait_until

READS = """\
import json, os, pathlib, sys, time
job = json.loads(pathlib.Path(os.environ["HUTCH_JOB"]).read_bytes())
out = pathlib.Path(job["output"]["path"])
"""
"""What every program begins with."""


@dataclass
class Whole:
    """A hutch with a runner of programs of the tests."""

    hall: Hall
    place: Path
    code: Path
    patch: pytest.MonkeyPatch
    ida: Actor

    def run(self, program: str, **resources: Any) -> RunOut:
        """Run a program on an empty dataset, to its end."""
        run = self.begin(program, **resources)
        wait_until(lambda: self.see(run).state in ENDED, seconds=60, what="its end")
        return self.see(run)

    def begin(self, program: str, **resources: Any) -> UUID:
        """Begin a run of a program on an empty dataset."""
        name = f"hutch-{uuid4().hex[:8]}"
        module = f"{PROGRAM}_{name.removeprefix('hutch-')}"
        (self.code / f"{module}.py").write_text(READS + program)
        most = {"memory_mib": 512, "scratch_mib": 8, "walltime_s": 60, **resources}
        declared = replace(
            system.PREVIEW,
            name=name,
            module=module,
            resources=Resources(**most),
            retries=1,
        )
        self.patch.setattr(system, "DEFINITIONS", (declared,))
        self.patch.setattr(system, "MODULES", frozenset({module}))
        ensure(self.site)
        scan = self.hall.board.world.closed(self.ida, f"d-{name}")
        with self.site.begin() as work:
            wanted = RunIn(definition=name, inputs={"dataset": scan.id})
            return runs.start_run(work, self.ida, wanted).id

    @property
    def site(self) -> Site:
        """The site."""
        return self.hall.board.world.site

    def see(self, run: UUID) -> RunOut:
        """Look at a run."""
        return self.hall.board.see(self.ida, run)

    def shown(self, run: RunOut) -> list[str]:
        """Name the previews of what a run was about."""
        dataset = run.inputs[0].dataset
        assert dataset is not None
        listed = previews.list_previews(self.site, self.ida, dataset)
        return [one.name for one in listed.items]


@contextmanager
def whole(hall: Hall, tmp_path: Path) -> Iterator[Whole]:
    """Put one up."""
    code = tmp_path / "code"
    code.mkdir()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(
            "PYTHONPATH", f"{code}{os.pathsep}{os.environ.get('PYTHONPATH', '')}"
        )
        patch.setattr(attempts, "FIRST_PAUSE", timedelta(0))
        patch.setattr(supervision, "RENEW_EVERY", timedelta(seconds=0.2))
        with near_runner(hall.board.world.site, hall.url, tmp_path / "runner") as place:
            ida = hall.board.world.user(f"p-{uuid4().hex[:8]}")
            yield Whole(hall, place, code, patch, ida)

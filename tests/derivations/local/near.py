"""The executor of hutch's own programs, on programs of the tests.

They are modules that a test writes. That steps before and after them are done is
written where the executor looks for it: they have nobody to talk to here.
"""

import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final
from uuid import UUID, uuid4

from hutch.contract.wire.definitions import Mode, Resources
from hutch.contract.wire.runs import StepKind
from hutch_api.adapters.local import LocalExecutor
from hutch_api.adapters.local.places import Place
from hutch_api.ports.executor import Job, Phase, Sight
from tests.facility.installation import alive
from tests.servers import wait_until

NOWHERE: Final = "http://127.0.0.1:9"
INSTANCE: Final = UUID(int=5)
PROGRAM: Final = "program_of_a_test"
SMALL: Final = Resources(memory_mib=256, scratch_mib=8, walltime_s=60)


def claim(step: StepKind) -> str:
    """Make a code that can be looked for."""
    return f"secret-code-of-{step}"


@dataclass
class Near:
    """An executor, and a job whose program is next."""

    root: Path
    code: Path
    executor: LocalExecutor = field(init=False)
    job: Job = field(init=False)

    def __post_init__(self) -> None:
        self.executor = self.reopen()
        self.job = Job(
            attempt=uuid4(),
            image="system",
            argv=(PROGRAM,),
            mode=Mode.STREAMING,
            resources=SMALL,
        )

    def reopen(self) -> LocalExecutor:
        """Open it as the next process of the runner does: it remembers nothing."""
        return LocalExecutor(
            self.root, instance=INSTANCE, runner="near", api_url=NOWHERE
        )

    @property
    def place(self) -> Place:
        """The directory of the job's attempt."""
        return self.executor._place(self.job.attempt)

    def program(self, text: str, **resources: int) -> None:
        """Write the program; all before it is done."""
        self.code.mkdir(exist_ok=True)
        (self.code / f"{PROGRAM}.py").write_text(text)
        self.job = replace(self.job, resources=replace(SMALL, **resources))
        if not self.place.is_there():
            self.place.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            self.place.make()
        self.end_step(StepKind.IN)

    def end_step(self, step: StepKind) -> None:
        """Write down that a step has ended well."""
        self.place.note_begun(step, None)
        (self.place.path / f"exit-{step}").write_text("0")

    def look(self) -> Sight:
        """Let the job go on."""
        return self.executor.proceed(self.job, claim)

    def until(self, step: StepKind, phase: Phase) -> Sight:
        """Let the job go on until a step is that far."""
        return self._until(lambda s: (s.step, s.phase) == (step, phase))

    def run(self) -> Sight:
        """Let the program run to its end; after a good one the last step has begun."""
        return self._until(
            lambda s: s.step is StepKind.OUT or s.phase in {Phase.ENDED, Phase.GONE}
        )

    def _until(self, is_it: Callable[[Sight], bool]) -> Sight:
        seen: list[Sight] = []

        def holds() -> bool:
            seen.append(self.look())
            return is_it(seen[-1])

        wait_until(holds, seconds=60, what=f"the step that is waited for ({seen[-1:]})")
        return seen[-1]

    def begin_in_a_thread(self) -> Sight:
        """Begin the program by a thread that ends when it has."""
        seen: list[Sight] = []

        def begin() -> None:
            seen.append(self.look())
            self.said("pid")

        thread = threading.Thread(target=begin)
        thread.start()
        thread.join()
        task = Path(f"/proc/self/task/{thread.native_id}")
        wait_until(lambda: not task.exists(), what="the end of the thread")
        return seen[0]

    def log(self) -> str:
        """What the program has written."""
        return self.executor.log(self.job, after=0, most=1 << 20).decode()

    def said(self, word: str) -> str:
        """Wait until the program has written a line with a word; gives what follows."""
        wait_until(lambda: f"{word} " in self.log(), what=f"{word!r} in the log")
        return self.log().partition(f"{word} ")[2].partition("\n")[0]

    def end(self) -> None:
        """End the job, whatever is left of it."""
        with suppress(ProcessLookupError):
            self.executor.end(self.job.attempt)


def until_gone(pid: int) -> None:
    """Wait until a process has ended."""
    wait_until(lambda: not alive(pid), what=f"the end of process {pid}")

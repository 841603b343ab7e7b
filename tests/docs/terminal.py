"""Terminals in which the commands of a page are run, one for each person.

What is typed changes a terminal as it does for people: directory, variables and
``$?`` stay for the next command.
"""

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryFile
from typing import Final

import pexpect

from tests.docs.pages import Block, Step, shows, steps
from tests.servers import wait_until

BIN: Final = Path(sys.executable).parent
PATIENCE_S: Final = 120
PASSWORD: Final = "correct horse battery staple"
_LASTING: Final = ("hutch-api up", "hutch-api serve", "hutch-api worker")
"""Commands that go on until they are ended."""
_SCRIPT: Final = """\
(exit {status})
{command}
hutch_status=$?
pwd >"$HUTCH_DOCS_STATE/pwd"
env -0 >"$HUTCH_DOCS_STATE/env"
exit $hutch_status
"""


def plain_environ(home: Path) -> dict[str, str]:
    """Give the environment of somebody who never used hutch."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith("HUTCH_")}
    ours = {"HOME": str(home), "PATH": f"{BIN}:{os.environ['PATH']}"}
    return kept | ours | {"NO_COLOR": "1", "PYTHONUNBUFFERED": "1", "LC_ALL": "C.UTF-8"}


@dataclass(slots=True)
class Terminal:
    """A shell of somebody.

    Attributes:
        state: Directory for what a command leaves; of this terminal alone.
        status: How the last command ended.
    """

    where: Path
    environ: dict[str, str]
    state: Path
    status: int = 0

    def run(self, command: str, *, password: bool = False) -> str:
        """Run a command to its end and give what it printed.

        Args:
            command: What is typed.
            password: It asks for a password at the terminal.
        """
        script = _SCRIPT.format(status=self.status, command=command)
        environ = self.environ | {"HUTCH_DOCS_STATE": str(self.state)}
        if password:
            printed, self.status = _typed(script, self.where, environ)
        else:
            done = subprocess.run(  # noqa: S603 -- what our own page shows
                ["bash", "-c", script],  # noqa: S607 -- bash of this machine
                cwd=self.where,
                env=environ,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                check=False,
                timeout=PATIENCE_S,
            )
            printed, self.status = done.stdout, done.returncode
        self._remember()
        return printed

    def _remember(self) -> None:
        if not (self.state / "env").exists():
            return  # the first command ended the shell
        self.where = Path((self.state / "pwd").read_text().rstrip("\n"))
        left = (self.state / "env").read_text().split("\0")
        pairs = [row.partition("=") for row in left if row]
        gone = {"HUTCH_DOCS_STATE", "SHLVL", "_"}
        self.environ = {name: value for name, _, value in pairs if name not in gone}


def _typed(script: str, where: Path, environ: Mapping[str, str]) -> tuple[str, int]:
    with TemporaryFile("w+") as log:
        shell = pexpect.spawn(
            "bash",
            ["-c", script],
            cwd=str(where),
            env=environ,
            encoding="utf-8",
            timeout=PATIENCE_S,
            dimensions=(40, 200),
        )
        shell.logfile_read = log
        while shell.expect([r"(?:Password .*|Once more): $", pexpect.EOF]) == 0:
            shell.sendline(PASSWORD)
        shell.close()
        log.seek(0)
        return log.read(), int(shell.exitstatus or 0)


@dataclass(slots=True)
class Session:
    """A page being followed.

    Attributes:
        home: Home directory of the machine that the page is followed on.
        start: Environment of each new terminal.
        swaps: What the page shows, and what stands for it here, such as a port.
    """

    home: Path
    start: dict[str, str]
    swaps: dict[str, str] = field(default_factory=dict)
    terminals: dict[str, Terminal] = field(default_factory=dict)
    lasting: ExitStack = field(default_factory=ExitStack)

    def terminal(self, who: str) -> Terminal:
        """Give somebody's terminal; it is opened when it is used first."""
        if who not in self.terminals:
            state = self.home / f".state-{who or 'you'}"
            state.mkdir()
            opened = Terminal(self.home, dict(self.start), state)
            self.terminals[who] = opened
        return self.terminals[who]

    def follow(self, block: Block) -> None:
        """Run the commands of a block and compare what they print."""
        todo = list(steps(block))
        for number, step in enumerate(todo):
            asked = number + 1 < len(todo) and "$?" in todo[number + 1].command
            self._take(step, may_fail=asked or step.shown.startswith("hutch: "))

    def script(self, block: Block) -> None:
        """Run a block of ``sh`` as a script that has to succeed."""
        step = Step("", f"set -eu\n{block.text}", "…", block)
        self._take(step, may_fail=False)

    def python(self, block: Block) -> None:
        """Run a block of ``python`` as a program of its own."""
        program = self.terminal("").where / f"block-{block.line}.py"
        program.write_text(self.swap(block.text), encoding="utf-8")
        self._take(Step("", f"python {program.name}", "…", block), may_fail=False)

    def _take(self, step: Step, *, may_fail: bool) -> None:
        command, shown = self.swap(step.command), self.swap(step.shown)
        terminal = self.terminal(step.who)
        if command.startswith(_LASTING) and "--once" not in command:
            self.lasting.enter_context(lasting(terminal, command, shown))
            return
        printed = terminal.run(command, password=shown.startswith("Password"))
        told = f"{step.block.place}: {command}\n--- shown\n{shown}\n--- was\n{printed}"
        assert shows(shown, printed), told
        assert may_fail or terminal.status == 0, told

    def swap(self, text: str) -> str:
        """Put what is here in place of what a page shows."""
        for shown, actual in self.swaps.items():
            whole = rf"(?<!\w){re.escape(shown)}(?!\w)"
            text = re.sub(whole, actual.replace("\\", r"\\"), text)
        return text


@contextmanager
def lasting(terminal: Terminal, command: str, shown: str) -> Iterator[None]:
    """Run a command that goes on, from what it is said to print until the end."""
    log = terminal.state / f"{len(list(terminal.state.iterdir()))}.log"
    with (
        log.open("w") as output,
        subprocess.Popen(  # noqa: S603 -- what our own page shows
            ["bash", "-c", f"exec {command}"],  # noqa: S607 -- bash of this machine
            cwd=terminal.where,
            env=terminal.environ,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
        ) as process,
    ):
        try:
            wait_until(
                lambda: process.poll() is not None or shows(shown, log.read_text()),
                seconds=PATIENCE_S,
                what=f"{command}\n--- shown\n{shown}\n--- in {log}",
            )
            assert process.poll() is None, log.read_text()
            yield
        finally:
            process.send_signal(signal.SIGTERM)
            code = process.wait(60)
        assert code == 0, log.read_text()


@contextmanager
def session(
    home: Path,
    *,
    environ: Mapping[str, str] | None = None,
    swaps: Mapping[str, str] | None = None,
) -> Iterator[Session]:
    """Open a session in an empty home directory; what still runs ends with it."""
    opened = Session(home, plain_environ(home) | dict(environ or {}), dict(swaps or {}))
    with opened.lasting:
        yield opened

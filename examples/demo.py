"""The main job of hutch on a real scan, visibly: ``make demo``.

Starts everything on loopback in ``.hutch-demo/``, then works as two people would:
Mira measures, closes, derives and shares; Noor clones and verifies. Each command is
shown with its outcome. Ends with 0 only if all of it went as it should.

usage: python examples/demo.py [--keep]
"""

import filecmp
import json
import os
import secrets
import select
import shlex
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PLACE = ROOT / ".hutch-demo"
SERVER = PLACE / "server"
TOOTH = ROOT / "examples" / "tooth"
BIN = Path(sys.executable).parent
START_S = 120


class DemoError(Exception):
    """Something did not go as it should; the text says what."""


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody with a home directory of their own.

    Attributes:
        password: Made for this run, never shown.
    """

    name: str
    password: str

    @property
    def home(self) -> Path:
        """Where their files and tokens are."""
        return PLACE / self.name

    def hutch(
        self, *words: str, where: str = ".", typed: str = "", fails: bool = False
    ) -> str:
        """Run a command of hutch as this person and show it.

        Args:
            words: The command line.
            where: Directory below the person's home.
            typed: What they type.
            fails: The command has to be refused.

        Raises:
            DemoError: It ended in another way than it should.
        """
        directory = self.home / where
        prompt = f"{self.name}:{'~' if where == '.' else f'~/{where}'}$"
        print(f"\n{prompt} hutch {shlex.join(words)}", flush=True)
        outcome = run(
            "hutch", *words, where=directory, typed=typed, environ=self.environ()
        )
        if (outcome.returncode != 0) is not fails:
            raise DemoError(f"'hutch {words[0]}' ended with {outcome.returncode}")
        return outcome.stdout

    def environ(self) -> dict[str, str]:
        """Give the environment of their shell."""
        ours = {"HOME": str(self.home), "XDG_CONFIG_HOME": str(self.home / ".config")}
        return plain_environ() | ours


def plain_environ() -> dict[str, str]:
    """Give this process's environment without anybody's settings of hutch."""
    return {k: v for k, v in os.environ.items() if not k.startswith("HUTCH_")}


def run(
    program: str,
    *words: str,
    where: Path,
    typed: str = "",
    environ: dict[str, str] | None = None,
) -> subprocess.CompletedProcess[str]:
    """Run a program of this environment and show what it says."""
    outcome = subprocess.run(  # noqa: S603 -- our own programs, no shell
        [str(BIN / program), *words],
        cwd=where,
        env=environ or plain_environ(),
        input=typed,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        timeout=START_S,
    )
    for line in outcome.stdout.splitlines():
        print(f"  {line}")
    sys.stdout.flush()
    return outcome


def say(text: str) -> None:
    """Tell what comes next."""
    print(f"\n== {text}", flush=True)


@contextmanager
def server(*, keep: bool) -> Iterator[str]:
    """Run ``hutch-api up``; yield its URL once it is ready.

    Args:
        keep: Leave it running after a success.

    Raises:
        DemoError: It does not become ready.
    """
    command = [str(BIN / "hutch-api"), "up", "--dir", str(SERVER), "--json"]
    print(f"$ hutch-api up --dir {SERVER.relative_to(ROOT)} --json", flush=True)
    log = PLACE / "up.log"
    with log.open("w", encoding="utf-8") as errors:
        process = subprocess.Popen(  # noqa: S603 -- our own program, no shell
            command,
            stdout=subprocess.PIPE,
            stderr=errors,
            env=plain_environ(),
            text=True,
            start_new_session=True,  # Ctrl-C is for the demo, which ends it in order
        )
    kept = False
    try:
        yield first_line(process, log)
        kept = keep
    finally:
        if kept:
            (PLACE / "pid").write_text(f"{process.pid}\n", encoding="utf-8")
        else:
            process.terminate()
            process.wait()


def first_line(process: subprocess.Popen[str], log: Path) -> str:
    """Wait for the ready line and give its URL.

    Raises:
        DemoError: The server ended, or took too long.
    """
    stream = process.stdout
    if stream is None:
        raise DemoError("the server has no output")
    ready, _, _ = select.select([stream], [], [], START_S)
    line = stream.readline() if ready else ""
    if not line:
        raise DemoError(f"the server did not start:\n{log.read_text(encoding='utf-8')}")
    print(f"  {line.strip()}", flush=True)
    return str(json.loads(line)["url"])


def add(person: Person) -> None:
    """Add a user by the administrator's command."""
    person.home.mkdir(parents=True)
    words = ["user", "add", person.name, "--dir", str(SERVER), "--password-stdin"]
    print(f"\n$ hutch-api user add {person.name} --dir … --password-stdin", flush=True)
    if run("hutch-api", *words, where=PLACE, typed=f"{person.password}\n").returncode:
        raise DemoError(f"could not add {person.name}")


def work(url: str) -> None:
    """Do the main job.

    Raises:
        DemoError: Anything was off.
    """
    mira = Person("mira", secrets.token_urlsafe(12))
    noor = Person("noor", secrets.token_urlsafe(12))
    say("Two people get an account and log in.")
    for person in (mira, noor):
        add(person)
        login = ("login", url, "--user", person.name, "--password-stdin")
        person.hutch(*login, typed=f"{person.password}\n")
    measure(mira)
    derive(mira)
    share(mira, noor)
    look(mira, noor)


def measure(mira: Person) -> None:
    """Turn a scan into a closed dataset."""
    say("Mira turns the scan of a tooth into a dataset, pushes it and closes it.")
    scan = mira.home / "tooth"
    scan.mkdir()
    shutil.copy(TOOTH / "tooth.h5", scan)
    attributes = ["sample=tooth", "projections=181", "rows=2", "columns=640"]
    attributes += ["flat_fields=10", "dark_fields=10", "rotation_range=180"]
    given = [word for text in attributes for word in ("--attr", text)]
    mira.hutch("init", "tooth", "--name", "tooth", "--type", "scan.tomo", *given)
    mira.hutch("push", where="tooth")
    mira.hutch("status", where="tooth")
    mira.hutch("close", where="tooth")
    (scan / "late.txt").write_text("too late\n", encoding="utf-8")
    print("\nClosed is closed: another push is refused.")
    mira.hutch("push", where="tooth", fails=True)
    (scan / "late.txt").unlink()


def derive(mira: Person) -> None:
    """Compute a sinogram from a clone of the scan and make it a dataset."""
    say("She derives the flat-field-corrected sinogram from a clone of the scan.")
    mira.hutch("clone", "tooth", "input")
    if not filecmp.cmp(mira.home / "input/tooth.h5", TOOTH / "tooth.h5", shallow=False):
        raise DemoError("the clone of the scan differs from what was pushed")
    attributes = ["projections=181", "rows=2", "columns=640", "rotation_range=180"]
    attributes += ["sample=tooth", "correction=flat-field"]
    given = [word for text in attributes for word in ("--attr", text)]
    name = ("--name", "tooth-sinogram", "--type", "sinogram")
    mira.hutch("derive", "tooth", "sinogram", *name, *given)
    print(
        "\nmira:~$ python sinogram.py input/tooth.h5 sinogram/sinogram.h5", flush=True
    )
    program = str(TOOTH / "sinogram.py")
    files = ("input/tooth.h5", "sinogram/sinogram.h5")
    if run("python", program, *files, where=mira.home).returncode:
        raise DemoError("the sinogram could not be computed")
    mira.hutch("push", where="sinogram")
    mira.hutch("close", where="sinogram")


def share(mira: Person, noor: Person) -> None:
    """Show that a dataset is private until it is shared with a group."""
    say("Noor sees nothing, until Mira shares both with a group.")
    noor.hutch("clone", "mira/tooth-sinogram", "sinogram", fails=True)
    mira.hutch("group", "create", "tooth-team")
    mira.hutch("group", "add", "tooth-team", "noor")
    for name in ("tooth", "tooth-sinogram"):
        mira.hutch("share", name, "group:tooth-team", "read")


def look(mira: Person, noor: Person) -> None:
    """Clone as another user, verify, and look at where it came from."""
    say("Noor clones the sinogram, verifies it, and sees where it came from.")
    noor.hutch("ls")
    noor.hutch("clone", "mira/tooth-sinogram", "sinogram")
    hers, his = (p.home / "sinogram" / "sinogram.h5" for p in (mira, noor))
    if not filecmp.cmp(hers, his, shallow=False):
        raise DemoError("Noor's clone differs from what Mira pushed")
    noor.hutch("verify", "sinogram")
    lineage = noor.hutch("lineage", "mira/tooth-sinogram")
    if "tooth" not in lineage.replace("tooth-sinogram", ""):
        raise DemoError("the lineage does not name the scan")


def runs(pid: int) -> bool:
    """Tell whether a process is there."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def clear() -> None:
    """Remove what an earlier demo left.

    Raises:
        DemoError: It still runs.
    """
    pid = PLACE / "pid"
    if pid.exists() and runs(int(pid.read_text(encoding="utf-8"))):
        raise DemoError(
            f"the demo of before still runs; end it with: kill $(cat {pid}), or go on "
            "with it"
        )
    shutil.rmtree(PLACE, ignore_errors=True)
    PLACE.mkdir()


def main() -> int:
    """Run the demo and tell how it went."""
    keep = "--keep" in sys.argv[1:]
    begun = time.monotonic()
    signal.signal(signal.SIGTERM, signal.getsignal(signal.SIGINT))
    try:
        clear()
        with server(keep=keep) as url:
            work(url)
    except (DemoError, subprocess.TimeoutExpired) as error:
        print(f"\ndemo: FAILED: {error}", file=sys.stderr)
        print(f"demo: logs are in {SERVER / 'log'}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\ndemo: interrupted", file=sys.stderr)
        return 1
    print(f"\ndemo: all of it went as it should, in {time.monotonic() - begun:.0f} s")
    if keep:
        print(
            f"""demo: the server goes on at {url}. To go on as Mira:
  export XDG_CONFIG_HOME={PLACE / "mira" / ".config"} PATH={BIN}:$PATH
  hutch ls
demo: to end it: kill $(cat {PLACE / "pid"})"""
        )
    else:
        shutil.rmtree(PLACE, ignore_errors=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())

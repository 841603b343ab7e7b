"""A whole Slurm on one machine: a controller and three nodes, all of them on loopback.

Each daemon is a process of its own with a directory of its own, so that a test may
kill one and start it again. The nodes say that they have more than the machine has:
what is tested is who does what when, not how fast it is.
"""

import os
import pwd
import secrets
import shutil
import signal
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from tests.programs import MissingServerError
from tests.servers import free_port, scratch, tied, wait_until

NODES: Final = ("node1", "node2", "node3")
_EPILOG: Final = Path(__file__).parents[2] / "infra/slurm/epilog"
_SBIN: Final = f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"
_START_S: Final = 30
_STOP_S: Final = 20
_ASK_S: Final = 30
_CONFIG: Final = """\
ClusterName=hutch-test
SlurmctldHost={host}(127.0.0.1)
# Others may test on this machine: containers bear the numbers of their jobs.
FirstJobId={first}
SlurmUser=root
SlurmdUser=root
SlurmctldPort={port}
CommunicationParameters=NoInAddrAny,NoCtldInAddrAny
AuthType=auth/munge
AuthInfo=socket={directory}/munge/socket
CredType=cred/munge
StateSaveLocation={directory}/state
SlurmdSpoolDir={directory}/spool-%n
SlurmctldPidFile={directory}/slurmctld.pid
SlurmdPidFile={directory}/slurmd-%n.pid
SlurmctldLogFile={directory}/slurmctld.log
SlurmdLogFile={directory}/slurmd-%n.log
# The control groups of this machine may be of a version that Slurm does not take.
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
MpiDefault=none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU_Memory
SlurmdParameters=config_overrides
SchedulerParameters=batch_sched_delay=0,sched_min_interval=100000
ReturnToService=2
Epilog={epilog}
# What takes minutes elsewhere: a test does not wait so long.
SlurmdTimeout=6
SlurmctldTimeout=6
MessageTimeout=5
TCPTimeout=2
KillWait=5
UnkillableStepTimeout=30
MinJobAge=30
NodeName=node1 NodeHostname={host} NodeAddr=127.0.0.1 Port={ports[0]} {size}
NodeName=node2 NodeHostname={host} NodeAddr=127.0.0.1 Port={ports[1]} {size}
NodeName=node3 NodeHostname={host} NodeAddr=127.0.0.1 Port={ports[2]} {size}
PartitionName=all Nodes=ALL Default=YES MaxTime=INFINITE State=UP LLN=YES
"""
_SIZE: Final = "CPUs=4 RealMemory=65536 State=UNKNOWN"


@dataclass(slots=True)
class Cluster:
    """A running Slurm.

    Attributes:
        directory: Where everything of it lies.
    """

    directory: Path
    _daemons: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    @property
    def shared(self) -> Path:
        """What nodes and runners have in common: a directory of this machine."""
        return self.directory / "shared"

    @property
    def environ(self) -> dict[str, str]:
        """What leads the commands of Slurm to this one."""
        return {"SLURM_CONF": str(self.directory / "slurm.conf")}

    def ask(self, *words: str) -> str:
        """Run a command of Slurm."""
        done = subprocess.run(  # noqa: S603 -- a program of this machine, no shell
            [find(words[0]), *words[1:]],
            env={"PATH": _SBIN} | self.environ,
            check=False,
            capture_output=True,
            text=True,
            timeout=_ASK_S,
        )
        assert done.returncode == 0, f"{words}: {done.stderr}"
        return done.stdout.strip()

    def start_controller(self) -> None:
        """Start the controller, on what it has written down if it ran before."""
        self._start("slurmctld", find("slurmctld"), "-D", "-i")
        wait_until(self._answers, seconds=_START_S, what="an answer of slurmctld")

    def start_node(self, name: str) -> None:
        """Start a node."""
        self._start(name, find("slurmd"), "-D", "-N", name)

    def kill(self, name: str) -> None:
        """Kill ``slurmctld`` or the daemon of a node; jobs go on without it."""
        self._daemons[name].send_signal(signal.SIGKILL)
        self._daemons[name].wait(_STOP_S)

    def wait_for_nodes(self) -> None:
        """Wait until all nodes take jobs."""
        try:
            wait_until(self._is_ready, seconds=_START_S, what="registration of nodes")
        except TimeoutError as error:
            error.add_note(self.ask("sinfo", "--Node", "--format=%N %T %E"))
            raise

    def stop(self) -> None:
        """End everything, jobs first, that nothing of them is left."""
        with ExitStack() as stack:
            for daemon in self._daemons.values():  # the last of these is ended first
                stack.callback(_end, daemon)
            if self._answers():
                self.ask("scancel", "--user=root")
                wait_until(
                    lambda: not self.ask("squeue", "--noheader"),
                    seconds=_STOP_S,
                    what="the end of all jobs",
                )

    def start_munge(self) -> None:
        """Start what tells the daemons who they talk to."""
        owner = pwd.getpwnam("munge")
        places = {name: self.directory / name for name in ("munge", "munge-key")}
        for place in places.values():
            place.mkdir()
            os.chown(place, owner.pw_uid, owner.pw_gid)
        places["munge-key"].chmod(0o700)
        key = places["munge-key"] / "key"
        key.write_bytes(secrets.token_bytes(128))
        key.chmod(0o600)
        os.chown(key, owner.pw_uid, owner.pw_gid)
        socket = places["munge"] / "socket"
        self._start(
            "munged",
            find("munged"),
            "--foreground",
            f"--socket={socket}",
            f"--key-file={key}",
            f"--pid-file={places['munge'] / 'pid'}",
            f"--log-file={places['munge-key'] / 'log'}",
            f"--seed-file={places['munge-key'] / 'seed'}",
            user="munge",
        )
        wait_until(socket.is_socket, seconds=_START_S, what="the socket of munged")

    def _start(self, name: str, *command: str, user: str | None = None) -> None:
        with (self.directory / f"{name}.out").open("ab") as output:
            self._daemons[name] = subprocess.Popen(  # noqa: S603 -- as above
                tied(list(command)),
                cwd=self.directory,
                env={"PATH": _SBIN} | self.environ,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                user=user,
                group=user,
                extra_groups=None if user is None else [],
                start_new_session=True,  # a Ctrl-C is for whoever started it
            )

    def _answers(self) -> bool:
        done = subprocess.run(  # noqa: S603 -- as above
            [find("sinfo"), "--noheader"],
            env={"PATH": _SBIN} | self.environ,
            check=False,
            capture_output=True,
            timeout=_ASK_S,
        )
        return done.returncode == 0

    def _is_ready(self) -> bool:
        states = self.ask("sinfo", "--noheader", "--Node", "--format=%T").split()
        return len(states) == len(NODES) and set(states) <= {"idle", "mixed"}


def find(program: str) -> str:
    """Find a program of Slurm or MUNGE.

    Raises:
        MissingServerError: If it is not installed.
    """
    found = shutil.which(program, path=_SBIN)
    if found is None:
        raise MissingServerError(f"{program} (Slurm)")
    return found


@contextmanager
def cluster() -> Iterator[Cluster]:
    """Run a cluster until the block ends.

    Raises:
        MissingServerError: If a part of Slurm is not installed, or nobody is root.
    """
    for program in ("munged", "slurmctld", "slurmd", "sbatch", "squeue", "scancel"):
        find(program)
    if os.geteuid() != 0:
        raise MissingServerError("a cluster of Slurm, which only root can start,")
    with scratch("slurm") as directory:
        directory.chmod(0o711)  # munged is somebody else
        for name in ("state", "shared", *(f"spool-{node}" for node in NODES)):
            (directory / name).mkdir()
        config = _CONFIG.format(
            host=os.uname().nodename.partition(".")[0],
            directory=directory,
            epilog=_EPILOG,
            first=1 + secrets.randbelow(60_000) * 1_000,
            port=free_port(),
            ports=[free_port() for _ in NODES],
            size=_SIZE,
        )
        (directory / "slurm.conf").write_text(config)
        one = Cluster(directory)
        try:
            one.start_munge()
            one.start_controller()
            for name in NODES:
                one.start_node(name)
            one.wait_for_nodes()
            yield one
        finally:
            one.stop()


def _end(daemon: subprocess.Popen[bytes]) -> None:
    daemon.terminate()
    try:
        daemon.wait(_STOP_S)
    except subprocess.TimeoutExpired:
        daemon.kill()
        daemon.wait(_STOP_S)

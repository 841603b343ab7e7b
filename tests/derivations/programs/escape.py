"""Tries everything that leads out of a container, and reports what came of it.

usage: escape.py WORD HOST…   (WORD is what other runs have in their files; HOST is
``address:port`` where something of the machine listens)
"""

import ctypes
import os
import re
import socket
import stat
import struct
import sys
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import reporting

Try = Callable[[], Any]
LIBC = ctypes.CDLL(None, use_errno=True)
SECRET = re.compile(rb"hutch_[0-9A-Za-z]{46}|proxy-password|X-Amz-Signature")
LARGEST = 1024 * 1024
WORK = Path("/work")


def call(number: int, *arguments: Any) -> Try:
    """Make a system call by its number on x86-64."""

    def attempt() -> None:
        if LIBC.syscall(number, *arguments) < 0:
            raise OSError(ctypes.get_errno(), "refused")

    return attempt


def connect(host: str, port: int) -> None:
    """Open a connection."""
    with socket.create_connection((host, port), timeout=3):
        pass


def listening(family: int, kind: int, address: Any, protocol: int = 0) -> None:
    """Make a socket and connect it, if there is an address."""
    with socket.socket(family, kind, protocol) as made:
        made.settimeout(3)
        if address is not None:
            made.connect(address)


def resolve() -> None:
    """Ask for a name."""
    socket.getaddrinfo("example.org", 80)


def write(path: str) -> None:
    """Write a file, or over it."""
    with Path(path).open("ab") as file:
        file.write(b"x")


def network(hosts: list[str]) -> dict[str, Try]:
    """Ways to others."""
    tries: dict[str, Try] = {
        "internet": partial(connect, "1.1.1.1", 53),
        "metadata": partial(connect, "169.254.169.254", 80),
        "name": resolve,
        "raw": partial(listening, socket.AF_INET, socket.SOCK_RAW, None, 1),
        "packet": partial(listening, socket.AF_PACKET, socket.SOCK_RAW, None),
        "hypervisor": partial(
            listening, socket.AF_VSOCK, socket.SOCK_STREAM, (socket.VMADDR_CID_HOST, 1)
        ),
        "abstract": partial(
            listening, socket.AF_UNIX, socket.SOCK_STREAM, "\0hutch-of-the-host"
        ),
    }
    for number, host in enumerate(hosts):
        address, _, port = host.rpartition(":")
        tries[f"host {number}"] = partial(connect, address, int(port))
    return tries


WRITES = {
    "input": "/in/new",
    "input file": "/in/scan/a.txt",
    "notes": "/run/hutch/new",
    "job": "/run/hutch/job.json",
    "root": "/new",
    "system": "/usr/bin/new",
    "passwd": "/etc/passwd",
    "hosts": "/etc/hosts",
    "own code": "/opt/probe/new.py",
    "core pattern": "/proc/sys/kernel/core_pattern",
    "address forwarding": "/proc/sys/net/ipv4/ip_forward",
    "sysrq": "/proc/sysrq-trigger",
    "uevent": "/sys/kernel/uevent_helper",
    "release agent": "/sys/fs/cgroup/memory/release_agent",
    "own limit": "/sys/fs/cgroup/memory/memory.limit_in_bytes",
    "own limit 2": "/sys/fs/cgroup/memory.max",
    "other group": "/sys/fs/cgroup/memory/cgroup.procs",
    "memory": "/dev/mem",
    "kernel messages": "/dev/kmsg",
    "disk": "/dev/vda",
    "fuse": "/dev/fuse",
    "tunnel": "/dev/net/tun",
    "engine": "/run/podman/podman.sock",
    "docker": "/var/run/docker.sock",
}
DELETIONS = {"input": "/in/scan/a.txt", "job": "/run/hutch/job.json"}
NEW_USER, NEW_NAMESPACE, NEW_NETWORK = 0x10000000, 0x00020000, 0x40000000
NULL = ctypes.c_void_p()
HANDLE = struct.pack("<IiQ", 8, 1, 2)
"""A file handle: the root directory of an ext4 or XFS file system."""


def calls() -> dict[str, Try]:
    """System calls that nobody needs who computes."""
    here = str(WORK).encode()
    return {
        "mount": call(165, b"proc", here, b"proc", 0, NULL),
        "bind": call(165, b"/", here, NULL, 4096, NULL),
        "remount": call(165, b"none", b"/", NULL, 32 | 4096, NULL),
        "umount": call(166, b"/in", 0),
        "pivot_root": call(155, here, here),
        "chroot": call(161, here),
        "unshare user": call(272, NEW_USER),
        "unshare mounts": call(272, NEW_NAMESPACE),
        "unshare network": call(272, NEW_NETWORK),
        "setns": partial(join, "/proc/1/ns/net"),
        "setuid": partial(os.setuid, 0),
        "setgid": partial(os.setgid, 0),
        "setgroups": partial(os.setgroups, [0]),
        "capset": call(126, struct.pack("<Ii", 0x20080522, 0), b"\xff" * 24),
        "block device": partial(device, stat.S_IFBLK, 8, 0),
        "memory device": partial(device, stat.S_IFCHR, 1, 1),
        "ptrace": call(101, 16, 2**22 - 1, 0, 0),
        "open by handle": call(304, -100, ctypes.create_string_buffer(HANDLE), 0),
        "bpf": call(321, 0, NULL, 0),
        "perf": call(298, NULL, 0, -1, -1, 0),
        "keys": call(248, b"user", b"hutch", b"word", 4, -4),
        "session keys": call(250, 0, -3, 1),
        "crypto": partial(listening, 38, socket.SOCK_SEQPACKET, None),
        "module": call(175, NULL, 0, b""),
        "kexec": call(246, 0, 0, NULL, 0),
        "reboot": call(169, 0, 0, 0, NULL),
        "swap": call(167, bytes(Path("/work", "swap")), 0),
        "accounting": call(163, NULL),
        "clock": call(227, 0, struct.pack("<qq", 0, 0)),
        "hostname": call(170, b"x", 1),
        "messages": call(103, 3, ctypes.create_string_buffer(64), 64),
        "ports": call(172, 3),
        "watch all": call(300, 0, 0),
        "page faults": call(323, 0),
        "priority": partial(os.nice, -5),
    }


def join(namespace: str) -> None:
    """Enter a namespace."""
    file = os.open(namespace, os.O_RDONLY)
    try:
        call(308, file, 0)()
    finally:
        os.close(file)


def device(kind: int, major: int, minor: int) -> None:
    """Make a device and open it."""
    place = WORK / "device"
    os.mknod(place, kind | 0o666, os.makedev(major, minor))
    os.close(os.open(place, os.O_RDONLY))


def files(*places: str) -> Iterator[Path]:
    """List files below some places."""
    for place in places:
        for directory, _, names in os.walk(place):
            for name in names:
                path = Path(directory, name)
                if path.is_file() and not path.is_symlink():
                    yield path


def found(wanted: re.Pattern[bytes], paths: Iterator[Path]) -> list[str]:
    """Name the files that hold what nobody should find."""
    hits = []
    for path in paths:
        try:
            with path.open("rb") as file:
                if wanted.search(file.read(LARGEST)):
                    hits.append(str(path))
        except OSError:
            continue
    return hits


def of_processes() -> Iterator[Path]:
    """List what is told of processes."""
    for process in Path("/proc").iterdir():
        if process.name.isdecimal() or process.name == "self":
            yield from (process / name for name in ("environ", "cmdline", "mountinfo"))


def status() -> dict[str, str]:
    """Read what the kernel lets this process do."""
    lines = Path("/proc/self/status").read_text().splitlines()
    pairs = (line.partition(":")[::2] for line in lines)
    return {name: value.strip() for name, value in pairs}


def risen() -> list[str]:
    """List programs that would run as somebody else."""
    special = stat.S_ISUID | stat.S_ISGID
    return [
        str(path)
        for path in files("/usr", "/etc", "/opt", "/bin", "/sbin")
        if path.stat().st_mode & special or "security.capability" in os.listxattr(path)
    ]


def main(word: str, *hosts: str) -> None:
    """Try everything."""
    word_of_others = re.compile(re.escape(word[::-1]).encode())
    places = ("/in", "/out", "/work", "/run", "/tmp", "/dev/shm", "/mnt", "/home")
    reporting.tell(
        network={n: reporting.outcome(t) for n, t in network(list(hosts)).items()},
        writes={
            name: reporting.outcome(partial(write, path))
            for name, path in WRITES.items()
        },
        deletions={
            name: reporting.outcome(partial(os.unlink, path))
            for name, path in DELETIONS.items()
        },
        calls={name: reporting.outcome_apart(t) for name, t in calls().items()},
        secrets=found(SECRET, of_processes()) + found(SECRET, files(*places, "/etc")),
        others=found(word_of_others, files(*places, "/var")),
        environ=dict(os.environ),
        interfaces=[name for _, name in socket.if_nameindex()],
        processes=sum(p.name.isdecimal() for p in Path("/proc").iterdir()),
        status=status(),
        devices=sorted(os.listdir("/dev")),
        run=sorted(os.listdir("/run")),
        risen=risen(),
        engine=[
            p for p in ("/var/lib/containers", "/run/containers") if Path(p).exists()
        ],
        claims=sorted(os.listdir("/run/claim")) if Path("/run/claim").exists() else [],
    )


if __name__ == "__main__":
    main(*sys.argv[1:])

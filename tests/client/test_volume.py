"""A large file needs little memory; volumes on MinIO are tested end to end."""

import os
import resource
import subprocess
import sys

import pytest

from hutch import Client, clone
from hutch.contract.parts import MIB
from tests.client.live import Live

LARGE = 3 * 1024 * MIB
MOST_MEMORY = 400 * MIB

_PUSH = """
import re, sys
from pathlib import Path
import hutch
workdir = hutch.open_workdir(Path(sys.argv[1]))
client = hutch.connect(workdir.server, token=sys.argv[2])
report = hutch.push(workdir, client)
assert report.problems == (), report.problems
# Not ru_maxrss: a new program inherits that from the one which started it.
peak = re.search(r"VmHWM:\\s+(\\d+) kB", Path("/proc/self/status").read_text())
print(report.sent, peak[1])
"""


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("store_server", ["seaweedfs"], indirect=True)
def test_a_file_of_three_gib_needs_little_memory(live: Live, anna: Client) -> None:
    workdir = live.workdir(anna)
    block = os.urandom(MIB)
    with (workdir.root / "large").open("wb") as file:
        for number in range(LARGE // MIB):
            file.write(number.to_bytes(8, "big") + block[8:])
    ended = subprocess.run(  # noqa: S603 - this Python, no shell
        [
            sys.executable,
            "-c",
            _PUSH,
            str(workdir.root),
            anna._connection.token or "",
        ],
        check=True,
        capture_output=True,
        text=True,
    )
    sent, memory_kib = map(int, ended.stdout.split())
    assert sent == 1
    assert memory_kib * 1024 < MOST_MEMORY
    target = live.scratch / "clone"
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert clone(anna, anna.datasets.get(workdir.dataset), target).problems == ()
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    assert grown * 1024 < MOST_MEMORY
    assert (target / "large").stat().st_size == LARGE

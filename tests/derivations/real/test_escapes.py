"""A program that wants out of its container, in every way that is known."""

import fcntl
import socket
import struct
from collections.abc import Collection, Iterator, Mapping
from contextlib import ExitStack
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID, uuid4

import pytest

from tests.derivations.real.stage import Ended, Person, Stage

_SIOCGIFADDR = 0x8915
_DEVICES = {
    *("console", "core", "fd", "full", "mqueue", "null", "ptmx", "pts", "random"),
    *("shm", "stderr", "stdin", "stdout", "tty", "urandom", "zero"),
}
_GIVEN = {
    *("HOME", "TMPDIR", "PATH", "LANG", "TERM", "HOSTNAME", "container"),
    *("PYTHONPATH", "PYTHONSAFEPATH", "PYTHONUNBUFFERED", "PYTHONDONTWRITEBYTECODE"),
}


@pytest.fixture(scope="module")
def escape(stage: Stage, anna: Person, scan: UUID) -> Ended:
    """How a program ended that tried everything, while another had files to be read.

    Where it wants to connect to, something listens on all addresses of this machine.
    """
    word = uuid4().hex
    other = stage.start(anna, scan, "wait", word)
    stage.until_said(anna, other.id, b"waiting")
    with ExitStack() as stack:
        open_ = stack.enter_context(socket.create_server(("", 0)))
        abstract = stack.enter_context(socket.socket(socket.AF_UNIX))
        abstract.bind("\0hutch-of-the-host")
        abstract.listen()
        port = open_.getsockname()[1]
        urls = [urlsplit(url) for url in (stage.server.url, stage.server.s3_url)]
        hosts = [f"{url.hostname}:{url.port}" for url in urls]
        hosts += [f"{address}:{port}" for address in addresses()]
        for host in hosts:
            address, _, number = host.rpartition(":")
            socket.create_connection((address, int(number)), timeout=10).close()
        ended = stage.run(anna, scan, "escape", word, *hosts)
    anna.client.runs.cancel(other.id)
    assert stage.wait(anna, other).end == ("cancelled", "cancelled")
    return ended


@pytest.fixture
def report(escape: Ended) -> dict[str, Any]:
    return escape.report


def addresses() -> Iterator[str]:
    """List the IPv4 addresses of this machine."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        for _, name in socket.if_nameindex():
            wanted = struct.pack("256s", name.encode())
            try:
                answer = fcntl.ioctl(any_socket, _SIOCGIFADDR, wanted)
            except OSError:
                continue  # this one has none
            yield socket.inet_ntoa(answer[20:24])


def others(found: Mapping[str, str], refusals: Collection[str]) -> dict[str, str]:
    """Choose what did not end with a refusal."""
    return {name: end for name, end in found.items() if end not in refusals}


def test_a_program_reaches_nobody(report: dict[str, Any]) -> None:
    refusals = {"ENETUNREACH", "ECONNREFUSED", "EPERM", "ENOSYS", "gaierror"}
    assert len(report["network"]) >= 10
    assert others(report["network"], refusals) == {}
    assert report["interfaces"] == ["lo"]


def test_a_program_writes_its_output_and_scratch_only(report: dict[str, Any]) -> None:
    assert len(report["writes"]) > 20
    assert others(report["writes"], {"EROFS", "EACCES", "EPERM", "ENOENT"}) == {}
    assert others(report["deletions"], {"EROFS", "EACCES", "EPERM"}) == {}


def test_the_kernel_refuses_what_no_program_needs(report: dict[str, Any]) -> None:
    assert len(report["calls"]) > 30
    assert others(report["calls"], {"EPERM", "EACCES", "ENOSYS"}) == {}


def test_a_program_finds_no_secret(report: dict[str, Any]) -> None:
    assert report["secrets"] == []
    assert report["claims"] == []
    assert set(report["environ"]) <= _GIVEN


def test_a_program_sees_nothing_of_other_runs_and_of_the_machine(
    report: dict[str, Any],
) -> None:
    assert report["others"] == []
    assert report["engine"] == []
    assert report["processes"] <= 3
    assert set(report["devices"]) <= _DEVICES


def test_a_program_has_no_rights_and_gains_none(report: dict[str, Any]) -> None:
    status = report["status"]
    assert status["Uid"].split() == ["1000"] * 4
    assert status["Gid"].split() == status["Groups"].split() * 4 == ["1000"] * 4
    for held in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"):
        assert int(status[held], 16) == 0
    assert (status["NoNewPrivs"], status["Seccomp"]) == ("1", "2")
    assert report["risen"] == []


def test_a_program_that_leaves_nothing_makes_no_dataset(
    stage: Stage, escape: Ended
) -> None:
    assert escape.end == ("failed", "output-rejected")
    stage.require_no_output(escape.run.id)

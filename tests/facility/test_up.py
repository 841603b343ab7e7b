"""``hutch-api up``: one command, one process tree, nothing left behind."""

import json
import os
import signal
import socket
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit
from uuid import uuid4

import pytest

from tests.facility.installation import (
    Installation,
    alive,
    hutch_api,
    plain_environ,
    up,
)
from tests.servers import StoreServer, wait_until

KINDS = ("seaweedfs", "minio")


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    with up(tmp_path_factory.mktemp("running") / "hutch") as installation:
        yield installation


def environ(installation: Installation) -> dict[str, str]:
    return plain_environ(installation.directory.parent)


def users(installation: Installation) -> list[str]:
    words = ("user", "list", "--json", "--dir", str(installation.directory))
    listed = hutch_api(*words, environ=environ(installation))
    assert listed.returncode == 0, listed.stderr
    return [user["name"] for user in json.loads(listed.stdout)]


def add(installation: Installation, name: str) -> None:
    words = ("user", "add", name, "--password-stdin", "--dir")
    added = hutch_api(
        *words,
        str(installation.directory),
        environ=environ(installation),
        typed="correct horse battery staple\n",
    )
    assert added.returncode == 0, added.stderr


def test_the_ready_line_tells_where_everything_is(running: Installation) -> None:
    assert set(running.ready) == {"url", "store", "s3_url"}
    assert running.ready["store"] == "seaweedfs"
    assert running.get("/readyz")["ready"] is True


def test_everything_listens_on_loopback_only(running: Installation) -> None:
    pids = {running.process.pid, *running.children()}
    inodes = {
        link.readlink().name[8:-1]
        for pid in pids
        for link in Path(f"/proc/{pid}/fd").iterdir()
        if link.is_symlink() and link.readlink().name.startswith("socket:")
    }
    listening = [
        fields[1].partition(":")[0]
        for table in ("tcp", "tcp6")
        for line in Path(f"/proc/net/{table}").read_text().splitlines()[1:]
        if (fields := line.split())[3] == "0A" and fields[9] in inodes
    ]
    assert len(listening) > 2
    assert set(listening) == {"0100007F"}


def test_no_secret_is_in_an_argument(running: Installation) -> None:
    kept = json.loads((running.directory / "hutch.json").read_text())["secrets"]
    commands = " ".join(running.children().values())
    assert [name for name, secret in kept.items() if secret in commands] == []


def test_what_it_keeps_is_its_owners_alone(running: Installation) -> None:
    readable = [
        file
        for file in running.directory.iterdir()
        if stat.S_IMODE(file.stat().st_mode) & 0o077
    ]
    assert readable == []


def test_no_secret_is_in_a_log(running: Installation) -> None:
    kept = json.loads((running.directory / "hutch.json").read_text())["secrets"]
    secret = {k: v for k, v in kept.items() if not k.endswith("key_id")}
    logs = "".join(f.read_text() for f in (running.directory / "log").glob("*.log"))
    assert logs
    assert [name for name, text in secret.items() if text in logs] == []


def test_a_second_up_on_the_same_directory_is_refused(running: Installation) -> None:
    again = hutch_api("up", "--dir", str(running.directory), environ=environ(running))
    assert again.returncode == 6
    assert str(running.directory) in again.stderr
    assert running.get("/readyz")["ready"] is True


def test_two_run_side_by_side(running: Installation, tmp_path: Path) -> None:
    with up(tmp_path / "other") as other:
        assert other.url != running.url
        assert other.ready["s3_url"] != running.ready["s3_url"]
        add(other, "ida")
        assert users(other) == ["ida"]
        assert "ida" not in users(running)


def test_a_person_is_told_how_to_begin(tmp_path: Path) -> None:
    directory = tmp_path / "hutch"
    command = [sys.executable, "-m", "hutch_api", "up", "--dir", str(directory)]
    with subprocess.Popen(  # noqa: S603 -- our own program, no shell
        command, env=plain_environ(tmp_path), stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        lines: list[str] = []
        while "hutch login" not in "".join(lines):
            line = process.stdout.readline()
            assert line, lines
            lines.append(line)
        process.send_signal(signal.SIGINT)
        assert process.wait(60) == 0
    text = "".join(lines)
    assert "hutch-api user add" in text
    assert "one person's machine" in text


@pytest.mark.parametrize("kind", KINDS)
def test_state_survives_a_restart(kind: str, tmp_path: Path) -> None:
    with up(tmp_path / "hutch", "--store", kind) as first:
        assert first.ready["store"] == kind
        add(first, "ida")
        children = first.children()
    assert [pid for pid in children if alive(pid)] == []
    with up(tmp_path / "hutch") as second:
        assert second.ready == first.ready
        assert users(second) == ["ida"]


@pytest.mark.parametrize("kind", KINDS)
def test_after_kill_9_nothing_runs_on_and_nothing_is_lost(
    kind: str, tmp_path: Path
) -> None:
    directory = tmp_path / "hutch"
    with up(directory, "--store", kind, expect=(-signal.SIGKILL,)) as first:
        add(first, "ida")
        children = first.children()
        assert len(children) == 4
        first.process.kill()
        first.process.wait(30)
        wait_until(
            lambda: not any(alive(pid) for pid in children), what="the end of all"
        )
    with up(directory) as second:
        assert users(second) == ["ida"]


def test_ports_that_were_taken_meanwhile_are_chosen_anew(tmp_path: Path) -> None:
    with up(tmp_path / "hutch") as first:
        add(first, "ida")
    kept = json.loads((tmp_path / "hutch" / "hutch.json").read_text())
    with (
        socket.create_server(("127.0.0.1", kept["ports"]["master"])),
        socket.create_server(("127.0.0.1", urlsplit(first.url).port or 0)),
        up(tmp_path / "hutch") as second,
    ):
        assert second.url != first.url
        assert users(second) == ["ida"]


def test_a_port_that_is_asked_for_is_taken_or_refused(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as squatter:
        port = squatter.getsockname()[1]
        words = ("up", "--dir", str(tmp_path / "hutch"), "--port", str(port))
        refused = hutch_api(*words, environ=plain_environ(tmp_path))
    assert refused.returncode == 1
    assert str(port) in refused.stderr


def test_a_child_that_dies_ends_everything_and_is_named(tmp_path: Path) -> None:
    with up(tmp_path / "hutch", expect=(1,)) as installation:
        children = installation.children()
        [worker] = [pid for pid, command in children.items() if "worker" in command]
        os.kill(worker, signal.SIGKILL)
        installation.process.wait(60)
        assert [pid for pid in children if alive(pid)] == []
    said = (tmp_path / "hutch.stderr").read_text()
    assert "worker" in said
    assert str(tmp_path / "hutch" / "log" / "worker.log") in said
    assert "Traceback" not in said


def test_a_directory_with_a_long_name_works(tmp_path: Path) -> None:
    deep = tmp_path / ("a" * 60) / ("b" * 60)
    with up(deep / "hutch") as installation:
        assert installation.get("/readyz")["ready"] is True


def test_a_directory_stays_with_its_store(running: Installation) -> None:
    directory = running.directory.with_name("moved")
    directory.mkdir()
    (directory / "hutch.json").write_text(
        (running.directory / "hutch.json").read_text()
    )
    words = ("up", "--dir", str(directory), "--store", "minio")
    refused = hutch_api(*words, environ=environ(running))
    assert refused.returncode == 1
    assert "seaweedfs" in refused.stderr


def test_a_command_for_an_empty_directory_says_how_to_make_one(tmp_path: Path) -> None:
    listed = hutch_api(
        "user", "list", "--dir", str(tmp_path), environ=plain_environ(tmp_path)
    )
    assert listed.returncode == 1
    assert "hutch-api up" in listed.stderr


def test_a_store_that_is_already_there_is_used(
    minio: StoreServer, tmp_path: Path
) -> None:
    name = uuid4().hex[:12]
    there = {
        "HUTCH_S3_URL": minio.url,
        "HUTCH_S3_ROOT_KEY_ID": minio.root.key_id,
        "HUTCH_S3_ROOT_SECRET": minio.root.secret,
        "HUTCH_S3_DATA_BUCKET": f"data-{name}",
        "HUTCH_S3_META_BUCKET": f"meta-{name}",
    }
    with up(tmp_path / "hutch", environ=plain_environ(tmp_path, there)) as installation:
        assert installation.ready["store"] == "external"
        assert installation.ready["s3_url"] == minio.url
        commands = " ".join(installation.children().values())
        assert [w for w in ("serve", "worker", "runner") if w not in commands] == []
        assert len(installation.children()) == 3

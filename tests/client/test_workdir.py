"""Working directories, their journal, and where tokens are kept."""

import json
import sqlite3
import stat
import subprocess
import sys
from pathlib import Path
from uuid import uuid4

import pytest

from hutch import credentials
from hutch.credentials import Credential
from hutch.errors import (
    ClientError,
    NotLoggedInError,
    NoWorkdirError,
    WorkdirBusyError,
    WorkdirError,
)
from hutch.workdir import journal as journals
from hutch.workdir.directory import (
    Workdir,
    find_workdir,
    locked,
    make_workdir,
    open_workdir,
    require_unbound,
)
from hutch.workdir.journal import Entry, Upload, open_journal
from hutch.workdir.walk import Stamp

SERVER = "https://hutch.example.org"
STAMP = Stamp(3, 2**62, 2**62 + 1, 2**40)


@pytest.fixture
def workdir(tmp_path: Path) -> Workdir:
    return make_workdir(tmp_path / "w", dataset=uuid4(), server=SERVER)


@pytest.fixture
def environ(tmp_path: Path) -> dict[str, str]:
    return {"XDG_CONFIG_HOME": str(tmp_path / "config")}


def test_a_working_directory_is_found_from_below(workdir: Workdir) -> None:
    below = workdir.root / "a/b"
    below.mkdir(parents=True)
    assert find_workdir(below) == workdir


def test_elsewhere_there_is_none(tmp_path: Path) -> None:
    with pytest.raises(NoWorkdirError):
        find_workdir(tmp_path)


def test_one_does_not_lie_in_another(workdir: Workdir) -> None:
    with pytest.raises(WorkdirError):
        make_workdir(workdir.root / "below", dataset=uuid4(), server=SERVER)


def test_a_newer_format_is_refused(workdir: Workdir) -> None:
    path = workdir.hidden / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"format": 99}))
    with pytest.raises(WorkdirError, match="newer"):
        open_workdir(workdir.root)


def test_another_process_holds_the_lock(workdir: Workdir) -> None:
    code = (
        "import sys; from pathlib import Path\n"
        "from hutch.workdir.directory import locked, open_workdir\n"
        "with locked(open_workdir(Path(sys.argv[1]))):\n"
        "    print('held', flush=True); sys.stdin.read()\n"
    )
    with subprocess.Popen(  # noqa: S603 - this Python, no shell
        [sys.executable, "-c", code, str(workdir.root)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == b"held\n"
        with pytest.raises(WorkdirBusyError) as caught, locked(workdir):
            pass
        assert caught.value.facts["pid"] == other.pid
        other.kill()
        other.wait()
        with locked(workdir):
            pass


def _entries(*paths: str) -> list[Entry]:
    return [
        Entry(
            path=path,
            stamp=STAMP,
            sha256="0" * 64,
            crc64nvme="AAAAAAAAAAA=",
            version="v1",
            recorded_ns=2**62,
        )
        for path in paths
    ]


@pytest.mark.parametrize("page", [1, 2, 5, 6])
def test_the_journal_is_read_in_order_and_page_by_page(
    workdir: Workdir, monkeypatch: pytest.MonkeyPatch, page: int
) -> None:
    monkeypatch.setattr(journals, "PAGE", page)
    with open_journal(workdir) as journal:
        journal.record(_entries("b", "a/x", "a-x", "ü", "Z"))
        paths = [entry.path for entry in journal.entries()]
    assert paths == ["Z", "a-x", "a/x", "b", "ü"]


def test_the_journal_keeps_what_it_was_told(workdir: Workdir) -> None:
    entries = _entries("b", "Z")
    push, intent = uuid4(), uuid4()
    upload = Upload(path="b", push=push, intent=intent, stamp=STAMP)
    with open_journal(workdir) as journal:
        journal.start_push(push)
        journal.note_uploads([upload])
        journal.note_part(intent, 2, etag='"e"', crc="c")
    with open_journal(workdir) as journal:
        assert journal.push() == push
        assert journal.uploads() == {"b": upload}
        assert journal.parts(intent) == {2: ('"e"', "c")}
        journal.record(entries)
        assert journal.entry("b") == entries[0]
        assert journal.uploads() == {}
        assert journal.parts(intent) == {}
        journal.forget(["b"])
        assert journal.entry("b") is None


def test_a_new_push_forgets_the_uploads_of_the_old(workdir: Workdir) -> None:
    upload = Upload(path="b", push=uuid4(), intent=uuid4(), stamp=STAMP)
    with open_journal(workdir) as journal:
        journal.note_uploads([upload])
        journal.start_push(uuid4())
        assert journal.uploads() == {}


def test_a_journal_of_a_newer_hutch_is_refused(workdir: Workdir) -> None:
    connection = sqlite3.connect(workdir.hidden / "journal.sqlite")
    connection.execute("PRAGMA user_version = 99")
    connection.close()
    with pytest.raises(WorkdirError, match="newer"), open_journal(workdir):
        pass


def test_a_damaged_journal_says_what_to_do(workdir: Workdir) -> None:
    (workdir.hidden / "journal.sqlite").write_bytes(b"no database" * 1000)
    with pytest.raises(WorkdirError, match="clone"), open_journal(workdir):
        pass


def test_a_token_is_kept_for_its_owner_alone(environ: dict[str, str]) -> None:
    kept = Credential(url=SERVER, token="hutch_secret", user="anna")
    credentials.keep(kept, environ=environ)
    path = credentials.location(environ)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert credentials.find(SERVER + "/", environ=environ) == kept
    assert credentials.find(environ=environ) == kept
    assert list(path.parent.iterdir()) == [path]
    assert "hutch_secret" not in repr(kept)


def test_each_server_has_its_token(environ: dict[str, str]) -> None:
    one, two = (Credential(url=f"{SERVER}/{n}", token=n) for n in ("one", "two"))
    credentials.keep(one, environ=environ)
    credentials.keep(two, environ=environ)
    assert credentials.find(environ=environ) == two
    credentials.forget(two.url, environ=environ)
    assert credentials.find(environ=environ) == one
    with pytest.raises(NotLoggedInError):
        credentials.find(two.url, environ=environ)


def test_the_environment_wins(environ: dict[str, str]) -> None:
    credentials.keep(Credential(url=SERVER, token="kept"), environ=environ)
    environ |= {"HUTCH_URL": SERVER, "HUTCH_TOKEN": "given"}
    assert credentials.find(environ=environ).token == "given"


def test_a_working_directory_does_not_draw_the_environments_token_elsewhere(
    environ: dict[str, str],
) -> None:
    environ |= {"HUTCH_URL": SERVER, "HUTCH_TOKEN": "given"}
    with pytest.raises(NotLoggedInError):
        credentials.find("https://evil.example.org", environ=environ)
    del environ["HUTCH_URL"]
    with pytest.raises(NotLoggedInError, match="HUTCH_URL"):
        credentials.find("https://evil.example.org", environ=environ)


def test_damaged_credentials_say_what_to_do(environ: dict[str, str]) -> None:
    path = credentials.location(environ)
    path.parent.mkdir(parents=True)
    path.write_text("[]")
    with pytest.raises(ClientError, match="log in again"):
        credentials.find(environ=environ)


def test_a_directory_that_was_killed_before_it_was_bound_can_be_bound(
    tmp_path: Path,
) -> None:
    (tmp_path / ".hutch").mkdir()
    (tmp_path / ".hutch/config.new").write_bytes(b"{")
    with pytest.raises(NoWorkdirError):
        find_workdir(tmp_path)
    workdir = make_workdir(tmp_path, dataset=uuid4(), server=SERVER)
    assert find_workdir(tmp_path) == workdir


def test_a_file_cannot_be_bound(tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(b"")
    with pytest.raises(WorkdirError, match="no directory"):
        require_unbound(tmp_path / "f")


def test_a_full_disk_is_no_damaged_journal(workdir: Workdir) -> None:
    def fill() -> None:
        with open_journal(workdir) as journal:
            journal._connection.execute("PRAGMA max_page_count = 1")
            journal.note_uploads(
                Upload(path=str(n), push=uuid4(), intent=uuid4(), stamp=STAMP)
                for n in range(1000)
            )

    with pytest.raises(WorkdirError, match="make room") as caught:
        fill()
    assert "is damaged" not in caught.value.detail


def test_tokens_that_cannot_be_kept_are_told(tmp_path: Path) -> None:
    (tmp_path / "hutch").symlink_to(tmp_path / "nowhere")
    held = Credential(url=SERVER, token="t")
    with pytest.raises(ClientError, match="cannot be written"):
        credentials.keep(held, environ={"XDG_CONFIG_HOME": str(tmp_path)})

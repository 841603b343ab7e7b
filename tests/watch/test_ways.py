"""Both ways of noticing send the same files."""

import os
import threading

import pytest

from hutch import Client, Workdir, clone
from hutch.errors import UnsupportedFileError
from hutch.watch.events import Began, Failed, Sent, Way
from hutch.watch.watching import Pace
from hutch.workdir.journal import open_journal
from hutch.workdir.walk import Stamp
from tests.client.live import Live, read, write
from tests.servers import wait_until
from tests.watch.conftest import PATIENCE_S, UNTIL_IDLE, NewWatch

WAYS = pytest.mark.parametrize("poll", [False, True], ids=["notices", "rounds"])


def there(client: Client, workdir: Workdir) -> int:
    return client.datasets.get(workdir.dataset).files


def wait_for_files(client: Client, workdir: Workdir, count: int) -> None:
    wait_until(
        lambda: there(client, workdir) == count,
        seconds=PATIENCE_S,
        what=f"{count} files in the dataset",
    )


def cloned(live: Live, client: Client, workdir: Workdir) -> dict[str, bytes]:
    target = live.scratch / "clone"
    assert clone(client, client.datasets.get(workdir.dataset), target).problems == ()
    return read(target)


@WAYS
def test_what_is_there_and_what_comes_is_sent(
    live: Live, anna: Client, watching: NewWatch, *, poll: bool
) -> None:
    workdir = live.workdir(anna, {"before": b"1", "sub/before": b"2"})
    running = watching(workdir, anna, poll=poll)
    wait_for_files(anna, workdir, 2)
    write(workdir.root, {"after": b"3", "sub/after": b"4", "new/deep/er": b"5"})
    wait_for_files(anna, workdir, 5)
    report = running.end()
    assert (report.sent, report.left, report.problems) == (5, 0, ())
    way = Way.ROUNDS if poll else Way.NOTICES
    assert [e.way for e in running.told if isinstance(e, Began)] == [way]
    assert cloned(live, anna, workdir) == read(workdir.root)


@WAYS
def test_a_directory_that_is_filled_at_once_is_sent(
    live: Live, anna: Client, watching: NewWatch, *, poll: bool
) -> None:
    workdir = live.workdir(anna)
    running = watching(workdir, anna, poll=poll)
    running.wait_for(Began)
    files = {f"scan/{n % 7}/{n % 3}/{n:03}.tif": b"%d" % n for n in range(200)}
    write(workdir.root, files)
    wait_for_files(anna, workdir, 200)
    assert running.end().problems == ()
    assert cloned(live, anna, workdir) == files


@WAYS
def test_a_directory_that_is_moved_here_is_sent(
    live: Live, anna: Client, watching: NewWatch, *, poll: bool
) -> None:
    workdir = live.workdir(anna, {"a": b"1"})
    running = watching(workdir, anna, poll=poll)
    wait_for_files(anna, workdir, 1)
    write(live.scratch / "elsewhere", {"b": b"2", "c/d": b"3"})
    (live.scratch / "elsewhere").rename(workdir.root / "here")
    wait_for_files(anna, workdir, 3)
    (workdir.root / "here" / "late").write_bytes(b"4")
    wait_for_files(anna, workdir, 4)
    assert running.end().problems == ()


@WAYS
def test_a_file_that_is_renamed_into_place_is_sent_under_that_name_only(
    live: Live, anna: Client, watching: NewWatch, *, poll: bool
) -> None:
    workdir = live.workdir(anna, {"a": b"1"})
    running = watching(workdir, anna, poll=poll)
    wait_for_files(anna, workdir, 1)
    for n in range(20):
        passing = workdir.root / f".f{n}.part"
        passing.write_bytes(b"%d" % n)
        passing.rename(workdir.root / f"f{n}")
    wait_for_files(anna, workdir, 21)
    report = running.end()
    assert report.sent == 21
    assert cloned(live, anna, workdir) == read(workdir.root)


@WAYS
def test_a_file_that_is_written_again_is_sent_again(
    live: Live, anna: Client, watching: NewWatch, *, poll: bool
) -> None:
    workdir = live.workdir(anna, {"a": b"first"})
    running = watching(workdir, anna, poll=poll)
    running.wait_for(Sent)
    (workdir.root / "a").write_bytes(b"again")
    running.wait_for(Sent, count=2)
    assert running.end().sent == 2
    assert cloned(live, anna, workdir) == {"a": b"again"}


@WAYS
def test_a_file_that_is_held_open_is_sent_when_it_is_closed(
    live: Live, anna: Client, watching: NewWatch, *, poll: bool
) -> None:
    workdir = live.workdir(anna, {"done": b"1"})
    with (workdir.root / "growing").open("wb", buffering=0) as file:
        file.write(b"half")
        running = watching(workdir, anna, poll=poll)
        wait_until(
            lambda: running.watch.report().open == ("growing",),
            seconds=PATIENCE_S,
            what="the open file to be seen",
        )
        wait_for_files(anna, workdir, 1)
        file.write(b" and whole")
    wait_for_files(anna, workdir, 2)
    assert running.end().sent == 2
    assert cloned(live, anna, workdir)["growing"] == b"half and whole"


@WAYS
def test_what_cannot_travel_is_named_once(
    live: Live, anna: Client, watching: NewWatch, *, poll: bool
) -> None:
    workdir = live.workdir(anna, {"a": b"1"})
    (workdir.root / "old").symlink_to("a")
    running = watching(workdir, anna, UNTIL_IDLE, poll=poll)
    running.wait_for(Failed)
    (workdir.root / "new").symlink_to("a")
    (workdir.root / "back\\slash").write_bytes(b"2")
    report = running.ended()
    failed = [e for e in running.told if isinstance(e, Failed)]
    assert sorted(e.path for e in failed) == ["back\\slash", "new", "old"]
    assert {type(e.error) for e in failed} == {UnsupportedFileError}
    assert [p.path for p in report.problems] == ["back\\slash", "new", "old"]
    assert report.sent == 1


@WAYS
def test_it_ends_when_nothing_new_comes(
    live: Live, anna: Client, watching: NewWatch, *, poll: bool
) -> None:
    workdir = live.workdir(anna, {f"f{n}": os.urandom(1000) for n in range(50)})
    report = watching(workdir, anna, UNTIL_IDLE, poll=poll).ended()
    assert (report.sent, report.left, report.scanned) == (50, 0, True)
    again = watching(workdir, anna, UNTIL_IDLE, poll=poll).ended()
    assert (again.sent, again.left) == (0, 0)


@WAYS
def test_a_file_that_stays_open_is_named_when_it_ends(
    live: Live, anna: Client, watching: NewWatch, *, poll: bool
) -> None:
    workdir = live.workdir(anna, {"done": b"1"})
    with (workdir.root / "open").open("wb"):
        report = watching(workdir, anna, UNTIL_IDLE, poll=poll).ended()
    assert report.open == ("open",)
    assert [(p.path, p.error.code) for p in report.problems] == [("open", "file-open")]
    assert there(anna, workdir) == 1


def test_a_file_is_sent_when_the_journal_can_trust_it(
    live: Live, anna: Client, watching: NewWatch
) -> None:
    # A close would read all files again that were younger when they were sent.
    workdir = live.workdir(anna)
    running = watching(workdir, anna, Pace())
    running.wait_for(Began)
    write(workdir.root, {"a": b"1"})
    running.wait_for(Sent)
    running.end()
    with open_journal(workdir) as journal:
        entry = journal.entry("a")
    assert entry is not None
    assert entry.trusts(Stamp.of((workdir.root / "a").lstat()))


@WAYS
def test_many_writers_at_once_lose_nothing(
    live: Live, anna: Client, watching: NewWatch, *, poll: bool
) -> None:
    workdir = live.workdir(anna)
    running = watching(workdir, anna, poll=poll)
    running.wait_for(Began)
    threads = [
        threading.Thread(
            target=write,
            args=(
                workdir.root,
                {f"{who}/{n // 20}/{n}": b"%d %d" % (who, n) for n in range(100)},
            ),
        )
        for who in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    wait_for_files(anna, workdir, 400)
    assert running.end().problems == ()
    assert cloned(live, anna, workdir) == read(workdir.root)

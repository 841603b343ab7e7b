"""What containers are given as files."""

import io
import tarfile

from hutch_api.adapters.containment import archive


def test_an_archive_holds_files_for_one_user() -> None:
    given = {"claim": b"code", "program": b""}
    with tarfile.open(fileobj=io.BytesIO(archive(given))) as tar:
        entries = tar.getmembers()
        files = {one.name: tar.extractfile(one) for one in entries}
        assert {name: f and f.read() for name, f in files.items()} == given
    assert {(one.mode, one.uid, one.gid) for one in entries} == {(0o400, 1000, 1000)}


def test_nothing_follows_the_end_of_an_archive() -> None:
    packed = archive({"claim": b"code"})
    header, content, end = 512, 512, 1_024
    assert len(packed) == header + content + end
    assert packed[-end:] == bytes(end)

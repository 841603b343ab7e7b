"""Much at once: many small files, one large one."""

import os

import pytest

from tests.e2e.stage import Person, tree

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1_500)]

GIB = 1024**3


def test_twenty_thousand_small_files(anna: Person) -> None:
    files: dict[str, bytes | str] = {
        f"{n % 100:02}/{n:05}": f"file {n}" for n in range(20_000)
    }
    root = anna.dataset("d", files)
    assert anna.json("push", where=root)["sent"] == 20_000
    assert anna.json("push", where=root)["unchanged"] == 20_000
    assert anna.json("close", where=root)["files"] == 20_000
    report = anna.json("clone", "d", "copy")
    assert (report["fetched"], report["problems"]) == (20_000, [])
    assert tree(anna.home / "copy") == tree(root)


def test_one_file_of_three_gibibytes(anna: Person) -> None:
    root = anna.dataset("d", {})
    block = os.urandom(16 * 1024**2)
    with (root / "large.bin").open("wb") as file:
        for number in range(3 * GIB // len(block)):
            file.write(number.to_bytes(8) + block[8:])
    report = anna.json("push", where=root)
    assert (report["sent"], report["bytes"]) == (1, 3 * GIB)
    anna.hutch("close", where=root)
    anna.hutch("clone", "d", "copy")
    # The clone was compared with the manifest; here the bytes are read again.
    assert anna.json("verify", "copy")["files"]["problems"] == []

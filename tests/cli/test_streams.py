"""What a command is given to read and to write may be odd."""

import subprocess
import sys
from pathlib import Path

import pytest


def shell(
    line: str, home: Path, *words: str | bytes
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(  # noqa: S603 - our own program, in a line of this file
        ["/bin/sh", "-c", line, sys.executable, *words],
        env={"HOME": str(home), "PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8"},
        capture_output=True,
        encoding="utf-8",
        check=False,
        timeout=60,
    )


@pytest.mark.parametrize("closed", [">&-", "2>&-", ">&- 2>&-"])
def test_a_closed_stream_leads_nowhere(tmp_path: Path, closed: str) -> None:
    ended = shell(f'"$0" -m hutch.cli.__main__ ls --json {closed}', tmp_path)
    assert ended.returncode == 4
    assert ended.stdout == ""
    assert "Traceback" not in ended.stderr


def test_a_word_that_is_no_text_is_named(tmp_path: Path) -> None:
    line = '"$0" -m hutch.cli.__main__ ls --server http://127.0.0.1:1 --owner "$1"'
    line = f"HUTCH_URL=http://127.0.0.1:1 HUTCH_TOKEN=none {line}"
    ended = shell(line, tmp_path, b"\xff")
    assert ended.returncode == 2
    assert "'\\udcff' is not valid UTF-8; write it in UTF-8 [usage]" in ended.stderr

"""Settings of other tools: what is not ours stays byte by byte."""

import os
import stat
from configparser import RawConfigParser
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hutch.errors import ClientError
from hutch.tools import sections

OURS = ("profile", "hutch-tooth")
VALUES: sections.Values = {
    "region": "us-east-1",
    "s3": {"addressing_style": "path"},
    "endpoint_url": "http://127.0.0.1:9000",
}
WRITTEN = """\
[profile hutch-tooth]
region = us-east-1
s3 =
  addressing_style = path
endpoint_url = http://127.0.0.1:9000
"""


def put(text: str) -> str:
    return sections.put(text, OURS, VALUES)


def test_it_is_added_to_an_empty_file() -> None:
    assert put("") == WRITTEN


@pytest.mark.parametrize(
    "before",
    [
        "[default]\nregion = eu-west-1\n",
        "# mine\n[default]\nregion=eu-west-1 ; so\n\n[profile lab]\ns3 =\n  a = b\n",
        "[profile hutch-tooth-write]\nregion = x\n",
        "[hutch-tooth]\nregion = x\n",
        "[profile 'a b']\nregion = x\n# the end\n",
    ],
)
def test_it_is_added_below_what_is_there(before: str) -> None:
    assert put(before) == f"{before}\n{WRITTEN}"


def test_a_last_line_without_an_end_gets_one() -> None:
    assert put("[default]\nregion = x") == f"[default]\nregion = x\n\n{WRITTEN}"
    assert put("[profile hutch-tooth]") == WRITTEN
    assert put("[profile hutch-tooth]\nregion = x") == WRITTEN


def test_only_its_own_values_change() -> None:
    before = """\
[default]
region = eu-west-1
[profile "hutch-tooth"]
# slow line here
region=nowhere
s3 =
  max_concurrent_requests = 4
  addressing_style = auto
retries = 9

# about the next
[profile lab]
region = lab
endpoint_url = http://lab
"""
    after = """\
[default]
region = eu-west-1
[profile "hutch-tooth"]
# slow line here
region = us-east-1
s3 =
  max_concurrent_requests = 4
  addressing_style = path
retries = 9
endpoint_url = http://127.0.0.1:9000

# about the next
[profile lab]
region = lab
endpoint_url = http://lab
"""
    assert put(before) == after


def test_line_ends_of_windows_stay() -> None:
    before = "[default]\r\nregion = x\r\n"
    after = put(before)
    assert after.startswith(before)
    assert after.count("\n") == after.count("\r\n")
    assert put(after) == after


KEYS = st.from_regex(r"\A[a-z_]{1,8}\Z")
LINES = st.one_of(
    st.builds("{} = {}\n".format, KEYS, st.text("ab =#;[]é\t", max_size=6)),
    st.builds("  {} = {}\n".format, KEYS, KEYS),
    st.builds("# {}\n".format, KEYS),
    st.just("\n"),
    st.builds("[profile {}]\n".format, KEYS),
    st.just("[profile hutch-tooth]\n"),
    st.just("region = mine\n"),
    st.just("s3 =\n  addressing_style = virtual\n"),
)
TEXTS = st.lists(LINES, max_size=12).map("".join)


@given(TEXTS)
def test_again_changes_nothing(before: str) -> None:
    once = put(before)
    assert put(once) == once


@given(TEXTS)
def test_what_is_not_its_own_stays(before: str) -> None:
    """Every line outside the section is there as it was, in the same order."""
    assert outside(put(before)) == outside(before)


def outside(text: str) -> list[str]:
    lines = sections.lines_of(text)
    own = next((s for s in sections.sections(lines) if s.words == OURS), None)
    if own is not None:
        del lines[own.begin : own.end]
    # A line that is blank parts a new section from what is above it.
    return "".join(lines).rstrip("\n").splitlines(keepends=True)


@given(st.lists(KEYS, unique=True, max_size=4))
def test_a_program_of_python_reads_it(names: list[str]) -> None:
    before = "".join(f"[profile {name}]\nregion = {name}\n" for name in names)
    read = RawConfigParser()
    read.read_string(put(before))
    assert dict(read["profile hutch-tooth"]) == {
        "region": "us-east-1",
        "s3": "\naddressing_style = path",
        "endpoint_url": "http://127.0.0.1:9000",
    }
    assert {n: read[f"profile {n}"]["region"] for n in names} == {n: n for n in names}


def test_a_file_that_says_so_already_is_left_alone(tmp_path: Path) -> None:
    file = tmp_path / "config"
    assert sections.write(file, WRITTEN)
    before = file.stat()
    assert not sections.write(file, WRITTEN)
    assert file.stat().st_ino == before.st_ino


def test_a_new_file_is_its_owners_alone(tmp_path: Path) -> None:
    file = tmp_path / "aws" / "config"
    sections.write(file, WRITTEN)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700


def test_the_mode_of_a_file_is_kept(tmp_path: Path) -> None:
    file = tmp_path / "config"
    file.write_text("[default]\n")
    file.chmod(0o640)
    sections.write(file, WRITTEN)
    assert stat.S_IMODE(file.stat().st_mode) == 0o640


def test_a_link_is_followed(tmp_path: Path) -> None:
    real, link = tmp_path / "dotfiles" / "config", tmp_path / "config"
    real.parent.mkdir()
    real.write_text("[default]\n")
    link.symlink_to(os.path.relpath(real, tmp_path))
    sections.write(link, WRITTEN)
    assert link.is_symlink()
    assert real.read_text() == WRITTEN
    assert [p.name for p in real.parent.iterdir()] == ["config"]


def test_bytes_that_are_no_text_are_kept(tmp_path: Path) -> None:
    file = tmp_path / "config"
    file.write_bytes(b"# caf\xe9\n")
    sections.write(file, put(sections.read(file)))
    assert file.read_bytes().startswith(b"# caf\xe9\n\n[profile")


def test_a_directory_in_its_place_is_said(tmp_path: Path) -> None:
    with pytest.raises(ClientError, match="cannot be read"):
        sections.read(tmp_path)

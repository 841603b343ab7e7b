"""``hutch s3``: what it prints, what it writes, what it refuses."""

import fcntl
import json
import os
import shlex
import subprocess
import sys
from configparser import RawConfigParser
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from hutch.cli.exits import Exit
from hutch.tools import profiles
from tests.e2e.stage import BIN, Person, ended
from tests.servers import wait_until
from tests.tools.conftest import asked, config, dataset, waiting


def test_a_profile_says_how_to_ask_for_keys(anna: Person, tooth: str) -> None:
    anna.hutch("s3", "config", "tooth")
    written = dict(config(anna)["profile hutch-tooth"])
    words = shlex.split(written.pop("credential_process"))
    assert Path(words[0]).is_absolute()
    assert words[1:] == ["s3", "credentials", tooth, "--server", anna.url]
    with anna.client() as client:
        place = client.capabilities().store
    assert written == {
        "region": place.region,
        "endpoint_url": place.endpoint,
        "s3": "\naddressing_style = path",
        "request_checksum_calculation": "when_required",
        "response_checksum_validation": "when_required",
    }


def test_a_tool_gets_keys_by_it_from_anywhere(anna: Person, tooth: str) -> None:
    anna.extra["PATH"] = ""
    anna.hutch("s3", "config", "tooth")
    answer = asked(anna, "hutch-tooth")
    until = datetime.fromisoformat(answer.pop("Expiration"))
    assert until > datetime.now(UTC) + timedelta(minutes=50)
    assert answer.pop("Version") == 1
    assert len(answer.pop("AccessKeyId")) == 20
    assert len(answer.pop("SecretAccessKey")) == 40
    assert answer == {}
    [listed] = anna.json("s3", "list", tooth)["items"]
    assert listed["access"] == "read"


def test_a_profile_is_found_where_the_variable_says(
    anna: Person, tooth: str, tmp_path: Path
) -> None:
    anna.extra["AWS_CONFIG_FILE"] = str(tmp_path / "elsewhere")
    anna.hutch("s3", "config", tooth)
    assert "[profile hutch-tooth]" in (tmp_path / "elsewhere").read_text()
    assert not (anna.home / ".aws").exists()


def test_printed_it_is_not_written(anna: Person, tooth: str) -> None:
    printed = anna.hutch("s3", "config", tooth, "--print").out
    assert printed.startswith("[profile hutch-tooth]\ncredential_process = ")
    assert not (anna.home / ".aws").exists()
    anna.hutch("s3", "config", tooth)
    assert (anna.home / ".aws/config").read_text() == printed


def test_again_it_is_the_same_profile(anna: Person, tooth: str) -> None:
    anna.hutch("s3", "config", "tooth")
    before = written_at(anna.home / ".aws/config")
    told = anna.hutch("s3", "config", tooth)
    assert "nothing to change" in told.out
    assert written_at(anna.home / ".aws/config") == before


def written_at(file: Path) -> tuple[int, int]:
    found = file.stat()
    return found.st_ino, found.st_mtime_ns


def test_writing_is_a_profile_of_its_own(anna: Person, tooth: str) -> None:
    anna.hutch("s3", "config", "tooth")
    assert anna.json("s3", "config", "tooth", "--write")["name"] == "hutch-tooth-write"
    asked(anna, "hutch-tooth-write")
    assert {a["access"] for a in anna.json("s3", "list", tooth)["items"]} == {"write"}
    asked(anna, "hutch-tooth")
    assert len(anna.json("s3", "list", tooth)["items"]) == 2


def test_names_of_others_are_not_mixed_up(anna: Person, ben: Person) -> None:
    """A dataset of Ben's never takes the profile of one of Anna's, nor the reverse."""
    dataset(anna, "tooth")
    theirs = dataset(ben, "tooth")
    odd = dataset(anna, f"{ben.name}-tooth")  # its name begins like somebody's
    ben.hutch("share", "tooth", f"user:{anna.name}", "read")
    mine, shared, third = (
        anna.json("s3", "config", word)["name"]
        for word in ("tooth", f"{ben.name}/tooth", odd)
    )
    assert mine == "hutch-tooth"
    assert shared == f"hutch-{ben.name}-tooth"
    assert third == f"hutch-{ben.name}-tooth-{odd[:8]}"
    process = config(anna)[f"profile {shared}"]["credential_process"]
    assert theirs in process
    # Each keeps its name.
    assert anna.json("s3", "config", f"{ben.name}/tooth")["name"] == shared
    assert anna.json("s3", "config", odd)["name"] == third


def test_a_profile_that_somebody_wrote_is_not_taken(anna: Person, tooth: str) -> None:
    file = anna.home / ".aws/config"
    file.parent.mkdir()
    file.write_text("[profile hutch-tooth]\nrole_arn = mine\n")
    name = anna.json("s3", "config", tooth)["name"]
    assert name == f"hutch-tooth-{tooth[:8]}"
    assert file.read_text().startswith("[profile hutch-tooth]\nrole_arn = mine\n\n[")


def test_variables_are_for_the_shell(anna: Person, tooth: str) -> None:
    with anna.client() as client:
        endpoint = client.capabilities().store.endpoint
    printed = anna.hutch("s3", "env", tooth).out
    assert shell(printed, {}) == {
        "AWS_PROFILE": "hutch-tooth",
        "AWS_ENDPOINT_URL": endpoint,
        "S3_ENDPOINT_URL": endpoint,
    }
    assert "hutch-tooth" in "".join(config(anna).sections())
    assert anna.json("s3", "env", tooth)["variables"] == shell(printed, {})


def test_variables_that_would_overrule_the_profile_are_taken_away(
    anna: Person, tooth: str
) -> None:
    before = {"AWS_ACCESS_KEY_ID": "other", "AWS_REGION": "other"}
    anna.extra |= before
    after = shell(anna.hutch("s3", "env", tooth).out, before)
    assert set(after) == {"AWS_PROFILE", "AWS_ENDPOINT_URL", "S3_ENDPOINT_URL"}


def shell(script: str, environ: dict[str, str]) -> dict[str, str]:
    """Have a shell evaluate lines; what variables of AWS does it have then?"""
    done = subprocess.run(  # noqa: S603 - what our own command printed
        ["/bin/sh", "-c", f'eval "$1"; {sys.executable} -c "$2"', "sh", script, _TELL],
        env={"PATH": os.environ["PATH"], **environ},
        capture_output=True,
        check=True,
        text=True,
    )
    told: dict[str, str] = json.loads(done.stdout)
    return told


_TELL = (
    "import json, os; "
    "print(json.dumps({k: v for k, v in os.environ.items() "
    "if k.startswith(('AWS_', 'S3_'))}))"
)


def test_a_value_never_runs_in_the_shell(
    anna: Person, tooth: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    trap = tmp_path / "run"
    endpoint = f"http://x/$(touch {trap})`touch {trap}`; touch {trap} #'"

    def place(self: Any) -> Any:
        told = capabilities(self)
        object.__setattr__(told.store, "endpoint", endpoint)
        return told

    from hutch import Client  # noqa: PLC0415 - it is changed in place

    capabilities = Client.capabilities
    monkeypatch.setattr(Client, "capabilities", place)
    printed = anna.hutch("s3", "env", tooth).out
    assert shell(printed, {})["AWS_ENDPOINT_URL"] == endpoint
    assert not trap.exists()


def test_a_place_with_odd_characters_is_one_word(
    anna: Person, tooth: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    odd = tmp_path / "it's $HOME" / "hutch"
    odd.parent.mkdir()
    odd.symlink_to(BIN / "hutch")
    monkeypatch.setattr(sys, "argv", [str(odd)])
    anna.hutch("s3", "config", tooth)
    process = config(anna)["profile hutch-tooth"]["credential_process"]
    assert shlex.split(process)[0] == str(odd)
    # Tools of Go have a shell run it, those of Python cut it into words.
    done = subprocess.run(  # noqa: S603 - what the profile says
        ["/bin/sh", "-c", process],
        env=anna.environ(),
        capture_output=True,
        check=True,
    )
    assert json.loads(done.stdout) == asked(anna, "hutch-tooth")


def test_without_a_script_python_runs_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sysconfig.get_path", lambda _: "/nowhere")
    words = profiles.program()
    assert words == [sys.executable, "-P", "-m", "hutch.cli"]
    done = subprocess.run(  # noqa: S603 - our own program
        [*words, "--version"], capture_output=True, check=True, text=True
    )
    assert done.stdout.startswith("hutch ")


def test_the_address_is_that_of_the_dataset(anna: Person, tooth: str) -> None:
    with anna.client() as client:
        place = client.capabilities().store
    root = f"s3://{place.bucket}/d/{tooth}/"
    assert anna.hutch("s3", "url", "tooth").out == f"{root}\n"
    assert anna.json("s3", "url", tooth, "a/b.h5") == {"url": f"{root}a/b.h5"}
    assert anna.hutch("s3", "url", tooth, "raw/").out == f"{root}raw/\n"
    for wrong in ("../x", "/a", "a//b"):
        anna.refused(Exit.USAGE, "path-invalid", "s3", "url", tooth, wrong)
    assert anna.json("s3", "list", tooth)["items"] == []


def test_a_remote_of_rclone_holds_no_secret(anna: Person, tooth: str) -> None:
    printed = anna.hutch("s3", "rclone", tooth).out
    read = RawConfigParser()
    read.read_string(printed)
    assert read.sections() == ["hutch-tooth-store", "hutch-tooth"]
    store = read["hutch-tooth-store"]
    assert (store["env_auth"], store["profile"]) == ("true", "hutch-tooth")
    assert not {"access_key_id", "secret_access_key"} & set(store)
    url = anna.hutch("s3", "url", tooth).out.strip().removeprefix("s3://")
    assert f"{read['hutch-tooth']['remote']}/" == f"hutch-tooth-store:{url}"
    asked(anna, "hutch-tooth")


def test_a_remote_is_saved_beside_others(anna: Person, tooth: str) -> None:
    file = anna.home / ".config/rclone/rclone.conf"
    file.parent.mkdir(parents=True)
    file.write_text("[mine]\ntype = local\n")
    told = anna.hutch("s3", "rclone", tooth, "--save")
    assert "rclone ls hutch-tooth:" in told.out
    printed = anna.hutch("s3", "rclone", tooth).out
    assert file.read_text() == f"[mine]\ntype = local\n\n{printed}"
    before = written_at(file)
    anna.hutch("s3", "rclone", tooth, "--save")
    assert written_at(file) == before
    file.write_text("# Encrypted rclone configuration File\n\nRCLONE_ENCRYPT_V0:\nx")
    refused = anna.hutch("s3", "rclone", tooth, "--save", exits=Exit.FAILED)
    assert "encrypted" in refused.err


def test_an_alias_of_mc_lives_for_hours(anna: Person, tooth: str) -> None:
    alias = json.loads(anna.hutch("s3", "mc", tooth).out)
    assert {"url", "accessKey", "secretKey", "api", "path"} == set(alias)
    [listed] = anna.json("s3", "list", tooth)["items"]
    ends = datetime.fromisoformat(listed["expires_at"])
    assert ends > datetime.now(UTC) + timedelta(hours=11)
    assert json.loads(anna.hutch("s3", "mc", tooth).out) == alias


def test_one_command_at_a_time_changes_settings(anna: Person, tooth: str) -> None:
    """Two datasets at once both get their profile: neither writes over the other."""
    other = dataset(anna, "other")
    anna.hutch("s3", "config", tooth)
    lock = anna.home / ".cache/hutch/s3/settings"
    with lock.open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        with anna.start("s3", "config", other) as process:
            wait_until(lambda: waiting(lock) == 1, what="its turn")
            with (anna.home / ".aws/config").open("a") as file:
                file.write("\n[profile late]\nregion = x\n")
            fcntl.flock(held, fcntl.LOCK_UN)
            ended(process)
    assert {"profile hutch-tooth", "profile late", "profile hutch-other"} == set(
        config(anna).sections()
    )

"""What others wrote moves no cursor, and no word on the command line is a defect."""

import io
import json
import re
import subprocess
import sys
import unicodedata
from collections.abc import Iterator
from contextlib import chdir, redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

import pytest

from hutch import make_workdir
from hutch.cli import parser
from hutch.cli.__main__ import main
from hutch.cli.exits import Exit
from hutch_api.http.openapi import document
from tests.client.hostile import Asked, Said, saying
from tests.laws.conftest import Count

EVIL = "\x1b]0;evil\x07\x1b[2J\x9b2J\x7f\r\b\u202eevil\u2066\u2028\x00"
ID = UUID(int=7)
_DIRECTION = re.compile("[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]")
COMMANDS = {
    "ls": ["ls"],
    "info": ["info", str(ID)],
    "files": ["files", str(ID)],
    "log": ["log", str(ID)],
    "lineage": ["lineage", str(ID)],
    "whoami": ["whoami"],
    "status": ["status"],
    "push": ["push"],
    "pull": ["pull"],
    "clone": ["clone", str(ID), "copy"],
    "close": ["close", str(ID)],
    "derive": ["derive", str(ID), "--name", "x"],
    "give": ["give", str(ID), "bob"],
    "share": ["share", str(ID)],
    "share with": ["share", str(ID), "user:bob"],
    "unshare": ["unshare", str(ID), "user:bob"],
    "set": ["set", str(ID), "a=1"],
    "rm": ["rm", str(ID), "--yes"],
    "token list": ["token", "list"],
    "token create": ["token", "create", "x"],
    "token revoke": ["token", "revoke", str(ID)],
    "group list": ["group", "list"],
    "group show": ["group", "show", "x"],
    "group create": ["group", "create", "x"],
    "init": ["init", "new", "--name", "x"],
    "verify": ["verify", str(ID)],
    "login": ["login", "--user", "x"],
    "passwd": ["passwd"],
    "logout": ["logout"],
    "adopt": ["adopt", str(ID)],
    "adopt, dry": ["adopt", str(ID), "--dry-run"],
    "run": ["run", "x", f"a={ID}", "--name", "x"],
    "run, with another's output": ["run", "x", f"a=run:{ID}", "--name", "x"],
    "run show": ["run", "show", str(ID)],
    "run logs": ["run", "logs", str(ID)],
    "run cancel": ["run", "cancel", "x"],
    "runs": ["runs"],
    "rerun": ["rerun", str(ID)],
    "preview": ["preview", str(ID)],
    "preview, fetched": ["preview", str(ID), "--to", "pictures"],
    "export": ["export", str(ID), "crate"],
    "export, without files": ["export", str(ID), "crate", "--metadata-only"],
    "definition add": ["definition", "add", "../copy.toml"],
    "definition list": ["definition", "list"],
    "definition show": ["definition", "show", "x@1"],
    "definition retire": ["definition", "retire", "x"],
    "image approve": ["image", "approve", "1" * 64],
    "image list": ["image", "list"],
    "image revoke": ["image", "revoke", str(ID)],
    "rule add": ["rule", "add", "r", "--type", "scan", "--run", "d"],
    "rule list": ["rule", "list"],
    "rule end": ["rule", "end", str(ID)],
    "s3 env": ["s3", "env", str(ID)],
    "s3 credentials": ["s3", "credentials", str(ID)],
    "s3 config": ["s3", "config", str(ID), "--write"],
    "s3 rclone": ["s3", "rclone", str(ID), "--save"],
    "s3 url": ["s3", "url", str(ID)],
    "s3 list": ["s3", "list", str(ID)],
    "s3 revoke": ["s3", "revoke", str(ID), "--all"],
}
OPTIONS = ("--server", "--name", "--jobs", "--limit", "--expires")
WORDS = {
    "long": "x" * 200_000,
    "a title": "\x1b]0;evil\x07",
    "C1": "\x9b2J",
    "a line": "a\nb",
    "bidi": "\u202eevil",
    "half a letter": "\udcff",
    "nothing": "",
    "a blank": " ",
    "two dashes": "--",
    "three dashes": "---",
    "a dash": "-",
    "an odd option": "--=x",
    "a value too much": "--json=x",
    "a file": "@/etc/passwd",
    "a format": "%s%n{0}{self.__class__}",
    "digits": "9" * 5_000,
    "minus": "-1",
    "no number": "NaN",
    "infinite": "1e999",
    "up": "../../evil",
    "another dataset": f"{ID}/../{ID}",
    "a URL": "http://evil.example",
    "an expression": "a.b.c=[[[[",
    "deep": "a=" + "[" * 100_000,
    "NFD": "e\u0301",
}


def _made(schema: dict[str, Any]) -> Any:
    """Make a value of a schema in which every free text is hostile."""
    if "$ref" in schema:
        known = document()["components"]["schemas"]
        return _made(known[schema["$ref"].rpartition("/")[2]])
    if choices := schema.get("anyOf"):
        return _made(next(c for c in choices if c != {"type": "null"}))
    if "properties" in schema:
        return {name: _made(s) for name, s in schema["properties"].items()}
    if schema.get("type") == "array":
        return [_made(schema["items"])] if "items" in schema else []
    plain = {"object": {EVIL: EVIL}, "integer": 1, "number": 1, "boolean": False}
    texts = {"uuid": str(ID), "date-time": "2026-01-01T00:00:00Z"}
    text = schema.get("enum", [texts.get(schema.get("format", ""), EVIL)])[0]
    return plain.get(schema.get("type", ""), text)


def _operation(method: str, path: str) -> dict[str, Any] | None:
    for template, item in document()["paths"].items():
        pattern = re.sub(r"{path}", ".+", template)
        if re.fullmatch(re.sub(r"{[a-z]+}", "[^/]+", pattern), path):
            found: dict[str, Any] | None = item.get(method.lower())
            return found
    return None


def _kindly(asked: Asked) -> Said:
    """Answer as described, with hostile texts."""
    operation = _operation(asked.method, urlsplit(asked.path).path)
    assert operation is not None, asked
    status, answer = next(iter(operation["responses"].items()))
    content = answer.get("content", {}).get("application/json")
    body = _made(content["schema"]) if content else EVIL.encode()
    if isinstance(body, dict) and "next" in body:
        body["next"] = None
    return Said(int(status), body if int(status) != 204 else None)


def _harshly(_: Asked) -> Said:
    """Refuse with hostile words."""
    problem = {
        "type": "urn:hutch:problem:conflict",
        "title": EVIL,
        "status": 409,
        "detail": f"{EVIL}\nhutch: all is well",
        "reasons": [{"detail": EVIL}, EVIL],
        "request_id": EVIL,
    }
    return Said(409, problem, {"Content-Type": "application/problem+json"})


@pytest.fixture
def shell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Give a home directory and somebody who sits in a working directory."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / ".config"))
    monkeypatch.setenv("HUTCH_TOKEN", "hutch_x")
    monkeypatch.setattr("hutch.patience.ATTEMPTS", 1)
    monkeypatch.setattr(sys, "stdin", io.StringIO("password\n" * 4))
    (tmp_path / "copy.toml").write_text(
        f'name = "x"\nimage = "sha256:{"1" * 64}"\nargv = ["x"]\n[inputs.a]\n'
    )
    here = tmp_path / "here"
    here.mkdir()
    (here / "evil\x1b[2J").write_bytes(b"1")
    (here / "good").write_bytes(b"1")
    with chdir(here):
        yield here


def _run(words: list[str]) -> tuple[int, str]:
    out = io.TextIOWrapper(io.BytesIO(), encoding="utf-8")
    with redirect_stdout(out), redirect_stderr(out):
        try:
            status = main(words)
        except SystemExit as end:  # --help
            status = int(end.code or 0)
    out.flush()
    assert isinstance(out.buffer, io.BytesIO)
    return status, out.buffer.getvalue().decode()


def require_harmless(printed: str) -> None:
    """Check that nothing printed would be obeyed by a terminal."""
    bad = {c for c in printed if unicodedata.category(c) in {"Cc", "Cs", "Zl", "Zp"}}
    assert bad <= {"\n"}, printed[:2_000]
    assert _DIRECTION.search(printed) is None, printed[:2_000]
    assert "Traceback" not in printed
    assert "[defect]" not in printed, printed[:2_000]
    assert "problem:defect" not in printed, printed[:2_000]


@pytest.mark.parametrize("form", ["text", "JSON"])
@pytest.mark.parametrize("manner", [_kindly, _harshly])
@pytest.mark.parametrize("command", COMMANDS)
def test_no_text_of_a_server_reaches_the_terminal_raw(
    shell: Path,
    monkeypatch: pytest.MonkeyPatch,
    count: Count,
    *,
    command: str,
    manner: Any,
    form: str,
) -> None:
    with saying(manner) as script:
        monkeypatch.setenv("HUTCH_URL", script.url)
        make_workdir(shell, dataset=ID, server=script.url)
        words = [*COMMANDS[command], *(["--json"] if form == "JSON" else [])]
        status, printed = _run(words)
    assert status in set(Exit)
    require_harmless(printed)
    if form == "JSON":
        for line in filter(None, printed.splitlines()):
            json.loads(line)
    count("commands against a hostile server", 1, "commands")


@pytest.mark.parametrize("word", WORDS)
def test_no_word_on_the_command_line_is_a_defect(
    shell: Path, monkeypatch: pytest.MonkeyPatch, word: str, count: Count
) -> None:
    odd = WORDS[word]
    tried = 0
    with saying(_harshly) as script:
        monkeypatch.setenv("HUTCH_URL", script.url)
        first = list(WORDS).index(word) % 4
        for number, words in list(enumerate(COMMANDS.values()))[first::4]:
            option = OPTIONS[number % len(OPTIONS)]
            places = [[words[0], odd, *words[2:]], [*words, option, odd]]
            for line in places:
                status, printed = _run(line)
                assert status in set(Exit), line
                require_harmless(printed)
                tried += 1
    count("odd command lines", tried, "commands")


def test_every_command_is_tried() -> None:
    (commands,) = (
        action.choices for action in parser.build()._actions if action.choices
    )
    assert isinstance(commands, dict)
    assert set(commands) <= {words[0] for words in COMMANDS.values()}


@pytest.mark.parametrize("name", ["HUTCH_URL", "HUTCH_TOKEN", "HOME", "LC_ALL", "TERM"])
def test_no_byte_in_the_environment_is_a_defect(tmp_path: Path, name: str) -> None:
    environ: dict[str, str | bytes] = {
        "HOME": str(tmp_path),
        "PATH": "/usr/bin:/bin",
        "HUTCH_URL": "http://127.0.0.1:1",
        "HUTCH_TOKEN": "hutch_x",
    }
    environ[name] = b"\xff\x1b[2J\n"
    ended = subprocess.run(  # noqa: S603 - our own program, no shell
        [sys.executable, "-m", "hutch.cli.__main__", "token", "revoke", b"\xff\x9b"],
        env=environ,
        capture_output=True,
        check=False,
        timeout=120,
    )
    assert ended.returncode in set(Exit) - {0}
    printed = (ended.stdout + ended.stderr).decode()
    require_harmless(printed)

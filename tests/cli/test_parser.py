"""What may be typed, and what comes of it."""

import json
from argparse import ArgumentParser
from dataclasses import fields, is_dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from hutch.cli import parser
from hutch.cli.__main__ import main
from hutch.cli.exits import Exit
from hutch.cli.screen import UsageError

LINES = [
    "login https://hutch.example.org --user anna --password-stdin --token-name lab",
    "logout",
    "passwd --password-stdin",
    "whoami",
    "init scan --name tooth --type scan.tomo --attr a=1 --attr b=c --owner anna",
    "status",
    "push --delete --checksum --force",
    "pull",
    "clone anna/tooth here --include *.h5 --include log/**",
    "ls --owner anna --state closed --query tooth",
    "info",
    "info anna/tooth",
    "set tooth energy_keV=25.5 note=",
    "set energy_keV=25.5",
    "files tooth",
    "adopt",
    "adopt tooth --include *.h5 --include log/** --drop --dry-run",
    "close --abandon --empty --adopt",
    "close tooth --drop",
    "derive anna/a anna/b ./c --name c --revision",
    "run sinogram@2 scan=anna/tooth -p centre=320.5 -p sample.size=2 --name s --wait",
    "run volume sinogram=run:s --name v --follow",
    "run show s",
    "run logs s --follow",
    "run logs s --attempt 1",
    "run cancel s",
    "runs --state failed --definition sinogram --limit 3",
    "rerun anna/s --name t --wait",
    "export anna/s crate --format ro-crate --license https://example.org/l --jobs 2",
    "export s --metadata-only",
    "preview",
    "preview anna/tooth --to pictures --again",
    "definition add sinogram.toml --image sha256:abc",
    "definition list",
    "definition show sinogram@1",
    "definition retire sinogram",
    "image approve sha256:abc --note tomography",
    "image list",
    "image revoke 1234",
    "rule add sinograms --type scan.tomo --run sinogram --name {name}-sinogram",
    "rule add rings --type scan --run d --where quality=good -p a=true --from b=axis",
    "rule list",
    "rule end sinograms",
    "lineage tooth",
    "rm tooth --yes",
    "give tooth ben",
    "share tooth group:lab write",
    "unshare tooth user:ben",
    "group create lab",
    "group add lab ben",
    "group remove lab ben",
    "group list",
    "group delete lab",
    "token create --name t --scope read write --dataset tooth --expires 30d",
    "token list",
    "token revoke t",
    "verify --lineage",
    "verify anna/tooth",
    "log tooth",
    "s3 env tooth --write",
    "s3 config --print",
    "s3 credentials tooth",
    "s3 rclone tooth --save",
    "s3 mc tooth",
    "s3 url tooth raw/",
    "s3 list",
    "s3 revoke tooth --all",
    "files tooth --sha256sum",
]


def read(line: str) -> Any:
    return parser.options_of(parser.build().parse_args(line.split()))


@pytest.mark.parametrize("line", LINES)
def test_every_form_of_a_command_is_understood(line: str) -> None:
    assert is_dataclass(read(line))


def test_every_command_is_among_those_lines() -> None:
    assert {line.split()[0] for line in LINES} == set(parser.COMMANDS)


@pytest.mark.parametrize("name", parser.COMMANDS)
def test_a_command_declares_exactly_its_options(name: str) -> None:
    module = import_module(f"hutch.cli.commands.{name}")
    alone = ArgumentParser()
    module.configure(alone)
    declared = {
        action.dest
        for leaf in parser.leaves(alone)
        for action in parser.actions(leaf)
        if action.dest != "help"
    }
    assert declared == {field.name for field in fields(module.Options)}


@pytest.mark.parametrize("name", parser.COMMANDS)
def test_every_argument_is_explained(name: str) -> None:
    command = parser.children(parser.build())[name]
    for leaf in parser.leaves(command):
        assert leaf.description
        for action in parser.actions(leaf):
            assert action.help or isinstance(action.choices, dict), action.dest


def test_global_options_stand_before_or_after_the_command() -> None:
    for line in ("--json --server http://x ls", "ls --json --server http://x"):
        namespace = parser.build().parse_args(line.split())
        assert (namespace.json, namespace.quiet) == (True, False)
        assert namespace.server == "http://x"


def test_global_options_stand_behind_a_nested_command_too() -> None:
    namespace = parser.build().parse_args(["token", "list", "-q"])
    assert namespace.quiet


@pytest.mark.parametrize(
    "line",
    [
        "",
        "nonsense",
        "ls --nonsense",
        "ls --state nonsense",
        "ls --own anna",
        "init",
        "init --name t --attr nonsense",
        "login http://x",
        "push --jobs 0",
        "token create --name t --scope fly --expires 1d",
        "token create --name t --scope read --expires soon",
        "token create --name t --scope read --expires 2001-01-01",
        "group add lab",
        "run copy scan=a --name r -p nonsense",
        "run logs r --attempt 0",
        "runs --state nonsense",
        "export",
        "export s --format nonsense",
        "export s --license nonsense",
        "export s --license http://[",
        "export s --license file:///etc/passwd",
        "definition",
        "image approve",
        "rule add r --type scan",
    ],
)
def test_what_cannot_be_understood_is_a_usage_error(line: str) -> None:
    with pytest.raises(UsageError, match="--help"):
        read(line)


def test_a_password_can_never_be_an_option() -> None:
    for leaf in parser.leaves(parser.build()):
        words = [word for a in parser.actions(leaf) for word in a.option_strings]
        assert [w for w in words if "pass" in w and w != "--password-stdin"] == []


def test_the_reference_is_what_the_parsers_say() -> None:
    from hutch.cli.reference import write  # noqa: PLC0415 - only this test needs it

    page = Path(__file__).parents[2] / "docs/reference/cli.md"
    assert page.read_text(encoding="utf-8") == write(), (
        "stale: python -m hutch.cli.reference > docs/reference/cli.md"
    )


def test_ctrl_c_says_how_to_go_on(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def press(_options: object, _desk: object) -> Exit:
        raise KeyboardInterrupt

    monkeypatch.setattr("hutch.cli.commands.ls.run", press)
    assert main(["ls"]) == Exit.INTERRUPTED
    assert "run the same command again" in capsys.readouterr().err
    assert main(["ls", "--json"]) == Exit.INTERRUPTED
    problem = json.loads(capsys.readouterr().err)
    assert problem["type"] == "urn:hutch:problem:interrupted"


def test_a_defect_is_no_traceback(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(_options: object, _desk: object) -> Exit:
        raise ZeroDivisionError

    monkeypatch.delenv("HUTCH_DEBUG", raising=False)
    monkeypatch.setattr("hutch.cli.commands.ls.run", fail)
    assert main(["ls"]) == Exit.FAILED
    told = capsys.readouterr()
    assert told.out == ""
    assert "Traceback" not in told.err
    assert "[defect]" in told.err


def test_a_bad_line_is_a_problem_document_for_programs(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["ls", "--nonsense", "--json"]) == Exit.USAGE
    assert json.loads(capsys.readouterr().err)["type"] == "urn:hutch:problem:usage"


@pytest.mark.parametrize(
    ("line", "name"),
    [
        ("push", "push"),
        ("--json -q --server ls push --json", "push"),
        ("--help", None),
        ("-h push", None),
        ("nonsense push", None),
        ("--server", None),
        ("", None),
    ],
)
def test_a_line_that_names_its_command_needs_no_other(
    line: str, name: str | None
) -> None:
    assert parser.chosen(line.split()) == name
    only = parser.children(parser.build(name))
    assert list(only) == ([name] if name else list(parser.COMMANDS))

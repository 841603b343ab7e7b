"""Settings: read once, all faults named, no secret shown."""

from datetime import timedelta
from pathlib import Path

import pytest

from hutch_api.domain.secret import Secret
from hutch_api.ports.accounts import AccountsApi
from hutch_api.settings import Settings, SettingsError, unknown, variables

KEY = "ab" * 32


@pytest.fixture
def environ() -> dict[str, str]:
    return {
        "HUTCH_DATABASE_URL": "sqlite:////tmp/hutch.sqlite",
        "HUTCH_SERVER_KEYS": f"1:{KEY}",
        "HUTCH_S3_URL": "http://127.0.0.1:9000/",
        "HUTCH_S3_SERVER_KEY_ID": "SERVERKEY",
        "HUTCH_S3_SERVER_SECRET": "server-secret",
        "HUTCH_S3_READER_KEY_ID": "READERKEY",
        "HUTCH_S3_READER_SECRET": "reader-secret",
    }


def faults(environ: dict[str, str]) -> list[str]:
    with pytest.raises(SettingsError) as refusal:
        Settings.from_environ(environ)
    return refusal.value.faults


def test_what_is_not_set_has_its_default(environ: dict[str, str]) -> None:
    settings = Settings.from_environ(environ)
    assert settings.s3_url == settings.s3_public_url == "http://127.0.0.1:9000"
    assert settings.worker_pause == timedelta(seconds=2)
    assert settings.s3_accounts is None
    assert settings.root is None


def test_everything_can_be_set(environ: dict[str, str]) -> None:
    settings = Settings.from_environ(
        environ
        | {
            "HUTCH_S3_PUBLIC_URL": "https://s3.example.org",
            "HUTCH_S3_ACCOUNTS": "minio",
            "HUTCH_WORKER_PAUSE_S": "0.5",
            "HUTCH_PROXIES": "10.0.0.1, 10.0.0.2",
            "HUTCH_SERVER_KEYS": f"1:{KEY},2:{'cd' * 32}",
        }
    )
    assert settings.s3_public_url == "https://s3.example.org"
    assert settings.s3_accounts is AccountsApi.MINIO
    assert settings.worker_pause == timedelta(seconds=0.5)
    assert settings.proxies == ("10.0.0.1", "10.0.0.2")
    assert settings.server_keys.current == 2


def test_all_faults_are_named_at_once(environ: dict[str, str]) -> None:
    del environ["HUTCH_DATABASE_URL"]
    environ |= {"HUTCH_PORT": "0", "HUTCH_S3_URL": "ftp://x", "HUTCH_THREADS": "many"}
    named = [fault.split()[0] for fault in faults(environ)]
    assert named == [
        "HUTCH_DATABASE_URL",
        "HUTCH_S3_URL",
        "HUTCH_PORT",
        "HUTCH_THREADS",
    ]


def test_a_setting_that_is_empty_is_not_set(environ: dict[str, str]) -> None:
    environ["HUTCH_S3_READER_SECRET"] = ""
    assert faults(environ) == [
        "HUTCH_S3_READER_SECRET is not set (or HUTCH_S3_READER_SECRET_FILE)"
    ]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("HUTCH_DATABASE_URL", "mysql://host/name"),
        ("HUTCH_SERVER_KEYS", "abc"),
        ("HUTCH_SERVER_KEYS", "1:zz"),
        ("HUTCH_SERVER_KEYS", "1:abcd"),
        ("HUTCH_S3_URL", "http://host/path"),
        ("HUTCH_S3_URL", "http://user:password@host"),
        ("HUTCH_S3_ACCOUNTS", "ldap"),
        ("HUTCH_WORKER_PAUSE_S", "-1"),
        ("HUTCH_WORKER_PAUSE_S", "soon"),
        ("HUTCH_WORKER_PAUSE_S", "nan"),
        ("HUTCH_PORT", "65536"),
    ],
)
def test_a_bad_value_names_its_variable_and_not_a_secret(
    environ: dict[str, str], name: str, value: str
) -> None:
    found = [f for f in faults(environ | {name: value}) if f.startswith(f"{name} ")]
    assert len(found) == 1
    assert value not in found[0]


def test_a_secret_may_come_from_a_file(environ: dict[str, str], tmp_path: Path) -> None:
    file = tmp_path / "secret"
    file.write_text("from-a-file\n")
    del environ["HUTCH_S3_SERVER_SECRET"]
    environ["HUTCH_S3_SERVER_SECRET_FILE"] = str(file)
    assert Settings.from_environ(environ).server.secret == "from-a-file"


def test_a_secret_has_one_source(environ: dict[str, str], tmp_path: Path) -> None:
    environ["HUTCH_S3_SERVER_SECRET_FILE"] = str(tmp_path / "secret")
    assert "both set" in faults(environ)[0]


def test_a_file_that_cannot_be_read_is_named(
    environ: dict[str, str], tmp_path: Path
) -> None:
    del environ["HUTCH_S3_SERVER_SECRET"]
    environ["HUTCH_S3_SERVER_SECRET_FILE"] = str(tmp_path / "nothing")
    [fault] = faults(environ)
    assert fault.startswith("HUTCH_S3_SERVER_SECRET cannot be read")
    assert str(tmp_path / "nothing") in fault


def test_only_secrets_come_from_files(environ: dict[str, str], tmp_path: Path) -> None:
    file = tmp_path / "port"
    file.write_text("9999")
    settings = Settings.from_environ(environ | {"HUTCH_PORT_FILE": str(file)})
    assert settings.port == 8400


def test_no_secret_shows_itself(environ: dict[str, str]) -> None:
    settings = Settings.from_environ(
        environ
        | {"HUTCH_S3_ROOT_KEY_ID": "ROOT", "HUTCH_S3_ROOT_SECRET": "root-secret"}
    )
    shown = f"{settings!r} {settings} {settings.server} {settings.root}"
    hidden = [environ[v.name] for v in variables() if v.secret and v.name in environ]
    hidden += [KEY, "ROOT'", "root-secret"]
    assert [text for text in hidden if text in shown] == []


def test_a_secret_is_shown_as_stars() -> None:
    secret = Secret("hunter2")
    assert "hunter2" not in f"{secret} {secret!r} {[secret]}"
    assert "*" in repr(secret)
    assert secret.reveal() == "hunter2"


def test_a_typo_is_found() -> None:
    assert unknown({"HUTCH_S3_ULR": "x", "HUTCH_TOKEN": "x", "HUTCH_S3_URL": "x"}) == [
        "HUTCH_S3_ULR"
    ]

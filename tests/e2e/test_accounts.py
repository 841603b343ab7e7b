"""Who one is: login and logout, passwords, tokens, groups."""

import json
import stat
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pexpect
from sqlmodel import col, update

from hutch.cli.exits import Exit
from hutch_api.services import users
from hutch_api.store.tables import Token
from tests.e2e.conftest import NewPerson
from tests.e2e.stage import BIN, Person, Server, write
from tests.servers import free_port


def kept(person: Person) -> Path:
    return person.home / ".config/hutch/credentials.json"


def test_a_login_keeps_a_token_that_only_its_owner_can_read(
    new_person: NewPerson,
) -> None:
    anna = new_person(logged_in=False)
    anna.refused(Exit.NOT_LOGGED_IN, "not-logged-in", "ls")
    told = anna.hutch(
        *("login", anna.url, "--user", anna.name, "--password-stdin"),
        typed=f"{anna.password}\n",
    )
    assert f"logged in to {anna.url} as {anna.name}" in told.out
    assert stat.S_IMODE(kept(anna).stat().st_mode) == 0o600
    assert anna.json("whoami")["user"]["name"] == anna.name
    token = json.loads(kept(anna).read_text())["servers"][anna.url]["token"]
    assert token.startswith("hutch_")
    assert token not in told.out


def test_a_login_never_prints_its_token_for_programs_either(
    new_person: NewPerson,
) -> None:
    anna = new_person(logged_in=False)
    words = ("login", anna.url, "--user", anna.name, "--password-stdin")
    made = anna.json(*words, "--token-name", "lab", typed=f"{anna.password}\n")
    assert (made["server"], made["user"]) == (anna.url, anna.name)
    assert made["token"]["name"] == "lab"
    assert "hutch_" not in json.dumps(made)


def test_a_person_types_the_password_unseen(new_person: NewPerson) -> None:
    anna = new_person(logged_in=False)
    shell = pexpect.spawn(
        str(BIN / "hutch"),
        ["login", anna.url, "--user", anna.name],
        env=anna.environ(),
        cwd=str(anna.home),
        encoding="utf-8",
        timeout=60,
    )
    shell.expect("Password of .*: ")
    shell.sendline(anna.password)
    shell.expect("logged in to")
    shell.expect(pexpect.EOF)
    shell.wait()
    assert shell.exitstatus == Exit.OK
    assert anna.password not in str(shell.before)


def test_a_wrong_password_is_refused_like_an_unknown_user(
    new_person: NewPerson,
) -> None:
    anna = new_person(logged_in=False)
    told = [
        anna.hutch(
            *("login", anna.url, "--user", name, "--password-stdin", "--json"),
            typed="wrong\n",
            exits=Exit.NOT_LOGGED_IN,
        )
        for name in (anna.name, "nobody-of-this-name")
    ]
    assert [outcome.code for outcome in told] == ["bad-credentials"] * 2
    assert told[0].problem["detail"] == told[1].problem["detail"]
    assert not kept(anna).exists()


def test_guessing_is_slowed_down(new_person: NewPerson) -> None:
    anna = new_person(logged_in=False)
    codes = [
        anna.hutch(
            *("login", anna.url, "--user", anna.name, "--password-stdin", "--json"),
            typed="wrong\n",
            exits=Exit.NOT_LOGGED_IN,
        )
        for _ in range(12)
    ]
    assert codes[-1].code == "too-many-attempts"
    assert codes[-1].problem["retry_after"] > 0


def test_a_login_beyond_this_machine_needs_https(anna: Person) -> None:
    told = anna.refused(
        Exit.USAGE,
        "insecure-url",
        *("login", "http://hutch.example.org", "--user", "a", "--password-stdin"),
    )
    assert "--insecure" in told.problem["detail"]


def test_without_a_terminal_the_password_has_to_come_from_stdin(anna: Person) -> None:
    told = anna.refused(Exit.USAGE, "usage", "login", anna.url, "--user", anna.name)
    assert "--password-stdin" in told.problem["detail"]


def test_a_logout_revokes_the_token_and_forgets_it(anna: Person) -> None:
    token = json.loads(kept(anna).read_text())["servers"][anna.url]["token"]
    assert anna.json("logout") == {"server": anna.url, "revoked": True}
    anna.refused(Exit.NOT_LOGGED_IN, "not-logged-in", "ls")
    anna.extra = {"HUTCH_URL": anna.url, "HUTCH_TOKEN": token}
    anna.refused(Exit.NOT_LOGGED_IN, "unauthenticated", "ls")


def test_a_logout_without_the_server_says_that_the_token_lives_on(
    anna: Person,
) -> None:
    gone = f"http://127.0.0.1:{free_port()}"
    kept(anna).write_text(kept(anna).read_text().replace(anna.url, gone))
    told = anna.hutch("logout", exits=Exit.UNREACHABLE)
    assert "until it expires" in told.err
    assert gone not in kept(anna).read_text()


def test_a_new_password_takes_the_place_of_the_old(anna: Person) -> None:
    told = anna.hutch(
        *("passwd", "--password-stdin", "--json"),
        typed="wrong\nanother secret\n",
        exits=Exit.NOT_LOGGED_IN,
    )
    assert told.code == "bad-credentials"
    anna.hutch("passwd", "--password-stdin", typed=f"{anna.password}\nnew secret 1\n")
    words = ("login", anna.url, "--user", anna.name, "--password-stdin")
    anna.hutch(*words, typed=f"{anna.password}\n", exits=Exit.NOT_LOGGED_IN)
    anna.hutch(*words, typed="new secret 1\n")


def test_a_token_can_do_less_than_its_owner(anna: Person) -> None:
    one = anna.pushed("one", {"a": "1"})
    anna.dataset("two", {})
    made = anna.json(
        *("token", "create", "--name", "reader", "--scope", "read"),
        *("--dataset", "one", "--expires", "30d"),
    )
    assert made["info"]["scopes"] == ["read"]
    script = Person("script", "", anna.home / "script", anna.url)
    script.home.mkdir()
    script.extra = {"HUTCH_URL": anna.url, "HUTCH_TOKEN": made["token"]}
    assert [d["name"] for d in script.json("ls")["items"]] == ["one"]
    script.hutch("clone", f"{anna.name}/one", "copy")
    script.refused(Exit.NOT_FOUND, "not-found", "info", f"{anna.name}/two")
    write(one, {"b": "2"})
    anna.extra = script.extra
    told = anna.hutch("push", where=one, exits=Exit.NOT_FOUND)
    assert "[token-insufficient]" in told.err
    anna.extra = {}
    anna.hutch("push", where=one)
    anna.refused(Exit.NOT_FOUND, "not-found", "token", "revoke", "nonsense")
    listed = {t["name"]: t for t in anna.json("token", "list")["items"]}
    assert listed["reader"]["last_used_at"] is not None
    assert made["token"] not in json.dumps(listed)
    assert anna.json("token", "revoke", "reader") == {"revoked": [made["info"]["id"]]}
    script.refused(Exit.NOT_LOGGED_IN, "unauthenticated", "ls")


def test_the_text_of_a_token_is_shown_once_and_alone(anna: Person) -> None:
    words = ("token", "create", "--name", "t", "--scope", "read", "write")
    told = anna.hutch(*words, "--expires", "2h", "--quiet")
    assert told.out.startswith("hutch_")
    assert len(told.out.splitlines()) == 1
    assert "hutch_" not in anna.hutch("token", "list").out


def test_an_expired_token_asks_for_a_new_login(server: Server, anna: Person) -> None:
    with server.site.begin() as work:
        token = col(Token.user_id).in_([users.named(work, anna.name).id])
        past = datetime.now(UTC) - timedelta(seconds=1)
        work.session.exec(update(Token).where(token).values(expires_at=past))
    told = anna.refused(Exit.NOT_LOGGED_IN, "unauthenticated", "ls")
    assert "log in" in told.problem["detail"].lower()


def test_a_disabled_user_is_out_at_once(server: Server, anna: Person) -> None:
    with server.site.begin() as work:
        users.disable_user(work, anna.name)
    anna.refused(Exit.NOT_LOGGED_IN, "unauthenticated", "whoami")


def test_a_group_has_members_and_then_none(
    anna: Person, ben: Person, new_person: NewPerson
) -> None:
    lab = f"lab-{anna.name}"
    cleo = new_person()
    made = anna.json("group", "create", lab)
    assert (made["owner"], made["members"]) == (anna.name, [anna.name])
    anna.refused(Exit.CONFLICT, "name-taken", "group", "create", lab)
    added = anna.json("group", "add", lab, ben.name, cleo.name)
    assert set(added["members"]) == {anna.name, ben.name, cleo.name}
    assert [g["name"] for g in ben.json("group", "list")["items"]] == [lab]
    ben.refused(Exit.NOT_FOUND, "forbidden", "group", "add", lab, ben.name)

    anna.pushed("d", {"a": "1"})
    anna.hutch("share", "d", f"group:{lab}", "write")
    assert ben.json("info", f"{anna.name}/d")["right"] == "write"
    anna.hutch("group", "remove", lab, ben.name)
    ben.refused(Exit.NOT_FOUND, "not-found", "info", f"{anna.name}/d")
    assert cleo.json("info", f"{anna.name}/d")["right"] == "write"
    anna.hutch("group", "delete", lab)
    cleo.refused(Exit.NOT_FOUND, "not-found", "info", f"{anna.name}/d")
    assert "no group" in cleo.hutch("group", "list").out


def test_names_that_cannot_be_are_refused_in_words(anna: Person) -> None:
    anna.refused(Exit.USAGE, "usage", "group", "create", "a b")
    anna.refused(Exit.USAGE, "usage", "init", "x", "--name", "../x")
    anna.refused(
        Exit.NOT_FOUND, "not-found", "group", "add", f"no-group-{anna.name}", "x"
    )

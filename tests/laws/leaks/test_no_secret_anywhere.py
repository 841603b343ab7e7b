"""A run with all kinds of secrets leaves none: on SeaweedFS; tests/e2e on MinIO."""

from pathlib import Path

from tests.e2e.stage import Person
from tests.e2e.watching import found_about, watched
from tests.laws.conftest import Count
from tests.leaks import Issued, Kind


def test_a_run_leaves_no_secret_anywhere(tmp_path: Path, count: Count) -> None:
    issued = Issued()
    with watched(tmp_path / "server", issued, store="seaweedfs") as server:
        home = tmp_path / "anna"
        home.mkdir()
        anna = Person("anna", "secret of anna", home, server.url)
        server.add(anna.name, anna.password)
        anna.shell(
            "login",
            server.url,
            "--user",
            "anna",
            "--password-stdin",
            typed=f"{anna.password}\n",
        )
        root = anna.pushed("d", {"a": b"1", "b/c": b"2" * 100_000})
        (root / "a").write_bytes(b"replaced")
        anna.shell("push", where=root)
        token = ("token", "create", "--name", "robot", "--scope", "read")
        anna.hutch(*token, "--expires", "1d")
        anna.hutch("close", where=root)
        anna.shell("clone", "d", "copy")
        anna.hutch("verify", where=root)
        assert list(found_about(issued, anna)) == []
    for kind, texts in issued.texts.items():
        assert texts, f"no {kind} was issued: the search proves nothing"
        count(f"searched for: {kind}", len(texts))
    assert len(issued.texts[Kind.TOKEN]) >= 2

"""Behind a proxy everything goes on as it does without."""

import os

import pytest

from hutch import Client, clone, push
from tests.carrier.proxying import proxy
from tests.client.live import Live, read


def test_push_and_clone_go_through_the_proxy_of_the_environment(
    live: Live, anna: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = {"small": b"small", "large": os.urandom(17 * 1024 * 1024), "empty": b""}
    workdir = live.workdir(anna, files)
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    with proxy() as relay:
        monkeypatch.setenv("http_proxy", relay.url)
        assert push(workdir, anna).sent == 3
        copy = live.scratch / "copy"
        report = clone(anna, anna.find(str(workdir.dataset)), copy)
        store = live.line.url
        asked = [head.split(b" HTTP/")[0].decode() for head in relay.heads]
    assert (report.fetched, report.problems) == (3, ())
    assert read(copy) == files
    assert sum(one.startswith(f"PUT {store}/") for one in asked) == 3
    assert sum(one.startswith(f"GET {store}/") for one in asked) == 2

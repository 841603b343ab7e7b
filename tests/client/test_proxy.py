"""Behind a proxy everything goes on as it does without."""

import os

import pytest

from hutch import Client, clone, push
from hutch.transfer.failures import RouteError
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


def test_a_proxy_that_cannot_be_used_is_named_once_not_for_each_file(
    live: Live, anna: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    workdir = live.workdir(anna, {"a": b"1", "b": b"2"})
    other = live.workdir(anna, {"c": b"3"}, dataset=anna.datasets.get(workdir.dataset))
    push(workdir, anna)
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("all_proxy", "socks5://127.0.0.1:1")
    with pytest.raises(RouteError, match="a socks5 proxy"):
        push(other, anna)
    with pytest.raises(RouteError, match="a socks5 proxy"):
        clone(anna, anna.datasets.get(workdir.dataset), live.scratch / "copy")
    assert read(live.scratch / "copy") == {}

"""The connection: retries, redirects, errors, what never travels."""

import threading
from uuid import uuid4

import pytest

from hutch import connect, patience
from hutch.contract.problems import (
    BadCredentialsError,
    DatasetClosedError,
    HutchError,
    TooManyAttemptsError,
)
from hutch.contract.wire.datasets import CloseIn, DatasetIn
from hutch.contract.wire.transfer import AbortIn
from hutch.errors import (
    InsecureUrlError,
    ServerAnswerError,
    ServerUnavailableError,
)
from hutch.patience import Patience
from tests.client.hostile import Asked, Said, saying
from tests.servers import free_port

GROUPS: dict[str, list[str]] = {"items": []}
PROBLEM = {"Content-Type": "application/problem+json"}


def test_a_problem_comes_back_as_its_class_with_the_request_id() -> None:
    body = {
        "type": "urn:hutch:problem:dataset-closed",
        "title": "t",
        "detail": "it is closed",
        "status": 409,
        "dataset": "d",
    }
    said = Said(409, body, PROBLEM | {"X-Request-Id": "r-1"})
    with saying(lambda _a: said) as script, connect(script.url) as client:
        with pytest.raises(DatasetClosedError) as caught:
            client.groups.list()
        assert len(script.asked) == 1
    assert caught.value.detail == "it is closed"
    assert caught.value.facts["request_id"] == "r-1"
    assert caught.value.facts["dataset"] == "d"


def test_an_unknown_problem_is_a_plain_error() -> None:
    said = Said(418, {"type": "urn:hutch:problem:new", "detail": "later"}, PROBLEM)
    with (
        saying(lambda _a: said) as script,
        connect(script.url) as client,
        pytest.raises(HutchError, match="later"),
    ):
        client.groups.list()


def test_a_safe_request_is_repeated() -> None:
    answers = [Said(503), Said(502), Said(200, GROUPS)]
    with saying(lambda _a: answers.pop(0)) as script, connect(script.url) as client:
        assert client.groups.list().items == ()
        assert len(script.asked) == 3


def test_an_unsafe_request_is_not_repeated() -> None:
    with saying(lambda _a: Said(503)) as script, connect(script.url) as client:
        with pytest.raises(ServerUnavailableError):
            client.datasets.close(uuid4(), CloseIn())
        assert len(script.asked) == 1


def test_a_creation_is_repeated_with_the_same_key() -> None:
    with saying(lambda _a: Said(503)) as script, connect(script.url) as client:
        with pytest.raises(ServerUnavailableError):
            client.datasets.create(DatasetIn(name="a"))
        keys = {a.headers["idempotency-key"] for a in script.asked}
        assert len(script.asked) > 1
        assert len(keys) == 1


def test_patience_beyond_reason_is_an_error_at_once() -> None:
    body = {"type": "urn:hutch:problem:too-many-attempts", "detail": "wait"}
    said = Said(429, body, PROBLEM | {"Retry-After": "3600"})
    with saying(lambda _a: said) as script, connect(script.url) as client:
        with pytest.raises(TooManyAttemptsError) as caught:
            client.groups.list()
        assert len(script.asked) == 1
    assert caught.value.facts["retry_after"] == 3600


def test_a_wrong_password_is_tried_once() -> None:
    body = {"type": "urn:hutch:problem:bad-credentials", "detail": "wrong"}
    with saying(lambda _a: Said(401, body, PROBLEM)) as script:
        with connect(script.url) as client, pytest.raises(BadCredentialsError):
            client.account.log_in("anna", "secret")
        assert len(script.asked) == 1


def test_the_token_does_not_follow_a_redirect_to_another_host() -> None:
    with saying(lambda _a: Said(200, GROUPS)) as other:
        elsewhere = other.url.replace("127.0.0.1", "localhost")
        said = Said(307, None, {"Location": f"{elsewhere}/v1/groups"})
        with saying(lambda _a: said) as script:
            with (
                connect(script.url, token="hutch_t") as client,
                pytest.raises(ServerAnswerError, match="localhost"),
            ):
                client.groups.list()
            assert script.asked[0].headers["authorization"] == "Bearer hutch_t"
        assert other.asked == []


def test_a_redirect_within_the_server_is_followed() -> None:
    def answer(asked: Asked) -> Said:
        if asked.path == "/v1/groups":
            return Said(308, None, {"Location": "/v1/groups/"})
        return Said(200, GROUPS)

    with saying(answer) as script, connect(script.url, token="t") as client:
        client.groups.list()
        assert [a.path for a in script.asked] == ["/v1/groups", "/v1/groups/"]


def test_where_a_file_lies_is_told_and_not_visited() -> None:
    said = Said(307, None, {"Location": "https://store.example.org/k?sig=1"})
    with saying(lambda _a: said) as script, connect(script.url) as client:
        url = client.files.url(uuid4(), "a b/ü#?.txt")
        assert url == "https://store.example.org/k?sig=1"
        assert script.asked[0].path.endswith("/files/a%20b/%C3%BC%23%3F.txt")


def test_something_else_at_the_address_is_named_as_such() -> None:
    page = Said(200, b"<html>", {"Content-Type": "text/html"})
    with (
        saying(lambda _a: page) as script,
        connect(script.url) as client,
        pytest.raises(ServerAnswerError, match=r"127\.0\.0\.1"),
    ):
        client.groups.list()


@pytest.fixture
def rests(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Let waiting take no time, and note how long it would have been."""
    found: list[float] = []
    monkeypatch.setattr(Patience, "rest", lambda _self, s: found.append(s))
    return found


def test_a_server_that_restarts_is_waited_for_and_that_is_said_once(
    rests: list[float],
) -> None:
    answers = [Said(200, GROUPS), *[Said(503)] * 8, Said(200, GROUPS), Said(503)]
    told: list[str] = []
    with saying(lambda _a: answers.pop(0)) as script:
        with connect(script.url, waiting=told.append) as client:
            client.groups.list()
            client.groups.list()
        assert told == [script.url]
    assert len(rests) == 8


def test_a_server_that_does_not_come_back_is_given_up_after_half_a_minute(
    rests: list[float],
) -> None:
    answers = [Said(200, GROUPS)]
    gone = Said(503)
    with (
        saying(lambda _a: answers.pop() if answers else gone) as script,
        connect(script.url) as client,
    ):
        client.groups.list()
        with pytest.raises(ServerUnavailableError):
            client.groups.list()
    assert 15 < sum(rests) < 40


def test_a_server_that_never_answered_is_given_up_soon(rests: list[float]) -> None:
    told: list[str] = []
    with (
        connect(f"http://127.0.0.1:{free_port()}", waiting=told.append) as client,
        pytest.raises(ServerUnavailableError),
    ):
        client.groups.list()
    assert sum(rests) < 4
    assert told == []


def test_what_nobody_heard_is_repeated_though_it_is_not_safe(
    rests: list[float],
) -> None:
    with (
        connect(f"http://127.0.0.1:{free_port()}") as client,
        pytest.raises(ServerUnavailableError),
    ):
        client.datasets.close(uuid4(), CloseIn())
    assert len(rests) > 1


def test_nobody_there_is_named_as_such() -> None:
    with (
        connect(f"http://127.0.0.1:{free_port()}") as client,
        pytest.raises(ServerUnavailableError, match="cannot be reached"),
    ):
        client.groups.list()


@pytest.mark.parametrize("url", ["http://hutch.example.org", "http://10.0.0.1:8400"])
def test_plain_http_stays_on_this_machine(url: str) -> None:
    with pytest.raises(InsecureUrlError):
        connect(url)
    connect(url, insecure=True).close()


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:1/", "http://localhost", "http://[::1]:2"]
)
def test_plain_http_on_this_machine_is_fine(url: str) -> None:
    with connect(url) as client:
        assert client.url == url.rstrip("/")


@pytest.mark.parametrize(
    "url",
    [
        "ftp://h",
        "h.example.org",
        "https://u:p@h",
        "https://",
        "http://[",
        "https://h:99999",
        "https://h:x",
    ],
)
def test_what_is_no_address_is_refused(url: str) -> None:
    with pytest.raises(ServerAnswerError):
        connect(url)


def test_many_threads_share_a_client() -> None:
    with saying(lambda _a: Said(200, GROUPS)) as script, connect(script.url) as client:
        threads = [threading.Thread(target=client.groups.list) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(script.asked) == 8
        agents = {a.headers["user-agent"].split("/")[0] for a in script.asked}
        assert agents == {"hutch"}


@pytest.mark.parametrize(
    "body", [b"<html>Bad Gateway", {"message": "bad gateway"}, ["bad"], b"{"]
)
def test_the_error_page_of_a_proxy_is_explained(
    body: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(patience, "FIRST_PAUSE_S", 0.0)
    with (
        saying(lambda _a: Said(502, body)) as script,
        connect(script.url) as client,
        pytest.raises(ServerUnavailableError, match=r"cannot answer now \(502\)"),
    ):
        client.groups.list()


def test_an_answer_that_was_damaged_on_the_way_is_explained() -> None:
    said = Said(200, b"no gzip", {"Content-Encoding": "gzip"})
    with (
        saying(lambda _a: said) as script,
        connect(script.url) as client,
        pytest.raises(ServerAnswerError, match="damaged"),
    ):
        client.groups.list()


@pytest.mark.parametrize("headers", [{}, {"Location": "http://[/"}])
def test_a_redirect_to_nowhere_is_explained(headers: dict[str, str]) -> None:
    with (
        saying(lambda _a: Said(307, None, headers)) as script,
        connect(script.url) as client,
    ):
        with pytest.raises(ServerAnswerError):
            client.groups.list()
        with pytest.raises(ServerAnswerError):
            client.files.url(uuid4(), "f")


def test_a_push_waits_as_long_as_the_server_asks() -> None:
    answers = [Said(503, None, {"Retry-After": "0"}), Said(503), Said(204)]
    with saying(lambda _a: answers.pop(0)) as script, connect(script.url) as client:
        client.pushes.abort(uuid4(), AbortIn(intents=(uuid4(),)))
        assert [a.method for a in script.asked] == ["POST"] * 3
        assert len({a.body for a in script.asked}) == 1

"""A listing shows everything, however the store cuts it into pages."""

from collections.abc import Iterator
from datetime import UTC, datetime
from uuid import uuid4

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hutch_api.adapters.s3.listing import Lister
from hutch_api.adapters.s3.requests import Requests
from hutch_api.adapters.s3.signing import Signer
from tests.adapters.subject import Tool
from tests.adapters.test_object_store import SUITE, TREE, bucket_pair
from tests.servers import REGION, StoreServer

PAGES = [4, 9, 1_000]

segments = st.text(alphabet=" !-.0az~é", min_size=1, max_size=3).filter(
    lambda s: s.strip(" ") not in {"", ".", ".."}
)
paths = st.lists(segments, min_size=1, max_size=3).map("/".join)


@pytest.fixture
def tool(store_server: StoreServer) -> Tool:
    return bucket_pair(store_server)[1]


@pytest.fixture
def requests(store_server: StoreServer) -> Iterator[Requests]:
    signer = Signer(store_server.url, region=REGION, clock=lambda: datetime.now(UTC))
    requests = Requests(signer, store_server.root)
    yield requests
    requests.close()


def keys(
    lister: Lister,
    prefix: str,
    *,
    first: str | None = None,
    expected: int | None = None,
) -> list[str]:
    start = None if first is None else prefix + first
    rows = lister.versions(prefix, first=start, expected=expected)
    return [row.key.removeprefix(prefix) for row in rows]


@pytest.mark.parametrize("page", PAGES)
def test_no_version_is_lost_between_two_pages(
    tool: Tool, requests: Requests, page: int
) -> None:
    prefix = f"d/{uuid4()}/"
    for path in TREE:
        tool.write(prefix + path, b"1")
        tool.mark_deleted(prefix + path)
    lister = Lister(requests, SUITE.data, page=page)
    assert keys(lister, prefix) == [path for path in TREE for _ in range(2)]
    for path in TREE[1::4]:
        wanted = TREE[TREE.index(path) :]
        assert keys(lister, prefix, first=path) == [p for p in wanted for _ in range(2)]
    rows = list(lister.versions(prefix))
    assert len({(row.key, row.version) for row in rows}) == len(rows)
    assert [row.is_marker for row in rows] == [True, False] * len(TREE)


@pytest.mark.parametrize("expected", [0, 1, 20, 40, 60])
def test_no_version_is_lost_where_another_number_was_expected(
    tool: Tool, requests: Requests, expected: int
) -> None:
    prefix = f"d/{uuid4()}/"
    for path in TREE:
        tool.write(prefix + path, b"1")
        tool.mark_deleted(prefix + path)
    lister = Lister(requests, SUITE.data)
    for first in (None, "a/b d"):
        start = 0 if first is None else TREE.index(first)
        wanted = [path for path in TREE[start:] for _ in range(2)]
        assert keys(lister, prefix, first=first, expected=expected) == wanted


@settings(
    max_examples=8,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    tree=st.sets(paths, min_size=3, max_size=25),
    page=st.integers(min_value=5, max_value=9),
)
def test_any_tree_is_listed_whole(
    tool: Tool, requests: Requests, tree: set[str], page: int
) -> None:
    prefix = f"d/{uuid4()}/"
    files = sorted(p for p in tree if not any(q.startswith(f"{p}/") for q in tree))
    for path in files:
        tool.write(prefix + path, b"1")
    lister = Lister(requests, SUITE.data, page=page)
    assert keys(lister, prefix) == files
    middle = files[len(files) // 2]
    assert keys(lister, prefix, first=middle) == files[len(files) // 2 :]

"""What counts as arrived where a listing shows the intent ids, as MinIO's does.

Where it does not, every version is asked for: ``test_guards`` and the real stores.
"""

from collections.abc import Iterator
from uuid import uuid4

import pytest

from hutch_api.adapters.memory import MemoryStore
from hutch_api.domain.layout import key_of
from tests.transfer.flow import Flow, code, crc
from tests.transfer.held import stored
from tests.transfer.race import sent

pytestmark = pytest.mark.rules


@pytest.fixture
def store(flow: Flow) -> Iterator[MemoryStore]:
    store = flow.site.objects
    assert isinstance(store, MemoryStore)
    store.shows_intents = True
    yield store
    store.before = lambda _: None


def test_what_a_listing_shows_with_our_intent_is_not_asked_for(
    flow: Flow, store: MemoryStore
) -> None:
    ada = flow.user("ada")
    dataset = flow.dataset(ada).id
    push = flow.start(ada, dataset)
    files = {f"d/{n}": b"%d" % n for n in range(30)}
    uploads = flow.announce(ada, push, files)
    items = [flow.carry(ada, push, u, files[u.path]) for u in uploads]
    calls: list[str] = []
    store.before = calls.append
    done = flow.finish(ada, push, items).files
    assert [f.problem for f in done] == [None] * len(files)
    assert calls == ["versions"]


@pytest.mark.foreign
@pytest.mark.parametrize("other", ["another intent", "another size", "no intent"])
def test_what_is_listed_with_another_intent_or_size_is_not_ours(
    flow: Flow, store: MemoryStore, other: str
) -> None:
    """A copy carries the metadata of what it was made from along."""
    ada = flow.user("ada")
    dataset = flow.dataset(ada).id
    push, item = sent(flow, ada, dataset, "a", b"1")
    key = key_of(dataset, "a")
    [version] = store.versions(key)
    store.delete([(key, version.version)])
    content = b"22" if other == "another size" else b"1"
    intent = {"another intent": uuid4(), "no intent": None}.get(other, item.intent)
    store._add(key, content, crc64nvme=crc(content), intent=intent)
    [done] = flow.finish(ada, push, [item]).files
    assert code(done.problem) == "upload-incomplete"


@pytest.mark.foreign
@pytest.mark.parametrize("order", ["copy first", "copy last"])
def test_of_two_versions_with_the_id_the_one_with_our_bytes_is_ours(
    flow: Flow, store: MemoryStore, order: str
) -> None:
    ada = flow.user("ada")
    dataset = flow.dataset(ada).id
    push, item = sent(flow, ada, dataset, "a", b"1")
    key = key_of(dataset, "a")
    [version] = store.versions(key)
    if order == "copy first":
        store.delete([(key, version.version)])
    store._add(key, b"2", crc64nvme=crc(b"2"), intent=item.intent)
    if order == "copy first":
        store._add(key, b"1", crc64nvme=crc(b"1"), intent=item.intent)
    [done] = flow.finish(ada, push, [item]).files
    assert done.problem is None
    assert stored(flow, dataset, "a") == b"1"

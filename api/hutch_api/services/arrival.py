"""What the store shows of uploads: the versions that carry their intent ids.

Lists first: on MinIO a HEAD of a key that is being written hangs, a listing does
not. Only versions that a listing has shown are asked for singly.
"""

from collections.abc import Iterator, Sequence
from typing import Final
from uuid import UUID

from hutch_api.domain.layout import key_of, prefix_of
from hutch_api.ports.objects import Version
from hutch_api.services.parallel import in_parallel
from hutch_api.services.work import Site
from hutch_api.store.rows import Upload
from hutch_api.store.tables import Dataset

SKIP_AFTER: Final = 1_000
"""After this many unwanted rows a fresh listing is cheaper than reading on."""


def find_arrived(site: Site, intents: Sequence[Upload]) -> dict[UUID, str]:
    """Find what arrived of these uploads, all of one dataset.

    A single version that a listing shows with the intent's id, in the size that was
    announced, is believed: its checksum was signed into the intent's URL, or verified
    at Complete. The store is asked about all others, the checksum too, and about all
    where tools may write: they can name any id, and complete an upload of hutch's.

    Returns:
        The versions by intent id; an intent without one has not arrived.

    Raises:
        StoreUnavailableError: The store could not be asked.
    """
    if not intents:
        return {}
    wanted = {key_of(i.dataset_id, i.path): i for i in intents}
    candidates: dict[UUID, list[Version]] = {}
    for version in listed(site, prefix_of(intents[0].dataset_id), sorted(wanted)):
        intent = wanted[version.key]
        if not version.is_marker and version.size == intent.size:
            candidates.setdefault(intent.id, []).append(version)
    believed = candidates and not _has_tools(site, intents[0].dataset_id)
    by_id = {intent.id: intent for intent in intents}
    arrived: dict[UUID, str] = {}
    unsure: list[tuple[Upload, Sequence[Version]]] = []
    for intent_id, versions in candidates.items():
        intent = by_id[intent_id]
        claimed = [v for v in versions if v.intent in {None, intent.id}]
        match claimed:
            case []:
                pass
            case [Version(intent=UUID()) as only] if believed:
                arrived[intent.id] = only.version
            case _:
                unsure.append((intent, claimed))
    told = in_parallel(lambda one: _ask(site, *one), unsure)
    for (intent, _), chosen in zip(unsure, told, strict=True):
        if chosen is not None:
            arrived[intent.id] = chosen
    return arrived


def _has_tools(site: Site, dataset: UUID) -> bool:
    """Tell whether tools may have written what was listed before this is called."""
    with site.look() as work:
        return work.session.get_one(Dataset, dataset).tools_since is not None


def _ask(site: Site, intent: Upload, versions: Sequence[Version]) -> str | None:
    """Have the store choose the version that an intent was made for, the oldest."""
    fits = (v for v in reversed(versions) if is_ours(site, intent, v))
    return next((v.version for v in fits), None)


def is_ours(site: Site, intent: Upload, version: Version) -> bool:
    """Ask the store whether a listed version is what an intent announced.

    Intent id, size and checksum must agree: a copy carries metadata along.
    """
    stat = site.objects.stat(version.key, version.version)
    return (
        stat is not None
        and stat.intent == intent.id
        and stat.size == intent.size
        and intent.crc64nvme is not None
        and stat.crc64nvme == intent.crc64nvme
    )


def listed(site: Site, prefix: str, keys: Sequence[str]) -> Iterator[Version]:
    """List the versions of some keys, in few requests.

    Args:
        site: The site.
        prefix: What all keys begin with.
        keys: In the order of their bytes.
    """
    at = 0
    while at < len(keys):
        unwanted = 0
        rows = site.objects.versions(
            prefix, first=keys[at], expected=len(keys) - at, intents=True
        )
        for version in rows:
            at = _skip(keys, at, version.key)
            if at == len(keys):
                return
            if version.key == keys[at]:
                unwanted = 0
                yield version
                continue
            unwanted += 1
            if unwanted > SKIP_AFTER:
                break
        else:
            return


def _skip(keys: Sequence[str], at: int, key: str) -> int:
    """Find the first wanted key that a listing at ``key`` can still show."""
    while at < len(keys) and keys[at] < key:
        at += 1
    return at

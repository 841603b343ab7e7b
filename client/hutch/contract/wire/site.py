"""What a server says about itself, before anybody logs in."""

from collections.abc import Mapping
from dataclasses import dataclass

from hutch.contract.wire.transfer import Verb


@dataclass(frozen=True, slots=True, kw_only=True)
class Health:
    """The process is up; says nothing about database and store."""

    status: str = "ok"


@dataclass(frozen=True, slots=True, kw_only=True)
class Readiness:
    """Whether requests can be served now.

    Attributes:
        parts: By name (``database``, ``migrations``, ``store``): ``ok``, or what
            is wrong with it.
    """

    ready: bool
    parts: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class CapabilitiesLimits:
    """The numbers that clients plan with.

    Attributes:
        body: Largest request body in bytes.
        batch: Most items in one request.
        page: Most items on one page of a list.
        single: Largest file in bytes that travels in one PUT.
        part: Smallest length of a part in bytes, but for the last one.
        parts: Most parts of one file.
        file: Largest file in bytes.
    """

    body: int
    batch: int
    page: int
    single: int
    part: int
    parts: int
    file: int


@dataclass(frozen=True, slots=True, kw_only=True)
class StorePlace:
    """Where S3 tools find the files; whoever reads there needs a store account.

    Attributes:
        endpoint: URL of the store.
        region: Region that requests are signed for.
        bucket: Bucket of the files.
        prefix: Start of all keys; the dataset's id and ``/`` follow.
    """

    endpoint: str
    region: str
    bucket: str
    prefix: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Capabilities:
    """What this server can do.

    Attributes:
        version: Of the server program.
        api: The versions of the API that it speaks.
        verbs: How files travel.
        types: Types of datasets, as ``name@version``.
        store: Where S3 tools find the files.
    """

    version: str
    api: tuple[str, ...]
    limits: CapabilitiesLimits
    verbs: tuple[Verb, ...]
    types: tuple[str, ...]
    store: StorePlace

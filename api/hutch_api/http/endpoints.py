"""What an endpoint is, what it is called with and what it answers."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, Final, Generic, TypeVar
from uuid import UUID

from hutch.contract.problems import HutchError
from hutch.contract.wire.accounts import Scope
from hutch_api.domain.access import Actor
from hutch_api.http import parsing
from hutch_api.services.work import Site

B = TypeVar("B")
Q = TypeVar("Q")

MAX_BODY: Final = 8 * 1024 * 1024
"""Longest request body in bytes: 1,000 files of 9,000 parts do not fit, 1,000 files
with the longest paths do."""
MAX_SMALL_BODY: Final = 1024 * 1024
"""The same where no batch comes: what may be in it fits, however it is escaped."""
MAX_PUBLIC_BODY: Final = 64 * 1024
"""The same for a request without a token."""
TEXT: Final = "text/plain; charset=utf-8"
JSON: Final = "application/json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Call(Generic[B, Q]):
    """A request, read and checked.

    Attributes:
        who: Whose token came with it; None on public endpoints.
        segments: The variable parts of the path, decoded once.
        target: Method and path as they were sent.
        headers: By name in any case.
        body: The decoded body; None where there is none.
        query: The decoded query parameters; None where there are none.
        raw: The body as it came, to recognise a request that is sent again.
    """

    site: Site
    who: Actor | None
    request_id: str
    segments: Mapping[str, str]
    target: str
    headers: Mapping[str, str]
    body: B
    query: Q
    raw: bytes = field(default=b"", repr=False)

    @property
    def actor(self) -> Actor:
        """Who asks, on an endpoint that needs a token."""
        if self.who is None:
            raise RuntimeError("a public endpoint has no actor")
        return self.who

    def id(self, name: str) -> UUID:
        """Read an id from the path; what is no id names nothing.

        Raises:
            NotFoundError: It is not a UUID in its usual form.
        """
        return parsing.read_id(name, self.segments[name])

    def text(self, name: str) -> str:
        """Read a name or a file's path from the path."""
        return self.segments[name]


@dataclass(frozen=True, slots=True)
class Answer:
    """What an endpoint answers.

    Attributes:
        body: A wire value, text in pieces, or None for nothing.
        status: None means the endpoint's first.
    """

    body: Any = None
    status: HTTPStatus | None = None
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)


Text = Iterator[bytes]
"""A long text, sent as it is made."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint(Generic[B, Q]):
    """A method on a path: all that is needed to route, check and document it.

    Attributes:
        path: Template; ``{dataset}`` is one segment, ``{path:path}`` all the rest.
        handler: Parses, calls one service, renders; its docstring is the
            description.
        answers: Type of the body by status, the usual one first; None: no body.
        body: Type of the request's body.
        query: Dataclass of the query parameters; all others are refused.
        scope: What a token needs; services enforce it, this documents it.
        public: It needs no token.
        request_headers: Optional headers it reads, with what they do.
        answer_headers: Headers of its success, with what they tell.
        problems: Errors it may answer beyond those of every endpoint.
        example: A request body that works, for the documentation.
        media_type: Of a success that has a body.
        batch: Its body holds many items and may be long.
        steps: Steps of runs may call it; everything else is closed to their tokens.
    """

    method: str
    path: str
    handler: Callable[[Call[B, Q]], Answer]
    answers: Mapping[HTTPStatus, Any]
    body: type[B] | None = None
    query: type[Q] | None = None
    scope: Scope | None = None
    public: bool = False
    request_headers: Mapping[str, str] = field(default_factory=dict)
    answer_headers: Mapping[str, str] = field(default_factory=dict)
    problems: tuple[type[HutchError], ...] = ()
    example: Mapping[str, Any] | None = None
    media_type: str = JSON
    batch: bool = False
    steps: bool = False

    @property
    def name(self) -> str:
        """Name of the operation, unique in the table."""
        return self.handler.__name__

    @property
    def longest(self) -> int:
        """Longest body in bytes; a stranger has little to say."""
        if self.public:
            return MAX_PUBLIC_BODY
        return MAX_BODY if self.batch else MAX_SMALL_BODY

    @property
    def template(self) -> str:
        """The path as it is documented and logged."""
        return self.path.replace(":path}", "}")

    @property
    def status(self) -> HTTPStatus:
        """The usual status of a success."""
        return next(iter(self.answers))

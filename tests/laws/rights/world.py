"""A site with every kind of caller on it, and the way back to how it was.

The owner has an open and a closed dataset, shared alike; whoever may write, or could
once, has a push into the open one with two uploads under way. A run of the owner reads
the closed one; its steps have a token each, and one of them a push into its output.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final
from uuid import UUID, uuid4

import httpx2
from sqlalchemy import update
from sqlmodel import select
from starlette.testclient import TestClient

from hutch.contract.parts import SMALL
from hutch.contract.wire.accounts import GroupIn, Role, Scope
from hutch.contract.wire.datasets import Right
from hutch.contract.wire.tools import StoreAccountIn
from hutch.contract.wire.transfer import FinishItem, UploadIn, UploadsIn
from hutch_api.domain.access import Actor
from hutch_api.services import groups, tool_accounts
from hutch_api.services.uploads import announce
from hutch_api.services.work import Site
from hutch_api.store.tables import Member, Operation, Token, User
from tests.http.people import issue_token
from tests.laws.rights import derived
from tests.services.world import World
from tests.transfer.flow import Flow, Send

CONTENT: Final = b"enamel"
SENT: Final = b"sent, not finished"
LARGE: Final = SMALL + 1
PUSHERS: Final = ("owner", "writer", "member", "disabled", "former")
ROLES: Final = {
    "admin": Role.ADMIN,
    "approver": Role.APPROVER,
    "beamline": Role.BEAMLINE,
}
USERS: Final = (
    *("owner", "writer", "member", "disabled", "former"),
    *("reader", "stranger", *ROLES),
)


@dataclass(frozen=True, slots=True)
class UnderWay:
    """A push with what is on its way in it.

    Attributes:
        sent: An upload that the store has and nobody has finished.
        large: A multipart upload of which nothing was sent.
    """

    id: UUID
    sent: FinishItem
    large: UUID


@dataclass
class Cast:
    """Everybody and everything that a call may name.

    Attributes:
        tokens: Text of a caller's token; ``unscoped-<scope>`` lacks that scope.
        datasets: Id by name.
        versions: Version of the one file of each dataset.
        run: One of the owner's that waits for a runner.
        code: A claim code of a run that goes on.
    """

    site: Site
    client: TestClient
    tokens: dict[str, str] = field(default_factory=dict)
    datasets: dict[str, UUID] = field(default_factory=dict)
    versions: dict[str, str] = field(default_factory=dict)
    pushes: dict[str, UnderWay] = field(default_factory=dict)
    operation: UUID = field(default_factory=uuid4)
    token: UUID = field(default_factory=uuid4)
    account: UUID = field(default_factory=uuid4)
    image: UUID = field(default_factory=uuid4)
    run: UUID = field(default_factory=uuid4)
    rule: UUID = field(default_factory=uuid4)
    code: str = ""

    def push_of(self, caller: str) -> UnderWay:
        """The push that a caller has, or the owner's."""
        return self.pushes.get(caller, self.pushes["owner"])

    def send(
        self, caller: str, method: str, path: str, *, scope: str | None, **options: Any
    ) -> httpx2.Response:
        """Send a request as a caller, on a route that wants this scope."""
        headers = dict(options.pop("headers", {}))
        if caller == "unscoped":
            caller = f"unscoped-{scope or Scope.READ}"
        if caller != "anonymous":
            headers["Authorization"] = f"Bearer {self.tokens[caller]}"
        headers["X-Request-Id"] = "r"
        return self.client.request(method, path, headers=headers, **options)


def make_cast(site: Site, client: TestClient, send: Send) -> Cast:
    """Put everybody and everything there."""
    cast, world, flow = Cast(site, client), World(site), Flow(site, send)
    people = {n: world.user(n, ROLES.get(n, Role.USER)) for n in USERS}
    owner = people["owner"]
    with site.begin() as work:
        groups.create_group(work, owner, GroupIn(name="team"))
        for name in ("member", "former"):
            groups.add_member(work, owner, "team", name)
    for name in ("open", "closed", "other"):
        made = world.create(owner, name, description=f"about {name}")
        cast.datasets[name] = made.id
        version = flow.push(owner, made.id, {"a": CONTENT})["a"].version
        assert version is not None
        cast.versions[name] = version
        if name != "other":
            _share(world, owner, made.id)
    flow.close(owner, cast.datasets["closed"])
    for name in PUSHERS:
        cast.pushes[name] = _begin(flow, people[name], cast.datasets["open"])
    cast.account = tool_accounts.create_account(
        site, owner, cast.datasets["open"], StoreAccountIn()
    ).info.id
    _give_tokens(cast, people)
    _run(cast, flow, people)
    _end_rights(site, people)
    with site.look() as work:
        cast.operation = work.session.exec(select(Operation.id)).one()
    note_use(site)
    return cast


def note_use(site: Site) -> None:
    """Note this minute's use of all tokens: to do so later would be a change."""
    with site.begin() as work:
        work.session.exec(update(Token).values(last_used_at=work.now))


def _share(world: World, owner: Actor, dataset: UUID) -> None:
    world.share(owner, dataset, "user:reader", Right.READ)
    for name in ("user:writer", "user:disabled", "group:team"):
        world.share(owner, dataset, name, Right.WRITE)


def _begin(flow: Flow, actor: Actor, dataset: UUID) -> UnderWay:
    push = flow.start(actor, dataset)
    path = f"of {actor.name}"
    [upload] = flow.announce(actor, push, {path: SENT})
    sent = flow.carry(actor, push, upload, SENT)
    wanted = UploadIn(path=f"{path}, large", size=LARGE)
    [large] = announce(flow.site, actor, push, UploadsIn(files=(wanted,))).files
    assert large.intent is not None, large.problem
    return UnderWay(push, sent, large.intent)


def _give_tokens(cast: Cast, people: Mapping[str, Actor]) -> None:
    site, owner = cast.site, people["owner"].user
    for name, actor in people.items():
        cast.tokens[name] = issue_token(site, actor.user)
    for scope in Scope:
        others = [s for s in Scope if s is not scope]
        cast.tokens[f"unscoped-{scope}"] = issue_token(site, owner, scopes=others)
    only = [cast.datasets["other"]]
    cast.tokens["elsewhere"] = issue_token(site, owner, datasets=only)
    cast.tokens["revoked"] = issue_token(site, owner)
    cast.tokens["expired"] = issue_token(site, owner, days=0)
    spare = issue_token(site, owner)
    with site.begin() as work:
        ended = site.keys.token_hash(cast.tokens["revoked"])
        row = work.session.exec(select(Token).where(Token.hash == ended)).one()
        row.revoked_at = work.now
        query = select(Token.id).where(Token.hash == site.keys.token_hash(spare))
        cast.token = work.session.exec(query).one()


def _run(cast: Cast, flow: Flow, people: Mapping[str, Actor]) -> None:
    """Let a run of the owner go on, and another one wait."""
    site, owner = cast.site, people["owner"]
    cast.image = derived.define(site, people["approver"], owner)
    cast.rule = derived.add_rule(site, owner)
    derived.start(site, owner, "live", cast.datasets["closed"])
    steps = derived.steps_of_next(site)
    cast.run = derived.start(site, owner, "waiting", cast.datasets["closed"])
    cast.tokens["step-in"], cast.tokens["step-out"] = steps.reads, steps.writes
    cast.datasets["output"], cast.code = steps.output, steps.code
    step = World(site).actor(steps.writes)
    cast.pushes["step-out"] = _begin(flow, step, steps.output)


def _end_rights(site: Site, people: Mapping[str, Actor]) -> None:
    """Take rights away in the rows alone: what hangs on them stays as it was."""
    with site.begin() as work:
        row = work.session.get_one(User, people["disabled"].user)
        row.disabled_at = work.now
        query = select(Member).where(Member.user_id == people["former"].user)
        work.session.delete(work.session.exec(query).one())

"""Somebody who may write, what they do, and what takes the right away from them."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Final
from uuid import UUID

from sqlmodel import col, select

from hutch.contract.wire.accounts import GroupIn
from hutch.contract.wire.datasets import (
    DatasetIn,
    DatasetPatch,
    OwnerIn,
    PrincipalKind,
    Right,
    ShareIn,
)
from hutch.contract.wire.transfer import (
    DeletionsIn,
    FileRef,
    FinishItem,
    PartIn,
    PartsIn,
    UploadIn,
    UploadsIn,
)
from hutch_api.domain.access import Actor
from hutch_api.services import datasets, groups, pushes, sharing, tokens, users
from hutch_api.services.removals import remove_files
from hutch_api.services.uploads import announce, sign_parts
from hutch_api.services.work import Work
from hutch_api.store.tables import Account, AccountState, Dataset, File
from tests.services.world import World
from tests.transfer.flow import Flow, crc

PARTED: Final = 17 * 2**20


@dataclass(frozen=True, slots=True)
class Scene:
    """A dataset of ``owner``, into which ``loser`` pushes.

    Attributes:
        sent: An upload that the store has and nobody has finished.
        large: A multipart upload of which nothing was sent.
        version: Of the file ``a``.
    """

    flow: Flow
    name: str
    owner: Actor
    loser: Actor
    dataset: UUID
    push: UUID
    sent: FinishItem
    large: UUID
    version: str

    @property
    def group(self) -> str:
        return f"g-{self.name}"


def make_scene(flow: Flow, name: str, *, by: str) -> Scene:
    """Put a scene up.

    Args:
        flow: The site.
        name: Of the dataset; no two scenes have the same.
        by: How the loser may write: ``share``, ``group`` or ``own``.
    """
    world = World(flow.site)
    owner = world.user(f"owner-{name}")
    loser = owner if by == "own" else world.user(f"loser-{name}")
    dataset = world.create(owner, name).id
    with flow.site.begin() as work:
        groups.create_group(work, owner, GroupIn(name=f"g-{name}"))
        if by == "group":
            groups.add_member(work, owner, f"g-{name}", loser.name)
    if by != "own":
        to = f"group:g-{name}" if by == "group" else f"user:{loser.name}"
        world.share(owner, dataset, to, Right.WRITE)
    version = flow.push(owner, dataset, {"a": b"0"})["a"].version
    assert version is not None
    push = flow.start(loser, dataset)
    [upload] = flow.announce(loser, push, {"sent": b"1"})
    wanted = UploadIn(path="large", size=PARTED)
    [large] = announce(flow.site, loser, push, UploadsIn(files=(wanted,))).files
    assert large.intent is not None
    sent = flow.carry(loser, push, upload, b"1")
    return Scene(flow, name, owner, loser, dataset, push, sent, large.intent, version)


Ending = Callable[[Work, Scene], object]


@dataclass(frozen=True, slots=True)
class End:
    """A way in which the right to write ends.

    Attributes:
        by: How it was given.
        act: Takes it away.
        reads: The loser may still read.
        token_only: Only the token ends: what its user has sent is still theirs, and a
            request that is under way is the last.
    """

    by: str
    act: Ending
    reads: bool = False
    token_only: bool = False


def _user(scene: Scene) -> Mapping[str, object]:
    return {"kind": PrincipalKind.USER, "name": scene.loser.name}


ENDS: Final[dict[str, End]] = {
    "unshare": End(
        "share",
        lambda work, s: sharing.unshare(
            work, s.owner, s.dataset, kind=PrincipalKind.USER, name=s.loser.name
        ),
    ),
    "lower": End(
        "share",
        lambda work, s: sharing.share(
            work,
            s.owner,
            s.dataset,
            kind=PrincipalKind.USER,
            name=s.loser.name,
            wanted=ShareIn(right=Right.READ),
        ),
        reads=True,
    ),
    "remove-member": End(
        "group",
        lambda work, s: groups.remove_member(work, s.owner, s.group, s.loser.name),
    ),
    "delete-group": End(
        "group", lambda work, s: groups.delete_group(work, s.owner, s.group)
    ),
    "give": End(
        "own",
        lambda work, s: datasets.give_dataset(
            work, s.owner, s.dataset, OwnerIn(owner="carl")
        ),
        reads=True,
    ),
    "revoke": End(
        "share",
        lambda work, s: tokens.revoke_token(work, s.loser, s.loser.token or s.push),
        token_only=True,
    ),
    "log-out": End(
        "share", lambda work, s: tokens.log_out(work, s.loser), token_only=True
    ),
    "disable": End("share", lambda work, s: users.disable_user(work, s.loser.name)),
}


def begin(scene: Scene, act: Ending) -> object:
    """Do in a transaction of its own what takes one."""
    with scene.flow.site.begin() as work:
        return act(work, scene)


STEPS: Final[dict[str, Ending]] = {
    "start": lambda work, s: pushes.start_push(work, s.loser, s.dataset),
    "remove": lambda work, s: remove_files(
        work,
        s.loser,
        s.push,
        DeletionsIn(files=(FileRef(path="a", version=s.version),)),
    ),
    "patch": lambda work, s: datasets.patch_dataset(
        work, s.loser, s.dataset, DatasetPatch(attributes={"changed": True})
    ),
}
"""What is one transaction."""

ACTS: Final[dict[str, Callable[[Scene], object]]] = {
    **{name: partial(begin, act=step) for name, step in STEPS.items()},
    "announce": lambda s: s.flow.announce(s.loser, s.push, {"new": b"2"}),
    "parts": lambda s: sign_parts(
        s.flow.site,
        s.loser,
        s.push,
        PartsIn(parts=(PartIn(intent=s.large, number=1, crc64nvme=crc(b"p")),)),
    ),
    "finish": lambda s: s.flow.finish(s.loser, s.push, [s.sent]),
}
"""Everything that needs the right to write."""


def derive(work: Work, scene: Scene) -> object:
    """Make a child of the scene's dataset."""
    wanted = DatasetIn(name=f"child-{scene.name}", inputs=(scene.dataset,))
    return datasets.create_dataset(work, scene.loser, wanted)


def held(scene: Scene) -> tuple[list[str], dict[str, object], bool]:
    """What the dataset holds: paths, attributes, and whether a URL may still write."""
    with scene.flow.site.look() as work:
        paths = work.session.exec(
            select(File.path)
            .where(File.dataset_id == scene.dataset)
            .order_by(File.path)
        ).all()
        row = work.session.get_one(Dataset, scene.dataset)
        account = work.session.exec(
            select(Account.generation).where(
                Account.dataset_id == scene.dataset,
                col(Account.state).in_([AccountState.CREATING, AccountState.LIVE]),
            )
        ).first()
    return list(paths), dict(row.attributes), account is not None

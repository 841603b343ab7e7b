"""Rights that end while they are used, in both orders, on PostgreSQL.

One transaction is held open until the other is seen to wait for it: who comes first
is up to the test.
"""

from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from itertools import count as numbers

import pytest
from sqlalchemy import Engine

from hutch.contract.problems import HutchError, NotFoundError
from hutch.contract.wire.datasets import DatasetOut, PrincipalKind, Right, ShareIn
from hutch.contract.wire.transfer import (
    DownloadsIn,
    DownloadsOut,
    FileRef,
    SignedRequest,
)
from hutch_api.services import access, derivation, groups, revocation, sharing
from hutch_api.services.downloads import sign_downloads
from tests.agreement import disagreements
from tests.conftest import Clock, opened, shared_database
from tests.laws.conftest import Count
from tests.laws.rights.scenes import (
    ACTS,
    ENDS,
    STEPS,
    Scene,
    begin,
    derive,
    held,
    make_scene,
)
from tests.servers import DatabaseServer
from tests.services.races import at_once, wait_until_blocked
from tests.services.world import World
from tests.transfer.flow import Flow
from tests.transfer.race import interrupted
from tests.transfer.stage import emptied, in_memory

NOTHING: tuple[list[str], dict[str, object], bool] = (["a"], {}, False)


@pytest.fixture(scope="module")
def engine(postgresql: DatabaseServer, _postgresql_template: str) -> Iterator[Engine]:
    with shared_database(postgresql, _postgresql_template, "rights") as engine:
        yield engine


@pytest.fixture
def flow(engine: Engine, clock: Clock) -> Iterator[Flow]:
    stage = in_memory(emptied(engine), clock)
    flow = Flow(stage.site, stage.send)
    World(flow.site).user("carl")
    yield flow
    assert disagreements(stage.site) == []


def settled(scene: Scene) -> tuple[list[str], dict[str, object], bool]:
    revocation.settle(scene.flow.site)
    return held(scene)


@pytest.mark.parametrize("end", ENDS)
def test_who_waited_while_the_right_ended_is_refused(
    flow: Flow, end: str, count: Count
) -> None:
    for name, act in ACTS.items():
        scene = make_scene(flow, f"{end}-{name}", by=ENDS[end].by)
        with flow.site.begin() as work:
            ENDS[end].act(work, scene)

            def commit() -> None:
                wait_until_blocked(flow.site.engine)
                work.session.commit()

            got, _ = at_once(partial(act, scene), commit)
        assert isinstance(got, HutchError), (name, got)
        assert settled(scene) == NOTHING, name
        count("races: the right ends first", 1)


@pytest.mark.parametrize("end", ENDS)
def test_who_was_first_has_done_it_and_does_no_more(
    flow: Flow, end: str, count: Count
) -> None:
    for name, step in STEPS.items():
        scene = make_scene(flow, f"{end}-{name}", by=ENDS[end].by)
        with flow.site.begin() as work:
            step(work, scene)
            done = partial(begin, scene, ENDS[end].act)

            def commit() -> None:
                wait_until_blocked(flow.site.engine)
                work.session.commit()

            ended, _ = at_once(done, commit)
        assert not isinstance(ended, Exception), (name, ended)
        paths, attributes, writable = settled(scene)
        assert paths == ([] if name == "remove" else ["a"])
        assert attributes == ({"changed": True} if name == "patch" else {})
        assert not writable
        with pytest.raises(HutchError):
            ACTS[name](scene)
        count("races: the act comes first", 1)


@pytest.mark.parametrize("end", ENDS)
@pytest.mark.parametrize("name", ["announce", "parts", "finish"])
def test_a_right_that_ends_inside_any_call_of_the_store(
    flow: Flow, end: str, name: str, count: Count
) -> None:
    for at in numbers(1):
        scene = make_scene(flow, f"{end}-{at}", by=ENDS[end].by)
        got: list[object] = []

        def act(scene: Scene = scene, got: list[object] = got) -> None:
            got.append(ACTS[name](scene))

        def other(scene: Scene = scene) -> None:
            begin(scene, ENDS[end].act)
            revocation.settle(scene.flow.site)

        came = interrupted(flow, act, other, at=at)
        if not came:
            assert at > 1
            return
        paths, _, writable = settled(scene)
        if not (ENDS[end].token_only and name == "finish"):
            assert paths == ["a"], at
        assert not writable, at
        for request in _requests(got):
            assert flow.send(request, b"2") == 403, at
        count("rights ended inside a call of the store", 1)


def _requests(got: object) -> Iterator[SignedRequest]:
    """Find every signed request in an answer."""
    if isinstance(got, SignedRequest):
        yield got
    elif isinstance(got, list | tuple):
        for item in got:
            yield from _requests(item)
    else:
        for name in ("files", "parts", "request"):
            if (value := getattr(got, name, None)) is not None:
                yield from _requests(value)


@pytest.mark.parametrize("end", ENDS)
def test_deriving_while_the_right_ends(flow: Flow, end: str, count: Count) -> None:
    """Who may still read may derive; nobody else, if they had to wait."""
    scene = make_scene(flow, end, by=ENDS[end].by)
    flow.close(scene.owner, scene.dataset, abandon=True)
    with flow.site.begin() as work:
        ENDS[end].act(work, scene)

        def commit() -> None:
            wait_until_blocked(flow.site.engine)
            work.session.commit()

        got, _ = at_once(partial(begin, scene, derive), commit)
    assert isinstance(got, DatasetOut if ENDS[end].reads else HutchError), got
    children = World(flow.site).names(scene.loser, name=f"child-{end}")
    assert len(children) == int(ENDS[end].reads)
    count("races: the right ends first", 1)


@pytest.mark.parametrize("end", ENDS)
def test_what_was_derived_before_the_right_ended_stays(
    flow: Flow, end: str, count: Count
) -> None:
    scene = make_scene(flow, end, by=ENDS[end].by)
    flow.close(scene.owner, scene.dataset, abandon=True)
    parent = World(flow.site).see(scene.owner, scene.dataset)
    with flow.site.begin() as work:
        made = derive(work, scene)

        def commit() -> None:
            wait_until_blocked(flow.site.engine)
            work.session.commit()

        ended, _ = at_once(partial(begin, scene, ENDS[end].act), commit)
    assert not isinstance(ended, Exception), ended
    assert isinstance(made, DatasetOut)
    child = World(flow.site).see(scene.loser, made.id)
    assert [(i.id, i.seal) for i in child.inputs] == [(scene.dataset, parent.seal)]
    count("races: the act comes first", 1)


def download(scene: Scene) -> DownloadsOut:
    wanted = DownloadsIn(files=(FileRef(path="a", version=scene.version),))
    return sign_downloads(scene.flow.site, scene.loser, scene.dataset, wanted)


@pytest.mark.parametrize("end", ["unshare", "remove-member", "delete-group"])
def test_a_download_waits_for_nobody_and_sees_what_is_committed(
    flow: Flow, end: str, count: Count
) -> None:
    scene = make_scene(flow, end, by=ENDS[end].by)
    with flow.site.begin() as work:
        ENDS[end].act(work, scene)
        assert download(scene).files[0].request is not None
    with pytest.raises(NotFoundError):
        download(scene)
    count("races: the right ends first", 1)


@pytest.mark.parametrize("end", ["unshare", "remove-member", "delete-group"])
def test_a_download_that_came_before_the_end_is_the_last(
    flow: Flow, end: str, count: Count
) -> None:
    scene = make_scene(flow, end, by=ENDS[end].by)
    got: list[DownloadsOut] = []
    other = partial(begin, scene, ENDS[end].act)
    assert interrupted(flow, lambda: got.append(download(scene)), other, at=1)
    assert got[0].files[0].request is not None
    with pytest.raises(NotFoundError):
        download(scene)
    count("races: the act comes first", 1)


def share_with_group(scene: Scene, right: Right = Right.WRITE) -> object:
    with scene.flow.site.begin() as work:
        return sharing.share(
            work,
            scene.owner,
            scene.dataset,
            kind=PrincipalKind.GROUP,
            name=scene.group,
            wanted=ShareIn(right=right),
        )


@pytest.mark.parametrize("by", ["share", "group"])
def test_sharing_with_a_group_that_goes(flow: Flow, by: str, count: Count) -> None:
    """Whether or not it has a share already, which the deletion takes along."""
    scene = make_scene(flow, by, by=by)
    with flow.site.begin() as work:
        groups.delete_group(work, scene.owner, scene.group)

        def commit() -> None:
            wait_until_blocked(flow.site.engine)
            work.session.commit()

        got, _ = at_once(partial(share_with_group, scene), commit)
    assert isinstance(got, NotFoundError), got
    count("races: the right ends first", 1)


@pytest.mark.parametrize("by", ["share", "group"])
@pytest.mark.parametrize("end", ["delete-group", "remove-member"])
def test_a_group_that_goes_while_something_is_shared_with_it(
    flow: Flow, by: str, end: str, count: Count
) -> None:
    scene = make_scene(flow, f"{by}-{end}", by=by)
    if by == "share" and end == "remove-member":
        with flow.site.begin() as work:
            groups.add_member(work, scene.owner, scene.group, scene.loser.name)
    with flow.site.begin() as work:
        sharing.share(
            work,
            scene.owner,
            scene.dataset,
            kind=PrincipalKind.GROUP,
            name=scene.group,
            wanted=ShareIn(right=Right.WRITE),
        )

        def commit() -> None:
            wait_until_blocked(flow.site.engine)
            work.session.commit()

        got, _ = at_once(partial(begin, scene, ENDS[end].act), commit)
    assert not isinstance(got, Exception), got
    assert not settled(scene)[2]
    count("races: the act comes first", 1)


def test_nobody_waits_for_what_they_may_not_see(
    engine: Engine, flow: Flow, count: Count
) -> None:
    """Their waiting would tell that it is there, their lock would hold others up."""
    scene = make_scene(flow, "hidden", by="share")
    flow.close(scene.owner, scene.dataset, abandon=True)
    stranger = replace(scene, loser=World(flow.site).user("stranger"))
    with opened(_impatient(engine)) as impatient:
        hasty = replace(
            stranger, flow=replace(flow, site=replace(flow.site, engine=impatient))
        )
        with flow.site.begin() as work:
            access.lock_datasets(work, [scene.dataset])
            for name, act in (ACTS | {"derive": partial(begin, act=derive)}).items():
                with pytest.raises(NotFoundError):
                    act(hasty)
                count("calls that wait for nobody", 1)
                assert name


def _impatient(engine: Engine) -> str:
    """The database for somebody who waits for a lock no longer than 5 s."""
    url = engine.url.update_query_dict({"options": "-c lock_timeout=5000"})
    return url.render_as_string(hide_password=False)


def test_many_who_change_one_groups_shares_never_block_each_other(
    flow: Flow, count: Count
) -> None:
    for attempt in range(3):
        scene = make_scene(flow, f"round-{attempt}", by="group")
        acts = [
            partial(share_with_group, scene, Right.READ),
            partial(begin, scene, ENDS["delete-group"].act),
            partial(begin, scene, ENDS["remove-member"].act),
            partial(share_with_group, scene, Right.WRITE),
        ]
        for got in at_once(*acts):
            assert not isinstance(got, Exception) or isinstance(got, HutchError), got
        assert not settled(scene)[2]
        count("rounds of four at once", 1)


def test_parents_may_be_derived_from_by_many_at_once(flow: Flow) -> None:
    scene = make_scene(flow, "popular", by="share")
    flow.close(scene.owner, scene.dataset, abandon=True)
    with flow.site.begin() as work, flow.site.begin() as beside:
        for each in (work, beside):
            derivation.lock_parents(each, scene.loser, [scene.dataset])

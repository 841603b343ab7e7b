"""What keeps runs within their bounds: each guard by itself."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from uuid import UUID, uuid4

import pytest
from sqlmodel import col, select

from hutch.contract.problems import (
    AttemptEndedError,
    ConflictError,
    ForbiddenError,
    InvalidInputError,
    NameTakenError,
    NotFoundError,
    TokenInsufficientError,
    UnauthenticatedError,
)
from hutch.contract.wire.accounts import Role, Scope
from hutch.contract.wire.datasets import OwnerIn, State
from hutch.contract.wire.definitions import ImageIn
from hutch.contract.wire.runs import Reason, RunState, StepKind
from hutch.contract.wire.tools import StoreAccess, StoreAccountIn
from hutch_api.domain.access import Actor
from hutch_api.services import (
    attempts,
    claims,
    datasets,
    images,
    leases,
    outputs,
    runs,
    tokens,
    tool_accounts,
    users,
)
from hutch_api.services.leases import LEASE, Lease, StoppedError
from hutch_api.store.run_tables import Attempt, Claim, Image, Run
from hutch_api.store.tables import Account, AccountState
from tests.conftest import Clock
from tests.derivations.board import IMAGE, Board


@pytest.fixture
def scan(board: Board, anna: Actor) -> UUID:
    board.define(anna)
    return board.scan(anna).id


def child_of(board: Board, attempt: UUID) -> UUID:
    with board.world.site.look() as work:
        child = work.session.get_one(Attempt, attempt).dataset_id
    assert child is not None
    return child


def refuses(board: Board, lease: Lease, *acts: Callable[[Lease], object]) -> None:
    """Check that a lease is good for nothing."""
    site = board.world.site
    for act in acts or (
        lambda held: leases.renew(site, held),
        lambda held: attempts.note_exit(site, held, exit_code=0),
        lambda held: attempts.end(site, held, Reason.ERROR, "x"),
        lambda held: outputs.accept(site, held),
        lambda held: claims.make_claim(site, held, StepKind.IN),
    ):
        with pytest.raises(AttemptEndedError):
            act(lease)


# --- leases


def test_a_lost_attempt_does_not_go_on_in_the_process_that_has_the_next(
    board: Board, anna: Actor, scan: UUID, clock: Clock
) -> None:
    board.start(anna, "result", scan=scan)
    runner = board.runner()
    stale = board.take(runner)
    clock.move(LEASE + timedelta(seconds=1))
    assert attempts.take(board.world.site, runner) is None
    clock.move(attempts.FIRST_PAUSE)
    fresh = board.take(runner)
    assert fresh.lease.holder == stale.lease.holder
    refuses(board, stale.lease)
    board.succeed(fresh)


def test_what_was_accepted_is_changed_no_more(
    board: Board, anna: Actor, scan: UUID
) -> None:
    board.start(anna, "result", scan=scan)
    lease = board.take().lease
    job = board.claim(lease, StepKind.IN)
    board.fill(lease)
    outputs.accept(board.world.site, lease)
    site = board.world.site
    refuses(
        board,
        lease,
        lambda held: attempts.note_exit(site, held, exit_code=1),
        lambda held: outputs.accept(site, held),
        lambda held: claims.make_claim(site, held, StepKind.OUT),
    )
    with pytest.raises(AttemptEndedError):
        board.enter(job)
    assert outputs.finish(site, lease)
    refuses(board, lease)


def test_what_an_attempt_made_is_not_cleared_away(
    board: Board, anna: Actor, scan: UUID
) -> None:
    run = board.start(anna, "result", scan=scan)
    taken = board.take()
    board.succeed(taken)
    attempts.clear(board.world.site, taken.lease.attempt)
    made = board.see(anna, run.id).dataset
    assert made is not None
    assert board.world.see(anna, made).state is State.CLOSED


def test_an_attempt_does_not_see_what_another_fills(
    board: Board, anna: Actor, scan: UUID
) -> None:
    board.start(anna, "one", scan=scan)
    one = board.take()
    board.start(anna, "two", scan=scan)
    two = board.take()
    with board.world.site.look() as work:
        run = work.session.get_one(Run, one.lease.run)
        actor = leases.actor_of(work, run)
    assert board.world.see(actor, child_of(board, one.lease.attempt)).files == 0
    with pytest.raises(NotFoundError):
        board.world.see(actor, child_of(board, two.lease.attempt))


# --- on whose rights a run goes on


def test_a_run_ends_when_the_token_that_began_it_expires(
    board: Board, anna: Actor, scan: UUID, clock: Clock
) -> None:
    token = board.world.token(anna, Scope.READ, Scope.RUN, life=LEASE * 3 / 2)
    board.start(board.world.actor(token.token), "result", scan=scan)
    lease = board.take().lease
    job = board.claim(lease, StepKind.IN)
    clock.move(LEASE)
    assert leases.renew(board.world.site, lease) is None
    board.enter(job)
    clock.move(LEASE / 2)
    with pytest.raises(UnauthenticatedError):
        board.enter(job)
    assert leases.renew(board.world.site, lease) is not None


def test_a_run_that_no_token_began_ends_with_its_user(
    board: Board, anna: Actor, scan: UUID
) -> None:
    """As one of a rule."""
    board.start(replace(anna, token=None), "result", scan=scan)
    lease = board.take().lease
    board.fill(lease)
    with board.world.site.begin() as work:
        users.disable_user(work, "anna")
    assert leases.renew(board.world.site, lease) is not None
    with pytest.raises(StoppedError):
        outputs.accept(board.world.site, lease)


def disable(board: Board, ben: Actor, scan: UUID) -> None:
    with board.world.site.begin() as work:
        users.disable_user(work, ben.name)


def log_out(board: Board, ben: Actor, scan: UUID) -> None:
    with board.world.site.begin() as work:
        tokens.log_out(work, ben)


def unshare(board: Board, ben: Actor, scan: UUID) -> None:
    owner = board.world.actor(board.world.login("anna").token)
    board.world.unshare(owner, scan, "user:ben")


@pytest.mark.parametrize("end", [disable, log_out, unshare])
def test_a_run_whose_rights_end_in_the_queue_does_not_begin(
    board: Board,
    anna: Actor,
    ben: Actor,
    scan: UUID,
    end: Callable[[Board, Actor, UUID], None],
) -> None:
    board.world.share(anna, scan, "user:ben")
    run = board.start(ben, "result", scan=scan)
    end(board, ben, scan)
    assert attempts.take(board.world.site, board.runner()) is None
    with board.world.site.look() as work:
        assert work.session.get_one(Run, run.id).state is RunState.CANCELLED
        assert work.session.exec(select(Attempt)).all() == []


def test_a_run_whose_image_is_revoked_in_the_queue_does_not_begin(
    board: Board, anna: Actor, scan: UUID
) -> None:
    run = board.start(anna, "result", scan=scan)
    with board.world.site.begin() as work:
        [approval] = work.session.exec(select(Image.id)).all()
        images.revoke_image(work, board.approver, approval)
    assert attempts.take(board.world.site, board.runner()) is None
    assert board.see(anna, run.id).state is RunState.FAILED


# --- steps and their tokens


@pytest.mark.parametrize(
    ("step", "scopes"),
    [
        (StepKind.IN, {Scope.READ}),
        (StepKind.MAIN, {Scope.READ}),
        (StepKind.OUT, {Scope.READ, Scope.WRITE}),
    ],
)
def test_a_step_may_do_what_its_step_needs(
    board: Board, anna: Actor, scan: UUID, step: StepKind, scopes: set[Scope]
) -> None:
    board.start(anna, "result", scan=scan)
    lease = board.take().lease
    actor = board.enter(board.claim(lease, step))
    reached = child_of(board, lease.attempt) if step is StepKind.OUT else scan
    assert actor.limits.scopes == scopes
    assert actor.limits.datasets == frozenset({reached})
    assert actor.attempt == lease.attempt


def test_a_code_that_is_replaced_while_it_is_traded_is_not_used(
    board: Board, anna: Actor, scan: UUID
) -> None:
    board.start(anna, "result", scan=scan)
    lease, site = board.take().lease, board.world.site
    claims.make_claim(site, lease, StepKind.IN)
    with site.look() as work:
        old = work.session.exec(select(Claim)).one()
    claims.make_claim(site, lease, StepKind.IN)
    with site.begin() as work:
        assert not claims._use(work, old)


def test_a_step_gets_store_accounts_that_read_and_end_with_it(
    board: Board, anna: Actor, scan: UUID
) -> None:
    board.start(anna, "result", scan=scan)
    lease, site = board.take().lease, board.world.site
    reads = board.enter(board.claim(lease, StepKind.MAIN))
    fills = board.enter(board.claim(lease, StepKind.OUT))
    child = child_of(board, lease.attempt)
    wanted = StoreAccountIn(access=StoreAccess.WRITE)
    with pytest.raises(TokenInsufficientError):
        tool_accounts.create_account(site, fills, child, wanted)
    tool_accounts.create_account(site, reads, scan, StoreAccountIn())

    def usable() -> int:
        with site.look() as work:
            of_users = col(Account.user_id).is_not(None)
            live = Account.state == AccountState.LIVE
            return len(work.session.exec(select(Account).where(of_users, live)).all())

    assert usable() == 1
    attempts.end(site, lease, Reason.ERROR, "exit code 1")
    assert usable() == 0


def test_a_request_that_was_let_in_gets_nothing_after_the_attempt_has_ended(
    board: Board, anna: Actor, scan: UUID
) -> None:
    board.start(anna, "result", scan=scan)
    lease, site = board.take().lease, board.world.site
    reads = board.enter(board.claim(lease, StepKind.MAIN))
    attempts.end(site, lease, Reason.ERROR, "exit code 1")
    with pytest.raises(UnauthenticatedError):
        tool_accounts.create_account(site, reads, scan, StoreAccountIn())


def test_an_admin_does_not_give_what_a_run_of_a_disabled_user_fills(
    board: Board, anna: Actor, ben: Actor, scan: UUID
) -> None:
    admin = board.world.user("root", Role.ADMIN)
    board.start(anna, "result", scan=scan)
    child = child_of(board, board.take().lease.attempt)
    with board.world.site.begin() as work:
        users.disable_user(work, "anna")
    with board.world.site.begin() as work, pytest.raises(NotFoundError):
        datasets.give_dataset(work, admin, child, OwnerIn(owner=ben.name))


# --- who runs what


@pytest.mark.parametrize("role", [Role.USER, Role.BEAMLINE])
def test_nobody_approves_who_was_not_trusted_with_it(board: Board, role: Role) -> None:
    other = board.world.user("other", role)
    with board.world.site.begin() as work:
        [approval] = work.session.exec(select(Image.id)).all()
        with pytest.raises(ForbiddenError):
            images.approve_image(work, other, ImageIn(image=f"sha256:{'9' * 64}"))
        with pytest.raises(ForbiddenError):
            images.revoke_image(work, other, approval)


def test_an_image_is_approved_once_at_a_time(
    board: Board, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Or else, of two approvals, one would stay when the other is taken back."""
    monkeypatch.setattr(images, "find_approval", lambda *_: None)
    with pytest.raises(ConflictError):
        board.approve(IMAGE)


def test_runs_are_there_for_their_owner_only(
    board: Board, anna: Actor, ben: Actor, scan: UUID
) -> None:
    run = board.start(anna, "result", scan=scan)
    board.define(anna, "next", inputs={"scan": {"type": "generic"}})
    with pytest.raises(NotFoundError):
        board.see(ben, run.id)
    with pytest.raises(NotFoundError):
        board.cancel(ben, run.id)
    with pytest.raises(NotFoundError):
        board.start(ben, "stolen", "next", scan=run.id)
    with board.world.site.look() as work:
        assert runs.list_runs(work, ben).items == ()
        assert len(runs.list_runs(work, anna).items) == 1


def test_a_token_for_certain_datasets_runs_and_sees_nothing(
    board: Board, anna: Actor, scan: UUID
) -> None:
    run = board.start(anna, "result", scan=scan)
    limited = board.world.limited(anna, *Scope, of=[scan])
    with pytest.raises(TokenInsufficientError):
        board.start(limited, "other", scan=scan)
    with pytest.raises(TokenInsufficientError):
        board.cancel(limited, run.id)
    with pytest.raises(NotFoundError):
        board.see(limited, run.id)
    with board.world.site.look() as work:
        assert runs.list_runs(work, limited).items == ()


@pytest.mark.parametrize("lacking", [Scope.RUN, Scope.READ])
def test_what_a_token_lacks_is_told_before_anything_else(
    board: Board, anna: Actor, lacking: Scope
) -> None:
    weak = board.world.limited(anna, *(set(Scope) - {lacking}))
    with pytest.raises(TokenInsufficientError):
        board.start(weak, "result", "no-such-definition", scan=uuid4())


def test_two_who_begin_runs_of_one_name_begin_one(
    board: Board, anna: Actor, scan: UUID, monkeypatch: pytest.MonkeyPatch
) -> None:
    board.start(anna, "result", scan=scan)
    monkeypatch.setattr(runs, "_require_free", lambda *_, **__: None)
    with pytest.raises(NameTakenError):
        board.start(anna, "result", scan=scan)


# --- runs that wait for runs


def test_what_a_run_will_make_has_to_fit(board: Board, anna: Actor, scan: UUID) -> None:
    first = board.start(anna, "first", scan=scan)
    board.define(anna, "tomo", inputs={"scan": {"type": "scan.tomo"}})
    with pytest.raises(InvalidInputError, match="makes what is of type generic"):
        board.start(anna, "second", "tomo", scan=first.id)
    board.cancel(anna, first.id)
    with pytest.raises(InvalidInputError, match="has cancelled"):
        board.start(anna, "second", scan=first.id)


def test_a_row_of_runs_fails_with_the_first_in_a_few_words(
    board: Board, anna: Actor, scan: UUID
) -> None:
    row = [board.start(anna, "r0", scan=scan)]
    for number in range(1, 12):
        row.append(board.start(anna, f"r{number}", scan=row[-1].id))
    attempts.end(board.world.site, board.take().lease, Reason.ERROR, "x" * 1_000)
    ended = [board.see(anna, run.id) for run in row]
    assert {run.state for run in ended} == {RunState.FAILED}
    assert all(len(run.detail) < 500 for run in ended[1:])
    assert "made by the run r10" in ended[11].detail

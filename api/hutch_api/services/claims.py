"""Claim codes: how a step comes by its token without anybody else seeing it.

A step is handed a code that works once. What it gets for it reaches exactly the
datasets of the step, cannot list, share or make tokens, and ends with the attempt.
"""

from collections.abc import Mapping
from datetime import timedelta
from typing import Final
from uuid import UUID

from sqlalchemy import update
from sqlmodel import col, select

from hutch.contract.problems import UnauthenticatedError
from hutch.contract.wire.accounts import Scope
from hutch.contract.wire.definitions import Mode, Resources
from hutch.contract.wire.runs import ClaimIn, JobInput, JobOut, RunState, StepKind
from hutch_api.domain import tokens as texts
from hutch_api.services import access, audit, leases, store_accounts, tokens
from hutch_api.services.leases import Lease
from hutch_api.services.work import Site, Work
from hutch_api.store.run_tables import Attempt, Claim, Definition, Run, RunInput
from hutch_api.store.tables import Account, Dataset, Token

_LONGEST: Final = timedelta(days=60)
"""Longer than any walltime; the lease ends a step's token long before."""
_SCOPES: Final[Mapping[StepKind, tuple[Scope, ...]]] = {
    StepKind.IN: (Scope.READ,),
    StepKind.MAIN: (Scope.READ,),
    StepKind.OUT: (Scope.READ, Scope.WRITE),
}


def make_claim(site: Site, lease: Lease, step: StepKind) -> str:
    """Make the code by which a step gets its token; an earlier one stops working.

    Raises:
        AttemptEndedError: Others have the run, or it has ended.
    """
    text = texts.new_text()
    with site.begin() as work:
        leases.hold(work, lease, RunState.RUNNING)
        work.session.merge(
            Claim(
                attempt_id=lease.attempt,
                step=step,
                hash=site.keys.token_hash(text),
                created_at=work.now,
            )
        )
    return text


def redeem(site: Site, wanted: ClaimIn, *, request_id: str) -> JobOut:
    """Trade a claim code for the token and the job of its step.

    Raises:
        UnauthenticatedError: It is no code of this site, or was used before.
        AttemptEndedError: The attempt has ended.
    """
    refusal = UnauthenticatedError(
        "this claim code is not known, or was used before; each works once"
    )
    if not texts.is_token(wanted.code):
        raise refusal
    with site.begin() as work:
        claim = work.session.exec(
            select(Claim).where(Claim.hash == site.keys.token_hash(wanted.code))
        ).first()
        if claim is None or not _use(work, claim):
            raise refusal
        leases.require_live(work, claim.attempt_id)
        return _job(site, work, claim, request_id)


def _use(work: Work, claim: Claim) -> bool:
    """Mark a code as used; tells whether this one was the first."""
    used = work.session.exec(
        update(Claim)
        .where(
            col(Claim.attempt_id) == claim.attempt_id,
            col(Claim.step) == claim.step,
            col(Claim.hash) == claim.hash,
            col(Claim.used_at).is_(None),
        )
        .values(used_at=work.now)
    )
    return bool(used.rowcount)


def _job(site: Site, work: Work, claim: Claim, request_id: str) -> JobOut:
    attempt = work.session.get_one(Attempt, claim.attempt_id)
    run = work.session.get_one(Run, attempt.run_id)
    definition = work.session.get_one(Definition, run.definition_id)
    actor = leases.actor_of(work, run)
    access.require_active(work, actor)
    inputs = _inputs(work, run)
    writes = claim.step is StepKind.OUT
    # Where previews are made there is no dataset to fill: such a step reaches none.
    reach = [attempt.dataset_id] if writes else [i.id for i in inputs.values()]
    made = tokens.issue(
        work,
        site.keys,
        user=run.owner_id,
        name=f"step {claim.step} of {run.name}",
        scopes=_SCOPES[claim.step],
        datasets=[one for one in reach if one is not None],
        expires_at=work.now + _LONGEST,
        attempt=attempt.id,
    )
    audit.record(
        work,
        actor,
        "claim-token",
        run=str(run.id),
        attempt=attempt.number,
        step=claim.step,
        token=str(made.info.id),
        request=request_id,
    )
    return JobOut(
        token=made.token,
        run=run.id,
        attempt=attempt.number,
        step=claim.step,
        mode=Mode(definition.mode),
        inputs=inputs,
        parameters=run.parameters,
        output_type=definition.output_type,
        target=definition.target,
        resources=Resources(**definition.resources),
        dataset=attempt.dataset_id if writes else None,
    )


def _inputs(work: Work, run: Run) -> dict[str, JobInput]:
    rows = work.session.exec(
        select(RunInput.name, Dataset)
        .join(Dataset, col(Dataset.id) == col(RunInput.dataset_id))
        .where(RunInput.run_id == run.id)
        .order_by(col(RunInput.position))
    ).all()
    return {
        name: JobInput(
            id=row.id,
            name=row.name,
            type=row.type,
            digest=row.digest or "",
            attributes=row.attributes,
        )
        for name, row in rows
    }


def end_tokens(work: Work, attempt: UUID) -> None:
    """End the codes, tokens and store accounts of an attempt.

    Its tokens would end by themselves, but not for a request that was let in before.
    """
    work.session.exec(
        update(Token)
        .where(col(Token.attempt_id) == attempt, col(Token.revoked_at).is_(None))
        .values(revoked_at=work.now)
    )
    made = select(Token.id).where(Token.attempt_id == attempt)
    store_accounts.retire_where(work, col(Account.token_id).in_(made))
    work.session.exec(
        update(Claim)
        .where(col(Claim.attempt_id) == attempt, col(Claim.used_at).is_(None))
        .values(used_at=work.now)
    )

"""Trading a password for a token."""

from datetime import timedelta
from typing import Final

from sqlmodel import col, select

from hutch.contract.problems import BadCredentialsError
from hutch.contract.wire.accounts import LoginIn, Role, Scope, TokenCreated
from hutch_api.domain.access import Actor
from hutch_api.services import audit, passwords, tokens, wrong_passwords
from hutch_api.services.work import Site
from hutch_api.store.tables import User

LIFE: Final = timedelta(days=30)


def log_in(site: Site, wanted: LoginIn, *, request_id: str) -> TokenCreated:
    """Make a token with every scope for somebody who knows their password.

    The answer to an unknown name, a disabled user and a wrong password is the same,
    and takes as long. Hashing happens outside any transaction.

    Raises:
        TooManyAttemptsError: Too many wrong passwords in a row for this name.
        BadCredentialsError: Name and password do not belong together.
    """
    with site.look() as work:
        wrong_passwords.require_patience(work, wanted.user)
        query = select(User).where(
            User.name == wanted.user, col(User.disabled_at).is_(None)
        )
        found = work.session.exec(query).first()
        stored = None if found is None else found.password
    if found is None or not passwords.fits(wanted.password, stored):
        if found is None:
            passwords.fits(wanted.password, None)
        with site.begin() as work:
            wrong_passwords.count(work, wanted.user)
        raise _refusal()
    with site.begin() as work:
        query = query.with_for_update(key_share=True).execution_options(
            populate_existing=True
        )
        user = work.session.exec(query).first()
        if user is None or user.password != stored:
            raise _refusal()
        wrong_passwords.forget(work, wanted.user)
        actor = Actor(user.id, user.name, Role(user.role), request_id)
        created = tokens.issue(
            work,
            site.keys,
            user=user.id,
            name=wanted.token_name,
            scopes=tuple(Scope),
            datasets=None,
            expires_at=work.now + LIFE,
        )
        audit.record(work, actor, "log-in", token=str(created.info.id))
        return created


def _refusal() -> BadCredentialsError:
    return BadCredentialsError("the user name or the password is wrong")

"""Logging in and out, passwords and tokens."""

from http import HTTPStatus
from typing import Any, Final

from hutch.contract import problems as errors
from hutch.contract.wire.accounts import (
    LoginIn,
    PasswordIn,
    Scope,
    TokenCreated,
    TokenIn,
    TokenList,
    WhoAmI,
)
from hutch_api.http import replays
from hutch_api.http.endpoints import Answer, Call, Endpoint
from hutch_api.http.revoking import settle
from hutch_api.services import login, tokens, users


def log_in(call: Call[LoginIn, None]) -> Answer:
    """Trade user name and password for a token with every scope.

    The token's text is in this answer and nowhere else.
    """
    return Answer(login.log_in(call.site, call.body, request_id=call.request_id))


def log_out(call: Call[None, None]) -> Answer:
    """Revoke the token that the request came with."""
    with call.site.begin() as work:
        tokens.log_out(work, call.actor)
    settle(call.site)
    return Answer()


def who_am_i(call: Call[None, None]) -> Answer:
    """Tell for whom the server takes the caller, and by which token."""
    with call.site.look() as work:
        return Answer(tokens.who_am_i(work, call.actor))


def change_password(call: Call[PasswordIn, None]) -> Answer:
    """Change one's own password; tokens stay good."""
    users.change_password(call.site, call.actor, call.body)
    return Answer()


def list_tokens(call: Call[None, None]) -> Answer:
    """List one's own tokens, the newest first."""
    with call.site.look() as work:
        return Answer(tokens.list_tokens(work, call.actor))


def create_token(call: Call[TokenIn, None]) -> Answer:
    """Make a token that can do nothing which the asking one cannot.

    Its text is in this answer and nowhere else: the same ``Idempotency-Key`` again
    is a conflict, because the text cannot be shown twice.
    """
    with call.site.begin() as work:
        created = replays.make_never_again(
            work,
            call,
            scope=Scope.ACCOUNT,
            make=lambda: tokens.create_token(
                work, call.site.keys, call.actor, call.body
            ),
            made=lambda created: created.info.id,
        )
    return Answer(created)


def revoke_token(call: Call[None, None]) -> Answer:
    """Revoke one of one's own tokens, from the next request on."""
    token = call.id("token")
    with call.site.begin() as work:
        tokens.revoke_token(work, call.actor, token)
    settle(call.site)
    return Answer()


ENDPOINTS: Final[tuple[Endpoint[Any, Any], ...]] = (
    Endpoint(
        method="POST",
        path="/v1/login",
        handler=log_in,
        body=LoginIn,
        answers={HTTPStatus.CREATED: TokenCreated},
        public=True,
        problems=(errors.BadCredentialsError, errors.TooManyAttemptsError),
        example={"user": "ada", "password": "correct horse battery staple"},
    ),
    Endpoint(
        method="POST",
        path="/v1/logout",
        handler=log_out,
        answers={HTTPStatus.NO_CONTENT: None},
    ),
    Endpoint(
        method="GET",
        path="/v1/whoami",
        handler=who_am_i,
        answers={HTTPStatus.OK: WhoAmI},
    ),
    Endpoint(
        method="PUT",
        path="/v1/password",
        handler=change_password,
        body=PasswordIn,
        answers={HTTPStatus.NO_CONTENT: None},
        scope=Scope.ACCOUNT,
        problems=(errors.BadCredentialsError, errors.TooManyAttemptsError),
        example={"old": "correct horse battery staple", "new": "another long phrase"},
    ),
    Endpoint(
        method="GET",
        path="/v1/tokens",
        handler=list_tokens,
        answers={HTTPStatus.OK: TokenList},
        scope=Scope.ACCOUNT,
    ),
    Endpoint(
        method="POST",
        path="/v1/tokens",
        handler=create_token,
        body=TokenIn,
        answers={HTTPStatus.CREATED: TokenCreated},
        scope=Scope.ACCOUNT,
        request_headers=replays.HEADER,
        problems=(errors.NotFoundError, errors.IdempotencyError),
        example={
            "name": "nightly copy",
            "scopes": ["read"],
            "expires_at": "2031-01-01T00:00:00Z",
        },
    ),
    Endpoint(
        method="DELETE",
        path="/v1/tokens/{token}",
        handler=revoke_token,
        answers={HTTPStatus.NO_CONTENT: None},
        scope=Scope.ACCOUNT,
        problems=(errors.NotFoundError,),
    ),
)

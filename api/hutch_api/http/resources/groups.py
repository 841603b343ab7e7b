"""Groups and their members."""

from http import HTTPStatus
from typing import Any, Final

from hutch.contract import problems as errors
from hutch.contract.wire.accounts import GroupIn, GroupList, GroupOut, Scope
from hutch_api.http.endpoints import Answer, Call, Endpoint
from hutch_api.http.revoking import settle
from hutch_api.services import groups

_GROUP: Final = "/v1/groups/{group}"
_MEMBER: Final = "/v1/groups/{group}/members/{user}"
_OWNED: Final = (errors.NotFoundError, errors.ForbiddenError)


def list_groups(call: Call[None, None]) -> Answer:
    """List the groups that the caller owns or belongs to, by name."""
    with call.site.look() as work:
        return Answer(groups.list_groups(work, call.actor))


def create_group(call: Call[GroupIn, None]) -> Answer:
    """Make a group; the caller owns it and is its first member."""
    with call.site.begin() as work:
        return Answer(groups.create_group(work, call.actor, call.body))


def get_group(call: Call[None, None]) -> Answer:
    """Tell about a group that the caller owns or belongs to."""
    with call.site.look() as work:
        return Answer(groups.get_group(work, call.actor, call.text("group")))


def delete_group(call: Call[None, None]) -> Answer:
    """Delete a group with all that was shared with it; for its owner."""
    with call.site.begin() as work:
        groups.delete_group(work, call.actor, call.text("group"))
    settle(call.site)
    return Answer()


def add_member(call: Call[None, None]) -> Answer:
    """Add a user to a group; for its owner, and fine if they are in it already."""
    group, user = call.text("group"), call.text("user")
    with call.site.begin() as work:
        return Answer(groups.add_member(work, call.actor, group, user))


def remove_member(call: Call[None, None]) -> Answer:
    """Take a user out of a group; for its owner."""
    group, user = call.text("group"), call.text("user")
    with call.site.begin() as work:
        left = groups.remove_member(work, call.actor, group, user)
    settle(call.site)
    return Answer(left)


ENDPOINTS: Final[tuple[Endpoint[Any, Any], ...]] = (
    Endpoint(
        method="GET",
        path="/v1/groups",
        handler=list_groups,
        answers={HTTPStatus.OK: GroupList},
        scope=Scope.ACCOUNT,
    ),
    Endpoint(
        method="POST",
        path="/v1/groups",
        handler=create_group,
        body=GroupIn,
        answers={HTTPStatus.CREATED: GroupOut},
        scope=Scope.ACCOUNT,
        problems=(errors.NameTakenError,),
        example={"name": "tomo-team"},
    ),
    Endpoint(
        method="GET",
        path=_GROUP,
        handler=get_group,
        answers={HTTPStatus.OK: GroupOut},
        scope=Scope.ACCOUNT,
        problems=(errors.NotFoundError,),
    ),
    Endpoint(
        method="DELETE",
        path=_GROUP,
        handler=delete_group,
        answers={HTTPStatus.NO_CONTENT: None},
        scope=Scope.ACCOUNT,
        problems=_OWNED,
    ),
    Endpoint(
        method="PUT",
        path=_MEMBER,
        handler=add_member,
        answers={HTTPStatus.OK: GroupOut},
        scope=Scope.ACCOUNT,
        problems=_OWNED,
    ),
    Endpoint(
        method="DELETE",
        path=_MEMBER,
        handler=remove_member,
        answers={HTTPStatus.OK: GroupOut},
        scope=Scope.ACCOUNT,
        problems=_OWNED,
    ),
)

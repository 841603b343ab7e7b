"""What is sent on each route: a request that whoever may gets answered in full."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Final

import httpx2
import msgspec

from tests.laws.rights.derived import DEFINITION, IMAGE
from tests.laws.rights.table import Route
from tests.laws.rights.world import CONTENT, SENT, Cast
from tests.services.world import PASSWORD
from tests.transfer.flow import crc, sha256

Body = Callable[[Cast, str], dict[str, Any]]
"""Writes the body that a caller sends."""

BODIES: Final[Mapping[str, Body]] = {
    "POST /v1/login": lambda *_: {"user": "stranger", "password": PASSWORD},
    "PUT /v1/password": lambda *_: {"old": PASSWORD, "new": "another long phrase"},
    "POST /v1/tokens": lambda cast, _: {
        "name": "new",
        "scopes": ["read"],
        "expires_at": (cast.site.clock() + timedelta(hours=1)).isoformat(),
    },
    "POST /v1/groups": lambda *_: {"name": "new"},
    "POST /v1/datasets": lambda *_: {"name": "new"},
    "PATCH /v1/datasets/{dataset}": lambda *_: {"attributes": {"sample": "tooth"}},
    "POST /v1/datasets/{dataset}/close": lambda *_: {"abandon": True},
    "PUT /v1/datasets/{dataset}/owner": lambda *_: {"owner": "stranger"},
    "PUT /v1/datasets/{dataset}/shares/{kind}/{name}": lambda *_: {"right": "read"},
    "POST /v1/datasets/{dataset}/downloads": lambda cast, _: {
        "files": [{"path": "a", "version": cast.versions["open"]}]
    },
    "POST /v1/datasets/{dataset}/confirmations": lambda cast, _: {
        "files": [
            {
                "path": "a",
                "version": cast.versions["closed"],
                "sha256": sha256(CONTENT),
            }
        ]
    },
    "POST /v1/datasets/{dataset}/adoptions": lambda *_: {"paths": ["a"]},
    "POST /v1/datasets/{dataset}/store-accounts": lambda *_: {"access": "read"},
    "POST /v1/pushes/{push}/uploads": lambda *_: {
        "files": [{"path": "new", "size": len(SENT), "crc64nvme": crc(SENT)}]
    },
    "POST /v1/pushes/{push}/parts": lambda cast, caller: {
        "parts": [
            {
                "intent": str(cast.push_of(caller).large),
                "number": 1,
                "crc64nvme": crc(b"a part"),
            }
        ]
    },
    "POST /v1/pushes/{push}/finish": lambda cast, caller: {
        "files": [msgspec.to_builtins(cast.push_of(caller).sent)]
    },
    "POST /v1/pushes/{push}/aborts": lambda cast, caller: {
        "intents": [str(cast.push_of(caller).large)]
    },
    "POST /v1/pushes/{push}/deletions": lambda cast, _: {
        "files": [{"path": "a", "version": cast.versions["open"]}]
    },
    "POST /v1/definitions": lambda *_: {
        "name": "new",
        "image": IMAGE,
        "argv": ["true"],
        "inputs": {"scan": {}},
    },
    "POST /v1/images": lambda *_: {"image": f"sha256:{'e' * 64}"},
    "POST /v1/runs": lambda cast, _: {
        "definition": DEFINITION,
        "inputs": {"scan": str(cast.datasets["closed"])},
        "name": "new",
    },
    "POST /v1/claims": lambda cast, _: {"code": cast.code},
    "PUT /v1/previews/{preview}": lambda *_: {"data": "iVBORw0KGgo="},
    "POST /v1/rules": lambda *_: {
        "name": "new",
        "type": "generic",
        "definition": DEFINITION,
    },
}
GIVEN: Final = {
    "kind": "user",
    "path": "a",
    "group": "team",
    "definition": DEFINITION,
    "preview": "0001.png",
}
NAMES: Final = {
    "GET /v1/datasets/{dataset}/records/{name}": {"name": "seal.json"},
    "PUT /v1/groups/{group}/members/{user}": {"user": "stranger"},
    "DELETE /v1/groups/{group}/members/{user}": {"user": "member"},
    "PUT /v1/datasets/{dataset}/shares/{kind}/{name}": {"name": "writer"},
    "DELETE /v1/datasets/{dataset}/shares/{kind}/{name}": {"name": "writer"},
}


@dataclass(frozen=True, slots=True)
class Request:
    """A request, but for who sends it."""

    method: str
    path: str
    scope: str | None
    options: dict[str, Any] = field(default_factory=dict)

    def sent_by(self, caller: str, cast: Cast) -> httpx2.Response:
        return cast.send(
            caller, self.method, self.path, scope=self.scope, **self.options
        )


def request_for(route: Route, cast: Cast, caller: str, **instead: object) -> Request:
    """Write the request of a caller on a route.

    Args:
        route: Which route.
        cast: What its address and its body name.
        caller: Whose push it names, if it names one.
        instead: Other values for variable parts of the address.
    """
    values: dict[str, object] = {
        **GIVEN,
        "dataset": cast.datasets[route.on],
        "push": cast.push_of(caller).id,
        "operation": cast.operation,
        "token": cast.token,
        "account": cast.account,
        "image": cast.image,
        "run": cast.run,
        "rule": cast.rule,
        **NAMES.get(route.name, {}),
        **instead,
    }
    path = route.path.format(**values)
    body = BODIES.get(route.name)
    options = {} if body is None else {"json": body(cast, caller)}
    return Request(route.method, path, route.scope, options)


def outcome(answer: httpx2.Response) -> str:
    """Tell an answer as the table does; no body comes with HEAD."""
    if answer.status_code < 400:
        return str(answer.status_code)
    if not answer.content:
        return str(answer.status_code)
    return f"{answer.status_code} {answer.json()['type'].rpartition(':')[2]}"

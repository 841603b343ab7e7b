"""The table of expectations, and the cells that follow from it.

A cell is a route and a kind of caller; what it has to answer follows from the rule of
its route. ``expectations.toml`` holds one line a route.
"""

import tomllib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

FILE: Final = Path(__file__).with_name("expectations.toml")
METHODS: Final = frozenset({"get", "put", "post", "delete", "patch", "head"})

CALLERS: Final = {
    "anonymous": "sends no token",
    "stranger": "has a token and no right on anything here",
    "reader": "was given read",
    "writer": "was given write",
    "member": "is in the group that was given write",
    "owner": "made it all",
    "admin": "has the role admin and no right of their own",
    "beamline": "has the role beamline and no right of their own",
    "approver": "has the role approver and no right of their own",
    "unscoped": "is the owner, by a token with every scope but that of the route",
    "elsewhere": "is the owner, by a token for another dataset",
    "revoked": "is the owner, by a token that was revoked",
    "expired": "is the owner, by a token that has ended",
    "disabled": "was given write and is disabled",
    "former": "was in the group that was given write, and pushed",
    "step-in": "is a step of a run of the owner, which reads the closed dataset",
    "step-out": "is a step of that run, which fills its output",
}
NOBODY: Final = frozenset({"anonymous", "revoked", "expired", "disabled"})
STEPS: Final = {
    "step-in": ("closed", frozenset({"read"})),
    "step-out": ("output", frozenset({"read", "write"})),
}
"""What a step reaches: its dataset, and the scopes of its token."""
RIGHT: Final = {"owner": 3, "writer": 2, "member": 2, "reader": 1}
RULES: Final = {"read": 1, "write": 2, "own": 3}

UNAUTHENTICATED: Final = "401 unauthenticated"
UNSCOPED: Final = "403 token-insufficient"
FORBIDDEN: Final = "403 forbidden"
HIDDEN: Final = "404 not-found"
WHO: Final = {
    "mine": ({"owner", "elsewhere"}, HIDDEN),
    "member": ({"owner", "elsewhere", "member"}, HIDDEN),
    "author": ({"owner", "elsewhere"}, FORBIDDEN),
    "approver": ({"approver", "admin"}, FORBIDDEN),
}
"""Rules that name who may, and what all others are answered."""


@dataclass(frozen=True, slots=True)
class Route:
    """A line of the table.

    Attributes:
        also: A second scope that the token must carry.
        on: Name of the dataset in the address.
        steps: Steps of runs may ask, for what their step reaches.
        but: Answers that follow no rule, by caller.
    """

    method: str
    path: str
    needs: str
    ok: int
    scope: str | None = None
    also: str | None = None
    on: str = "open"
    steps: bool = False
    but: dict[str, str] = field(default_factory=dict)

    @property
    def name(self) -> str:
        return f"{self.method} {self.path}"

    def expects(self, caller: str) -> str:
        """What the caller is answered: the status, of a refusal also its code."""
        if self.needs == "public":
            return str(self.ok)
        if caller in NOBODY:
            return UNAUTHENTICATED
        if caller in STEPS and self.needs != "sender":
            return self._to_step(*STEPS[caller])
        if self.needs == "sender":
            return UNSCOPED
        if caller == "unscoped":
            return str(self.ok) if self.scope is None else UNSCOPED
        return self.but.get(caller) or self._by_rule(caller) or str(self.ok)

    def _to_step(self, dataset: str, scopes: frozenset[str]) -> str:
        """What a step is answered that reaches this dataset alone."""
        if not self.steps or self.scope not in scopes:
            return UNSCOPED
        reached = self.on == dataset or self.needs == "push"
        return str(self.ok) if reached else HIDDEN

    def _by_rule(self, caller: str) -> str | None:
        """The refusal that the rule means for somebody who is logged in."""
        has = RIGHT.get(caller, 0)
        if self.needs in RULES:
            return _short_of(has, RULES[self.needs])
        if self.needs == "push":
            return None if has >= RULES["write"] else HIDDEN
        if self.needs in WHO:
            who, refusal = WHO[self.needs]
            return None if caller in who else refusal
        if self.needs == "manager":
            others = {"owner": None, "member": FORBIDDEN, "elsewhere": UNSCOPED}
            return others.get(caller, HIDDEN)
        assert self.needs == "anybody", f"{self.name}: no rule {self.needs!r}"
        return None


def _short_of(has: int, needs: int) -> str | None:
    if has == 0:
        return HIDDEN
    return None if has >= needs else FORBIDDEN


def _read() -> dict[str, Route]:
    lines: dict[str, dict[str, Any]] = tomllib.loads(FILE.read_text())["routes"]
    found = {}
    for name, line in lines.items():
        method, _, path = name.partition(" ")
        found[name] = Route(method, path, **line)
    return found


ROUTES: Final = _read()


def described(document: dict[str, Any]) -> set[str]:
    """Name every route of an OpenAPI document."""
    return {
        f"{method.upper()} {path}"
        for path, item in document["paths"].items()
        for method in item
        if method in METHODS
    }

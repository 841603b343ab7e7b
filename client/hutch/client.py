"""A server as an object: every route a typed method."""

from collections.abc import Iterable, Mapping
from hashlib import sha256
from typing import Any, Final, Self
from uuid import UUID

from hutch.connection import Connection
from hutch.contract.problems import NotFoundError
from hutch.contract.wire.datasets import DatasetOut, TypeList
from hutch.contract.wire.runs import RunIn, RunOut
from hutch.contract.wire.site import Capabilities
from hutch.errors import AmbiguousError
from hutch.patience import Waiting, ignore
from hutch.resources.accounts import Account, Groups, Tokens
from hutch.resources.datasets import Datasets
from hutch.resources.definitions import Definitions, Images, split_label
from hutch.resources.files import Files, Pushes
from hutch.resources.previews import Previews
from hutch.resources.rules import Rules
from hutch.resources.runs import Runs
from hutch.resources.tools import StoreAccounts, Strays

SHORTEST_PREFIX: Final = 4
"""Fewer characters of an id fit too much to be meant as one."""
RUN: Final = "run:"
"""Before what names a run whose output is to be an input."""
_LONGEST_PAGE: Final = 1_000
_SHOWN: Final = 5
_HEXADECIMAL: Final = frozenset("0123456789abcdef")


def connect(
    url: str,
    *,
    token: str | None = None,
    insecure: bool = False,
    timeout_s: float = 60.0,
    waiting: Waiting = ignore,
) -> "Client":
    """Make a client of a server; nothing is sent yet.

    Args:
        url: Address of the server, such as ``https://hutch.example.org``.
        token: Token of the caller; None until ``client.account.log_in``.
        insecure: Allow plain http beyond this machine.
        timeout_s: Seconds to wait for an answer.
        waiting: Is told the address when a server that has answered before is gone;
            it is waited for half a minute.

    Raises:
        InsecureUrlError: If the address is plain http beyond this machine.
    """
    return Client(
        Connection(
            url, token=token, insecure=insecure, timeout_s=timeout_s, waiting=waiting
        )
    )


class Client:
    """One server as one caller sees it; usable from several threads.

    Attributes:
        account: Login, logout, who one is.
        tokens: The caller's tokens.
        groups: Groups and their members.
        datasets: Datasets, shares, lineage, history.
        files: What datasets hold.
        pushes: How files get there; ``hutch.push`` is the comfortable way.
        store_accounts: Keys for S3 tools, each good for one dataset.
        strays: What such tools did in the store, and taking it in.
        definitions: Programs in containers that make datasets from datasets.
        images: Container images that were approved.
        runs: Runs of definitions; ``run`` is the comfortable way to begin one.
        rules: What is run by itself when datasets close.
        previews: Small pictures of what datasets hold.
    """

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self.account = Account(connection)
        self.tokens = Tokens(connection)
        self.groups = Groups(connection)
        self.datasets = Datasets(connection)
        self.files = Files(connection)
        self.pushes = Pushes(connection)
        self.store_accounts = StoreAccounts(connection)
        self.strays = Strays(connection)
        self.definitions = Definitions(connection)
        self.images = Images(connection)
        self.runs = Runs(connection)
        self.rules = Rules(connection)
        self.previews = Previews(connection)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exc: object) -> None:
        self.close()

    @property
    def url(self) -> str:
        """Address of the server, without a slash at its end."""
        return self._connection.url

    @property
    def caller(self) -> str:
        """A name for the server and the token, from which neither can be learnt."""
        return sha256(f"{self.url}\n{self._connection.token}".encode()).hexdigest()[:32]

    def close(self) -> None:
        """Close the sockets."""
        self._connection.close()

    def hurry(self, *, now: bool = True) -> None:
        """Wait for a server that does not answer no longer, or again."""
        self._connection.patience.hurry(now=now)

    def capabilities(self) -> Capabilities:
        """Ask what the server can do, and where S3 tools find its files."""
        return self._connection.call("GET", "/v1/capabilities", Capabilities)

    def types(self) -> TypeList:
        """List the types of datasets that the site knows."""
        return self._connection.call("GET", "/v1/types", TypeList)

    def find(self, text: str) -> DatasetOut:
        """Find the dataset that a person means.

        Args:
            text: Its id, the beginning of its id, ``owner/name``, or ``name`` for
                one of the caller's own.

        Raises:
            AmbiguousError: If several fit; ``candidates`` lists them.
            NotFoundError: If none fits.
        """
        if (exact := _uuid(text)) is not None:
            return self.datasets.get(exact)
        owner, slash, name = text.partition("/")
        if slash:
            found = {d.id: d for d in self.datasets.list(owner=owner, name=name).items}
        else:
            me = self.account.whoami().user.name
            found = {d.id: d for d in self.datasets.list(owner=me, name=text).items}
            if _is_prefix(text):
                begins = self.datasets.list(prefix=text.lower()).items
                found |= {d.id: d for d in begins}
        if not found:
            raise NotFoundError(
                f"No dataset that you may see fits {text!r}. 'hutch ls' lists them; "
                "another user's is named owner/name.",
                dataset=text,
            )
        if len(found) > 1:
            raise _ambiguous(
                text,
                "datasets",
                {d.id: f"{d.owner}/{d.name}" for d in found.values()},
            )
        return next(iter(found.values()))

    def find_run(self, text: str) -> RunOut:
        """Find the run that a person means.

        Args:
            text: Its id, the beginning of its id, or the name of the dataset that it
                makes; of several runs for a name, the newest is meant.

        Raises:
            AmbiguousError: If several fit; ``candidates`` lists them.
            NotFoundError: If none fits.
        """
        if (exact := _uuid(text)) is not None:
            return self.runs.get(exact)
        walk = self.runs.iterate(limit=_LONGEST_PAGE)
        found = _fitting(walk, text)
        if not found:
            raise NotFoundError(
                f"You have no run that fits {text!r}. 'hutch runs' lists them.",
                run=text,
            )
        if len(found) > 1:
            raise _ambiguous(
                text, "runs", {r.id: f"{r.definition} for {r.name}" for r in found}
            )
        return found[0]

    def run(
        self,
        definition: str,
        *,
        name: str | None = None,
        inputs: Mapping[str, DatasetOut | RunOut | UUID | str],
        parameters: Mapping[str, Any] | None = None,
        wait: bool = False,
    ) -> RunOut:
        """Run a definition.

        Args:
            definition: Its name, or ``name@version``; the name alone means the newest
                version.
            name: Name of the dataset that is made; None where previews are made.
            inputs: By the name of the input: a closed dataset, or a run whose output
                is to be the input. Text is read as ``find`` reads it, or after
                ``run:`` as ``find_run`` does.
            parameters: What the definition asks for; its defaults fill the rest.
            wait: Wait until the run has ended, in whichever way: its ``state`` says
                which, and ``dataset`` is what it made.

        Raises:
            ImageUnapprovedError: If nobody has approved the definition's image.
            InvalidInputError: If an input or a parameter does not fit.
            ParentOpenError: If an input is not closed.
            ValueError: If a name or the version is none.
        """
        label, version = split_label(definition)
        wanted = RunIn(
            definition=label,
            version=version,
            name=name,
            inputs={key: self._input(given) for key, given in inputs.items()},
            parameters=dict(parameters or {}),
        )
        started = self.runs.start(wanted)
        return self.runs.wait(started.id) if wait else started

    def _input(self, given: DatasetOut | RunOut | UUID | str) -> UUID:
        if isinstance(given, UUID):
            return given
        if not isinstance(given, str):
            return given.id
        if given.startswith(RUN):
            return self.find_run(given.removeprefix(RUN)).id
        return self.find(given).id


def _uuid(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None


def _is_prefix(text: str) -> bool:
    """Tell whether an id could begin like this, with or without its dashes."""
    whole = str(UUID(int=0))
    low = text.lower()
    return SHORTEST_PREFIX <= len(text) <= len(whole) and (
        (set(low) <= _HEXADECIMAL and len(text) <= len(whole.replace("-", "")))
        or all(
            (c == "-") == (w == "-") and (c == "-" or c in _HEXADECIMAL)
            for c, w in zip(low, whole, strict=False)
        )
    )


def _fitting(runs: Iterable[RunOut], text: str) -> list[RunOut]:
    """Choose the newest run for a name, and those whose ids begin like it."""
    is_prefix, begins = _is_prefix(text), text.lower()
    named: RunOut | None = None
    begun: list[RunOut] = []
    for run in runs:  # the newest first
        if named is None and run.name == text:
            named = run
            if not is_prefix:
                break
        elif is_prefix and (
            str(run.id).startswith(begins) or run.id.hex.startswith(begins)
        ):
            begun.append(run)
    return begun if named is None else [named, *begun]


def _ambiguous(text: str, what: str, found: Mapping[UUID, str]) -> AmbiguousError:
    names = [f"{name} ({id_})" for id_, name in found.items()]
    more = " and more" if len(names) > _SHOWN else ""
    return AmbiguousError(
        f"{text!r} fits several {what}: {', '.join(names[:_SHOWN])}{more}. Give more "
        "of the id.",
        candidates=[str(id_) for id_ in found],
    )

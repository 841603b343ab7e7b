"""What a process needs to read: a client, the datasets it has found, connections."""

import os
import weakref
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Final, Self

from hutch import credentials
from hutch.client import Client, connect
from hutch.fs.datasets import Catalogue
from hutch.fs.reading import Reader

OPEN_S: Final = 5.0
"""So long what is known of an open dataset is believed, unless the user says."""


class Token(str):
    """The text of a token, of which ``repr`` shows only a mark.

    Options of a file system are shown by tracebacks, notebooks and logs. The mark
    differs from token to token, because fsspec tells instances apart by the ``repr`` of
    their options.
    """

    __slots__ = ()

    def __repr__(self) -> str:
        # Of 40 random characters a hash gives nothing away.
        return f"<token {sha256(self.encode()).hexdigest()[:16]}>"


@dataclass(frozen=True, slots=True, weakref_slot=True)
class Session:
    """One process that reads as one caller; its sockets go with it.

    Attributes:
        pid: The process: a fork of it must not use its sockets.
    """

    client: Client
    catalogue: Catalogue
    reader: Reader = field(default_factory=Reader)
    pid: int = field(default_factory=os.getpid)

    @classmethod
    def begin(
        cls, url: str | None, token: str | None, *, insecure: bool, open_s: float
    ) -> Self:
        """Connect; nothing is sent yet.

        Args:
            url: Address of the server; None means that of the environment, or the one
                that was logged in to last.
            token: None means the one that is kept for that server.
            insecure: Allow plain http beyond this machine.
            open_s: As for ``Catalogue``.

        Raises:
            NotLoggedInError: If there is no token.
            InsecureUrlError: If the address is plain http beyond this machine.
        """
        if url is None or token is None:
            found = credentials.find(url)
            url, token = found.url, found.token
            insecure = insecure or found.insecure
        client = connect(url, token=token, insecure=insecure)
        made = cls(client, Catalogue(client, open_s=open_s))
        # fsspec has no moment at which a file system would be closed.
        weakref.finalize(made, _close, client, made.reader, made.pid)
        return made


def _close(client: Client, reader: Reader, pid: int) -> None:
    if pid == os.getpid():
        reader.close()
        client.close()

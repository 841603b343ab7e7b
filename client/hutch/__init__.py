"""hutch: the datasets of a beamline, as a library.

>>> import hutch
>>> client = hutch.connect("https://hutch.example.org", token="hutch_…")
>>> scan = client.find("anna/tooth")
>>> report = hutch.clone(client, scan, Path("tooth"))

``connect`` gives a ``Client`` with a typed method for every route; ``push``, ``pull``,
``clone`` and the ``verify_…`` functions move and check files; errors are in
``hutch.errors``. ``s3_keys`` and ``s3_client`` let S3 tools work on a dataset.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from hutch import errors

if TYPE_CHECKING:
    from hutch.client import Client, connect
    from hutch.contract.problems import HutchError
    from hutch.models import (
        LineageCheck,
        Problem,
        PullReport,
        PushReport,
        VerifyReport,
    )
    from hutch.sync.lineage import verify_lineage
    from hutch.sync.pulling import clone, pull
    from hutch.sync.pushing import push
    from hutch.sync.verifying import verify_dataset, verify_workdir
    from hutch.tools.boto import s3_client
    from hutch.tools.keys import StoreKeys, s3_keys
    from hutch.workdir.directory import (
        Workdir,
        find_workdir,
        make_workdir,
        open_workdir,
        require_unbound,
    )
    from hutch.workdir.status import Status, read_status

__all__ = [
    "Client",
    "HutchError",
    "LineageCheck",
    "Problem",
    "PullReport",
    "PushReport",
    "Status",
    "StoreKeys",
    "VerifyReport",
    "Workdir",
    "clone",
    "connect",
    "errors",
    "find_workdir",
    "make_workdir",
    "open_workdir",
    "pull",
    "push",
    "read_status",
    "require_unbound",
    "s3_client",
    "s3_keys",
    "verify_dataset",
    "verify_lineage",
    "verify_workdir",
]

_HOMES = {
    "Client": "hutch.client",
    "HutchError": "hutch.contract.problems",
    "LineageCheck": "hutch.models",
    "Problem": "hutch.models",
    "PullReport": "hutch.models",
    "PushReport": "hutch.models",
    "Status": "hutch.workdir.status",
    "StoreKeys": "hutch.tools.keys",
    "VerifyReport": "hutch.models",
    "Workdir": "hutch.workdir.directory",
    "clone": "hutch.sync.pulling",
    "connect": "hutch.client",
    "find_workdir": "hutch.workdir.directory",
    "make_workdir": "hutch.workdir.directory",
    "open_workdir": "hutch.workdir.directory",
    "pull": "hutch.sync.pulling",
    "push": "hutch.sync.pushing",
    "read_status": "hutch.workdir.status",
    "require_unbound": "hutch.workdir.directory",
    "s3_client": "hutch.tools.boto",
    "s3_keys": "hutch.tools.keys",
    "verify_dataset": "hutch.sync.verifying",
    "verify_lineage": "hutch.sync.lineage",
    "verify_workdir": "hutch.sync.verifying",
}
"""Where each name is; its module is loaded when it is first used."""


def __getattr__(name: str) -> Any:
    """Load what is asked for: a command needs only some of it, and half the time."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    found = globals()[name] = getattr(import_module(_HOMES[name]), name)
    return found


def __dir__() -> list[str]:
    return sorted(__all__)

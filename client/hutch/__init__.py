"""hutch: the datasets of a beamline, as a library.

>>> import hutch
>>> client = hutch.connect("https://hutch.example.org", token="hutch_…")
>>> scan = client.find("anna/tooth")
>>> report = hutch.clone(client, scan, Path("tooth"))

``connect`` gives a ``Client`` with a typed method for every route; ``push``, ``pull``,
``clone`` and the ``verify_…`` functions move and check files; errors are in
``hutch.errors``.
"""

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
    "VerifyReport",
    "Workdir",
    "clone",
    "connect",
    "find_workdir",
    "make_workdir",
    "open_workdir",
    "pull",
    "push",
    "read_status",
    "require_unbound",
    "verify_dataset",
    "verify_lineage",
    "verify_workdir",
]

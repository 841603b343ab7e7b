"""On which file system a directory lies, and whether its kernel knows of all changes.

inotify tells of what goes through the kernel of this machine. What another machine
writes into a shared file system it never tells.
"""

import re
from pathlib import Path
from typing import Final

SHARED: Final = frozenset(
    {
        "9p",
        "afs",
        "beegfs",
        "ceph",
        "cifs",
        "coda",
        "fuse",
        "gfs2",
        "gpfs",
        "lustre",
        "ncpfs",
        "nfs",
        "nfs4",
        "ocfs2",
        "orangefs",
        "panfs",
        "prl_fs",
        "pvfs2",
        "smb3",
        "smbfs",
        "vboxsf",
        "virtiofs",
        "vmhgfs",
        "wekafs",
    }
)
"""Types of file systems that others may write to, past this machine's kernel.

``fuse`` stands for all of its kinds (sshfs, GlusterFS, …), whose servers may do so; a
disk that is mounted by way of FUSE is a ``fuseblk``, and not among them.
"""
_MOUNTS: Final = Path("/proc/self/mountinfo")
_ESCAPED: Final = re.compile(rb"\\([0-7]{3})")


def shared_below(root: Path, *, mounts: Path = _MOUNTS) -> str | None:
    """Name a shared file system on which a directory, or a part of it, lies.

    Args:
        root: The directory, without links in its path.
        mounts: Where the kernel lists what is mounted.

    Returns:
        The type, such as ``nfs4``; ``unknown`` if the kernel does not say; None if
        all of it is on file systems of this machine.
    """
    try:
        rows = mounts.read_bytes().splitlines()
    except OSError:
        return "unknown"
    own, below = "unknown", []
    deepest = -1
    for row in rows:
        place, kind = _mount(row)
        if place == root or place in root.parents:
            if len(place.parts) >= deepest:  # the last one mounted there hides others
                own, deepest = kind, len(place.parts)
        elif root in place.parents:
            below.append(kind)
    return next((k for k in (own, *below) if _is_shared(k)), None)


def _mount(row: bytes) -> tuple[Path, str]:
    """Read the mount point and the type from a line (``man 5 proc``)."""
    front, _, back = row.partition(b" - ")
    point = _ESCAPED.sub(lambda found: bytes([int(found[1], 8)]), front.split()[4])
    return Path(point.decode("utf-8", "surrogateescape")), back.split()[0].decode()


def _is_shared(kind: str) -> bool:
    return kind == "unknown" or kind.partition(".")[0] in SHARED

"""Which directories lie where the kernel does not know of all changes."""

from pathlib import Path

import pytest

from hutch.watch.places import shared_below

MOUNTS = r"""
27 1 254:0 / / rw,relatime - ext4 /dev/vda rw
30 27 0:30 / /shared rw,relatime shared:2 - nfs4 files:/export rw,vers=4.2
31 27 0:31 / /local rw - xfs /dev/vdb rw
32 31 0:32 / /local/in\040side rw - fuse.sshfs host:/ rw
33 30 0:33 / /shared/scratch rw - tmpfs tmpfs rw
34 27 0:34 / /twice rw - ext4 /dev/vdc rw
35 34 0:35 / /twice rw - lustre mgs:/l rw
36 27 0:36 / /stick rw - fuseblk /dev/sdb1 rw
"""


@pytest.mark.parametrize(
    ("root", "kind"),
    [
        ("/data", None),
        ("/shared/anna/run", "nfs4"),
        ("/shared/scratch/run", None),
        ("/sharedfiles", None),
        ("/local/run", None),
        ("/local", "fuse.sshfs"),
        ("/local/in side/run", "fuse.sshfs"),
        ("/twice/run", "lustre"),
        ("/stick", None),
    ],
)
def test_a_shared_file_system_is_named(
    tmp_path: Path, root: str, kind: str | None
) -> None:
    mounts = tmp_path / "mountinfo"
    mounts.write_text(MOUNTS.lstrip())
    assert shared_below(Path(root), mounts=mounts) == kind


def test_what_is_not_known_is_not_trusted(tmp_path: Path) -> None:
    assert shared_below(tmp_path, mounts=tmp_path / "none") == "unknown"


def test_the_list_of_this_kernel_can_be_read(tmp_path: Path) -> None:
    assert shared_below(tmp_path) != "unknown"

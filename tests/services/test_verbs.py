"""How a file travels."""

import pytest

from hutch.contract.parts import SMALL
from hutch.contract.wire.transfer import UploadIn
from hutch_api.services.announcement import _verb
from hutch_api.services.neighbours import Known
from hutch_api.store.tables import Verb

_NOTHING = Known(
    files={},
    live={},
    names={},
    used=frozenset(),
    above=frozenset(),
    own=frozenset(),
)
_CRC = "AAAAAAAAAAA="


@pytest.mark.parametrize(
    ("path", "size", "verb"),
    [
        ("a", SMALL, Verb.SINGLE),
        ("a", SMALL + 1, Verb.MULTIPART),
        ("n" * 240, 1, Verb.SINGLE),
        ("d/" + "n" * 241, 1, Verb.MULTIPART),
        ("n" * 241 + "/f", 1, Verb.SINGLE),
        ("\u00fc" * 121, 1, Verb.MULTIPART),
    ],
)
def test_large_files_and_long_names_travel_in_parts(
    path: str, size: int, verb: Verb
) -> None:
    """SeaweedFS fails at a create-only PUT of a name of 247 bytes."""
    item = UploadIn(path=path, size=size, crc64nvme=_CRC)
    assert _verb(path, item, file=None, live=None, known=_NOTHING) is verb

"""Each operation meets each fault once; everything ends as it should."""

from itertools import product

import pytest

from tests.laws.conftest import SOAK, Count
from tests.laws.faults.faulty import Fault, first_of_each
from tests.laws.faults.hall import Hall, live

LINES = ("api", "store", "inner")
STORES = ("seaweedfs", "minio")
ALL = [
    (store, line, fault)
    for n, (fault, line) in enumerate(product(Fault, LINES))
    for m, store in enumerate(STORES)
    # Half of it where there is little time: each line and each fault on both stores.
    if SOAK or (n + m) % 2
]


@pytest.mark.parametrize(
    ("store_server", "line", "fault"), ALL, indirect=["store_server"]
)
def test_a_fault_at_every_operation_once_loses_nothing(
    hall: Hall, line: str, fault: Fault, count: Count
) -> None:
    plans = [first_of_each(fault) if one == line else None for one in LINES]
    failures = live(hall, *plans)
    done = getattr(hall, line).done
    assert len(done) >= (2 if line == "store" else 8), done
    count("operations that met a fault", len(done))
    count("commands that had to be run again", failures)

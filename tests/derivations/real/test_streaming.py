"""Programs that fetch their input themselves: two addresses, one token, no more."""

from pathlib import Path
from uuid import UUID

from hutch.contract.wire.definitions import Mode
from hutch.sync.pulling import clone
from tests.derivations.real.stage import Person, Stage
from tests.servers import wait_until


def test_a_streaming_program_reaches_its_inputs_and_nothing_else(
    stage: Stage, anna: Person, scan: UUID, tmp_path: Path
) -> None:
    other = stage.closed(anna, tmp_path, {"a.txt": "not for the program\n"})
    ended = stage.run(anna, scan, "stream", str(other), mode=Mode.STREAMING)
    assert ended.end == ("succeeded", None), ended.run.detail
    found = ended.report
    assert (found["first"], found["s3"]) == ("the first\n", 200)
    assert (found["mode"], found["staged"]) == ("0o400", [])
    assert (found["other"], found["other_s3"]) == (404, "no account: 404")
    assert (found["listing"], found["tokens"], found["writes"]) == (403, 403, 403)
    assert not found["claims"]
    assert found["interfaces"] == ["lo"]
    assert found["internet"] == found["metadata"] == "ENETUNREACH"
    assert found["engine"] == "ECONNREFUSED"
    assert ended.run.dataset is not None
    clone(anna.client, anna.client.datasets.get(ended.run.dataset), tmp_path / "output")
    for name in ("by-api", "by-s3"):
        assert (tmp_path / "output" / name).read_text() == "the first\n"


def test_the_store_account_of_a_program_ends_with_it(
    stage: Stage, anna: Person, scan: UUID
) -> None:
    stage.run(anna, scan, "stream", str(scan), mode=Mode.STREAMING)
    wait_until(
        lambda: not anna.client.store_accounts.list(scan).items,
        seconds=60,
        what="the end of the program's store accounts",
    )

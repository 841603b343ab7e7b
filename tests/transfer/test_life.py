"""The law as a state machine: whatever the order of calls, it holds.

Three people do whatever they like with datasets, time passes, workers work, and the
store fails now and then in the middle of something.
"""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from pathlib import Path
from uuid import UUID

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    invariant,
    rule,
    run_state_machine_as_test,
)
from sqlmodel import col, select

from hutch.contract.problems import HutchError, StoreUnavailableError
from hutch.contract.wire.datasets import PrincipalKind, Right, State
from hutch.contract.wire.transfer import DeletionsIn, FileRef, UploadOut
from hutch_api.adapters.memory import MemoryStore
from hutch_api.domain.access import Actor
from hutch_api.domain.layout import key_of, prefix_of
from hutch_api.services import deletion, files, revocation, sharing, upkeep
from hutch_api.services.removals import remove_files
from hutch_api.services.sweep import sweep
from hutch_api.store.engine import make_engine
from hutch_api.store.tables import Dataset, File, Input
from tests.agreement import disagreements
from tests.conftest import Clock
from tests.transfer.flow import Flow, sha256
from tests.transfer.stage import in_memory

PEOPLE = ("ada", "bob", "eve")
PATHS = ("a", "a/b", "B", "b", "c")
CONTENTS = (b"", b"1", b"22", b"333")
WAITS = (
    timedelta(seconds=30),
    timedelta(minutes=3),
    timedelta(minutes=20),
    timedelta(hours=2, minutes=1),
    timedelta(days=8),
)


@dataclass
class Upload:
    """A file that somebody was told how to send."""

    actor: Actor
    dataset: UUID
    push: UUID
    answer: UploadOut
    data: bytes


@dataclass
class Believed:
    """What people were told of a dataset.

    Attributes:
        acknowledged: The content that each path was confirmed to have.
        possible: Contents whose finish had no answer: they may be there.
        sealed: What a reader saw when it was closed.
    """

    acknowledged: dict[str, bytes] = field(default_factory=dict)
    possible: dict[str, set[bytes]] = field(default_factory=dict)
    sealed: tuple[str | None, str | None, bytes] | None = None


class LifeOfDatasets(RuleBasedStateMachine):
    """People, datasets, a store that may fail, and what must hold all the time."""

    datasets: Bundle[UUID] = Bundle("datasets")
    uploads: Bundle[Upload | None] = Bundle("uploads")
    people = st.sampled_from(PEOPLE)

    def __init__(self, template: Path, directory: Path) -> None:
        super().__init__()
        file = directory / "life.sqlite"
        for old in directory.glob("life.sqlite*"):
            old.unlink()
        shutil.copyfile(template, file)
        self.clock = Clock()
        self.engine = make_engine(f"sqlite:///{file}")
        stage = in_memory(self.engine, self.clock)
        assert isinstance(stage.site.objects, MemoryStore)
        self.store = stage.site.objects
        self.flow = Flow(stage.site, stage.send)
        self.site = stage.site
        self.believed: dict[UUID, Believed] = {}
        for name in PEOPLE:
            self.flow.user(name)

    # ---- what people do

    @rule(target=datasets, name=people, parents=st.lists(datasets, max_size=2))
    def create(self, name: str, parents: list[UUID]) -> UUID:
        """Create a dataset, or derive it where the parents allow that."""
        actor, title = self.flow.user(name), f"d{len(self.believed)}"
        try:
            made = self.flow.dataset(actor, title, inputs=tuple(dict.fromkeys(parents)))
        except HutchError:
            made = self.flow.dataset(actor, title)
        self.believed[made.id] = Believed()
        return made.id

    @rule(
        target=uploads,
        name=people,
        dataset=datasets,
        path=st.sampled_from(PATHS),
        data=st.sampled_from(CONTENTS),
        knowing=st.booleans(),
        force=st.booleans(),
    )
    def announce(
        self,
        *,
        name: str,
        dataset: UUID,
        path: str,
        data: bytes,
        knowing: bool,
        force: bool,
    ) -> Upload | None:
        actor = self.flow.user(name)
        base = self.versions(dataset) if knowing else {}
        with suppress(HutchError):
            push = self.flow.start(actor, dataset)
            [answer] = self.flow.announce(
                actor, push, {path: data}, base=base, force=force
            )
            if answer.problem is None:
                return Upload(actor, dataset, push, answer, data)
        return None

    @rule(upload=uploads)
    def finish(self, upload: Upload | None) -> None:
        """Send and finish; perhaps long after it was announced, perhaps again."""
        if upload is None:
            return
        path, believed = upload.answer.path, self.believed[upload.dataset]
        with suppress(HutchError, AssertionError):  # the flow asserts a good status
            item = self.flow.carry(
                upload.actor, upload.push, upload.answer, upload.data
            )
            before = self.contents(upload.dataset)
            believed.possible.setdefault(path, set()).add(upload.data)
            [done] = self.flow.finish(upload.actor, upload.push, [item]).files
            if (
                done.problem is None
                and self.versions(upload.dataset).get(path) == done.version
                and self.contents(upload.dataset) != before
            ):
                believed.acknowledged[path] = upload.data

    @rule(name=people, dataset=datasets, path=st.sampled_from(PATHS))
    def remove(self, name: str, dataset: UUID, path: str) -> None:
        actor, version = self.flow.user(name), self.versions(dataset).get(path)
        if version is None:
            return
        with suppress(HutchError):
            push = self.flow.start(actor, dataset)
            wanted = DeletionsIn(files=(FileRef(path=path, version=version),))
            with self.site.begin() as work:
                remove_files(work, actor, push, wanted)
            self.believed[dataset].acknowledged.pop(path, None)

    @rule(name=people, dataset=datasets, abandon=st.booleans())
    def close(self, *, name: str, dataset: UUID, abandon: bool) -> None:
        with suppress(HutchError):
            self.flow.close(self.flow.user(name), dataset, abandon=abandon, empty=True)

    @rule(name=people, dataset=datasets)
    def delete(self, name: str, dataset: UUID) -> None:
        with suppress(HutchError):
            deletion.delete(self.site, self.flow.user(name), dataset)

    @rule(
        owner=people,
        dataset=datasets,
        to=people,
        right=st.sampled_from([Right.READ, Right.WRITE]),
    )
    def share(self, owner: str, dataset: UUID, to: str, right: Right) -> None:
        with suppress(HutchError):
            self.flow.share(self.flow.user(owner), dataset, to=to, right=right)

    @rule(owner=people, dataset=datasets, to=people)
    def unshare(self, owner: str, dataset: UUID, to: str) -> None:
        with suppress(HutchError):
            with self.site.begin() as work:
                actor = self.flow.user(owner)
                kind = PrincipalKind.USER
                sharing.unshare(work, actor, dataset, kind=kind, name=to)
            revocation.settle(self.site)

    # ---- what happens to them

    @rule(wait=st.sampled_from(WAITS))
    def let_time_pass(self, wait: timedelta) -> None:
        self.clock.move(wait)

    @rule()
    def work(self) -> None:
        with suppress(HutchError):
            upkeep.run_once(self.site)

    @rule(dataset=datasets)
    def sweep(self, dataset: UUID) -> None:
        with suppress(HutchError):
            assert sweep(self.site, dataset).missing == 0

    @rule(calls=st.integers(1, 6))
    def let_the_store_fail(self, calls: int) -> None:
        """One of the next calls of the store goes wrong."""
        left = calls

        def before(_: str) -> None:
            nonlocal left
            left -= 1
            if left == 0:
                self.store.before = lambda _: None
                raise StoreUnavailableError("the store does not answer")

        self.store.before = before

    # ---- what must hold

    @invariant()
    def what_is_closed_stays_as_it_was(self) -> None:
        with self._looking():
            for row in self.rows():
                believed = self.believed[row.id]
                if row.digest is None:
                    assert believed.sealed is None
                    continue
                owner = next(
                    a for a in self.flow.users.values() if a.user == row.owner_id
                )
                if row.state is State.DELETING:
                    continue
                text = b"".join(files.manifest(self.site, owner, row.id))
                seen = (row.digest, row.seal, text)
                believed.sealed = believed.sealed or seen
                assert seen == believed.sealed
                assert row.state in {State.CLOSED, State.DELETED}

    @invariant()
    def parents_were_closed(self) -> None:
        with self.site.look() as work:
            edges = work.session.exec(
                select(Input, Dataset).join(
                    Dataset, col(Dataset.id) == col(Input.parent_id)
                )
            ).all()
        for edge, parent in edges:
            assert (edge.digest, edge.seal) == (parent.digest, parent.seal)
            assert parent.state not in {State.OPEN, State.CLOSING}

    @invariant()
    def nothing_acknowledged_is_missing_and_nothing_else_appears(self) -> None:
        with self._looking():
            for row in self.rows():
                if row.state in {State.DELETING, State.DELETED}:
                    continue
                believed, held = self.believed[row.id], self.contents(row.id)
                for path, data in believed.acknowledged.items():
                    possible = believed.possible.get(path, set()) | {data}
                    assert held[path] in possible
                for path, data in held.items():
                    assert data in believed.possible[path]

    @invariant()
    def database_and_store_agree(self) -> None:
        with self._looking():
            assert disagreements(self.site) == []

    def teardown(self) -> None:
        """In the end the worker has nothing to do, and nothing is left over."""
        self.store.before = lambda _: None
        for _ in range(4):
            self.clock.move(timedelta(days=8))
            while upkeep.run_once(self.site):
                pass
        assert list(self.site.accounts.key_ids()) == []
        for row in self.rows():
            assert row.state not in {State.CLOSING, State.DELETING}
            listed = [
                (v.key, v.version) for v in self.store.versions(prefix_of(row.id))
            ]
            pinned = self.versions(row.id)
            assert listed == [(key_of(row.id, p), v) for p, v in pinned.items()]
        self.what_is_closed_stays_as_it_was()
        self.engine.dispose()

    # ---- looks

    def rows(self) -> list[Dataset]:
        with self.site.look() as work:
            return list(work.session.exec(select(Dataset)).all())

    def versions(self, dataset: UUID) -> dict[str, str]:
        with self.site.look() as work:
            query = select(File).where(File.dataset_id == dataset)
            rows = work.session.exec(query.order_by(col(File.path)))
            return {f.path: f.version for f in rows}

    def contents(self, dataset: UUID) -> dict[str, bytes]:
        """Read what is pinned, as it lies in the store."""
        with self._looking(), self.site.look() as work:
            query = select(File).where(File.dataset_id == dataset)
            held = {}
            for file in work.session.exec(query).all():
                key = key_of(dataset, file.path)
                held[file.path] = b"".join(self.store.read(key, file.version))
                assert sha256(held[file.path]) == file.sha256
            return held

    @contextmanager
    def _looking(self) -> Iterator[None]:
        """Look at the store without counting towards its next failure."""
        before, self.store.before = self.store.before, lambda _: None
        try:
            yield
        finally:
            self.store.before = before


def test_the_law_holds_whatever_the_order_of_calls(
    _sqlite_template: Path,  # noqa: PT019 -- its value is needed
    tmp_path: Path,
) -> None:
    run_state_machine_as_test(
        partial(LifeOfDatasets, _sqlite_template, tmp_path),  # type: ignore[arg-type] # a factory will do
        settings=settings(
            max_examples=10,
            stateful_step_count=40,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )

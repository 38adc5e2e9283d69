"""Whatever happens to the objects of a bucket: the index that looked now and then is the index that is built anew.

Over SeaweedFS and over fsspec's memory filesystem. Shippers send logs in parts, send them again and put them together;
others copy whole logs there, over shorter or longer ones; experiments are renamed, edited and deleted; another store
takes the place of this one; looks fail halfway.
"""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import ClassVar

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule, run_state_machine_as_test

from podium.errors import StoreUnavailable
from podium.ids import new_id
from podium.runs.codec import encode
from podium.runs.events import Deleted, End, Event, Note, Start
from podium.runs.layout import RunKeys, experiment_folder
from podium.search.index import Index
from podium.stores import Key, RemoteStore
from podium.stores.contract import Entry
from podium.stores.fetched import Fetched
from podium.stores.header import HEADER_KEY
from tests.remote.conftest import new_url
from tests.remote.servers import Server
from tests.search.stores_of_runs import facts_by_id, folded_runs
from tests.search.test_refresh import EXPERIMENTS, RUNS, WRITERS, everything, tables, whole_logs


class Failing(Fetched):
    """A store in a bucket that stops answering after so many questions, until it is told to go on."""

    def __init__(self, store: RemoteStore) -> None:
        super().__init__(store)
        self.address = store.address
        self.left: int | None = None

    def _ask(self) -> None:
        if self.left is not None:
            self.left -= 1
            if self.left < 0:
                raise StoreUnavailable("no answer: a fault that a test asked for.")

    def get(self, key: Key, start: int = 0) -> bytes:
        self._ask()
        return super().get(key, start)

    def list(self, prefix: Key) -> Iterator[Entry]:
        self._ask()
        return super().list(prefix)

    def _list_folders(self, prefix: Key) -> set[Key]:
        self._ask()
        return super()._list_folders(prefix)

    def _list_beginning(self, prefix: Key, begins: str) -> Iterator[Entry]:
        self._ask()
        return super()._list_beginning(prefix, begins)


class HistoryOfABucket(RuleBasedStateMachine):
    """Logs by place, as their writers will have written them, and how much of each was sent."""

    new_store: ClassVar[Callable[[], RemoteStore]]

    def __init__(self) -> None:
        super().__init__()
        self.home = Path(tempfile.mkdtemp())
        self.store = type(self).new_store()
        self.failing = Failing(self.store)
        self.index = Index(self.failing, folder=self.home / "index")
        self.logs: dict[tuple[RunKeys, str], bytes] = {}
        self.now_ms = 10_000

    def teardown(self) -> None:
        self.look()
        self.index.close()
        for entry in list(self.store.list(Key.root())):
            self.store.delete(entry.key)
        shutil.rmtree(self.home)

    # --- what shippers do

    @rule(
        experiment=st.sampled_from(EXPERIMENTS),
        run=st.sampled_from(RUNS),
        writer=st.sampled_from(WRITERS),
        log=whole_logs(),
        sent=st.floats(0, 1),
    )
    def begin_a_log(self, experiment: str, run: str, writer: str, log: bytes, sent: float) -> None:
        place = RunKeys.of(experiment, run), writer
        self.logs.setdefault(place, log)
        self.send(place, 0, round(len(self.logs[place]) * sent))

    @precondition(lambda self: self.logs)
    @rule(data=st.data(), more=st.floats(0, 1))
    def send_more(self, data: st.DataObject, more: float) -> None:
        place = data.draw(st.sampled_from(sorted(self.logs, key=str)))
        reached = max((end for _, end in self.parts(place)), default=0)
        left = len(self.logs[place]) - reached
        self.send(place, reached, reached + round(left * more))

    @precondition(lambda self: self.logs)
    @rule(data=st.data(), one=st.floats(0, 1), other=st.floats(0, 1))
    def send_any_part(self, data: st.DataObject, one: float, other: float) -> None:
        """As a second shipper does: what overlaps is the same."""
        place = data.draw(st.sampled_from(sorted(self.logs, key=str)))
        size = len(self.logs[place])
        self.send(place, *sorted((round(one * size), round(other * size))))

    @precondition(lambda self: self.logs)
    @rule(data=st.data(), all_of_it=st.booleans())
    def put_together(self, data: st.DataObject, all_of_it: bool) -> None:
        place = data.draw(st.sampled_from(sorted(self.logs, key=str)))
        parts = self.parts(place)
        end = len(self.logs[place]) if all_of_it else max((end for _, end in parts), default=0)
        self.send(place, 0, end)
        for part in parts:
            if part != (0, end) and part[1] <= end:
                self.store.delete(place[0].part(place[1], *part))

    def send(self, place: tuple[RunKeys, str], start: int, end: int) -> None:
        if start < end:
            keys, writer = place
            self.store.put(keys.part(writer, start, end), self.logs[place][start:end])

    def parts(self, place: tuple[RunKeys, str]) -> list[tuple[int, int]]:
        keys, writer = place
        begins = f"{keys.run_id}.{writer}.jsonl."
        names = [entry.key.name for entry in self.store.list(keys.logs) if entry.key.name.startswith(begins)]
        ranges = [name.removeprefix(begins).split("-") for name in names]
        return sorted((int(start), int(end)) for start, end in ranges)

    # --- what people do

    @precondition(lambda self: self.logs)
    @rule(data=st.data(), kept=st.floats(0, 1))
    def copy_a_whole_log(self, data: st.DataObject, kept: float) -> None:
        """As ``aws s3 cp`` from a disk, over what was there: longer, or an older copy."""
        keys, writer = place = data.draw(st.sampled_from(sorted(self.logs, key=str)))
        whole = self.logs[place]
        self.store.put(keys.log(writer), whole[: round(len(whole) * kept)])

    @precondition(lambda self: self.whole_alone())
    @rule(data=st.data())
    def overwrite_a_whole_log_with_another_of_its_size(self, data: st.DataObject) -> None:
        """Seen at once: of what is longer a moment later nobody could tell that it is another."""
        keys, writer = place = data.draw(st.sampled_from(self.whole_alone()))
        there = self.store.get(keys.log(writer))
        one, other = (b'"user":"ada"', b'"user":"bob"')
        if one not in there:
            one, other = other, one
        self.logs[place] = self.logs[place].replace(one, other)
        self.store.put(keys.log(writer), there.replace(one, other))
        self.look()

    @precondition(lambda self: self.there())
    @rule(data=st.data())
    def delete_an_object(self, data: st.DataObject) -> None:
        self.store.delete(data.draw(st.sampled_from(self.there())))

    @precondition(lambda self: self.there())
    @rule(experiment=st.sampled_from(EXPERIMENTS))
    def delete_an_experiments_objects(self, experiment: str) -> None:
        for entry in list(self.store.list(experiment_folder(experiment))):
            self.store.delete(entry.key)

    @rule(experiment=st.sampled_from(EXPERIMENTS), text=st.sampled_from(["true", "other", "damaged", "gone"]))
    def rewrite_the_file_of_an_experiment(self, experiment: str, text: str) -> None:
        key = experiment_folder(experiment) / "experiment.json"
        if text == "gone":
            self.store.delete(key)
            return
        name = {"true": experiment, "other": "somebody else's"}.get(text)
        document = "{" if name is None else json.dumps({"format": 1, "name": name, "time": 5})
        self.store.put(key, document.encode())

    @rule(experiment=st.sampled_from(EXPERIMENTS), deleted=st.booleans(), writer=st.sampled_from(WRITERS))
    def delete_or_restore_an_experiment(self, experiment: str, deleted: bool, writer: str) -> None:
        self.now_ms += 1
        log: list[Event] = [Start("edit", experiment), Deleted(deleted), Note(f"{deleted}"), End("FINISHED")]
        key = experiment_folder(experiment) / "edits" / f"{writer}.jsonl"
        self.store.put(key, b"".join(encode(event, self.now_ms) for event in log))

    @rule(
        path=st.sampled_from(
            [
                "artifacts/2026-06-01/mine/a.txt",
                "runs/1999-01-01/mine.aaaaaaaaaa.jsonl",
                "runs/named/notes.txt",
                "extra/b",
            ]
        )
    )
    def leave_an_object_that_is_no_log(self, path: str) -> None:
        self.store.put(experiment_folder("fraud").below(path), encode(Start("session", "fraud"), 1))

    @rule(emptied=st.booleans())
    def put_another_store_there(self, emptied: bool) -> None:
        if emptied:
            for entry in list(self.store.list(Key.root())):
                self.store.delete(entry.key)
        document = {"format": 1, "needs": [], "store_id": new_id()}
        self.store.put(HEADER_KEY, json.dumps(document).encode())

    # --- looking

    @rule(questions=st.integers(0, 12))
    def look_at_a_store_that_stops_answering(self, questions: int) -> None:
        self.failing.left = questions
        try:
            self.index.refresh()
        except StoreUnavailable:
            pass
        finally:
            self.failing.left = None

    @rule()
    def another_process_looks(self) -> None:
        other = Index(self.failing, folder=self.home / "index")
        other.refresh()
        other.close()

    @rule()
    def lose_the_cache(self) -> None:
        shutil.rmtree(self.home / "index", ignore_errors=True)

    @rule()
    def look(self) -> None:
        rebuilt = Index(self.store, folder=self.home / "rebuilt")
        try:
            assert everything(self.index, self.store) == facts_by_id(folded_runs(self.store))
            assert tables(self.index) == tables(rebuilt)
        finally:
            rebuilt.close()
            shutil.rmtree(self.home / "rebuilt", ignore_errors=True)

    def whole_alone(self) -> list[tuple[RunKeys, str]]:
        there = set(self.there())
        places = sorted(self.logs, key=str)
        return [place for place in places if place[0].log(place[1]) in there and not self.parts(place)]

    def there(self) -> list[Key]:
        return sorted((entry.key for entry in self.store.list(Key.parse("experiments"))), key=str)


def prove(new_store: Callable[[], RemoteStore], *, examples: int, steps: int) -> None:
    machine = type("History", (HistoryOfABucket,), {"new_store": staticmethod(new_store)})
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=examples,
            stateful_step_count=steps,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )


def in_memory() -> RemoteStore:
    return RemoteStore(f"memory://history-{new_id()}")


@pytest.mark.parametrize("examples", [15, pytest.param(400, marks=pytest.mark.soak)])
def test_a_history_of_objects_in_memory_leaves_the_index_that_is_built_anew(examples: int) -> None:
    prove(in_memory, examples=examples, steps=25)


@pytest.mark.parametrize("examples", [5, pytest.param(100, marks=pytest.mark.soak)])
def test_a_history_of_objects_in_a_bucket_leaves_the_index_that_is_built_anew(
    seaweedfs_server: Server, examples: int
) -> None:
    options = seaweedfs_server.options()
    prove(lambda: RemoteStore(new_url(), **options), examples=examples, steps=20)

"""Whatever is done to the files of a store: the index that looked now and then is the index that is built anew."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
import time
from pathlib import Path
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule

from podium.runs.codec import encode
from podium.runs.events import (
    Artifact,
    Beat,
    Dataset,
    Deleted,
    Dropped,
    End,
    Environment,
    Event,
    Goal,
    Metrics,
    Model,
    ModelFile,
    Note,
    Params,
    Rewind,
    Start,
    Tags,
    Verdict,
)
from podium.runs.layout import RunKeys, experiment_folder
from podium.search import parse_filter
from podium.search.index import Index
from podium.stores import LocalStore
from podium.stores.contract import Store
from podium.workspace.searched import SearchedRun
from tests.search.conftest import NOW
from tests.search.stores_of_runs import facts_by_id, folded_runs

EXPERIMENTS = ("fraud", "Churn 2026")
# Two ULIDs of one day, one of another, and a name of the user's own.
RUNS = ("01kapgsxk0e7n3x5v8h2m4q6ab", "01kapgsxk0e7n3x5v8h2m4q6ac", "01kbqgsxk0e7n3x5v8h2m4q6ad", "mine")
WRITERS = ("aaaaaaaaaa", "bbbbbbbbbb")
# Nobody holds a lock here, and no lease runs out.
FOREVER_S = 1e12

small = st.integers(0, 4)
points = st.sampled_from([0.0, 1.0, 2.5, float("nan"), float("inf")])
events: st.SearchStrategy[Event] = st.one_of(
    st.builds(lambda v, o: Params({"lr": v}, o), st.sampled_from([1, 2.0, "x"]), st.booleans()),
    st.builds(lambda s, v: Metrics(s, {"loss": v}), small, points),
    st.builds(lambda s, v: Metrics(s, {"loss": v, "acc": v}), small, points),
    st.builds(lambda s, v: Metrics(s, {"acc": v}, at=7), small, points),
    st.builds(lambda t: Tags({"team": t}), st.sampled_from(["x", "y", None])),
    st.builds(Note, st.sampled_from(["", "first", "second"])),
    st.builds(lambda g: Goal("loss", g), st.sampled_from(["min", "max"])),
    st.just(Artifact("a.txt", "a.txt", 1, "0" * 64)),
    st.just(Model("model", "model", "1" * 64, (ModelFile("MLmodel", 3, "2" * 64),), {"flavor": "json"})),
    st.builds(lambda d: Dataset("train", d), st.sampled_from(["1", "2"])),
    st.builds(Rewind, small),
    st.just(Verdict({"gate": "metrics.acc > 1"})),
    st.builds(Deleted, st.booleans()),
    st.builds(Dropped, small),
    st.builds(lambda t: Environment({"git": t}), st.sampled_from(["c1", "c2"])),
    st.just(Beat()),
)
starts = st.builds(
    lambda kind, after: Start(kind, "fraud", run_name="first", user="ada", after=after, lease_s=FOREVER_S),
    st.sampled_from(["session", "session", "edit"]),
    st.sampled_from([0, 0, 2_500]),
)
ends = st.none() | st.builds(
    End, st.sampled_from(["FINISHED", "FAILED", "KILLED"]), st.none() | st.just("no")
)


@st.composite
def whole_logs(draw: st.DrawFn) -> bytes:
    """A log as its writer will have written it."""
    time_ms = draw(st.sampled_from([1_000, 2_000, 3_000]))
    body = [draw(starts), *draw(st.lists(events, max_size=6))]
    end = draw(ends)
    lines = []
    for event in [*body, *([] if end is None else [end])]:
        time_ms += draw(st.sampled_from([0, 1, 1, -500]))
        lines.append(encode(event, time_ms))
    if draw(st.booleans()):
        lines.insert(
            draw(st.integers(1, len(lines))),
            draw(st.sampled_from([b"\n", b"{torn\n", b"\x00\x00\n", b"[1]\n"])),
        )
    return b"".join(lines)


class HistoryOfFiles(RuleBasedStateMachine):
    """Files come, grow, go, come back, in every way that leaves a log a beginning of what its writer wrote."""

    def __init__(self) -> None:
        super().__init__()
        self.home = Path(tempfile.mkdtemp())
        self.root = self.home / "store"
        self.root.mkdir()
        self.store = LocalStore(self.root)
        self.now_ms = time.time_ns() // 1_000_000
        self.index = Index(self.store, clock_ms=lambda: self.now_ms, folder=self.home / "index")
        self.logs: dict[Path, bytes] = {}
        self.copies: list[Path] = []
        self.times: list[tuple[Path, int, int]] = []

    def teardown(self) -> None:
        self.look()
        self.index.close()
        shutil.rmtree(self.home)

    # --- what writers do

    @rule(
        experiment=st.sampled_from(EXPERIMENTS),
        run=st.sampled_from(RUNS),
        writer=st.sampled_from(WRITERS),
        log=whole_logs(),
        begun=st.floats(0, 1),
    )
    def begin_a_log(self, experiment: str, run: str, writer: str, log: bytes, begun: float) -> None:
        path = self.path(experiment, run, writer)
        log = self.logs.setdefault(path, log)
        path.parent.mkdir(parents=True, exist_ok=True)
        if not path.exists():
            path.write_bytes(log[: round(len(log) * begun)])

    @precondition(lambda self: self.existing())
    @rule(data=st.data())
    def append(self, data: st.DataObject) -> None:
        path = data.draw(st.sampled_from(self.existing()))
        whole, size = self.logs[path], path.stat().st_size
        with path.open("ab") as file:
            file.write(whole[size : data.draw(st.integers(size, len(whole)))])

    @precondition(lambda self: self.existing())
    @rule(data=st.data())
    def finish(self, data: st.DataObject) -> None:
        path = data.draw(st.sampled_from(self.existing()))
        with path.open("ab") as file:
            file.write(self.logs[path][path.stat().st_size :])

    # --- what people do

    @precondition(lambda self: self.existing())
    @rule(data=st.data())
    def delete_a_log(self, data: st.DataObject) -> None:
        data.draw(st.sampled_from(self.existing())).unlink()

    @precondition(lambda self: self.existing())
    @rule(data=st.data(), up=st.integers(0, 3))
    def delete_a_folder(self, data: st.DataObject, up: int) -> None:
        folder = data.draw(st.sampled_from(self.existing())).parents[up]
        if folder != self.root:
            shutil.rmtree(folder)

    @precondition(lambda self: self.existing())
    @rule(data=st.data(), kept=st.floats(0, 1), way=st.sampled_from(["rename", "unlink first", "times kept"]))
    def put_an_older_copy_back(self, data: st.DataObject, kept: float, way: str) -> None:
        path = data.draw(st.sampled_from(self.existing()))
        status, older = path.stat(), self.logs[path][: round(len(self.logs[path]) * kept)]
        if way == "unlink first":
            path.unlink()  # its inode is often given to the very next file
            path.write_bytes(older)
            return
        aside = path.with_name(".copy")
        aside.write_bytes(older)
        if way == "times kept":
            os.utime(aside, ns=(status.st_atime_ns, status.st_mtime_ns))
        aside.replace(path)

    @precondition(lambda self: self.existing())
    @rule(data=st.data(), kept=st.floats(0, 1))
    def overwrite_in_place_what_is_not_sealed(self, data: st.DataObject, kept: float) -> None:
        path = data.draw(st.sampled_from(self.existing()))
        whole = self.logs[path]
        if b'"event":"end"' not in path.read_bytes():
            path.write_bytes(whole[: round(len(whole) * kept)])

    @rule()
    def copy_the_store(self) -> None:
        copy = self.home / f"copy{len(self.copies)}"
        shutil.copytree(self.root, copy)
        self.copies.append(copy)

    @precondition(lambda self: self.copies)
    @rule(data=st.data())
    def restore_a_copy(self, data: st.DataObject) -> None:
        copy = data.draw(st.sampled_from(self.copies))
        shutil.rmtree(self.root)
        shutil.copytree(copy, self.root)

    @precondition(lambda self: self.copies)
    @rule(data=st.data())
    def rsync_a_copy_over_it(self, data: st.DataObject) -> None:
        """As ``rsync -t``: files by rename, with the times of their source; then the times of the folders."""
        copy = data.draw(st.sampled_from(self.copies))
        folders = [copy, *(each for each in copy.rglob("*") if each.is_dir())]
        for source in [each for each in copy.rglob("*") if each.is_file()]:
            target = self.root / source.relative_to(copy)
            target.parent.mkdir(parents=True, exist_ok=True)
            aside = target.with_name(".rsync")
            shutil.copy2(source, aside)
            aside.replace(target)
        for folder in folders:
            target = self.root / folder.relative_to(copy)
            target.mkdir(exist_ok=True)
            os.utime(target, ns=(folder.stat().st_atime_ns, folder.stat().st_mtime_ns))

    @rule()
    def note_the_times_of_folders(self) -> None:
        self.times = [
            (each, each.stat().st_atime_ns, each.stat().st_mtime_ns)
            for each in self.root.rglob("*")
            if each.is_dir()
        ]

    @rule()
    def put_the_times_of_folders_back(self) -> None:
        for folder, atime_ns, mtime_ns in self.times:
            if folder.is_dir():
                os.utime(folder, ns=(atime_ns, mtime_ns))

    @rule(experiment=st.sampled_from(EXPERIMENTS), text=st.sampled_from(["true", "other", "damaged", "gone"]))
    def rewrite_the_file_of_an_experiment(self, experiment: str, text: str) -> None:
        file = self.root.joinpath(*experiment_folder(experiment).segments, "experiment.json")
        file.parent.mkdir(parents=True, exist_ok=True)
        if text == "gone":
            file.unlink(missing_ok=True)
            return
        name = {"true": experiment, "other": "somebody else's"}.get(text)
        aside = file.with_name(".new")
        aside.write_text("{" if name is None else json.dumps({"format": 1, "name": name, "time": 5}))
        aside.replace(file)

    @rule(experiment=st.sampled_from(EXPERIMENTS), deleted=st.booleans(), writer=st.sampled_from(WRITERS))
    def delete_or_restore_an_experiment(self, experiment: str, deleted: bool, writer: str) -> None:
        key = experiment_folder(experiment) / "edits" / f"{writer}.jsonl"
        self.now_ms += 1
        log: list[Event] = [
            Start("edit", experiment),
            Deleted(deleted),
            Note(f"{deleted}"),
            End("FINISHED"),
        ]
        self.store.put(key, b"".join(encode(event, self.now_ms) for event in log))

    @rule(
        name=st.sampled_from(
            ["notes.txt", f"{RUNS[0]}.aaaaaaaaaa.jsonl", "mine.aaaaaaaaaa.jsonl", f"{RUNS[2]}.short.jsonl"]
        )
    )
    def leave_a_file_where_it_does_not_belong(self, name: str) -> None:
        day = self.root.joinpath(*experiment_folder("fraud").segments, "runs", "1999-01-01")
        day.mkdir(parents=True, exist_ok=True)
        (day / name).write_bytes(encode(Start("session", "fraud"), 1))

    @precondition(lambda self: self.existing())
    @rule(data=st.data())
    def put_a_link_where_a_log_was(self, data: st.DataObject) -> None:
        path = data.draw(st.sampled_from(self.existing()))
        aside = self.home / f"aside{time.time_ns()}"
        path.replace(aside)
        path.symlink_to(aside)

    # --- looking

    @rule(seconds=st.sampled_from([0, 1, 3, 3]))
    def wait(self, seconds: int) -> None:
        self.now_ms += seconds * 1000
        next_tick(self.home)

    @rule()
    def another_process_looks(self) -> None:
        other = Index(self.store, clock_ms=lambda: self.now_ms, folder=self.home / "index")
        other.refresh()
        other.close()

    @rule()
    def look(self) -> None:
        rebuilt = Index(self.store, folder=self.home / "rebuilt")
        try:
            assert everything(self.index, self.store) == facts_by_id(folded_runs(self.store))
            assert tables(self.index) == tables(rebuilt)
        finally:
            rebuilt.close()
            shutil.rmtree(self.home / "rebuilt", ignore_errors=True)

    @rule()
    def lose_the_cache(self) -> None:
        shutil.rmtree(self.home / "index", ignore_errors=True)

    def existing(self) -> list[Path]:
        return sorted(path for path in self.logs if path.is_file() and not path.is_symlink())

    def path(self, experiment: str, run: str, writer: str) -> Path:
        return self.root.joinpath(*RunKeys.of(experiment, run).log(writer).segments)


def next_tick(folder: Path) -> None:
    """Wait until the clock of the disk has moved: what happens now has another time than what happened before."""
    file = folder / "tick"
    file.touch()
    before = file.stat().st_ctime_ns
    while file.stat().st_ctime_ns == before:
        os.utime(file)


def everything(index: Index, store: Store) -> dict[str, object]:
    rows = [
        row
        for deleted in (False, True)
        for row in index.search(parse_filter(""), now=NOW, deleted=deleted).rows
    ]
    assert all(row.status is not None for row in rows)
    return dict(facts_by_id([SearchedRun(store, row) for row in rows]))


def tables(index: Index) -> dict[str, list[Any]]:
    """All that is searched, without the numbers that rows happen to have."""
    index.refresh()
    opened = index._opened
    assert opened is not None
    run = "p.folder || ' ' || r.run_id"
    from_runs = "FROM runs r JOIN places p ON p.id = r.place"
    asked = {
        "runs": f"SELECT {run}, run_name, experiment, coalesce(l.status, r.status), start_ms, end_ms, user_name, "
        f"parent_run_id, r.note, error, r.deleted, dropped {from_runs} LEFT JOIN temp.live l ON l.run = r.id",
        "metrics": f"SELECT {run}, k.name, last, min, max, count, goal {from_runs} JOIN metrics ON run = r.id "
        "JOIN keys k ON k.id = key",
        "texts": f"SELECT {run}, k.entity, k.name, kind, num, text, flag {from_runs} JOIN texts ON run = r.id "
        "JOIN keys k ON k.id = key",
        "surroundings": f"SELECT {run}, k.name, text {from_runs} JOIN surroundings s ON s.environment = r.environment "
        "JOIN keys k ON k.id = key",
        "datasets": f"SELECT {run}, d.place, d.name, digest, context {from_runs} JOIN datasets d ON d.run = r.id",
        "places": "SELECT folder, name, time_ms, deleted, said FROM places",
        "files": "SELECT f.path, name, size, sealed FROM files JOIN folders f ON f.id = folder",
        "unsealed": f"SELECT {run} {from_runs} JOIN unsealed ON run = r.id",
        "documents": f"SELECT {run}, length(document) {from_runs} JOIN documents ON run = r.id",
        "strays": " UNION ALL ".join(
            f"SELECT run FROM {table} WHERE run NOT IN (SELECT id FROM runs)"
            for table in ("metrics", "texts", "files", "documents", "unsealed", "datasets")
        ),
    }
    found = {name: sorted(opened.connection.execute(sql), key=repr) for name, sql in asked.items()}
    assert found["strays"] == []
    return found


HistoryOfFiles.TestCase.settings = settings(max_examples=60, stateful_step_count=25)
test_a_history_of_files_leaves_the_index_that_is_built_anew = HistoryOfFiles.TestCase

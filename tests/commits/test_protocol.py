"""The commit protocol on real stores that go wrong on schedule. Every interleaving is in ``tests/model``."""

from __future__ import annotations

import hashlib
from collections.abc import Callable

import pytest

from podium.commits.driver import run
from podium.commits.fold import ModelState
from podium.commits.gate import Verdict
from podium.commits.protocol import (
    Decide,
    Draft,
    History,
    Nothing,
    NotPublished,
    ObjectFiles,
    Outcome,
    Stamp,
    Steps,
    catch_up,
    commit,
    commit_key,
    manifest_key,
    object_folder,
    object_name,
    publish,
    publish_and_commit,
)
from podium.commits.vocabulary import Body, Register, SetTag, Sweep, decode_commit
from podium.errors import (
    CommitUnknown,
    Corrupt,
    ForkedHistory,
    GateRefused,
    HistoryReplaced,
    StoreUnavailable,
)
from podium.stores import Key, MemoryStore, Store
from podium.testing import Fail, FaultyStore, Late, LossyStore, LostAnswer, Stale

FOLDER = Key.parse("models/fraud")
NEW = History(FOLDER, "fraud")
MANIFEST = b"the manifest"
SHA256 = hashlib.sha256(MANIFEST).hexdigest()
FILES = ObjectFiles("", {"MLmodel": b"m", "data/a.txt": b"aa"}, {"MLmodel": 1, "data/a.txt": 2}, MANIFEST)


def stamp(name: str, *, time_ms: int = 1_000) -> Stamp:
    return Stamp(name, f"history of {name}", time_ms, "ada", "here")


def tagging(value: str) -> Decide:
    return lambda state, first: Draft(SetTag("k", value))


def do(steps: Steps[Outcome], store: Store) -> Outcome:
    """Run it with time for five pauses and no waiting."""
    pauses: list[float] = []
    return run(steps, store, patience_s=5, sleep=pauses.append, clock=lambda: float(len(pauses)))


def commits(store: Store, count: int) -> History:
    """A history of so many commits."""
    history = NEW
    for number in range(1, count + 1):
        history = do(commit(history, tagging(str(number)), stamp(f"c{number}")), store).history
    return history


def landed(store: Store) -> list[str]:
    """The ids of the commits that are there."""
    history = run(catch_up(NEW), store)
    return [each.commit_id for each in history.records]


@pytest.fixture
def store() -> MemoryStore:
    return MemoryStore()


# --- committing ------------------------------------------------------------------------------------------------------


def test_commits_are_numbered_files_each_naming_the_bytes_before(store: MemoryStore) -> None:
    commits(store, 3)

    data = [store.get(commit_key(FOLDER, number)) for number in (1, 2, 3)]
    records = [decode_commit(each, key="k") for each in data]
    assert [each.revision for each in records] == [1, 2, 3]
    assert [each.previous for each in records] == [
        None,
        *(hashlib.sha256(each).hexdigest() for each in data[:2]),
    ]
    assert {each.history_id for each in records} == {"history of c1"}


def test_a_commit_is_never_older_than_the_one_before(store: MemoryStore) -> None:
    history = do(commit(NEW, tagging("a"), stamp("a", time_ms=5_000)), store).history
    history = do(commit(history, tagging("b"), stamp("b", time_ms=1)), store).history
    assert [each.time_ms for each in history.records] == [5_000, 5_000]


@pytest.mark.parametrize("fault", [LostAnswer(), Late(after=0), Late(after=1)], ids=repr)
def test_a_create_without_an_answer_is_one_commit_however_it_went(
    store: MemoryStore, fault: LostAnswer | Late
) -> None:
    creates = 0

    def first_create(verb: str, key: Key, number: int) -> LostAnswer | Late | None:
        nonlocal creates
        creates += verb == "create"
        return fault if verb == "create" and creates == 1 else None

    lossy = LossyStore(store, first_create)
    outcome = do(commit(NEW, tagging("a"), stamp("mine")), lossy)
    lossy.flush_late()

    assert outcome.record is not None
    assert landed(store) == ["mine"]


def test_anothers_commit_at_the_number_means_decide_again_on_top_of_it(store: MemoryStore) -> None:
    seen: list[int] = []

    def decide(state: ModelState, first: ModelState) -> Draft[Body]:
        seen.append(state.revision)
        if len(seen) == 1:
            do(commit(NEW, tagging("theirs"), stamp("theirs")), store)
        return Draft(SetTag("k", f"after {state.tags.get('k')}"))

    outcome = do(commit(NEW, decide, stamp("mine")), store)

    assert seen == [0, 1]
    assert outcome.history.state.tags == {"k": "after theirs"}
    assert landed(store) == ["theirs", "mine"]


def test_exists_is_read_until_it_is_seen(store: MemoryStore) -> None:
    commits(store, 1)
    key = commit_key(FOLDER, 1)
    hidden = 3

    def stale(verb: str, at: Key, number: int) -> Stale | None:
        nonlocal hidden
        if verb == "get" and at == key and hidden:
            hidden -= 1
            return Stale()
        return None

    do(commit(NEW, tagging("b"), stamp("mine")), LossyStore(store, stale))

    assert landed(store) == ["c1", "mine"]


def test_where_time_ends_before_an_answer_the_outcome_is_unknown_and_says_its_id(store: MemoryStore) -> None:
    silent = FaultyStore(store, lambda verb, key, number: Fail() if verb == "create" else None)

    with pytest.raises(CommitUnknown, match="Look for commit id mine") as raised:
        do(commit(NEW, tagging("a"), stamp("mine")), silent)

    assert raised.value.commit_id == "mine"


def test_a_store_that_cannot_be_read_changes_nothing_and_says_so(store: MemoryStore) -> None:
    silent = FaultyStore(store, lambda verb, key, number: Fail() if verb == "get" else None)

    with pytest.raises(StoreUnavailable):
        do(commit(NEW, tagging("a"), stamp("mine")), silent)
    assert landed(store) == []


def test_a_refusal_is_a_commit_and_nothing_to_do_is_none(store: MemoryStore) -> None:
    refusal = GateRefused("no", verdict=Verdict("", (), holds=False))
    refused = do(
        commit(NEW, lambda state, first: Draft(SetTag("k", "v"), refusal=refusal), stamp("no")), store
    )
    idle = do(commit(refused.history, lambda state, first: Nothing(), stamp("idle")), store)

    assert refused.record is not None
    assert refused.record.refused
    assert refused.history.state.tags == {}
    assert idle.record is None
    assert landed(store) == ["no"]


# --- broken histories ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("lost", [{2}, {3, 4}, {2, 3, 4, 5, 6}])
def test_a_hole_of_any_width_is_never_written_into(store: MemoryStore, lost: set[int]) -> None:
    commits(store, 7)
    for number in lost:
        store.delete(commit_key(FOLDER, number))

    with pytest.raises(
        ForkedHistory, match=f"commit {max(lost) + 1} .* is there and commit {min(lost)} is not"
    ):
        do(commit(NEW, tagging("x"), stamp("mine")), store)

    assert {number for number in range(1, 10) if _is_there(store, number)} == set(range(1, 8)) - lost


def _is_there(store: Store, number: int) -> bool:
    return any(each.key == commit_key(FOLDER, number) for each in store.list(FOLDER))


def test_a_process_that_knows_the_history_notices_a_hole_that_came_since(store: MemoryStore) -> None:
    known = commits(store, 2)
    later = commits(MemoryStore(), 4)
    store.create(commit_key(FOLDER, 4), later.last)

    with pytest.raises(ForkedHistory, match=r"commit 4 .* is there and commit 3 is not"):
        do(commit(known, tagging("x"), stamp("mine")), store)


def test_a_number_that_is_only_late_is_no_hole(store: MemoryStore) -> None:
    commits(store, 3)
    key, hidden = commit_key(FOLDER, 2), 2

    def stale(verb: str, at: Key, number: int) -> Stale | None:
        nonlocal hidden
        if verb == "get" and at == key and hidden:
            hidden -= 1
            return Stale()
        return None

    do(commit(NEW, tagging("x"), stamp("mine")), LossyStore(store, stale))

    assert landed(store) == ["c1", "c2", "c3", "mine"]


def test_files_that_are_no_commits_make_no_hole(store: MemoryStore) -> None:
    commits(store, 1)
    for name in ("README.md", "99.json", "0000000000000000000x.json"):
        store.put(FOLDER / "commits" / name, b"notes")

    do(commit(NEW, tagging("x"), stamp("mine")), store)

    assert landed(store) == ["c1", "mine"]


def test_two_histories_in_one_folder_are_forked(store: MemoryStore) -> None:
    commits(store, 1)
    other = MemoryStore()
    do(commit(NEW, tagging("y"), stamp("other")), other)
    commits(other, 2)
    store.create(commit_key(FOLDER, 2), other.get(commit_key(FOLDER, 2)))

    with pytest.raises(ForkedHistory, match="two histories"):
        run(catch_up(NEW), store)


@pytest.mark.parametrize("found", ["another", "shorter", "nothing"])
def test_who_saw_another_history_is_told_that_it_was_replaced(store: MemoryStore, found: str) -> None:
    known = commits(store, 3)
    for number in (1, 2, 3):
        store.delete(commit_key(FOLDER, number))
    if found == "another":
        history = NEW
        for number in range(3):
            history = do(commit(history, tagging("z"), stamp(f"z{number}")), store).history
    elif found == "shorter":
        commits(store, 2)

    with pytest.raises(HistoryReplaced, match="was replaced: commit 3 is not the one") as raised:
        do(commit(known, tagging("x"), stamp("mine")), store)
    assert raised.value.model == "fraud"
    assert "mine" not in landed(store)


def test_a_commit_of_another_model_is_refused_by_name(store: MemoryStore) -> None:
    commits(store, 1)
    with pytest.raises(Corrupt, match="belongs to model 'fraud', not to 'churn'"):
        run(catch_up(History(FOLDER, "churn")), store)


# --- objects ---------------------------------------------------------------------------------------------------------


def named(name: str) -> ObjectFiles:
    return ObjectFiles(name, FILES.files, FILES.sizes, FILES.manifest)


def registering(*, refusal: GateRefused | None = None) -> Callable[[frozenset[str]], Decide]:
    def deciding(published: frozenset[str]) -> Decide:
        def decide(state: ModelState, first: ModelState) -> Draft[Body]:
            if refusal is not None:
                return Draft(Register(None, None, SHA256, 3, "json", "data"), refusal=refusal)
            name = object_name(SHA256[:32], state)
            if name not in published:
                raise NotPublished(name)
            return Draft(Register(state.next_version, name, SHA256, 3, "json", "data"))

        return decide

    return deciding


class Recording(FaultyStore):
    """A store that remembers what was put, in order."""

    __slots__ = ("puts",)

    def __init__(self, store: Store) -> None:
        self.puts: list[str] = []
        super().__init__(store, self._note)

    def _note(self, verb: str, key: Key, number: int) -> None:
        if verb in ("put", "create"):
            self.puts.append(key.name)


def test_files_come_first_then_the_manifest_then_the_commit(store: MemoryStore) -> None:
    recording = Recording(store)

    do(publish_and_commit(NEW, named, registering(), stamp("mine")), recording)

    name = f"{SHA256[:32]}.0"
    assert {*recording.puts[:2]} == {"MLmodel", "a.txt"}
    assert recording.puts[2:] == [f"{name}.json", f"{1:020}.json"]
    assert store.get(object_folder(FOLDER, name) / "data" / "a.txt") == b"aa"
    assert store.get(manifest_key(FOLDER, name)) == MANIFEST


def test_an_object_that_is_there_is_not_put_again(store: MemoryStore) -> None:
    run(publish(FOLDER, named("x.0")), store)
    recording = Recording(store)

    run(publish(FOLDER, named("x.0")), recording)

    assert recording.puts == []


@pytest.mark.parametrize("file", ["MLmodel", "data/a.txt"])
def test_of_an_object_that_is_half_there_only_what_is_missing_is_put(store: MemoryStore, file: str) -> None:
    run(publish(FOLDER, named("x.0")), store)
    store.delete(manifest_key(FOLDER, "x.0"))
    store.delete(object_folder(FOLDER, "x.0").below(file))
    recording = Recording(store)

    run(publish(FOLDER, named("x.0")), recording)

    assert recording.puts == [file.rpartition("/")[2], "x.0.json"]


def test_where_one_file_fails_the_others_do_not_go_again(store: MemoryStore) -> None:
    recording = Recording(store)
    failed = False

    def fail_once(verb: str, key: Key, number: int) -> Fail | None:
        nonlocal failed
        if key.name != "a.txt" or failed:
            return None
        failed = True
        return Fail()

    run(publish(FOLDER, named("x.0")), FaultyStore(recording, fail_once), sleep=lambda seconds: None)

    assert sorted(recording.puts) == ["MLmodel", "a.txt", "x.0.json"]
    assert recording.puts[-1] == "x.0.json"


@pytest.mark.parametrize("broken", ["no manifest", "another manifest", "a file short", "a file missing"])
def test_an_object_that_is_not_whole_is_put_again(store: MemoryStore, broken: str) -> None:
    run(publish(FOLDER, named("x.0")), store)
    match broken:
        case "no manifest":
            store.delete(manifest_key(FOLDER, "x.0"))
        case "another manifest":
            store.put(manifest_key(FOLDER, "x.0"), b"torn")
        case "a file short":
            store.put(object_folder(FOLDER, "x.0") / "data" / "a.txt", b"a")
        case _:
            store.delete(object_folder(FOLDER, "x.0") / "MLmodel")

    run(publish(FOLDER, named("x.0")), store)

    assert store.get(object_folder(FOLDER, "x.0") / "data" / "a.txt") == b"aa"
    assert store.get(object_folder(FOLDER, "x.0") / "MLmodel") == b"m"
    assert store.get(manifest_key(FOLDER, "x.0")) == MANIFEST


def test_what_is_refused_puts_no_bytes(store: MemoryStore) -> None:
    recording = Recording(store)

    refusing = registering(refusal=GateRefused("no", verdict=Verdict("", (), holds=False)))
    do(publish_and_commit(NEW, named, refusing, stamp("no")), recording)

    assert recording.puts == [f"{1:020}.json"]


def test_bytes_that_are_swept_while_they_are_registered_are_put_under_the_next_name(
    store: MemoryStore,
) -> None:
    name = f"{SHA256[:32]}.0"
    swept = False

    def sweep(verb: str, key: Key, number: int) -> None:
        nonlocal swept
        if verb == "put" and key == manifest_key(FOLDER, name) and not swept:
            swept = True
            do(commit(NEW, lambda state, first: Draft(Sweep((name,))), stamp("sweep")), store)

    outcome = do(publish_and_commit(NEW, named, registering(), stamp("mine")), FaultyStore(store, sweep))

    body = outcome.history.records[-1].body
    assert isinstance(body, Register)
    assert body.object_key == f"{SHA256[:32]}.1"
    assert store.get(manifest_key(FOLDER, body.object_key)) == MANIFEST
    assert landed(store) == ["sweep", "mine"]

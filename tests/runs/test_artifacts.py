"""Files are kept with their hash, nothing acknowledged is overwritten, and what comes back is what was kept."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from podium.errors import Corrupt
from podium.runs.artifacts import Shelf, artifact_key, files_below, read_artifact, save_artifact
from podium.runs.events import Artifact
from podium.runs.layout import RunKeys
from podium.stores import Key, LocalStore, MemoryStore, Source
from tests.runs.conftest import RUN_ID


@pytest.fixture
def shelf(store: LocalStore, keys: RunKeys) -> Shelf:
    return Shelf(store, keys, True, {})


def sha(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def test_a_file_is_kept_under_its_own_name_with_size_and_hash(
    shelf: Shelf, store: LocalStore, tmp_path: Path
) -> None:
    (tmp_path / "report.txt").write_bytes(b"hello")

    artifact = shelf.keep("plots/report.txt", tmp_path / "report.txt")

    assert artifact == Artifact("plots/report.txt", "plots/report.txt", 5, sha(b"hello"))
    assert (
        store.root / "experiments/fraud/artifacts/2025-11-22" / RUN_ID / "plots/report.txt"
    ).read_bytes() == b"hello"


def test_a_path_logged_again_keeps_both_contents(shelf: Shelf, store: LocalStore, keys: RunKeys) -> None:
    old = shelf.keep("report.txt", b"old")
    new = shelf.keep("report.txt", b"new")

    assert new.key == f"report.txt~{sha(b'new')[:16]}"
    assert [read_artifact(store, keys, each) for each in (old, new)] == [b"old", b"new"]


def test_the_same_content_again_is_the_same_file(shelf: Shelf) -> None:
    assert shelf.keep("report.txt", b"same") == shelf.keep("report.txt", b"same")


def test_another_writer_never_takes_a_plain_name(store: LocalStore, keys: RunKeys) -> None:
    other = Shelf(store, keys, False, {})

    assert other.keep("report.txt", b"x").key == f"report.txt~{sha(b'x')[:16]}"


def test_a_name_of_any_kind_has_a_safe_key_and_its_true_path(
    shelf: Shelf, store: LocalStore, keys: RunKeys
) -> None:
    for path in ("../../etc/passwd", "con", "模型.txt", "a\\b", "x" * 1_000):
        artifact = shelf.keep(path, path.encode())

        assert artifact.path == path
        assert read_artifact(store, keys, artifact) == path.encode()
    assert not list(store.root.parent.glob("etc"))


paths = st.lists(st.sampled_from(["a", "A", "b", "B.txt", "b.TXT"]), min_size=1, max_size=3).map("/".join)


@settings(max_examples=150)
@given(st.lists(st.tuples(paths, st.sampled_from([b"one", b"two"])), min_size=1, max_size=8))
def test_no_file_lies_on_above_or_below_another_and_case_never_tells_two_apart(
    logged: list[tuple[str, bytes]],
) -> None:
    keys, store = RunKeys.of("fraud", RUN_ID), MemoryStore()
    shelf = Shelf(store, keys, True, {})

    kept = [(shelf.keep(path, data), data) for path, data in logged]

    by_key: dict[str, set[bytes]] = {}
    for artifact, data in kept:
        assert read_artifact(store, keys, artifact) == data
        by_key.setdefault(artifact.key.lower(), set()).add(data)
    assert all(len(contents) == 1 for contents in by_key.values())
    assert not [one for one in by_key for other in by_key if other.startswith(f"{one}/")]


class BusyInPieces(LocalStore):
    """While the first piece of a file is put, somebody writes to the file."""

    busy: Path | None = None

    def put_chunks(self, key: Key, chunks: Iterable[bytes]) -> None:
        super().put_chunks(key, self._meanwhile(chunks))

    def _meanwhile(self, chunks: Iterable[bytes]) -> Iterator[bytes]:
        for chunk in chunks:
            yield chunk
            if self.busy is not None:
                self.busy.write_bytes(b"one, two and three")
                self.busy = None


class BusyAsAWhole(MemoryStore):
    """A store that takes files whole; just before it reads one somebody writes to it."""

    busy: Path | None = None

    def put(self, key: Key, source: Source) -> None:
        if self.busy is not None:
            self.busy.write_bytes(b"one, two and three")
            self.busy = None
        super().put(key, source)


@pytest.mark.parametrize("again", [False, True])
@pytest.mark.parametrize("kind", ["pieces", "whole"])
def test_of_a_file_that_is_written_to_while_it_is_kept_the_hash_is_that_of_what_is_stored(
    tmp_path: Path, keys: RunKeys, kind: str, again: bool
) -> None:
    store = BusyInPieces(tmp_path / "store") if kind == "pieces" else BusyAsAWhole()
    shelf = Shelf(store, keys, True, {})
    source = tmp_path / "train.log"
    first = shelf.keep("train.log", b"zero") if again else None
    source.write_bytes(b"one")
    store.busy = source

    artifact = shelf.keep("train.log", source)

    assert source.read_bytes() == b"one, two and three"
    kept = read_artifact(store, keys, artifact)
    assert kept in {b"one", b"one, two and three"}
    assert (artifact.size_bytes, artifact.sha256) == (len(kept), sha(kept))
    if first is not None:
        assert artifact.key == f"train.log~{sha(kept)[:16]}"
        assert read_artifact(store, keys, first) == b"zero"


def test_a_file_is_read_once_where_the_store_is_a_disk(
    shelf: Shelf, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = tmp_path / "checkpoint.bin"
    source.write_bytes(b"x" * 3_000_000)
    opened: list[str] = []
    really_open = Path.open

    def counted(self: Path, *args: Any, **kwargs: Any) -> Any:
        opened.append(self.name)
        return really_open(self, *args, **kwargs)

    monkeypatch.setattr(Path, "open", counted)
    artifact = shelf.keep("checkpoint.bin", source)

    assert opened == ["checkpoint.bin"]
    assert artifact.sha256 == sha(b"x" * 3_000_000)


def test_threads_that_keep_one_path_at_once_overwrite_nothing(store: LocalStore, keys: RunKeys) -> None:
    class Slow(LocalStore):
        def put(self, key: Key, source: Source) -> None:
            all_have_a_key.wait(60)
            super().put(key, source)

    all_have_a_key = threading.Barrier(4)
    shelf = Shelf(Slow(store.root), keys, True, {})
    kept: list[tuple[Artifact, bytes]] = []

    def keep(data: bytes) -> None:
        kept.append((shelf.keep("report.txt", data), data))

    threads = [threading.Thread(target=keep, args=(b"from %d" % each,)) for each in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)

    assert len({artifact.key for artifact, _ in kept}) == 4
    assert all(read_artifact(store, keys, artifact) == data for artifact, data in kept)


def test_a_file_can_be_kept_beside_those_of_a_model(shelf: Shelf, tmp_path: Path) -> None:
    (tmp_path / "MLmodel").write_bytes(b"flavors")
    shelf.keep_model("model", tmp_path, [("MLmodel", 7, sha(b"flavors"))], sha(b"manifest"))

    assert shelf.keep("model/card.md", b"# card").key == "model/card.md"
    assert shelf.keep("model/MLmodel", b"other").key == f"model/MLmodel~{sha(b'other')[:16]}"
    assert shelf.keep("model", b"a file").key == f"model~{sha(b'a file')[:16]}"


def test_a_model_is_kept_as_a_folder_and_a_second_one_beside_it(
    shelf: Shelf, store: LocalStore, tmp_path: Path
) -> None:
    models = []
    for content in (b"first", b"second"):
        (tmp_path / "MLmodel").write_bytes(content)
        models.append(
            shelf.keep_model("model", tmp_path, [("MLmodel", len(content), sha(content))], sha(content))
        )

    assert [each.key for each in models] == ["model", f"model~{sha(b'second')[:16]}"]
    for model, content in zip(models, (b"first", b"second"), strict=True):
        assert store.get(artifact_key(shelf.keys, f"{model.key}/MLmodel")) == content


@pytest.mark.parametrize("damage", [b"hellO", b"", b"hello!", None])
def test_bytes_that_are_not_those_that_were_kept_are_refused_by_name(
    shelf: Shelf, store: LocalStore, keys: RunKeys, tmp_path: Path, damage: bytes | None
) -> None:
    artifact = shelf.keep("report.txt", b"hello")
    lies_at = store.local_path(artifact_key(keys, artifact.key))
    assert lies_at is not None
    if damage is None:
        lies_at.unlink()
    else:
        lies_at.write_bytes(damage)

    with pytest.raises(Corrupt, match=r"report\.txt"):
        read_artifact(store, keys, artifact)
    with pytest.raises(Corrupt, match=r"report\.txt"):
        save_artifact(store, keys, artifact, tmp_path / "out" / "report.txt")
    assert list((tmp_path / "out").iterdir()) == []


@pytest.mark.parametrize(
    "key", ["../../../../../../etc/passwd", "/etc/passwd", "", "a\\b", "con", "a//b", "k" * 2_000]
)
def test_a_key_that_a_stranger_made_up_is_refused_and_leads_nowhere(
    store: LocalStore, keys: RunKeys, tmp_path: Path, key: str
) -> None:
    hostile = Artifact("report.txt", key, 5, sha(b"hello"))

    with pytest.raises(Corrupt, match=r"report\.txt"):
        read_artifact(store, keys, hostile)
    with pytest.raises(Corrupt, match=r"report\.txt"):
        save_artifact(store, keys, hostile, tmp_path / "to" / "report.txt")
    assert not (tmp_path / "to").exists()


def test_a_file_comes_back_whole(shelf: Shelf, store: LocalStore, keys: RunKeys, tmp_path: Path) -> None:
    save_artifact(store, keys, shelf.keep("report.txt", b"hello"), tmp_path / "new" / "folder" / "report.txt")

    assert (tmp_path / "new" / "folder" / "report.txt").read_bytes() == b"hello"


@pytest.mark.parametrize(
    ("folder", "found"),
    [
        ("", ["a/b.txt", "a/c/d.txt", "ab.txt"]),
        ("a", ["b.txt", "c/d.txt"]),
        ("a/", ["b.txt", "c/d.txt"]),
        ("ab.txt", ["ab.txt"]),
        ("b", []),
    ],
)
def test_the_files_of_a_folder_have_paths_below_it(folder: str, found: list[str]) -> None:
    artifacts = {path: Artifact(path, path, 0, "") for path in ("a/b.txt", "a/c/d.txt", "ab.txt")}

    assert [path for path, _ in files_below(artifacts, folder)] == found

"""A store of one's own around another: here one that counts what is asked of it."""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from podium import Workspace
from podium.stores import Entry, Key, MemoryStore, Source, Store


class Counting:
    """Every verb of `Store`, counted by name."""

    def __init__(self, inner: Store) -> None:
        self.inner = inner
        self.asked: Counter[str] = Counter()

    def get(self, key: Key, start: int = 0) -> bytes:
        self.asked["get"] += 1
        return self.inner.get(key, start)

    def put(self, key: Key, source: Source) -> None:
        self.asked["put"] += 1
        self.inner.put(key, source)

    def create(self, key: Key, data: bytes) -> None:
        self.asked["create"] += 1
        self.inner.create(key, data)

    def list(self, prefix: Key) -> Iterator[Entry]:
        self.asked["list"] += 1
        return self.inner.list(prefix)

    def delete(self, key: Key) -> None:
        self.asked["delete"] += 1
        self.inner.delete(key)

    def download(self, key: Key, path: Path) -> None:
        self.asked["download"] += 1
        self.inner.download(key, path)

    def local_path(self, key: Key) -> Path | None:
        return self.inner.local_path(key)


store = Counting(MemoryStore())
workspace = Workspace(store)
with workspace.start_run(experiment="counted") as run:
    run.log_metric("loss", 0.5)
    model = run.log_model({"w": 1.0})
created = store.asked["create"]
version = workspace.registry.register(model, "counted", alias="champion")
assert store.asked["create"] > created
assert workspace.load_model(version).native == {"w": 1.0}
assert workspace.get_run(run.run_id).metrics == {"loss": 0.5}
assert store.asked["get"] > 0
assert store.asked["put"] > 0
assert not Path(".podium").exists()

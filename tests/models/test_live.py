"""A live model serves through every swap: no prediction fails, none mixes two versions, whatever asks it.

The thread is the real one, polled every few milliseconds; what is waited for is an event, never a time.
"""

from __future__ import annotations

import asyncio
import gc
import math
import os
import shutil
import signal
import threading
import weakref
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from podium.commits import histories
from podium.commits.driver import run
from podium.commits.protocol import Steps
from podium.errors import AliasNotFound, Corrupt, Invalid, StoreUnavailable, UntrustedModel
from podium.models import live as live_module
from podium.models import shadowing
from podium.models.following import Followed
from podium.models.live import LiveModel
from podium.models.loading import load_directory
from podium.models.model import Model
from podium.models.saving import save_model
from podium.stores import LocalStore, MemoryStore
from podium.stores.contract import Store
from podium.testing import Fail, FaultyStore
from podium.workspace.workspace import Workspace

SOON_S = 0.005
NEVER_S = 3_600.0


def answers(version: int) -> Callable[[Any], Any]:
    return lambda data: [version for _ in data]


class Alias:
    """An alias kept in a file, so that a forked process sees it move too; versions 1 to 3 are on disk."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.move(1)
        for version in (1, 2, 3):
            save_model(answers(version), folder / str(version))

    def move(self, version: int) -> None:
        (self._folder / "new").write_text(str(version))
        os.replace(self._folder / "new", self._folder / "alias")

    def resolve(self) -> str:
        return f"models:/fraud/{(self._folder / 'alias').read_text()}"

    def load(self, pinned: str) -> Model[Any]:
        version = int(pinned.rpartition("/")[2])
        return load_directory(self._folder / str(version), uri=pinned, version=version)

    @property
    def followed(self) -> Followed:
        return Followed("models:/fraud@champion", self.resolve, self.load)


@pytest.fixture
def alias(tmp_path: Path) -> Alias:
    return Alias(tmp_path)


@pytest.fixture
def quiet(alias: Alias) -> Iterator[LiveModel]:
    """One whose thread never looks: the test does."""
    with LiveModel(alias.followed, poll_s=NEVER_S) as live:
        yield live


def test_it_is_a_model_that_is_pinned_each_time_it_is_asked(alias: Alias, quiet: LiveModel) -> None:
    assert isinstance(quiet, Model)
    assert (quiet.uri, quiet.version, quiet.info.flavor) == ("models:/fraud/1", 1, "function")
    assert quiet.predict(["a"]) == [1]

    pinned = quiet.current
    alias.move(2)
    assert quiet.refresh() is True

    assert (quiet.version, quiet.predict(["a"]), quiet.native(["a"])) == (2, [2], [2])
    assert (pinned.version, pinned.predict(["a"])) == (1, [1])
    assert repr(quiet) == "<LiveModel models:/fraud@champion -> models:/fraud/2, polled every 3600 s>"


def test_the_thread_swaps_by_itself(alias: Alias) -> None:
    swapped = threading.Event()

    with LiveModel(alias.followed, poll_s=SOON_S, on_swap=lambda old, new: swapped.set()) as live:
        alias.move(2)
        assert swapped.wait(30)
        assert live.predict(["a"]) == [2]
        assert live.status().swaps == 1


class Waits(threading.Event):
    """Notes how long it was waited for, and is set after five times."""

    def __init__(self) -> None:
        super().__init__()
        self.waited: list[float | None] = []

    def wait(self, timeout: float | None = None) -> bool:
        self.waited.append(timeout)
        return len(self.waited) > 5


def test_it_looks_at_least_once_in_poll_s(quiet: LiveModel) -> None:
    stop = Waits()

    live_module._keep_polling(weakref.ref(quiet), stop, 5.0)

    assert len(stop.waited) == 6
    assert all(wait is not None and 4.0 <= wait <= 5.0 for wait in stop.waited)
    assert len(set(stop.waited)) > 1, "a hundred servers started together do not ask together"


@pytest.mark.parametrize("poll_s", [0, -1.0, float("nan")])
def test_poll_s_is_a_positive_number(alias: Alias, poll_s: float) -> None:
    with pytest.raises(Invalid, match="poll_s"):
        LiveModel(alias.followed, poll_s=poll_s)


def test_a_first_load_that_fails_raises_and_leaves_no_thread(alias: Alias) -> None:
    alias.move(9)
    before = threading.active_count()

    with pytest.raises(LookupError):
        LiveModel(alias.followed, poll_s=SOON_S)
    assert threading.active_count() == before


def test_threads_never_see_a_failed_or_mixed_prediction(alias: Alias) -> None:
    done = threading.Event()

    def hammer() -> set[int]:
        seen: set[int] = set()
        while not done.is_set():
            current = live.current
            assert current.predict(["a", "b"]) == [current.version] * 2
            first, second = live.predict(["a", "b"])
            assert first == second
            seen.add(first)
        return seen

    with LiveModel(alias.followed, poll_s=SOON_S) as live, ThreadPoolExecutor(3) as pool:
        hammers = [pool.submit(hammer) for _ in range(3)]
        try:
            for number in range(30):
                alias.move(number % 3 + 1)
                live.refresh()
        finally:
            done.set()
        seen = set().union(*(each.result() for each in hammers))

    assert seen == {1, 2, 3}
    assert live.status().last_error is None


def test_asyncio_tasks_predict_through_swaps(alias: Alias) -> None:
    async def serve() -> list[list[int]]:
        async def request() -> list[int]:
            model = live.current
            await asyncio.sleep(0)
            answer: list[int] = await asyncio.to_thread(model.predict, ["a"])
            assert answer == [model.version]
            return answer

        gathered = []
        for number in range(20):
            alias.move(number % 2 + 1)
            gathered += await asyncio.gather(asyncio.to_thread(live.refresh), *(request() for _ in range(5)))
        return [each for each in gathered if isinstance(each, list)]

    with LiveModel(alias.followed, poll_s=NEVER_S) as live:
        answered = asyncio.run(serve())

    assert len(answered) == 100


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
@pytest.mark.parametrize("used", ["predict", "status"])
def test_a_forked_child_follows_with_a_thread_of_its_own(alias: Alias, used: str) -> None:
    swapped = threading.Event()
    live = LiveModel(alias.followed, poll_s=SOON_S, on_swap=lambda old, new: swapped.set())
    ready, tell = os.pipe()

    child = os.fork()
    if child == 0:
        signal.alarm(60)  # a child that is locked for ever fails the test instead of hanging it
        code = 1
        try:
            assert live.predict(["a"]) == [1] if used == "predict" else live.status().version == 1
            os.write(tell, b"x")
            code = 0 if swapped.wait(30) and live.predict(["a"]) == [2] else 2
        finally:
            os._exit(code)
    os.read(ready, 1)
    alias.move(2)
    _, status = os.waitpid(child, 0)
    for each in (ready, tell):
        os.close(each)
    live.close()

    assert os.waitstatus_to_exitcode(status) == 0


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
def test_a_fork_in_the_middle_of_a_load_does_not_lock_the_child(alias: Alias) -> None:
    loading, go_on = threading.Event(), threading.Event()

    def slow(pinned: str) -> Model[Any]:
        if pinned.endswith("/2"):
            loading.set()
            go_on.wait(30)
        return alias.load(pinned)

    live = LiveModel(Followed("models:/fraud@champion", alias.resolve, slow), poll_s=SOON_S)
    alias.move(2)
    assert loading.wait(30)

    child = os.fork()
    if child == 0:
        signal.alarm(60)  # a child that is locked for ever fails the test instead of hanging it
        code = 1
        try:
            assert live.predict(["a"]) == [1]
            go_on.set()
            live.refresh()  # or the child's own thread came first
            code = 0 if live.predict(["a"]) == [2] else 2
        finally:
            os._exit(code)
    _, status = os.waitpid(child, 0)
    go_on.set()
    live.close()

    assert os.waitstatus_to_exitcode(status) == 0


def test_a_closed_one_serves_on_and_follows_no_more(alias: Alias) -> None:
    live = LiveModel(alias.followed, poll_s=SOON_S)
    thread = live._thread
    assert thread is not None

    live.close()
    live.close()
    alias.move(2)

    assert not thread.is_alive()
    assert live.predict(["a"]) == [1]
    assert live.status().version == 1
    assert live._thread is thread, "no other was started"
    assert "closed" in repr(live)


def test_a_callback_may_close_it(alias: Alias) -> None:
    closed = threading.Event()
    live: LiveModel | None = None

    def close(old: Model[Any], new: Model[Any]) -> None:
        assert live is not None
        live.close()
        closed.set()

    live = LiveModel(alias.followed, poll_s=SOON_S, on_swap=close)
    alias.move(2)

    assert closed.wait(30)
    assert live.predict(["a"]) == [2]


def test_one_that_is_forgotten_goes_with_its_threads(alias: Alias, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shadowing, "_IDLE_S", 0.01)
    live = LiveModel(alias.followed, poll_s=NEVER_S, shadow=alias.followed)
    live.predict(["a"])
    assert live._shadow is not None
    threads = [live._thread, live._shadow._thread]
    gone = weakref.ref(live)

    del live
    gc.collect()

    assert gone() is None
    for thread in threads:
        assert thread is not None
        thread.join(30)
        assert not thread.is_alive()


def test_a_shadow_follows_its_own_alias_and_is_compared(alias: Alias) -> None:
    shadowed = 2
    other = Followed("models:/fraud@next", lambda: f"models:/fraud/{shadowed}", alias.load)

    with LiveModel(alias.followed, poll_s=NEVER_S, shadow=other) as live:
        assert live._shadow is not None
        assert live.predict(["a"]) == [1]
        live._shadow.drain()
        shadowed = 1
        live.refresh()
        live.predict(["a"])
        live._shadow.drain()
        counts = live._shadow_counts()

    assert counts is not None
    assert (counts.compared, counts.disagreed) == (2, 1)


# On a store, as users have it


class Shop:
    """A workspace with a model whose version n answers n."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.workspace = Workspace(folder / "store")

    def register(self, *, alias: str | None = None) -> int:
        number = len(list(self.folder.glob("saved*"))) + 1
        save_model(answers(number), self.folder / f"saved{number}", flavor="function")
        return self.workspace.registry.register(
            str(self.folder / f"saved{number}"), "fraud", alias=alias
        ).version

    def objects(self) -> list[Path]:
        return sorted(
            (self.folder / "store").glob("models/fraud/objects/*/python_model.pkl"), key=os.path.getmtime
        )


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    return Shop(tmp_path)


def test_it_follows_an_alias_of_the_registry_forth_and_back(shop: Shop) -> None:
    shop.register(alias="champion")
    registry = shop.workspace.registry

    with shop.workspace.live("models:/fraud@champion", poll_s=NEVER_S) as live:
        assert (live.predict(["a"]), live.version) == ([1], 1)
        registry.set_alias("fraud", "champion", shop.register())
        assert live.refresh()
        assert (live.predict(["a"]), live.uri) == ([2], "models:/fraud/2")
        registry.rollback("fraud")
        assert live.refresh()
        assert live.predict(["a"]) == [1]


def test_it_follows_the_latest_version(shop: Shop) -> None:
    shop.register()

    with shop.workspace.live("models:/fraud/latest", poll_s=NEVER_S) as live:
        shop.register()
        assert live.refresh()
        assert live.version == 2


@pytest.mark.parametrize(
    "uri", ["models:/fraud/1", "models:/fraud@sha256:0123456789", "runs:/abc/model", "./model", "fraud"]
)
def test_a_uri_that_cannot_move_is_invalid(shop: Shop, uri: str) -> None:
    shop.register(alias="champion")

    with pytest.raises(Invalid):
        shop.workspace.live(uri)


def test_the_first_load_raises_like_load_model(shop: Shop) -> None:
    shop.register(alias="champion")

    with pytest.raises(AliasNotFound):
        shop.workspace.live("models:/fraud@nobody")
    with pytest.raises(UntrustedModel):
        shop.workspace.live("models:/fraud@champion", trust=False)
    shop.objects()[0].write_bytes(b"x")
    with pytest.raises(Corrupt):
        shop.workspace.live("models:/fraud@champion")


def test_a_version_whose_bytes_changed_does_not_take_over(shop: Shop) -> None:
    shop.register(alias="champion")
    failures: list[Exception] = []

    with shop.workspace.live("models:/fraud@champion", poll_s=NEVER_S, on_failure=failures.append) as live:
        shop.register(alias="champion")
        data = bytearray(shop.objects()[-1].read_bytes())
        data[len(data) // 2] ^= 1
        shop.objects()[-1].write_bytes(data)

        assert live.refresh() is False
        status = live.status()

        assert live.predict(["a"]) == [1]
        assert (status.version, status.refused_version) == (1, 2)
        assert "python_model.pkl" in (status.last_error or "")
        assert [type(each) for each in failures] == [Corrupt]


def test_a_store_that_is_gone_keeps_the_old_version_serving(shop: Shop) -> None:
    shop.register(alias="champion")

    with shop.workspace.live("models:/fraud@champion", poll_s=NEVER_S) as live:
        shutil.rmtree(shop.folder / "store")

        assert live.refresh() is False
        assert live.predict(["a"]) == [1]
        assert live.status().last_error
        assert live.status().refused_version is None


@pytest.mark.parametrize(("poll_s", "patience_s"), [(0.1, 1.0), (2.5, 2.5), (NEVER_S, 5.0)])
@pytest.mark.parametrize("medium", ["disk", "elsewhere"])
def test_a_look_at_a_store_that_fails_gives_up_soon_and_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, poll_s: float, patience_s: float, medium: str
) -> None:
    broken = False
    waited: list[float] = []
    failures: list[Exception] = []

    def in_no_time(steps: Steps[Any], store: Store, *, patience_s: float) -> Any:
        return run(steps, store, patience_s=patience_s, sleep=waited.append, clock=lambda: math.fsum(waited))

    monkeypatch.setattr(histories, "run", in_no_time)
    monkeypatch.setattr(
        live_module._jitter, "uniform", lambda low, high: 1e6
    )  # the thread never looks: the test does
    store = LocalStore(tmp_path / "store") if medium == "disk" else MemoryStore()
    workspace = Workspace(FaultyStore(store, lambda verb, key, number: Fail() if broken else None))
    save_model(answers(1), tmp_path / "saved", flavor="function")
    workspace.registry.register(str(tmp_path / "saved"), "fraud", alias="champion")
    with workspace.live("models:/fraud@champion", poll_s=poll_s, on_failure=failures.append) as live:
        broken = True

        assert live.refresh() is False

        bound = (
            patience_s if medium == "disk" else min(patience_s, 3.0)
        )  # then what this machine knows serves
        assert bound <= sum(waited) <= bound + 0.5
        assert [type(each) for each in failures] == [StoreUnavailable]
        assert "StoreUnavailable" in (live.status().last_error or "")
        assert live.predict(["a"]) == [1]


def test_an_alias_that_is_deleted_keeps_the_old_version_serving(shop: Shop) -> None:
    shop.register(alias="champion")

    with shop.workspace.live("models:/fraud@champion", poll_s=NEVER_S) as live:
        shop.workspace.registry.delete_alias("fraud", "champion")

        assert live.refresh() is False
        assert live.predict(["a"]) == [1]
        assert "AliasNotFound" in (live.status().last_error or "")

"""The shipping protocol in every interleaving of a writer and two shippers, with kills, lost answers and late requests.

The generators are those that are shipped. In each state every shipper does its next operation in every way the store
may answer, within a budget of faults for each trace, the writer may append, end or die, and every late request may
arrive. A byte is known by its place in the log, so the store is the set of its parts.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from typing import NamedTuple

import pytest

from podium.runs import shipping
from podium.runs.shipping import (
    Answer,
    Check,
    Forget,
    Look,
    Operation,
    Others,
    Part,
    Remove,
    Says,
    Seen,
    Send,
    Shipped,
    Steps,
    ship_log,
)

Protocol = Callable[[Shipped], Steps[Shipped]]
PASSES = 3


class Spool(NamedTuple):
    size: int = 0
    sealed: bool = False
    there: bool = True


class Shipper(NamedTuple):
    """One process: what it knew when this pass began, what it was answered in it, and how many passes it made."""

    before: Shipped = Shipped()
    answers: tuple[Answer, ...] = ()
    passes: int = 0
    killed: bool = False


class State(NamedTuple):
    spool: Spool
    parts: frozenset[Part]
    shippers: tuple[Shipper, ...]
    late: tuple[Send | Remove, ...] = ()
    faults: int = 0


def cover(parts: frozenset[Part]) -> int:
    """How many bytes from the first on a reader sees: the rule of docs/format.md."""
    end = 0
    while True:
        reach = max((stop for start, stop in parts if start <= end < stop), default=end)
        if reach == end:
            return end
        end = reach


class Wrong(AssertionError):
    pass


class Model:
    def __init__(self, protocol: Protocol, size: int) -> None:
        self.protocol = protocol
        self.size = size
        self.came_from: dict[State, tuple[State, str] | None] = {}
        self.finished = 0

    def explore(self, start: State) -> int:
        self.came_from[start] = None
        frontier = deque([start])
        while frontier:
            state = frontier.popleft()
            for step, after in self.successors(state):
                self.check(state, step, after)
                if after not in self.came_from:
                    self.came_from[after] = (state, step)
                    frontier.append(after)
        return len(self.came_from)

    # --- what can happen --------------------------------------------------------------------------------------------

    def successors(self, state: State) -> Iterator[tuple[str, State]]:
        spool = state.spool
        if not spool.sealed:
            if spool.size < self.size:
                yield "writer appends", state._replace(spool=spool._replace(size=spool.size + 1))
            yield "writer ends or dies", state._replace(spool=spool._replace(sealed=True))
        for number, request in enumerate(state.late):
            rest = state.late[:number] + state.late[number + 1 :]
            yield f"late {request}", state._replace(parts=applied(request, state.parts), late=rest)
        for number, shipper in enumerate(state.shippers):
            if not shipper.killed and shipper.passes < PASSES:
                yield from self.steps(state, number, shipper)

    def steps(self, state: State, number: int, shipper: Shipper) -> Iterator[tuple[str, State]]:
        operation = self.next(shipper)
        if isinstance(operation, Shipped):
            passes = PASSES if operation.done else shipper.passes + 1
            yield f"{number} ends its pass", self.with_(state, number, Shipper(operation, (), passes))
            return
        if state.faults:
            gone = shipper._replace(answers=(), killed=True)
            yield f"{number} is killed", self.with_(state, number, gone, faults=state.faults - 1)
        for answer, fault, parts, spool, late in self.answers(operation, state):
            if fault and not state.faults:
                continue
            told = shipper._replace(answers=(*shipper.answers, answer))
            after = self.with_(state, number, told, faults=state.faults - fault)
            pending = tuple(sorted((*after.late, *late), key=repr))
            yield f"{number}: {operation} -> {answer}", after._replace(parts=parts, spool=spool, late=pending)

    def next(self, shipper: Shipper) -> Operation | Shipped:
        steps = self.protocol(shipper.before)
        try:
            operation = next(steps)
            for answer in shipper.answers:
                operation = steps.send(answer)
        except StopIteration as stop:
            after: Shipped = stop.value
            return after
        return operation

    def answers(
        self, operation: Operation, state: State
    ) -> Iterator[tuple[Answer, int, frozenset[Part], Spool, tuple[Send | Remove, ...]]]:
        """Answer, how many faults it takes, store and spool after it, and what may still arrive."""
        parts, spool = state.parts, state.spool
        match operation:
            case Look():
                yield Seen(spool.size, spool.sealed) if spool.there else Says.GONE, 0, parts, spool, ()
            case Send() | Remove():
                if isinstance(operation, Send) and not spool.there:
                    yield Says.GONE, 0, parts, spool, ()
                    return
                yield Says.DONE, 0, applied(operation, parts), spool, ()
                yield Says.FAILED, 1, applied(operation, parts), spool, ()
                yield Says.FAILED, 1, parts, spool, ()
                yield Says.FAILED, 1, parts, spool, (operation,)
            case Check(part):
                if (
                    not spool.there
                ):  # the store is asked first: also a part that is not there may be the answer
                    yield Says.GONE, 0, parts, spool, ()
                    if part not in parts:
                        yield Says.DIFFERENT, 0, parts, spool, ()
                    return
                yield Says.SAME if part in parts else Says.DIFFERENT, 0, parts, spool, ()
                yield Says.DIFFERENT, 1, parts, spool, ()  # a store that shows what it took only later
            case Others():
                yield parts, 0, parts, spool, ()
                yield Says.FAILED, 1, parts, spool, ()
            case Forget():
                yield Says.DONE, 0, parts, spool._replace(there=False), ()

    def with_(self, state: State, number: int, shipper: Shipper, *, faults: int | None = None) -> State:
        shippers = (*state.shippers[:number], shipper, *state.shippers[number + 1 :])
        return state._replace(shippers=shippers, faults=state.faults if faults is None else faults)

    # --- what must be true ------------------------------------------------------------------------------------------

    def check(self, before: State, step: str, after: State) -> None:
        seen = cover(after.parts)
        if seen < cover(before.parts):
            self.fail("a reader saw more before", before, step)
        if any(end > after.spool.size for _, end in after.parts):
            self.fail("a part holds what was never written", before, step)
        if not after.spool.there and seen != after.spool.size:
            self.fail(
                f"the spool is gone and {seen} of {after.spool.size} bytes are in the store", before, step
            )
        self.finished += not after.spool.there

    def fail(self, why: str, state: State, step: str) -> None:
        steps = [step]
        link = self.came_from[state]
        while link is not None:
            state, earlier = link
            steps.append(earlier)
            link = self.came_from[state]
        raise Wrong("\n".join([why, *reversed(steps)]))


def applied(request: Send | Remove, parts: frozenset[Part]) -> frozenset[Part]:
    return parts | {request.part} if isinstance(request, Send) else parts - {request.part}


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two parts of one size become one: so that a log of three lines does all there is."""
    monkeypatch.setattr(shipping, "_PARTS_OF_ONE_SIZE", 2)


def explore(protocol: Protocol, *, shippers: int, faults: int, size: int = 3) -> Model:
    model = Model(protocol, size)
    model.explore(State(Spool(), frozenset(), (Shipper(),) * shippers, faults=faults))
    return model


@pytest.mark.parametrize(
    ("shippers", "faults", "size"),
    [
        (1, 3, 3),
        (2, 1, 2),
        pytest.param(2, 1, 3, marks=pytest.mark.soak),  # 842,000 states
        pytest.param(2, 2, 2, marks=pytest.mark.soak),  # 635,000 states
    ],
)
def test_no_interleaving_loses_or_hides_a_byte(shippers: int, faults: int, size: int) -> None:
    model = explore(ship_log, shippers=shippers, faults=faults, size=size)

    assert model.finished > 100, "the model must reach what it is about: logs that are wholly shipped"


def test_where_nothing_goes_wrong_one_part_is_left_and_no_spool() -> None:
    model = explore(ship_log, shippers=1, faults=0)
    ends = [state for state in model.came_from if not state.spool.there]

    assert {state.parts for state in ends} == {frozenset(), *(frozenset({(0, size)}) for size in (1, 2, 3))}


# --- mistakes that the model has to find ----------------------------------------------------------------------------


def removes_before_it_has_sent(before: Shipped) -> Steps[Shipped]:
    seen = yield Look()
    if not isinstance(seen, Seen):
        return Shipped(done=True)
    for part in before.parts:
        yield Remove(part)
    if seen.size and (yield Send((0, seen.size))) is not Says.DONE:
        return Shipped()
    return Shipped(((0, seen.size),) if seen.size else ())


def believes_a_request_without_an_answer(before: Shipped) -> Steps[Shipped]:
    seen = yield Look()
    if not isinstance(seen, Seen):
        return Shipped(done=True)
    if seen.size:
        yield Send((0, seen.size))
    if seen.sealed:
        yield Forget()
        return Shipped(done=True)
    return Shipped()


def forgets_what_may_still_grow(before: Shipped) -> Steps[Shipped]:
    seen = yield Look()
    if not isinstance(seen, Seen):
        return Shipped(done=True)
    if seen.size and (yield Send((0, seen.size))) is Says.DONE:
        yield Forget()
        return Shipped(done=True)
    return Shipped()


def removes_what_it_finds_although_it_holds_less(before: Shipped) -> Steps[Shipped]:
    seen = yield Look()
    if not isinstance(seen, Seen):
        return Shipped(done=True)
    if seen.size and (yield Send((0, seen.size))) is Says.DONE:
        others = yield Others()
        for part in sorted(others) if isinstance(others, frozenset) else ():
            if part != (0, seen.size):
                yield Remove(part)
    return Shipped()


@pytest.mark.parametrize(
    "mistake",
    [
        removes_before_it_has_sent,
        believes_a_request_without_an_answer,
        forgets_what_may_still_grow,
        removes_what_it_finds_although_it_holds_less,
    ],
)
def test_a_simpler_protocol_is_found_out(mistake: Protocol) -> None:
    with pytest.raises(Wrong):
        explore(mistake, shippers=2, faults=1)

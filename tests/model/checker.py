"""A breadth-first model checker for the commit protocol.

The code under test is what is shipped: the generators of `podium.commits.protocol` with the functions of
`podium.commits.decisions`, and, to read, `Registry.resolve` itself. The checker takes the place of store and driver. In
each state it lets every process do its next operation in every way the store may answer, within a budget of faults for
each trace, and lets every late request arrive. States are told apart by what each process was answered, the contents of
the store, the late requests and what is left of the budget; one that was seen is not entered again. Breadth first, so
that the trace of a violation is a shortest one.

Steps that tell nobody are not interleaved: a process takes them at once, in each way they may go. They are waiting;
reading a commit or an object that is there, since it never changes; putting an object's bytes where they are already;
handling an object that no other process puts and no late request will; and writing the index where nobody reads it.
Whatever the others do before such a step they can as well do after it: the same is answered and found.
`explore(every_order=True)` interleaves them all the same, and a test holds the two against each other.

A killed process is one that never goes on: it has no lock that others wait for, no handler, no last word. So its death
changes nothing that another process or a claim could see, and every state with a dead process has a twin in which that
process is only never let on. A test holds that too; scenarios with kills show that the checker says the same with
them, and the larger ones spend their states on what others can tell.
"""

from __future__ import annotations

import gc
from collections import Counter, deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from podium.commits.protocol import Create, Get, Outcome, Pause, Put, Says, Sizes
from podium.errors import (
    AliasMoved,
    CommitUnknown,
    ForkedHistory,
    HistoryReplaced,
    NotFound,
    PodiumError,
    Refused,
    StoreUnavailable,
)
from tests.model.claims import Claims, Untrue
from tests.model.process import Ended, Place, Program, begin
from tests.model.store import Contents, Faults, arrive, digest_in, happenings, hopeless

__all__ = ["Call", "Report", "Violation", "explore", "run_alone"]

PATIENCE = 3


class Violation(AssertionError):
    """A claim is broken; the message has the shortest trace that leads there."""


@dataclass(frozen=True, slots=True)
class Call:
    """One call of one process.

    Attributes:
        name: for traces.
        program: what it does.
        commit_id: of the commit it may make; None for a reader.
        reads: the alias it resolves; None for a writer.
        puts: the digest of the object it puts; None if it puts none.
    """

    name: str
    program: Program
    commit_id: str | None = None
    reads: str | None = None
    puts: str | None = None


@dataclass(frozen=True, slots=True)
class Report:
    """What was explored.

    Attributes:
        states: how many.
        endings: how each call ended, over all traces: "committed", "nothing", names of errors, versions read.
        histories: every set of commits that there was in the store at any moment.
    """

    states: int
    endings: Mapping[str, frozenset[str]]
    histories: frozenset[frozenset[bytes]]


class _Process(NamedTuple):
    """A process in a state.

    Attributes:
        place: where its program is.
        misled: whether it was told that something is not there that was.
        killed: whether it does nothing any more.
        held: of a reader, where its alias pointed at any moment since its first operation.
    """

    place: Place
    misled: bool = False
    killed: bool = False
    held: frozenset[int | None] | None = None

    @property
    def runs(self) -> bool:
        return not self.killed and not isinstance(self.place.next, Ended)


_DEAD = Place(lambda answers: Ended(), (), Ended())


class _State(NamedTuple):
    processes: tuple[_Process, ...]
    contents: Contents
    pending: tuple[Create | Put, ...]
    faults: Faults


def explore(
    calls: tuple[Call, ...],
    contents: Contents,
    claims: Claims,
    faults: Faults,
    *,
    every_order: bool = False,
) -> Report:
    """Check the claims in every state that can be reached.

    Args:
        calls: one a process.
        contents: of the store at the beginning.
        claims: about the store.
        faults: how many in one trace.
        every_order: interleave also the steps that tell nobody.

    Raises:
        Violation: a claim is broken.
    """
    start = _State(tuple(_Process(begin(call.program)) for call in calls), contents, (), faults)
    collecting = gc.isenabled()
    gc.disable()  # every state is kept: looking through them for garbage takes half of the time and finds none
    try:
        return _Checker(calls, claims, every_order=every_order).explore(start)
    finally:
        if collecting:
            gc.enable()


def run_alone(program: Program, contents: Contents) -> tuple[Ended, Contents]:
    """One program to its end, with nothing going wrong."""
    place = begin(program)
    while not isinstance(place.next, Ended):
        happening = next(happenings(place.next, contents))
        place, contents = place.told(happening.answer), happening.contents
    return place.next, contents


class _Checker:
    def __init__(self, calls: tuple[Call, ...], claims: Claims, *, every_order: bool) -> None:
        self.calls = calls
        self.claims = claims
        self.every_order = every_order
        self.index_is_read = any(call.reads is not None for call in calls)
        self.putters = Counter(call.puts for call in calls)
        self.histories: set[frozenset[bytes]] = set()
        self.came_from: dict[_State, tuple[_State, str] | None] = {}
        self.endings: dict[str, set[str]] = {call.name: set() for call in calls}

    def explore(self, start: _State) -> Report:
        self.came_from[start] = None
        frontier = deque([start])
        while frontier:
            state = frontier.popleft()
            try:
                self._check(state)
            except Untrue as untrue:
                raise Violation(f"{untrue}\n{self._trace(state)}") from untrue
            for step, after in self._successors(state):
                if after not in self.came_from:
                    self.came_from[after] = (state, step)
                    frontier.append(after)
        endings = {name: frozenset(each) for name, each in self.endings.items()}
        return Report(len(self.came_from), endings, frozenset(self.histories))

    # --- what can happen -----------------------------------------------------------------------------------------

    def _successors(self, state: _State) -> Iterator[tuple[str, _State]]:
        for number, process in enumerate(state.processes):
            if process.runs and self._tells_nobody(state, number):
                yield from self._steps(state, number)
                return
        for number, process in enumerate(state.processes):
            if process.runs:
                yield from self._steps(state, number)
        for each, request in enumerate(state.pending):
            contents = arrive(request, state.contents)[1]
            pending = state.pending[:each] + state.pending[each + 1 :]
            yield (
                f"late: {_told(request)}",
                self._settled(state, state.processes, contents, pending, state.faults),
            )

    def _tells_nobody(self, state: _State, number: int) -> bool:
        """Whether it is all one to others and late requests, and to itself, when a process takes its next step."""
        operation = state.processes[number].place.next
        if isinstance(operation, Pause) or self.every_order:
            return isinstance(operation, Pause)
        if self.calls[number].reads is not None and state.processes[number].held is None:
            return False  # what a reader may find begins with its first step
        match operation:
            case Get(key) if key in state.contents.values and key.name != "index.json":
                return True
            case Put() if hopeless(operation, state.contents):
                return True
            case Put(key) if key.name == "index.json":
                return not self.index_is_read
            case Get(key) | Put(key) | Sizes(key):
                digest = digest_in(key)
                return (
                    digest is not None
                    and self.putters[digest] == 1
                    and self.calls[number].puts == digest
                    and all(digest_in(late.key) != digest for late in state.pending)
                )
            case _:
                return False

    def _steps(self, state: _State, number: int) -> Iterator[tuple[str, _State]]:
        process = state.processes[number]
        operation = process.place.next
        assert not isinstance(operation, Ended)
        name = self.calls[number].name
        if state.faults.kills:
            killed = _Process(_DEAD, killed=True)
            yield f"{name}: killed", self._with(state, number, killed, faults=state.faults.less("kills"))
        if process.held is None and self.calls[number].reads is not None:
            process = process._replace(held=frozenset({self._alias(number, state.contents)}))
        for happening in happenings(operation, state.contents):
            fault = happening.fault
            if fault is not None and not getattr(state.faults, fault):
                continue
            patient = process.place.pauses < PATIENCE
            if isinstance(operation, Pause) and happening.answer is Says.DONE and not patient:
                continue
            told = process._replace(
                place=process.place.told(happening.answer), misled=process.misled or fault == "stale"
            )
            pending = state.pending if happening.pending is None else (*state.pending, happening.pending)
            yield (
                f"{name}: {_told(operation)} -> {fault or ''} {_told(happening.answer)}",
                self._with(
                    state,
                    number,
                    told,
                    contents=happening.contents,
                    pending=pending,
                    faults=state.faults if fault is None else state.faults.less(fault),
                ),
            )

    def _with(
        self,
        state: _State,
        number: int,
        process: _Process,
        *,
        faults: Faults,
        contents: Contents | None = None,
        pending: tuple[Create | Put, ...] | None = None,
    ) -> _State:
        processes = (*state.processes[:number], process, *state.processes[number + 1 :])
        return self._settled(
            state,
            processes,
            state.contents if contents is None else contents,
            state.pending if pending is None else pending,
            faults,
        )

    def _settled(
        self,
        before: _State,
        processes: tuple[_Process, ...],
        contents: Contents,
        pending: tuple[Create | Put, ...],
        faults: Faults,
    ) -> _State:
        """A state, with readers having seen what the alias is now, and without requests that can do nothing."""
        if contents is not before.contents:
            processes = tuple(
                each._replace(held=each.held | {self._alias(number, contents)})
                if each.held is not None and each.runs
                else each
                for number, each in enumerate(processes)
            )
            pending = tuple(each for each in pending if not hopeless(each, contents))
        if pending and not (self.index_is_read or self.every_order):
            pending = tuple(each for each in pending if each.key.name != "index.json")
        if len(pending) > 1:
            pending = tuple(sorted(pending, key=lambda each: (each.key, str(type(each)), str(each))))
        return _State(processes, contents, pending, faults)

    def _alias(self, number: int, contents: Contents) -> int | None:
        alias = self.calls[number].reads
        assert alias is not None
        try:
            return self.claims.read(contents).aliases.get(alias)
        except Untrue:
            return None  # `_check` reports it

    # --- what must be true -----------------------------------------------------------------------------------------

    def _check(self, state: _State) -> None:
        history = self.claims.read(state.contents)
        self.histories.add(history.written)
        for call, process in zip(self.calls, state.processes, strict=True):
            ended = process.place.next
            if not isinstance(ended, Ended) or process.killed:
                continue
            stands = history.commits.get(call.commit_id) if call.commit_id is not None else None
            if ended.error is not None:
                self._check_error(call, process, ended.error, stands)
                self.endings[call.name].add(type(ended.error).__name__)
            elif call.reads is not None:
                if not process.misled and ended.result not in (process.held or ()):
                    raise Untrue(
                        f"{call.name} read version {ended.result}, and {call.reads} pointed to "
                        f"{sorted(map(str, process.held or ()))} while it read"
                    )
                self.endings[call.name].add(str(ended.result))
            else:
                assert isinstance(ended.result, Outcome)
                record = ended.result.record
                if (stands is not None) != (record is not None):
                    raise Untrue(
                        f"{call.name} returned {'success' if record else 'nothing'}, and its commit "
                        f"{'is not' if stands is None else 'is'} in the history"
                    )
                self.endings[call.name].add("nothing" if record is None else "committed")

    def _check_error(self, call: Call, process: _Process, error: PodiumError, stands: bytes | None) -> None:
        place = process.place
        if isinstance(error, CommitUnknown):
            if not place.doubtful:
                raise Untrue(f"{call.name} raised CommitUnknown, and nothing was in doubt")
            return
        if stands is not None:
            raise Untrue(f"{call.name} raised {type(error).__name__}, and its commit is in the history")
        if isinstance(error, StoreUnavailable):
            meant = place.failed
        elif isinstance(error, ForkedHistory | HistoryReplaced):
            meant = process.misled
        elif isinstance(error, NotFound):
            meant = process.misled or None in (process.held or ())
        else:
            meant = isinstance(error, AliasMoved | Refused)
        if not meant:
            raise Untrue(f"{call.name} raised {type(error).__name__} for no reason: {error}")

    def _trace(self, state: _State) -> str:
        steps: list[str] = []
        link = self.came_from[state]
        while link is not None:
            before, step = link
            steps.append(step)
            link = self.came_from[before]
        return "\n".join(f"{number:3} {step}" for number, step in enumerate(reversed(steps), start=1))


def _told(value: object) -> str:
    match value:
        case bytes():
            return f"{len(value)} bytes"
        case Says():
            return value.value
        case Create(key) | Put(key):
            return f"{type(value).__name__} {'/'.join(key.segments[-2:])}"
        case _ if hasattr(value, "key"):
            return f"{type(value).__name__} {'/'.join(value.key.segments[-2:])}"
        case _:
            return type(value).__name__

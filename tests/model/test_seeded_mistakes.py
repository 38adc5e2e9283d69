"""A checker that finds nothing proves nothing: each mistake that a protocol like this invites is made, and caught."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from podium.commits import decisions, protocol
from podium.commits.calls import write
from podium.commits.fold import ModelState
from podium.commits.index import decode_index, index_key
from podium.commits.protocol import (
    Create,
    Decide,
    Draft,
    Failed,
    Get,
    History,
    Nothing,
    Outcome,
    Put,
    Says,
    Stamp,
    Steps,
    object_name,
    publish,
)
from podium.commits.vocabulary import Body, CommitRecord, Register
from podium.errors import AliasNotFound
from podium.stores.keys import Key
from tests.model.calls import (
    ALIAS,
    FOLDER,
    FRESH,
    NAME,
    after,
    claims_for,
    committing,
    files_as,
    read,
    register,
    registering,
    set_alias,
    sha256_of,
)
from tests.model.checker import Call, Violation, explore
from tests.model.process import stepwise
from tests.model.store import Contents, Faults

EMPTY = Contents.of({})
ONE_CHAMPION, KNOWN = after(register("a", alias=ALIAS), register("b"), register("c"))


def test_a_reader_that_believes_the_index_without_asking_for_the_next_commit_is_caught() -> None:
    def believing() -> Steps[int]:
        data = yield Get(index_key(FOLDER))
        assert isinstance(data, bytes)
        state = decode_index(data, name=NAME)
        if state is None:
            raise AliasNotFound("no index", name=ALIAS)
        return state.aliases[ALIAS]

    believer = Call("believer", stepwise(believing), reads=ALIAS)

    with pytest.raises(
        Violation, match=r"believer read version 1, and champion pointed to .'2'. while it read"
    ):
        explore((set_alias(2, KNOWN), believer), ONE_CHAMPION, claims_for(*"abc"), Faults())
    explore((set_alias(2, KNOWN), read()), ONE_CHAMPION, claims_for(*"abc"), Faults())


def test_deciding_again_after_the_echo_of_ones_own_attempt_is_caught(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    echoed = False

    def create(key: Key, data: bytes, commit_id: str) -> Steps[bytes]:
        nonlocal echoed
        landed = yield from shipped_create(key, data, commit_id)
        # The last answer was bytes that were read, not DONE: then `landed` is another object than `data`.
        echoed = landed is not data
        return landed

    def is_own(record: CommitRecord, stamp: Stamp) -> bool:
        return shipped_is_own(record, stamp) and not echoed

    shipped_create, shipped_is_own = protocol._create, protocol.is_own
    monkeypatch.setattr(protocol, "_create", create)
    monkeypatch.setattr(protocol, "is_own", is_own)

    with pytest.raises(Violation, match="call register a committed twice"):
        explore((register("a"),), EMPTY, claims_for("a"), Faults(lost=1))
    explore((register("a"),), EMPTY, claims_for("a"), Faults())  # no answer lost: nothing to see


def test_not_knowing_ones_own_commit_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(protocol, "is_own", lambda record, stamp: False)

    with pytest.raises(Violation, match="call register a committed twice"):
        explore((register("a"),), EMPTY, claims_for("a"), Faults())


def test_writing_the_commit_before_the_manifest_is_caught() -> None:
    name = object_name(sha256_of("a")[:32], ModelState())

    def decide(state: ModelState, first: ModelState) -> Draft[Body]:
        return Draft(Register(state.next_version, name, sha256_of("a"), 1, "f", "data"))

    def hasty() -> Steps[Outcome]:
        outcome = yield from committing(FRESH, decide, "hasty")
        yield from publish(FOLDER, files_as("a")(name))
        return outcome

    with pytest.raises(Violation, match=r"version 1 is committed and its .* is not there"):
        explore((Call("hasty", stepwise(hasty), "hasty"),), EMPTY, claims_for("a"), Faults())


# --- the shipped protocol, with one thing in it bent ------------------------------------------------------------------


def _bent(
    make: Callable[[History], Steps[Outcome]], bend: Callable[[Steps[Outcome]], Steps[Outcome]], name: str
) -> Call:
    return Call(name, stepwise(lambda: write(FRESH, lambda known: bend(make(known)))), name)


def _two_registers(bend: Callable[[Steps[Outcome]], Steps[Outcome]]) -> tuple[Call, Call]:
    return (
        _bent(lambda known: registering(known, "a", None, "one"), bend, "one"),
        _bent(lambda known: registering(known, "b", None, "two"), bend, "two"),
    )


def test_taking_exists_for_success_is_caught() -> None:
    def gullible(steps: Steps[Outcome]) -> Steps[Outcome]:
        try:
            operation = next(steps)
            while True:
                answer = yield operation
                taken = isinstance(operation, Create) and answer is Says.EXISTS
                operation = steps.send(Says.DONE if taken else answer)
        except StopIteration as stop:
            result = stop.value
            assert isinstance(result, Outcome)
            return result

    with pytest.raises(Violation, match="returned success, and its commit is not in the history"):
        explore(_two_registers(gullible), EMPTY, claims_for("a", "b"), Faults())


def test_a_commit_that_is_put_instead_of_created_is_caught() -> None:
    def overwriting(steps: Steps[Outcome]) -> Steps[Outcome]:
        try:
            operation = next(steps)
            while True:
                replaced = Put(operation.key, operation.data) if isinstance(operation, Create) else operation
                operation = steps.send((yield replaced))
        except StopIteration as stop:
            result = stop.value
            assert isinstance(result, Outcome)
            return result

    with pytest.raises(Violation, match="returned success, and its commit is not in the history"):
        explore(_two_registers(overwriting), EMPTY, claims_for("a", "b"), Faults())


def test_taking_no_answer_for_a_failure_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    def create(key: Key, data: bytes, commit_id: str) -> Steps[bytes]:
        answer = yield Create(key, data)
        if isinstance(answer, Failed):
            raise answer.error
        return data if answer is Says.DONE else (yield from protocol._read_until_seen(key, commit_id))

    monkeypatch.setattr(protocol, "_create", create)

    for fault in (Faults(lost=1), Faults(late=1)):
        with pytest.raises(Violation, match="raised StoreUnavailable, and its commit is in the history"):
            explore((register("a"),), EMPTY, claims_for("a"), fault)


def test_keeping_a_decision_after_another_commit_came_first_is_caught() -> None:
    def stubborn(number: int) -> Call:
        shipped = decisions.deciding_alias(
            NAME,
            ALIAS,
            number,
            expect=decisions.Expectation(1, 1),
            preflight=decisions.Preflight("passed"),
            force=False,
        )
        name = f"stubborn {number}"
        decide: Decide = _from_the_first_look(shipped)
        return Call(name, stepwise(lambda: write(KNOWN, lambda known: committing(known, decide, name))), name)

    expected: dict[str, int | None] = {"stubborn 2": 1, "stubborn 3": 1}

    with pytest.raises(Violation, match=r"overwrote version ., which it did not expect"):
        explore((stubborn(2), stubborn(3)), ONE_CHAMPION, claims_for(*"abc", expected=expected), Faults())


def _from_the_first_look(shipped: Decide) -> Decide:
    def decide(state: ModelState, first: ModelState) -> Draft[Body] | Nothing:
        return shipped(first, first)

    return decide


def test_a_violation_comes_with_a_shortest_trace(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(protocol, "is_own", lambda record, stamp: False)

    with pytest.raises(Violation) as caught:
        explore((set_alias(2, KNOWN), read()), ONE_CHAMPION, claims_for(*"abc"), Faults(late=1))

    _, *steps = str(caught.value).splitlines()
    assert all(
        step.lstrip(" 0123456789").startswith("set_alias 2: ") for step in steps
    )  # no step of the reader

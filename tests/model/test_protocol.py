"""Promise 2 in every interleaving: whoever races and whatever goes wrong, the history is as somebody meant it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import pytest

from tests.model.calls import (
    ALIAS,
    FRESH,
    after,
    claims_for,
    quarantine,
    read,
    register,
    roll_back,
    set_alias,
)
from tests.model.checker import Call, explore
from tests.model.store import Contents, Faults

EMPTY = Contents.of({})
ONE_CHAMPION, KNOWN_CHAMPION = after(register("a", alias=ALIAS), register("b"), register("c"))
SECOND_CHAMPION, KNOWN_SECOND = after(register("a", alias=ALIAS), register("b", alias=ALIAS), register("c"))
THIRD_CHAMPION, KNOWN_THIRD = after(*(register(each, alias=ALIAS) for each in "abc"))

EACH_ONCE = Faults(kills=1, lost=1, late=1, stale=1)
NO_KILLS = Faults(lost=1, late=1, stale=1)


@dataclass(frozen=True, slots=True)
class Scenario:
    """Calls that race, the store they race on, and what goes wrong.

    Attributes:
        name: of the test.
        calls: one a process.
        contents: of the store at the beginning.
        faults: in one trace.
        ends: endings that must be reached, so that a scenario shows what it is for.
        expected: calls with ``expect`` and where the alias had to point.
    """

    name: str
    calls: tuple[Call, ...]
    contents: Contents
    faults: Faults
    ends: frozenset[tuple[str, str]]
    expected: dict[str, int | None] = field(default_factory=dict)


REGISTERS = (register("a"), register("b"))
SAME_BYTES = (register("a"), register("a", by=" again"))
EXPECTING = (set_alias(2, KNOWN_CHAMPION, expect=1), set_alias(3, KNOWN_CHAMPION, expect=1))
EXPECTED: dict[str, int | None] = {"set_alias 2": 1, "set_alias 3": 1}
BOTH_MOVED = frozenset({("set_alias 2", "AliasMoved"), ("set_alias 3", "AliasMoved")})
BACK_AND_SET = (roll_back(KNOWN_SECOND), set_alias(3, KNOWN_SECOND))
AWAY = frozenset({("quarantine 2", "Refused"), ("set_alias 2", "Quarantined")})
QUARANTINE_AND_SET = (quarantine(2, KNOWN_CHAMPION), set_alias(2, KNOWN_CHAMPION))
THREE_REGISTERS = (*REGISTERS, register("c"))
THREE_MOVES = (*BACK_AND_SET, quarantine(1, KNOWN_SECOND))
BOTH_BACK = (roll_back(KNOWN_THIRD), roll_back(KNOWN_THIRD, by=" too"))
QUARANTINED_BELOW = (roll_back(KNOWN_SECOND), quarantine(1, KNOWN_SECOND))

SCENARIOS = [
    Scenario("two registers", REGISTERS, EMPTY, EACH_ONCE, frozenset({("register a", "CommitUnknown")})),
    Scenario(
        "two registers of the same bytes, an answer lost", SAME_BYTES, EMPTY, Faults(lost=1), frozenset()
    ),
    Scenario(
        "two registers of the same bytes, a request late", SAME_BYTES, EMPTY, Faults(late=1), frozenset()
    ),
    Scenario("two registers and late requests", REGISTERS, EMPTY, Faults(late=2), frozenset()),
    Scenario(
        "two registers with an alias, and a reader",
        (
            register("d", KNOWN_CHAMPION, alias=ALIAS),
            register("e", KNOWN_CHAMPION, alias=ALIAS),
            read(),
        ),
        ONE_CHAMPION,
        Faults(stale=1),
        frozenset({("reader", "1"), ("reader", "4"), ("reader", "5")}),
    ),
    Scenario(
        "register and two set_alias that expect the same",
        (register("d", KNOWN_CHAMPION, alias=ALIAS), *EXPECTING),
        ONE_CHAMPION,
        Faults(late=1),
        BOTH_MOVED,
        EXPECTED,
    ),
    Scenario("two set_alias that expect the same", EXPECTING, ONE_CHAMPION, EACH_ONCE, BOTH_MOVED, EXPECTED),
    Scenario(
        "two set_alias and a reader",
        (*EXPECTING, read()),
        ONE_CHAMPION,
        Faults(late=1, stale=1),
        frozenset({("reader", "1"), ("reader", "2"), ("reader", "3")}),
        EXPECTED,
    ),
    Scenario(
        "rollback and set_alias",
        BACK_AND_SET,
        SECOND_CHAMPION,
        EACH_ONCE,
        frozenset({("rollback", "AliasMoved")}),
    ),
    Scenario("quarantine and set_alias", QUARANTINE_AND_SET, ONE_CHAMPION, EACH_ONCE, AWAY),
    Scenario(
        "two rollbacks", BOTH_BACK, THIRD_CHAMPION, EACH_ONCE, frozenset({("rollback too", "AliasMoved")})
    ),
    Scenario(
        "rollback and quarantine of where it goes",
        QUARANTINED_BELOW,
        SECOND_CHAMPION,
        EACH_ONCE,
        frozenset({("rollback", "NothingToRollBack"), ("quarantine 1", "Refused")}),
    ),
    Scenario(
        "register, rollback and quarantine",
        (register("d", KNOWN_SECOND, alias=ALIAS), roll_back(KNOWN_SECOND), quarantine(1, KNOWN_SECOND)),
        SECOND_CHAMPION,
        Faults(late=1),
        frozenset({("rollback", "AliasMoved")}),
    ),
    Scenario("three registers, two of them killed", THREE_REGISTERS, EMPTY, Faults(kills=2), frozenset()),
    Scenario(
        "rollback, set_alias and quarantine, with a kill and a lost answer",
        THREE_MOVES,
        SECOND_CHAMPION,
        Faults(kills=1, lost=1),
        frozenset({("rollback", "AliasMoved"), ("rollback", "NothingToRollBack")}),
    ),
    Scenario(
        "two set_alias and a reader, each fault once",
        (*EXPECTING, read()),
        ONE_CHAMPION,
        EACH_ONCE,
        BOTH_MOVED | {("reader", "2"), ("set_alias 2", "CommitUnknown")},
        EXPECTED,
    ),
]

LONG = [
    Scenario(
        "rollback, set_alias and quarantine, with lost answers and late requests",
        THREE_MOVES,
        SECOND_CHAMPION,
        Faults(lost=1, late=1),
        frozenset({("rollback", "AliasMoved"), ("quarantine 1", "CommitUnknown")}),
    ),
    Scenario("two registers of the same bytes", SAME_BYTES, EMPTY, Faults(lost=1, late=1), frozenset()),
    Scenario("two registers, more faults", REGISTERS, EMPTY, Faults(0, 2, 1, 1), frozenset()),
    Scenario("two registers, late requests", REGISTERS, EMPTY, Faults(1, 1, 3, 0), frozenset()),
    Scenario("three registers", THREE_REGISTERS, EMPTY, Faults(late=1, stale=1), frozenset()),
    Scenario("three registers, a kill and a lost answer", THREE_REGISTERS, EMPTY, Faults(1, 1), frozenset()),
    Scenario(
        "rollback, set_alias and quarantine, each fault but kills once",
        THREE_MOVES,
        SECOND_CHAMPION,
        NO_KILLS,
        frozenset({("rollback", "AliasMoved")}),
    ),
    Scenario(
        "register and two set_alias, more faults",
        (register("d", KNOWN_CHAMPION, alias=ALIAS), *EXPECTING),
        ONE_CHAMPION,
        Faults(lost=1, late=1),
        BOTH_MOVED,
        EXPECTED,
    ),
    Scenario(
        "two set_alias, each fault twice but kills",
        EXPECTING,
        ONE_CHAMPION,
        Faults(0, 2, 2, 1),
        BOTH_MOVED,
        EXPECTED,
    ),
    Scenario(
        "rollback, set_alias and a reader",
        (*BACK_AND_SET, read()),
        SECOND_CHAMPION,
        Faults(0, 1, 1, 1),
        frozenset({("rollback", "AliasMoved")}),
    ),
    Scenario(
        "quarantine, set_alias and a reader",
        (*QUARANTINE_AND_SET, read()),
        ONE_CHAMPION,
        Faults(0, 1, 1, 1),
        AWAY,
    ),
]

visited: dict[str, int] = {}


def _check(scenario: Scenario) -> int:
    report = explore(
        scenario.calls, scenario.contents, claims_for(*"abcde", expected=scenario.expected), scenario.faults
    )
    for name, ending in scenario.ends:
        assert ending in report.endings[name], f"no trace ends {name} with {ending}: {report.endings}"
    for call in scenario.calls:
        if call.commit_id is not None:
            assert "committed" in report.endings[call.name]
    visited[scenario.name] = report.states
    print(f"{scenario.name}: {report.states} states; {sum(visited.values())} in all")
    return report.states


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda each: each.name)
def test_every_interleaving_keeps_the_promises(
    scenario: Scenario, record_property: Callable[[str, object], None]
) -> None:
    record_property("states visited", _check(scenario))


@pytest.mark.soak
@pytest.mark.parametrize("scenario", LONG, ids=lambda each: each.name)
def test_every_interleaving_with_more_faults_keeps_the_promises(
    scenario: Scenario, record_property: Callable[[str, object], None]
) -> None:
    record_property("states visited", _check(scenario))


SMALL = [
    (REGISTERS, EMPTY, {}, Faults(lost=1)),
    (REGISTERS, EMPTY, {}, Faults(late=1)),
    (SAME_BYTES, EMPTY, {}, Faults(stale=1)),
    (EXPECTING, ONE_CHAMPION, EXPECTED, NO_KILLS),
    ((*EXPECTING, read()), ONE_CHAMPION, EXPECTED, Faults(late=1)),
    ((register("d", KNOWN_SECOND, alias=ALIAS), *BACK_AND_SET), SECOND_CHAMPION, {}, Faults()),
]
Small = tuple[tuple[Call, ...], Contents, dict[str, int | None], Faults]


@pytest.mark.parametrize("small", SMALL, ids=range(len(SMALL)))
def test_steps_that_tell_nobody_need_no_interleaving(small: Small) -> None:
    calls, contents, expected, faults = small
    claims = claims_for(*"abcde", expected=expected)

    every = explore(calls, contents, claims, faults, every_order=True)
    fewer = explore(calls, contents, claims, faults)

    assert fewer.states < every.states
    assert (fewer.endings, fewer.histories) == (every.endings, every.histories)


@pytest.mark.parametrize("small", SMALL, ids=range(len(SMALL)))
def test_a_killed_process_is_one_that_never_goes_on(small: Small) -> None:
    calls, contents, expected, faults = small
    claims = claims_for(*"abcde", expected=expected)

    with_kills = explore(calls, contents, claims, faults._replace(kills=1))
    without = explore(calls, contents, claims, faults)

    assert with_kills.states > without.states
    assert (with_kills.endings, with_kills.histories) == (without.endings, without.histories)


def test_a_reader_that_starts_without_an_index_reads_the_commits(
    record_property: Callable[[str, object], None],
) -> None:
    commits_only = Contents.of(
        {key: data for key, data in ONE_CHAMPION.values.items() if key.name != "index.json"}
    )

    report = explore((set_alias(2, KNOWN_CHAMPION), read()), commits_only, claims_for(*"abc"), NO_KILLS)

    assert {"1", "2"} <= report.endings["reader"]
    record_property("states visited", report.states)


def test_a_process_that_knows_nothing_yet_races_as_well_as_one_that_does(
    record_property: Callable[[str, object], None],
) -> None:
    report = explore(
        (set_alias(2, FRESH, expect=1), set_alias(3, KNOWN_CHAMPION, expect=1)),
        ONE_CHAMPION,
        claims_for(*"abc", expected=EXPECTED),
        Faults(lost=1, late=1),
    )

    assert {"committed", "AliasMoved"} <= report.endings["set_alias 2"]
    record_property("states visited", report.states)

"""A state that was written and read back is the state, and goes on as it would have gone on."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from podium.runs.fold import RunState
from podium.runs.folded import logs_from_text, logs_to_text, state_from_text, state_to_text
from tests.runs.conftest import RUN_ID
from tests.search.test_refresh import whole_logs


def fold(state: RunState, logs: dict[str, bytes]) -> RunState:
    while True:
        for writer_id, data in logs.items():
            log = state.logs.get(writer_id)
            state.feed(writer_id, data[0 if log is None else log.offset :])
        if not state.needs_reread:
            return state
        state = state.reread()


def said(state: RunState) -> object:
    """All of it; as text, since NaN is not equal to itself. Which rewinds were met again is how, not what."""
    state._found_rewinds.clear()
    setattr(state, "rewinds", sorted(state.rewinds))  # noqa: B010 - no set, whose text has no order
    for name in (
        "metrics",
        "_params",
        "_overwrites",
        "_tags",
        "_goals",
        "_artifacts",
        "_models",
        "_datasets",
        "logs",
    ):
        kept = getattr(state, name)
        setattr(state, name, dict(sorted(kept.items())))
    for key, values in state._params.items():
        state._params[key] = dict(sorted(values.items()))
    return repr(state)


@settings(max_examples=300)
@given(whole_logs(), whole_logs(), st.floats(0, 1), st.floats(0, 1))
def test_a_state_that_was_written_goes_on_where_it_was(
    one: bytes, two: bytes, first: float, second: float
) -> None:
    logs = {"aaaaaaaaaa": one, "bbbbbbbbbb": two}
    begun = {"aaaaaaaaaa": one[: round(len(one) * first)], "bbbbbbbbbb": two[: round(len(two) * second)]}
    state = fold(RunState(RUN_ID), begun)

    read = state_from_text(state_to_text(state))

    assert said(state_from_text(state_to_text(state))) == said(fold(RunState(RUN_ID), begun))
    assert said(fold(read, logs)) == said(fold(RunState(RUN_ID), logs))


@settings(max_examples=100)
@given(whole_logs())
def test_the_logs_alone_say_the_status(log: bytes) -> None:
    state = fold(RunState(RUN_ID), {"aaaaaaaaaa": log})

    read = logs_from_text(RUN_ID, logs_to_text(state))

    assert read.logs == state.logs
    for alive in ([], ["aaaaaaaaaa"]):
        assert read.status(alive) == state.status(alive)

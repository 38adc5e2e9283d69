"""What whoever reads is warned of: a run whose logs disagree or cannot be read in places, a name that nothing has.

Nothing of it changes what is read. A warning shows the caller of the method that the user called.
"""

from __future__ import annotations

import warnings
from collections.abc import Collection, Iterable
from typing import TYPE_CHECKING

from podium.errors import PodiumWarning, did_you_mean, near_names

if TYPE_CHECKING:
    from podium.runs.fold import RunState

__all__ = ["warn_of_bad_lines", "warn_of_conflicts", "warn_of_unknown"]


def warn_of_unknown(names: Iterable[str], experiments: Collection[str]) -> None:
    """Experiments were named that are not there. For a function that the method of the user calls."""
    for name in names:
        hint = did_you_mean(near_names(name, experiments))
        warnings.warn(f"there is no experiment {name!r}.{hint}", PodiumWarning, stacklevel=4)


def warn_of_conflicts(run_id: str, state: RunState) -> None:
    """Between writers the first value of a param stands; whoever reads the run hears of the others."""
    if not state.conflicts:
        return
    told = "; ".join(
        f"{each.key!r} is {each.kept!r}, and {' and '.join(map(repr, each.others))} came later"
        for each in state.conflicts[:3]
    )
    more = f"; and {len(state.conflicts) - 3} more" if len(state.conflicts) > 3 else ""
    warnings.warn(
        f"the writers of run {run_id} disagree about its params, and the first value stands: {told}{more}. Settle it: "
        f"amend_run({run_id!r}).log_param({state.conflicts[0].key!r}, ..., overwrite=True).",
        PodiumWarning,
        stacklevel=3,
    )


def warn_of_bad_lines(run_id: str, state: RunState) -> None:
    """A line of a log that is no event is passed over; whoever reads the run hears that something may be missing."""
    if not state.bad_lines:
        return
    logs: dict[str, list[int]] = {}
    for each in state.bad_lines:
        logs.setdefault(each.writer_id, []).append(each.line)
    told = "; ".join(
        f"{len(lines)} in the log of writer {writer_id} (line {', '.join(map(str, lines[:3]))}"
        f"{', ...' if len(lines) > 3 else ''})"
        for writer_id, lines in list(logs.items())[:3]
    )
    more = f"; and in {len(logs) - 3} logs more" if len(logs) > 3 else ""
    warnings.warn(
        f"run {run_id} has records that cannot be read and were passed over: {told}{more}. The log was damaged or "
        "edited by hand; restore it from a copy if what is missing matters.",
        PodiumWarning,
        stacklevel=3,
    )

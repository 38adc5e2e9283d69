"""Where a run lies follows from its names alone."""

from __future__ import annotations

import pytest

from podium.errors import Invalid
from podium.runs.layout import LogName, RunKeys, check_run_id
from tests.runs.conftest import RUN_ID


def test_a_run_with_a_drawn_id_lies_under_the_utc_day_of_that_id() -> None:
    keys = RunKeys.of("fraud", RUN_ID)

    assert str(keys.log("0123456789")) == f"experiments/fraud/runs/2025-11-22/{RUN_ID}.0123456789.jsonl"
    assert str(keys.artifacts) == f"experiments/fraud/artifacts/2025-11-22/{RUN_ID}"


def test_a_run_with_an_id_of_the_users_own_lies_under_named() -> None:
    assert str(RunKeys.of("fraud", "nightly_7").logs) == "experiments/fraud/runs/named"


def test_an_experiment_of_any_name_has_a_safe_folder() -> None:
    keys = RunKeys.of("../../etc", "nightly")

    assert keys.experiment == "../../etc"
    assert str(keys.logs).startswith("experiments/etc~")


@pytest.mark.parametrize("run_id", ["", "A", "a.b", "a/b", "-a", "a" * 65, "con", "ä", "a b"])
def test_an_id_that_no_disk_takes_is_refused_with_what_to_do(run_id: str) -> None:
    with pytest.raises(Invalid, match="run_name"):
        check_run_id(run_id)


@pytest.mark.parametrize(
    "name",
    [
        LogName("nightly", "0123456789"),
        LogName("nightly", "0123456789", 0, 17),
        LogName("n", "0123456789", 5, 9),
    ],
)
def test_the_name_of_a_log_or_part_reads_back(name: LogName) -> None:
    assert LogName.parse(str(name)) == name


@pytest.mark.parametrize(
    "name",
    [
        "n.jsonl",
        "n.0123456789.json",
        "n.0123456789.jsonl.7-7",
        "n.0123456789.jsonl.07-9",
        "n.0123456789.jsonl.x",
    ],
)
def test_any_other_file_is_no_log(name: str) -> None:
    assert LogName.parse(name) is None

"""What users write is right: the programs here run, pass a strict type checker, and wrong calls are reported.

Each program asserts its own results. It runs as a user's would: a process of its own, in an empty folder, and it may
say nothing on stderr.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
PROGRAMS = sorted((HERE / "programs").glob("*.py"))
WRONG = sorted((HERE / "wrong").glob("*.py"))
_TIME_LIMIT_S = 120


@dataclass(frozen=True)
class Report:
    """One thing that pyright said."""

    line: int
    rule: str
    message: str


@pytest.fixture(scope="module")
def reports() -> dict[str, list[Report]]:
    """What pyright says of every program in strict mode, right and wrong, by file name; asked once."""
    pytest.importorskip("pyright", reason='type checking the programs needs pip install "podium[dev]"')
    checked = subprocess.run(
        [sys.executable, "-m", "pyright", "--outputjson", "--pythonpath", sys.executable]
        + [str(each) for each in (*PROGRAMS, *WRONG)],
        cwd=ROOT,  # where its configuration is
        capture_output=True,
        text=True,
        check=False,
        timeout=_TIME_LIMIT_S,
    )
    assert checked.stdout, checked.stderr
    answer: dict[str, Any] = json.loads(checked.stdout)
    assert answer["summary"]["filesAnalyzed"] == len(PROGRAMS) + len(WRONG)
    found: dict[str, list[Report]] = defaultdict(list)
    for each in answer["generalDiagnostics"]:
        line = each["range"]["start"]["line"] + 1
        found[Path(each["file"]).name].append(Report(line, each.get("rule", "syntax"), each["message"]))
    return found


def expected_errors(program: Path) -> dict[int, set[str]]:
    """The rules that each marked line breaks."""
    marked: dict[int, set[str]] = {}
    for number, line in enumerate(program.read_text(encoding="utf-8").splitlines(), start=1):
        marker = re.search(r"# error: (.+)$", line)
        if marker:
            marked[number] = set(marker[1].split(", "))
    return marked


def without_consequences(rules: set[str]) -> set[str]:
    """The rules that a line breaks, less that the type of a wrong expression is not known either."""
    return {each for each in rules if not each.startswith("reportUnknown")} or rules


def test_there_are_at_least_thirty_programs_and_each_checks_what_it_did() -> None:
    assert len(PROGRAMS) >= 30
    assert [
        each.name
        for each in PROGRAMS
        if not re.search(r"^\s*assert ", each.read_text(encoding="utf-8"), re.M)
    ] == []
    assert len({each.name for each in (*PROGRAMS, *WRONG)}) == len(PROGRAMS) + len(WRONG)


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda program: program.stem)
def test_the_program_does_what_it_says(program: Path, tmp_path: Path) -> None:
    if '"git"' in program.read_text(encoding="utf-8") and shutil.which("git") is None:
        pytest.skip("there is no git on this machine")
    ran = subprocess.run(
        [sys.executable, str(program)],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
        timeout=_TIME_LIMIT_S,
    )

    assert (ran.returncode, ran.stderr) == (0, "")


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda program: program.stem)
def test_the_program_passes_pyright_strict(program: Path, reports: dict[str, list[Report]]) -> None:
    assert reports.get(program.name, []) == []


@pytest.mark.parametrize("program", WRONG, ids=lambda program: program.stem)
def test_exactly_the_wrong_calls_are_reported(program: Path, reports: dict[str, list[Report]]) -> None:
    rules: dict[int, set[str]] = defaultdict(set)
    for each in reports[program.name]:
        rules[each.line].add(each.rule)
    reported = {line: without_consequences(found) for line, found in rules.items()}

    expected = expected_errors(program)
    assert reported == expected
    assert len(expected) >= 30


def test_pyright_knows_the_type_of_every_public_name() -> None:
    pytest.importorskip("pyright", reason='type checking needs pip install "podium[dev]"')
    checked = subprocess.run(
        [sys.executable, "-m", "pyright", "--verifytypes", "podium", "--ignoreexternal", "--outputjson"],
        capture_output=True,
        text=True,
        check=False,
        timeout=_TIME_LIMIT_S,
    )

    completeness = json.loads(checked.stdout)["typeCompleteness"]

    unknown = [
        each["name"] for each in completeness["symbols"] if each["isExported"] and not each["isTypeKnown"]
    ]
    assert unknown == []
    assert completeness["completenessScore"] == 1

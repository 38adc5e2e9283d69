"""A log another program wrote by docs/format.md is a run in every respect."""

from __future__ import annotations

import inspect
import re
from datetime import UTC, datetime
from pathlib import Path

from podium import Workspace
from podium.runs.layout import RunKeys
from podium.stores import LocalStore
from podium.types import Run

_FORMAT = Path(__file__).parents[2] / "docs" / "format.md"
RUN_ID = "01kapgsxk0e7n3x5v8h2m4q6ab"


def the_run_of_the_page(folder: Path) -> Run:
    found = re.search(
        r"^```jsonl podium:run-log\n(.*?)^```$", _FORMAT.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE
    )
    assert found is not None
    log = LocalStore(folder).local_path(RunKeys.of("fraud", RUN_ID).log("0123456789"))
    assert log is not None
    log.parent.mkdir(parents=True)
    log.write_text(found[1], encoding="utf-8")
    return Workspace(folder).get_run(RUN_ID)


def test_the_log_of_the_page_broke_attributes_of_its_run(tmp_path: Path) -> None:
    run = the_run_of_the_page(tmp_path / "store")

    names = [name for name, _ in inspect.getmembers(Run, lambda member: isinstance(member, property))]
    read = {name: getattr(run, name) for name in names}

    assert {"models", "verdict", "datasets", "metrics", "error"} <= set(read)
    assert (run.run_id, run.run_name, run.experiment, run.status) == (RUN_ID, "lr=0.1", "fraud", "FAILED")
    assert (run.user, run.parent_run_id, run.note) == ("ada", "01kapgsxk0e7n3x5v8h2m4q6ab", "first try")
    assert run.start_time == datetime(2025, 11, 23, 8, 15, 28, tzinfo=UTC)
    assert run.end_time == datetime(2025, 11, 23, 8, 16, 28, 2000, tzinfo=UTC)
    assert (run.params["depth"], run.tags, run.deleted, run.dropped) == (7, {"team": "risk"}, False, 2)
    assert run.error == "ValueError: no"
    assert run.summary["acc"].max == 0.9
    (model,) = run.models
    assert (model.uri, model.name, model.flavor, model.trust) == (run.model_uri(), "model", "sklearn", "data")
    assert (model.size_bytes, model.metadata) == (412 + 11_081, {"team": "risk"})
    assert repr(model.signature) == "Signature(inputs: age long; outputs: int64[*])"
    assert run.verdict is not None
    assert run.verdict
    assert [(check.text, check.left, check.right) for check in run.verdict] == [
        ("metrics.acc > 0.8", 0.9, 0.8)
    ]
    (dataset,) = run.datasets
    assert (dataset.name, dataset.rows, dataset.schema) == ("train", 1000, {"age": "int64"})
    assert [each.path for each in run.artifacts()] == ["model/MLmodel", "model/model.skops", "report.txt"]
    assert list(run.history("acc").values) == [0.5, 0.9]
    assert RUN_ID in repr(run) and RUN_ID in run._repr_html_()

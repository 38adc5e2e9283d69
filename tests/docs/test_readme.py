"""What the README shows is run."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def test_the_opening_example_runs_from_run_to_roll_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from sklearn.datasets import load_breast_cancer
    from sklearn.linear_model import LogisticRegression

    X, y = load_breast_cancer(return_X_y=True)

    def train(model: Any) -> Iterator[float]:
        model.fit(X, y)
        yield from (0.5, 0.25)

    monkeypatch.chdir(tmp_path)
    (example,) = re.findall(r"^```python\n(.*?)^```", README, flags=re.M | re.S)
    before_rollback, _, rollback = example.rpartition("registry.rollback")
    names: dict[str, Any] = {
        "X": X,
        "rows": X[:3],
        "model": LogisticRegression(max_iter=5_000),
        "train": train,
        "evaluate": lambda model: model.score(X, y),
    }

    exec(compile(before_rollback, "README.md", "exec"), names)

    assert names["best"].params["lr"] == 0.1
    assert names["api"].current.version == 1
    second = names["registry"].register(names["best"].model_uri(), "fraud-detector", alias="champion")
    names["api"].refresh()
    assert names["api"].current.version == second.version
    exec(compile(f"registry.rollback{rollback}", "README.md", "exec"), names)
    names["api"].refresh()
    assert names["api"].current.version == 1
    names["api"].close()


def test_there_are_exactly_two_commands() -> None:
    commands = re.findall(r"^```sh\n(.*?)\n```", README, flags=re.M | re.S)

    assert len(commands) == 2
    assert all("\n" not in command for command in commands)


def test_every_linked_page_is_there() -> None:
    links = re.findall(r"\]\(([^)#:]+)\)", README)

    assert [link for link in links if not (ROOT / link).exists()] == []
    assert "docs/format.md" in links

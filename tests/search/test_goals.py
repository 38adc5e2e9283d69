"""What "best" means, by the name of a metric."""

from __future__ import annotations

import pytest

from podium.search.goals import known_goal


@pytest.mark.parametrize(
    ("key", "goal"),
    [
        ("loss", "min"),
        ("val_loss", "min"),
        ("train/loss_epoch", "min"),
        ("valid-logloss", "min"),
        ("RMSE", "min"),
        ("training_mean_squared_error", "min"),
        ("neg_mean_squared_error", "max"),
        ("accuracy", "max"),
        ("test.f1_macro", "max"),
        ("val/roc_auc", "max"),
        ("training_accuracy_score", "max"),
        ("neg_log_loss", "max"),
        ("r2", "max"),
        ("learning_rate", None),
        ("epoch", None),
        ("loss_scale", None),
        ("", None),
        ("???", None),
    ],
)
def test_known_names_have_a_goal_and_others_none(key: str, goal: str | None) -> None:
    assert known_goal(key) == goal

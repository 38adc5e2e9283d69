"""A run as the search grammar sees it: every field has a value, or is missing.

The one place where the names of the grammar meet the attributes of `Run`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from podium.search.evaluate import Subject, aggregate_of
from podium.search.expressions import Field
from podium.table import MISSING

if TYPE_CHECKING:
    from podium.workspace.facts import Experiment
    from podium.workspace.run import Run

__all__ = ["subject_of", "subject_of_experiment"]


def subject_of(run: Run) -> Subject:
    """The run as a function from a field to its value, or MISSING."""

    def value_of(of: Field) -> object:
        match of.entity:
            case "attribute":
                return getattr(run, of.key, MISSING)
            case "metrics":
                summary = run.summary.get(of.key)
                return MISSING if summary is None else aggregate_of(summary, of.aggregate)
            case "params" | "tags" | "environment":
                mapping: Mapping[str, object] = getattr(run, of.entity)
                return mapping.get(of.key, MISSING)
            case "dataset":
                return tuple(getattr(dataset, of.key) for dataset in run.datasets)
            case _:
                return MISSING

    return value_of


def subject_of_experiment(experiment: Experiment) -> Subject:
    """The experiment as a function from a field to its value, or MISSING."""

    def value_of(of: Field) -> object:
        if of.entity == "tags":
            return experiment.tags.get(of.key, MISSING)
        return getattr(experiment, of.key, MISSING) if of.entity == "attribute" else MISSING

    return value_of

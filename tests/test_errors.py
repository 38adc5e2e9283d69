"""The error tree: as the contract draws it, picklable with its fields, helpful to read."""

from __future__ import annotations

import pickle

import pytest

from podium import errors
from podium.errors import (
    AliasMoved,
    CommitUnknown,
    Corrupt,
    MissingExtra,
    NotFound,
    ParamConflict,
    PodiumError,
    PodiumWarning,
    QueryError,
    RunNotFound,
    SchemaError,
    StoreUnavailable,
    missing_extra,
    near_names,
)

TREE = {
    "NotFound": (
        LookupError,
        "RunNotFound ExperimentNotFound ModelNotFound VersionNotFound AliasNotFound ArtifactNotFound",
    ),
    "Conflict": (PodiumError, "ParamConflict RunActive NoCurrentRun AliasMoved"),
    "Refused": (
        PodiumError,
        "GateRefused PreflightFailed UntrustedModel Quarantined NothingToRollBack EnvironmentMismatch",
    ),
    "Invalid": (ValueError, "QueryError SchemaError"),
    "Corrupt": (PodiumError, "ForkedHistory HistoryReplaced"),
    "StoreError": (OSError, "StoreUnavailable KeyMissing KeyExists CommitUnknown"),
    "MissingExtra": (ImportError, ""),
}


def test_the_tree_is_the_one_the_contract_draws() -> None:
    drawn = {"PodiumError", "PodiumWarning"}
    for name, (builtin, children) in TREE.items():
        parent = getattr(errors, name)
        assert issubclass(parent, PodiumError)
        assert issubclass(parent, builtin)
        for child in children.split():
            assert issubclass(getattr(errors, child), parent)
        drawn |= {name, *children.split()}
    assert set(errors.__all__) == drawn
    assert issubclass(PodiumWarning, UserWarning)


def test_the_docstring_names_every_error() -> None:
    missing = [name for name in errors.__all__ if name not in (errors.__doc__ or "")]
    assert missing == []


@pytest.mark.parametrize(
    "error",
    [
        RunNotFound("no such run.", name="9f", near=["9f2c"]),
        ParamConflict("lr is 0.1", key="lr", old=0.1, new=0.2),
        AliasMoved("it moved", expected=5, found=None, commit=17),
        QueryError("expected a value", text="a =", position=3),
        SchemaError("wrong column", column="age", expected="long", found="string"),
        Corrupt("bytes changed", key="models/a", expected="12", found="13"),
        StoreUnavailable("disk full"),
        CommitUnknown("no answer", commit_id="ab"),
        MissingExtra("type this", install="pip install x"),
    ],
)
def test_an_error_crosses_a_process_boundary_with_its_fields(error: PodiumError) -> None:
    copy = pickle.loads(pickle.dumps(error))

    assert type(copy) is type(error)
    assert str(copy) == str(error)
    assert vars(copy) == vars(error)


def test_near_names_are_offered_in_the_message() -> None:
    known = ["fraud-detector", "churn", "fraud-scorer"]

    error = NotFound(
        "no model is called 'fraud-detecter'.",
        name="fraud-detecter",
        near=near_names("fraud-detecter", known),
    )

    assert error.near[0] == "fraud-detector"
    assert "Did you mean 'fraud-detector'" in str(error)


def test_nothing_is_offered_where_nothing_is_near() -> None:
    assert near_names("zzz", ["fraud", "churn"]) == ()


def test_a_missing_package_error_is_an_import_error_with_the_command_to_type() -> None:
    error = missing_extra("Runs.to_pandas", "pandas")

    assert isinstance(error, ImportError)
    assert error.install == 'pip install "podium[pandas]"'
    assert error.install in str(error)

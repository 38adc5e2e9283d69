"""Track runs without naming them: functions on the current run and the default workspace.

Names only: what each does is written at the `Workspace` and `ActiveRun` they stand for.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Literal, SupportsFloat, TypeAlias

from podium.current import active_run, current_run, default_workspace, last_run
from podium.workspace.experiments import checked_experiment
from podium.workspace.open_runs import frame_of_context

if TYPE_CHECKING:
    from podium.autolog import autolog
    from podium.models.info import ModelInfo
    from podium.models.signature import Signature
    from podium.search.comparing import Comparison
    from podium.table import Table
    from podium.workspace.active import ActiveRun
    from podium.workspace.facts import Dataset, EndStatus, Experiment
    from podium.workspace.run import Run, RunLike, Runs

    StrPath: TypeAlias = str | os.PathLike[str]

__all__ = [
    "active_run",
    "amend_run",
    "autolog",
    "compare",
    "define_metric",
    "delete_experiment",
    "delete_run",
    "delete_tag",
    "end_run",
    "experiments",
    "flush",
    "get_run",
    "last_run",
    "log_artifact",
    "log_artifacts",
    "log_dataset",
    "log_dict",
    "log_figure",
    "log_image",
    "log_metric",
    "log_metrics",
    "log_model",
    "log_param",
    "log_params",
    "log_table",
    "log_text",
    "restore_experiment",
    "restore_run",
    "search_runs",
    "set_experiment",
    "set_note",
    "set_tag",
    "set_tags",
    "start_run",
]


if not TYPE_CHECKING:  # or checkers would take every misspelt name for one that this makes

    def __getattr__(name: str) -> object:
        if name == "autolog":
            from podium.autolog import autolog

            globals()["autolog"] = autolog
            return autolog
        raise AttributeError(f"module 'podium.track' has no attribute {name!r}")


def __dir__() -> list[str]:
    return list(__all__)


# --- runs ----------------------------------------------------------------------------------------------------


def start_run(
    run_name: str | None = None,
    *,
    experiment: str | None = None,
    run_id: str | None = None,
    resume: Literal["must", "allow"] = "must",
    nested: bool = False,
    parent: RunLike | None = None,
    tags: Mapping[str, object] | None = None,
    note: str | None = None,
    enabled: bool = True,
    system_metrics: bool = False,
    strict: bool | None = None,
) -> ActiveRun:
    """`Workspace.start_run` of the default workspace; the run is current here at once, also without ``with``."""
    run = default_workspace().start_run(
        run_name,
        experiment=experiment,
        run_id=run_id,
        resume=resume,
        nested=nested,
        parent=parent,
        tags=tags,
        note=note,
        enabled=enabled,
        system_metrics=system_metrics,
        strict=strict,
    )
    run._make_current()
    return run


def amend_run(run: RunLike) -> ActiveRun:
    """`Workspace.amend_run` of the default workspace."""
    return default_workspace().amend_run(run)


def get_run(run_id: str) -> Run:
    """`Workspace.get_run` of the default workspace."""
    return default_workspace().get_run(run_id)


def search_runs(
    filter: str = "",  # noqa: A002 - MLflow's place and the contract's name
    *,
    experiment: str | Sequence[str] | None = None,
    order_by: str | Sequence[str] = (),
    limit: int | None = None,
    deleted: bool = False,
) -> Runs:
    """`Workspace.search_runs` of the default workspace."""
    return default_workspace().search_runs(
        filter, experiment=experiment, order_by=order_by, limit=limit, deleted=deleted
    )


def delete_run(run: RunLike) -> None:
    """`Workspace.delete_run` of the default workspace."""
    default_workspace().delete_run(run)


def restore_run(run: RunLike) -> None:
    """`Workspace.restore_run` of the default workspace."""
    default_workspace().restore_run(run)


def experiments(
    filter: str = "",  # noqa: A002 - MLflow's place and the contract's name
    *,
    deleted: bool = False,
) -> Table[Experiment]:
    """`Workspace.experiments` of the default workspace."""
    return default_workspace().experiments(filter, deleted=deleted)


def delete_experiment(name: str) -> None:
    """`Workspace.delete_experiment` of the default workspace."""
    default_workspace().delete_experiment(name)


def restore_experiment(name: str) -> None:
    """`Workspace.restore_experiment` of the default workspace."""
    default_workspace().restore_experiment(name)


def compare(runs: Sequence[RunLike]) -> Comparison:
    """`Workspace.compare` of the default workspace."""
    return default_workspace().compare(runs)


def set_experiment(experiment: str) -> None:
    """Name the experiment of the runs that are started from now on, here and in child processes.

    Touches no store; exported as ``PODIUM_EXPERIMENT``.

    Raises:
        Invalid: no experiment can be called that.
    """
    os.environ["PODIUM_EXPERIMENT"] = checked_experiment(experiment)


def end_run(status: EndStatus = "FINISHED") -> None:
    """End the current run; where there is none, nothing.

    Raises:
        Invalid: no run can end so, also where there is none.
    """
    from podium.workspace.facts import checked_end_status

    checked_end_status(status)
    run = active_run()
    if run is not None:
        run.end(status)


# --- the current run -----------------------------------------------------------------------------------------


def log_metric(
    key: str, value: SupportsFloat, step: int | None = None, *, time: datetime | None = None
) -> None:
    """`ActiveRun.log_metric` of the current run."""
    # The hot path: what current_run() would find in almost every case, without asking it.
    frame = frame_of_context.get()
    run = frame.seat.run if frame is not None and frame.seat.is_open else current_run()
    run.log_metric(key, value, step, time=time)


def log_metrics(
    metrics: Mapping[str, SupportsFloat], step: int | None = None, *, time: datetime | None = None
) -> None:
    """`ActiveRun.log_metrics` of the current run."""
    current_run().log_metrics(metrics, step, time=time)


def log_param(key: str, value: object, *, overwrite: bool = False) -> None:
    """`ActiveRun.log_param` of the current run."""
    current_run().log_param(key, value, overwrite=overwrite)


def log_params(params: object, *, overwrite: bool = False) -> None:
    """`ActiveRun.log_params` of the current run."""
    current_run().log_params(params, overwrite=overwrite)


def define_metric(key: str, *, goal: Literal["min", "max"]) -> None:
    """`ActiveRun.define_metric` of the current run."""
    current_run().define_metric(key, goal=goal)


def set_tag(key: str, value: object) -> None:
    """`ActiveRun.set_tag` of the current run."""
    current_run().set_tag(key, value)


def set_tags(tags: Mapping[str, object]) -> None:
    """`ActiveRun.set_tags` of the current run."""
    current_run().set_tags(tags)


def delete_tag(key: str) -> None:
    """`ActiveRun.delete_tag` of the current run."""
    current_run().delete_tag(key)


def set_note(text: str) -> None:
    """`ActiveRun.set_note` of the current run."""
    current_run().set_note(text)


def log_artifact(local_path: StrPath, folder: str | None = None) -> None:
    """`ActiveRun.log_artifact` of the current run."""
    current_run().log_artifact(local_path, folder)


def log_artifacts(local_dir: StrPath, folder: str | None = None) -> None:
    """`ActiveRun.log_artifacts` of the current run."""
    current_run().log_artifacts(local_dir, folder)


def log_text(text: str, path: str) -> None:
    """`ActiveRun.log_text` of the current run."""
    current_run().log_text(text, path)


def log_dict(value: Mapping[str, object] | Sequence[object], path: str) -> None:
    """`ActiveRun.log_dict` of the current run."""
    current_run().log_dict(value, path)


def log_figure(figure: object, path: str) -> None:
    """`ActiveRun.log_figure` of the current run."""
    current_run().log_figure(figure, path)


def log_image(image: object, path: str, step: int | None = None) -> None:
    """`ActiveRun.log_image` of the current run."""
    current_run().log_image(image, path, step)


def log_table(table: object, path: str) -> None:
    """`ActiveRun.log_table` of the current run."""
    current_run().log_table(table, path)


def log_dataset(data: object, name: str | None = None, *, context: str = "train") -> Dataset:
    """`ActiveRun.log_dataset` of the current run."""
    return current_run().log_dataset(data, name, context=context)


def log_model(
    model: object,
    name: str = "model",
    *,
    input_example: object = None,
    signature: Signature | None = None,
    files: Mapping[str, StrPath] | None = None,
    code: Sequence[StrPath] = (),
    requirements: Sequence[str] | None = None,
    flavor: str | None = None,
    metadata: Mapping[str, object] | None = None,
) -> ModelInfo:
    """`ActiveRun.log_model` of the current run."""
    return current_run().log_model(
        model,
        name,
        input_example=input_example,
        signature=signature,
        files=files,
        code=code,
        requirements=requirements,
        flavor=flavor,
        metadata=metadata,
    )


def flush(*, timeout_s: float | None = None) -> bool:
    """`ActiveRun.flush` of the current run; where there is none all is in the store."""
    run = active_run()
    return True if run is None else run.flush(timeout_s=timeout_s)

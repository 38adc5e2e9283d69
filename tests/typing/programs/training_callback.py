"""A callback for a trainer, as people write for Keras or Lightning: it is handed the run and early-stops."""

from collections.abc import Mapping, Sequence
from typing import Protocol

from podium import track
from podium.types import ActiveRun


class Callback(Protocol):
    def on_epoch_end(self, epoch: int, logs: Mapping[str, float]) -> bool: ...


class PodiumCallback:
    """Logs each epoch and stops when nothing got better for a while."""

    def __init__(self, run: ActiveRun, *, monitor: str, patience: int) -> None:
        self.run = run
        self.monitor = monitor
        self.patience = patience

    def on_epoch_end(self, epoch: int, logs: Mapping[str, float]) -> bool:
        self.run.log_metrics(logs, step=epoch)
        summary = self.run.summary[self.monitor]
        best_step = summary.min_step if summary.goal == "min" else summary.max_step
        return epoch - best_step < self.patience


class Trainer:
    def __init__(self, callbacks: Sequence[Callback]) -> None:
        self.callbacks = callbacks

    def fit(self, losses: Sequence[float]) -> None:
        for epoch, loss in enumerate(losses):
            logs = {"val_loss": loss, "val_accuracy": 1 - loss}
            if not all(callback.on_epoch_end(epoch, logs) for callback in self.callbacks):
                return


with track.start_run(experiment="callbacks") as run:
    Trainer([PodiumCallback(run, monitor="val_loss", patience=2)]).fit([0.9, 0.5, 0.6, 0.7, 0.1])

assert list(run.history("val_loss").values) == [0.9, 0.5, 0.6, 0.7]
assert run.summary["val_accuracy"].goal == "max"

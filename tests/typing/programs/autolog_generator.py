"""A training loop that yields its metrics: each yield is a step, and whoever iterates may stop early."""

from collections.abc import Iterator

from podium import track


@track.autolog
def train(lr: float, epochs: int) -> Iterator[dict[str, float]]:
    weight = 1.0
    for _ in range(epochs):
        weight -= lr * 2 * weight
        yield {"loss": weight**2, "weight": weight}


for metrics in train(0.1, epochs=100):
    if metrics["loss"] < 0.1:
        break

run = track.last_run()
assert run is not None
assert run.status == "FINISHED"
assert run.params == {"lr": 0.1, "epochs": 100}
assert run.history("loss").values[-1] < 0.1 <= run.history("loss").values[-2]
assert run.summary["weight"].count == run.summary["loss"].count < 100

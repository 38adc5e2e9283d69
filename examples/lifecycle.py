"""One model, from its first experiment to production and back, in five steps and one file.

Run it in an empty directory:  python lifecycle.py
It makes a folder `.podium` there, and nothing else; there is no server and no account.
"""

from __future__ import annotations

import threading
import time
from collections import Counter
from itertools import count, product

import numpy as np
from sklearn.datasets import load_digits
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import accuracy_score, f1_score
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from podium import default_workspace, live, load_model, registry, track
from podium.errors import GateRefused
from podium.types import LiveModel, Run

# Good enough to be used at all, and better than what is in use (nothing yet: then the first half decides).
GATE = "metrics.accuracy >= 0.95 and metrics.accuracy > champion.metrics.accuracy"

digits = load_digits()  # 1,797 scanned digits of 8 x 8 pixels, from the UCI repository
X_train, X_test, y_train, y_test = train_test_split(
    digits.data, digits.target, test_size=0.3, random_state=0, stratify=digits.target
)

Config = dict[str, float | int | str]


def configurations() -> list[Config]:
    """Fifty ways to train a classifier."""
    forests = product(["forest"], [1, 5, 20, 60], [2, 4, 8, 16])
    machines = product(["svm"], [0.01, 0.1, 1.0, 10.0], [0.0001, 0.001, 0.01, 0.1])
    linear = product(["linear"], np.logspace(-5, 1, 18).tolist())
    return [
        *({"family": f, "n_estimators": n, "max_depth": d} for f, n, d in forests),
        *({"family": f, "C": c, "gamma": g} for f, c, g in machines),
        *({"family": f, "C": c} for f, c in linear),
    ]


def classifier(config: Config) -> RandomForestClassifier | SVC:
    """The estimator that one configuration means."""
    options = {key: value for key, value in config.items() if key != "family"}
    if config["family"] == "forest":
        return RandomForestClassifier(random_state=0, **options)
    if config["family"] == "svm":
        return SVC(**options)
    return make_pipeline(StandardScaler(), LogisticRegression(max_iter=200, **options))


def headline(text: str) -> None:
    """A title between the steps."""
    print(f"\n=== {text} ===")


def unused_name() -> str:
    """digit-reader, or digit-reader-2 and so on where this file has run in this directory before."""
    taken = {model.name for model in registry.models()}
    return next(
        name for n in count(1) if (name := f"digit-reader-{n}" if n > 1 else "digit-reader") not in taken
    )


def experiment(name: str) -> None:
    """Steps 1 and 2: fifty configurations are fifty runs, each with params, metrics and its model."""
    for number, config in enumerate(configurations(), start=1):
        with track.start_run(experiment=name):
            track.log_params(config)
            model = classifier(config).fit(X_train, y_train)
            predicted = model.predict(X_test)
            track.log_metrics(
                {
                    "accuracy": accuracy_score(y_test, predicted),
                    "f1": f1_score(y_test, predicted, average="macro"),
                }
            )
            track.log_model(model, input_example=X_test[:5])
        if number % 10 == 0:
            print(f"{number} of 50 runs done; the last: {config}", flush=True)


def ranked_runs(name: str) -> list[Run]:
    """All runs of the experiment, the best first."""
    runs = track.search_runs(experiment=name, order_by="metrics.accuracy DESC")
    print(f"{len(runs)} runs. The best five:")
    frame = runs.to_pandas()
    columns = ["run_name", "params.family", "params.C", "params.gamma", "metrics.accuracy", "metrics.f1"]
    print(frame[columns].head(5).to_string(index=False))
    return list(runs)


class Service:
    """Inference code as it runs in production: it names an alias, and is never told about versions.

    Each prediction is checked against what the version that made it must say.
    """

    def __init__(self, model: LiveModel, truth: dict[int, np.ndarray]) -> None:
        self.model = model
        self.truth = truth
        self.served: Counter[int] = Counter()
        self.wrong = 0
        self.failures: list[Exception] = []
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._serve)

    def _serve(self) -> None:
        while not self._stop.is_set():
            try:
                current = self.model.current  # once a request: prediction and version belong together
                predicted = current.predict(X_test[:32])
                assert current.version is not None
                self.wrong += not np.array_equal(predicted, self.truth[current.version][:32])
                self.served[current.version] += 1
            except Exception as error:  # noqa: BLE001 - the point is to count whatever goes wrong
                self.failures.append(error)

    def start(self) -> None:
        """Begin to answer requests."""
        self._thread.start()

    def wait_until_it_serves(self, version: int) -> float:
        """Seconds until the service answers with ``version``."""
        begun = time.monotonic()
        count = self.served[version]
        while self.served[version] < count + 5:
            if time.monotonic() - begun > 30:
                raise TimeoutError(f"version {version} was not picked up: {self.model.status()}")
            time.sleep(0.005)
        return time.monotonic() - begun

    def stop(self) -> None:
        """Answer no more requests."""
        self._stop.set()
        self._thread.join()


def main() -> None:
    """Train, compare, gate, register, serve by alias, promote, roll back."""
    name = unused_name()
    print(
        "podium takes a model from training to production and back: runs are tracked, the best one is registered\n"
        "behind a gate, inference code loads it by an alias, and moving the alias back is the roll back. It is\n"
        "a library, no server: all of it is plain files in one folder. Here are its five steps, on 1,797 scanned\n"
        "digits, in less than a minute."
    )
    headline("1. Experiment: fifty configurations are trained, podium tracks each by itself")
    experiment(name)

    headline("2. Runs: compared side by side")
    runs = ranked_runs(name)
    best, weakest = runs[0], runs[-1]
    good = next(run for run in reversed(runs) if run.metrics["accuracy"] >= 0.955)

    headline(f"3. Model: the gate of {name!r}")
    print(f"Only a model for which this holds gets in: {GATE}\n")
    try:
        registry.register(weakest.model_uri(), name, alias="champion", gate=GATE)
    except GateRefused as refusal:
        print(f"The weakest run is refused:\n{refusal}\n")
    else:
        raise AssertionError("a model with an accuracy of a coin's was let in")

    headline("4. Registry: versions under aliases")
    first = registry.register(good.model_uri(), name, alias="champion", gate=GATE, why="first that passes")
    print(f"{first} is @champion with accuracy {first.metrics['accuracy']:.4f}")
    second = registry.register(best.model_uri(), name, alias="candidate", gate=GATE, why="best of the sweep")
    print(f"{second} is @candidate with accuracy {second.metrics['accuracy']:.4f}")

    headline(f"5. Serving and rollback: inference code says models:/{name}@champion and never changes")
    truth = {v.version: load_model(v).predict(X_test) for v in (first, second)}
    with live(f"models:/{name}@champion", poll_s=0.1) as model:
        service = Service(model, truth)
        service.start()
        service.wait_until_it_serves(1)
        print("version 1 is serving")

        registry.set_alias(name, "champion", second, expect=first, why="beats version 1 on the test set")
        print(f"alias moved:  version 2 served after {service.wait_until_it_serves(2):.2f} s, same process")

        registry.rollback(name, why="operators saw odd sevens in region 4")
        print(f"rolled back:  version 1 served after {service.wait_until_it_serves(1):.2f} s")
        service.stop()
    print(f"{service.served.total()} requests: {len(service.failures)} failed, {service.wrong} wrong")
    assert not service.failures
    assert not service.wrong

    headline("The history: what happened, who did it and why, kept for ever")
    for commit in reversed(registry.history(name)):
        moved = f"@{commit.alias}: {commit.from_version or '-'} -> {commit.to_version or '-'}"
        said = "REFUSED" if commit.refused else ""
        print(f"{commit.revision:>3}  {commit.verb:<10} {moved:<22} {said:<8} {commit.why}")
    print(
        f"\nAll of it lies in {default_workspace().url}. Look around in Python: track.search_runs(), "
        f"registry.get_model({name!r})."
    )


if __name__ == "__main__":
    main()

"""Run by an interpreter that has MLflow: makes runs, asks its store, prints which runs each query found.

Reads {"runs": [...], "queries": [[filter, order_by], ...]} and writes a list: names of runs in order, or null where
MLflow refuses the query.
"""

from __future__ import annotations

import json
import sys
import tempfile


def main() -> None:
    """Answer what stands on standard input."""
    import mlflow  # type: ignore[import-not-found, unused-ignore]  # lives in an environment of its own
    from mlflow.entities import (  # type: ignore[import-not-found, unused-ignore]
        Dataset,
        DatasetInput,
        InputTag,
        Metric,
        Param,
        RunTag,
    )

    asked = json.load(sys.stdin)
    with tempfile.TemporaryDirectory() as folder:
        client = mlflow.MlflowClient(tracking_uri=f"sqlite:///{folder}/mlflow.db")
        experiment = client.create_experiment("fraud", artifact_location=f"file://{folder}/artifacts")
        for facts in asked["runs"]:
            run = client.create_run(
                experiment,
                start_time=facts["start_ms"],
                run_name=facts["run_name"],
                tags={"mlflow.user": facts["user"]},
            )
            run_id = run.info.run_id
            client.log_batch(
                run_id,
                metrics=[
                    Metric(key, float(value), facts["start_ms"], step)
                    for key, points in facts["metrics"].items()
                    for step, value in enumerate(points)
                ],
                params=[Param(key, value) for key, value in facts["params"].items()],
                tags=[RunTag(key, value) for key, value in facts["tags"].items()],
            )
            client.log_inputs(
                run_id,
                [
                    DatasetInput(
                        Dataset(name, digest, "local", "x"), [InputTag("mlflow.data.context", context)]
                    )
                    for name, digest, context in facts["datasets"]
                ],
            )
            client.set_terminated(run_id, facts["status"], end_time=facts["end_ms"])
        answers: list[list[str] | None] = []
        for text, order in asked["queries"]:
            try:
                found = client.search_runs([experiment], text, order_by=order)
            except mlflow.exceptions.MlflowException:
                answers.append(None)
            else:
                answers.append([run.info.run_name for run in found])
    json.dump(answers, sys.stdout)


if __name__ == "__main__":
    main()

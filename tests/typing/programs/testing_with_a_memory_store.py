"""The tests of somebody's own training code, on a store in memory."""

from podium import Workspace


def train(workspace: Workspace, epochs: int) -> str:
    """The code under test."""
    if epochs < 1:
        raise ValueError("train for at least one epoch")
    with workspace.start_run(experiment="unit") as run:
        run.log_param("epochs", epochs)
        for epoch in range(epochs):
            run.log_metric("loss", 1 / (epoch + 1))
    return run.run_id


def test_each_epoch_is_logged() -> None:
    workspace = Workspace("memory:")

    run = workspace.get_run(train(workspace, 3))

    assert run.params == {"epochs": 3}
    assert [point.value for point in run.history("loss")] == [1.0, 1 / 2, 1 / 3]


def test_a_refused_training_starts_no_run() -> None:
    workspace = Workspace("memory:")

    try:
        train(workspace, 0)
    except ValueError:
        pass
    else:
        raise AssertionError("it has to refuse")

    assert len(workspace.search_runs()) == 0


test_each_epoch_is_logged()
test_a_refused_training_starts_no_run()

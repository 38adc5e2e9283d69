"""A callable is kept so that MLflow loads it, and podium too, and neither needs the other."""

from __future__ import annotations

import json
import pickle
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from podium.errors import Corrupt, Invalid, MissingExtra, UntrustedModel
from podium.models.loading import load_directory
from podium.models.mlmodel import read_mlmodel
from podium.models.saving import save_model

Write = Callable[..., Path]


def doubled(data: Any) -> Any:
    return np.asarray(data) * 2


def scaled(data: Any, params: Mapping[str, Any]) -> Any:
    return np.asarray(data) * params["by"]


class Vocabulary:
    """Reads its words when it is loaded."""

    words: list[str]

    def load(self, files: Mapping[str, Path]) -> None:
        self.words = files["words"].read_text().split()

    def predict(self, data: Any) -> Any:
        return [each in self.words for each in data]


def test_a_function_comes_back(tmp_path: Path) -> None:
    info = save_model(doubled, tmp_path / "model", input_example=np.ones((2, 2)))
    model = load_directory(tmp_path / "model")

    assert (info.flavor, info.trust) == ("function", "code")
    assert model.predict(np.ones((1, 2))).tolist() == [[2.0, 2.0]]
    assert callable(model.native)
    assert model.native(np.ones(1)).tolist() == [2.0]


def test_a_lambda_and_what_it_closes_over_come_back(tmp_path: Path) -> None:
    by = {"factor": 3}
    save_model(lambda data: np.asarray(data) * by["factor"], tmp_path / "model")

    by["factor"] = 4
    assert load_directory(tmp_path / "model").predict([1]).tolist() == [3]


def test_params_reach_a_function_that_takes_them(tmp_path: Path) -> None:
    save_model(scaled, tmp_path / "model", input_example=(np.ones((1, 1)), {"by": 2.0}))
    model = load_directory(tmp_path / "model")

    assert model.predict(np.ones((1, 1))).tolist() == [[2.0]]
    assert model.predict(np.ones((1, 1)), {"by": 5}).tolist() == [[5.0]]


def test_an_object_with_load_gets_its_files(tmp_path: Path) -> None:
    (tmp_path / "words.txt").write_text("red green")
    vocabulary = Vocabulary()
    vocabulary.words = []

    save_model(vocabulary, tmp_path / "model", files={"words": tmp_path / "words.txt"}, input_example=["red"])
    (tmp_path / "words.txt").unlink()
    model = load_directory(tmp_path / "model")

    assert model.predict(["red", "blue"]) == [True, False]
    assert isinstance(model.native, Vocabulary)


def test_it_loads_and_predicts_where_podium_is_not_installed(tmp_path: Path) -> None:
    """What MLflow does: unpickle, load_context, predict(context, input, params)."""
    factor = 3
    save_model(lambda data, params: [each * factor + params["plus"] for each in data], tmp_path / "model")

    program = """
import json, pickle, sys, types
sys.modules["podium"] = None
with open(sys.argv[1], "rb") as file:
    python_model = pickle.load(file)
python_model.load_context(types.SimpleNamespace(artifacts={}))
print(json.dumps(python_model.predict(None, [1, 2], params={"plus": 1})))
"""
    done = subprocess.run(
        [sys.executable, "-c", program, tmp_path / "model" / "python_model.pkl"],
        capture_output=True, text=True, check=True,
    )  # fmt: skip

    assert json.loads(done.stdout) == [4, 7]


def test_the_keys_are_those_of_mlflow(tmp_path: Path) -> None:
    (tmp_path / "words.txt").write_text("red")
    save_model(doubled, tmp_path / "model", files={"words": tmp_path / "words.txt"})

    keys = read_mlmodel(tmp_path / "model", uri="there").python_function
    assert (keys["loader_module"], keys["python_model"]) == ("mlflow.pyfunc.model", "python_model.pkl")
    assert keys["artifacts"] == {
        "words": {"path": "artifacts/words/words.txt", "uri": "artifacts/words/words.txt"}
    }
    assert keys["streamable"] is False


def test_what_cannot_be_pickled_is_said_with_a_way_out(tmp_path: Path) -> None:
    lock = threading.Lock()

    with pytest.raises(TypeError, match=r"cannot be pickled.*load"):
        save_model(lambda data: (lock, data), tmp_path / "model")
    assert list(tmp_path.iterdir()) == []


def test_a_class_is_a_forgotten_pair_of_brackets(tmp_path: Path) -> None:
    with pytest.raises(TypeError, match="does not know how to save"):
        save_model(Vocabulary, tmp_path / "model")


class Touch:
    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return (Path.touch, (self.path,))


def python_model(**more: object) -> dict[str, object]:
    keys = {"loader_module": "mlflow.pyfunc.model", "python_model": "python_model.pkl"}
    return {"flavors": {"python_function": keys | more}}


def test_a_strangers_pickle_is_not_unpickled(written: Write, tmp_path: Path) -> None:
    folder = written(python_model(), {"python_model.pkl": pickle.dumps(Touch(tmp_path / "ran"))})

    with pytest.raises(UntrustedModel, match=r"python_model\.pkl is pickled"):
        load_directory(folder)
    assert not (tmp_path / "ran").exists()


def test_what_mlflow_pickled_with_a_context_is_called_with_one(written: Write) -> None:
    import cloudpickle

    class PythonModel:
        def load_context(self, context: Any) -> None:
            self.words = Path(context.artifacts["words"]).read_text()

        def predict(self, context: Any, model_input: Any, params: Any = None) -> Any:
            return [self.words, context.model_config["alpha"], model_input, params]

    folder = written(
        python_model(
            artifacts={"words": {"path": "artifacts/words.txt", "uri": "/home/me/words.txt"}},
            config={"alpha": 3},
        ),
        {"python_model.pkl": cloudpickle.dumps(PythonModel()), "artifacts/words.txt": b"red"},
    )

    assert load_directory(folder, trust=True).predict("x", {"k": 1}) == ["red", 3, "x", {"k": 1}]


def test_an_artifact_outside_the_model_is_corrupt(written: Write, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("a")
    folder = written(
        python_model(artifacts={"words": {"path": "../secret"}}),
        {"python_model.pkl": pickle.dumps(Vocabulary())},
    )

    with pytest.raises(Corrupt, match=r"'\.\./secret', which is not in it"):
        load_directory(folder, trust=True)


def test_a_module_that_is_not_here_is_named(written: Write) -> None:
    folder = written(python_model(), {"python_model.pkl": b"cno_such_module.inner\nThing\n."})

    with pytest.raises(MissingExtra, match=r"no_such_module.*code=") as caught:
        load_directory(folder, trust=True)
    assert caught.value.install == "pip install no_such_module"


def test_what_is_no_pickle_is_corrupt(written: Write) -> None:
    folder = written(python_model(), {"python_model.pkl": b""})

    with pytest.raises(Corrupt) as caught:
        load_directory(folder, trust=True)
    assert caught.value.key == "python_model.pkl"


def test_a_compressed_model_is_said_to_be_one(written: Write) -> None:
    folder = written(python_model(python_model_compression="lzma"), {"python_model.pkl": b""})

    with pytest.raises(Invalid, match="compressed"):
        load_directory(folder, trust=True)


def test_a_frame_example_gives_named_columns(tmp_path: Path) -> None:
    info = save_model(
        lambda data: data["a"] * 2, tmp_path / "model", input_example=pd.DataFrame({"a": [1.0]})
    )

    assert repr(info.signature) == "Signature(inputs: a double; outputs: a double)"
    assert any(each.startswith("pandas==") for each in info.requirements)

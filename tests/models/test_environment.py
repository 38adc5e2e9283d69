"""Requirements are read off what is installed and what was saved: nothing is run, imported or downloaded."""

from __future__ import annotations

import json
import os
import pickle
import socket
import subprocess
import sys
import zipfile
from collections.abc import Callable
from importlib import metadata
from pathlib import Path
from typing import Any

import cloudpickle
import numpy as np
import pytest
import sklearn.linear_model
import skops.io

from podium.errors import Corrupt
from podium.models.environment import (
    conda_yaml,
    differences,
    modules_in_pickle,
    modules_in_skops,
    pinned,
    python_env_yaml,
    python_version,
)

NUMPY = metadata.version("numpy")


def test_modules_become_pinned_packages() -> None:
    assert pinned(["numpy.linalg", "numpy", "sklearn.base", "yaml"]) == (
        f"numpy=={NUMPY}",
        f"PyYAML=={metadata.version('pyyaml')}",
        f"scikit-learn=={metadata.version('scikit-learn')}",
    )


def test_the_standard_library_podium_mlflow_and_local_modules_are_no_packages() -> None:
    assert pinned(["os", "json.decoder", "podium.models", "mlflow", "a_module_of_my_own", "__main__"]) == ()


def test_nothing_is_run_and_nobody_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("requirements were inferred by a process or the network")

    for module, name in (
        (subprocess, "Popen"),
        (os, "system"),
        (socket.socket, "connect"),
        (socket, "getaddrinfo"),
    ):
        monkeypatch.setattr(module, name, refuse)

    assert pinned(["numpy", "skops", "nowhere"])


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_modules_of_a_pickle_are_found_in_every_protocol(protocol: int) -> None:
    model = sklearn.linear_model.LinearRegression().fit([[1.0], [2.0]], [1.0, 2.0])

    found = modules_in_pickle(pickle.dumps([model, model], protocol=protocol))

    assert {each.partition(".")[0] for each in found} >= {"sklearn", "numpy"}


def test_modules_that_a_pickled_function_uses_are_found() -> None:
    def make() -> Callable[[object], object]:
        import skops as other

        return lambda data: (np.asarray(data), other)

    found = modules_in_pickle(cloudpickle.dumps(make()))

    assert {"numpy", "skops"} <= {each.partition(".")[0] for each in found}


def test_looking_into_a_pickle_runs_none_of_it(tmp_path: Path) -> None:
    class Hostile:
        def __reduce__(self) -> tuple[Any, ...]:
            return (os.system, (f"touch {tmp_path / 'ran'}",))

    assert "posix" in modules_in_pickle(pickle.dumps(Hostile())) or os.name == "nt"
    assert not (tmp_path / "ran").exists()


def test_modules_of_a_skops_file_are_found(tmp_path: Path) -> None:
    model = sklearn.linear_model.LinearRegression().fit([[1.0], [2.0]], [1.0, 2.0])
    skops.io.dump(model, tmp_path / "model.skops")

    tops = {each.partition(".")[0] for each in modules_in_skops(tmp_path / "model.skops")}

    assert {"sklearn", "numpy"} <= tops


def test_what_is_no_skops_file_is_corrupt(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"no zip")
    with zipfile.ZipFile(tmp_path / "b", "w") as archive:
        archive.writestr("other.json", json.dumps({}))

    for name in ("a", "b"):
        with pytest.raises(Corrupt) as caught:
            modules_in_skops(tmp_path / name)
        assert caught.value.key == name


def test_conda_and_virtualenv_files_are_as_mlflow_has_them() -> None:
    assert conda_yaml(["numpy==2.4.6"]) == {
        "channels": ["conda-forge"],
        "dependencies": [f"python={python_version()}", "pip", {"pip": ["numpy==2.4.6"]}],
        "name": "podium-model",
    }
    assert conda_yaml([])["dependencies"] == [f"python={python_version()}", "pip"]
    assert python_env_yaml()["dependencies"] == ["-r requirements.txt"]


@pytest.mark.parametrize(
    ("requirement", "said"),
    [
        (f"numpy=={NUMPY}", None),
        (f"NumPy == {NUMPY}", None),
        (f"numpy=={NUMPY}+cpu", None),
        (f"numpy[extra]=={NUMPY} ; python_version > '3'", None),
        ("numpy>=1", None),
        ("-r other.txt", None),
        ("# numpy==1", None),
        ("numpy==1.0", f"numpy: saved with 1.0, here {NUMPY}"),
        ("no-such-package==1.0", "no-such-package: saved with no-such-package==1.0, not installed here"),
    ],
)
def test_only_what_differs_is_said(requirement: str, said: str | None) -> None:
    assert differences([requirement], python_version()) == (() if said is None else (said,))


def test_another_minor_version_of_python_differs() -> None:
    major, minor = sys.version_info[:2]

    assert differences([], f"{major}.{minor}.99") == ()
    assert differences([], "") == ()
    assert differences([], f"{major}.{minor + 1}.0") == (
        f"python: saved with {major}.{minor + 1}.0, here {python_version()}",
    )

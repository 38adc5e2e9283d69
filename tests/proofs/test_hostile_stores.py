"""Promise 7: a store that came with a cloned repository runs nothing, wherever in it the code lies.

Each trap is laid as an attacker would lay it: with podium itself, in their own store, so that every digest in the clone
is right. Sprung traps leave a file.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import textwrap
from pathlib import Path
from typing import Any

import pytest

from podium.strictjson import canonical
from tests.proofs.test_moved_and_copied_stores import python

LAY = textwrap.dedent(
    """
    import os, pathlib, pickle, shutil, sys
    from podium import registry, save_model, track

    TOUCH = 'import os; os.system(\\'touch "$HOME/the trap has run"\\')\\n'

    class Trap:
        def __reduce__(self):
            return (os.system, ('touch "$HOME/the trap has run"',))

    def plain(name):
        folder = pathlib.Path(name)
        save_model({"a": 1}, folder, input_example=[1])
        return folder

    def rewrite(folder, mlmodel):
        (folder / "MLmodel").write_text(mlmodel)
        return folder

    def pickled_function():
        class Model:
            trap = Trap()
            def __init__(self):
                self.trap = Trap()
            def __call__(self, data):
                return data
        folder = pathlib.Path("function")
        save_model(Model(), folder, input_example=[1.0])
        return folder

    def pickle_that_says_it_is_skops():
        folder = plain("skops")
        (folder / "model.skops").write_bytes(pickle.dumps(Trap()))
        return rewrite(folder, '''
    flavors:
      sklearn:
        pickled_model: model.skops
        serialization_format: skops
        skops_trusted_types: [os.system, posix.system, builtins.eval]
        sklearn_version: "1.5.0"
      python_function:
        loader_module: mlflow.sklearn
        model_path: model.skops
        env: {}
    ''')

    def pickle_of_sklearn():
        folder = plain("sklearn")
        (folder / "model.pkl").write_bytes(pickle.dumps(Trap()))
        return rewrite(folder, '''
    flavors:
      sklearn:
        pickled_model: model.pkl
        serialization_format: cloudpickle
        sklearn_version: "1.5.0"
    ''')

    def loader_module():
        folder = plain("loader")
        (folder / "code").mkdir()
        (folder / "code" / "evil.py").write_text(TOUCH + "def _load_pyfunc(path): return None\\n")
        return rewrite(folder, '''
    flavors:
      python_function:
        loader_module: evil
        code: code
        env: {}
    ''')

    def code_paths_beside_data():
        folder = plain("codepaths")
        (folder / "code").mkdir()
        for name in ("sitecustomize.py", "json.py", "podium.py", "numpy.py", "evil.pth"):
            text = "import os; " + TOUCH if name.endswith(".pth") else TOUCH
            (folder / "code" / name).write_text(text)
        text = (folder / "MLmodel").read_text()
        return rewrite(folder, text + "code: code\\n")

    def yaml_with_a_constructor():
        folder = plain("yaml")
        return rewrite(folder, '''
    flavors: !!python/object/apply:os.system ['touch "$HOME/the trap has run"']
    ''')

    def pickled_example():
        folder = plain("example")
        (folder / "input_example.json").write_bytes(pickle.dumps(Trap()))
        return folder

    how = sys.argv[1]
    folder = globals()[how]()
    try:
        registry.register(folder, "iris", alias="champion", why="trust me")
    except Exception as error:
        print("not registered:", error)
        save_model({"a": 1}, "stand-in", input_example=[1])
        version = registry.register("stand-in", "iris", alias="champion")
        # podium registers no such thing; its bytes can be laid all the same
        print("FORGE", version.sha256)
    with track.start_run("harmless", experiment="iris"):
        track.log_metric("accuracy", 0.99)
        track.log_artifacts(folder, "model")
    shutil.copytree(folder, "loose")
    """
)
LOOK = textwrap.dedent(
    """
    import json, pathlib
    from podium import errors, live, load_model, model_info, registry, track

    (run,) = track.search_runs("metrics.accuracy > 0.5")
    loaded, refused = [], []
    acts = {
        "load the champion": lambda: load_model("models:/iris@champion"),
        "load the version": lambda: load_model(registry.get_version("iris")),
        "load by digest": lambda: load_model("models:/iris@sha256:" + registry.get_version("iris").sha256),
        "load from the run": lambda: load_model(run.model_uri()),
        "load the folder": lambda: load_model("loose"),
        "load the object": lambda: load_model(next(pathlib.Path(".podium/models").glob("*/objects/*.0"))),
        "info": lambda: model_info("models:/iris@champion"),
        "info of the folder": lambda: model_info("loose"),
        "live": lambda: live("models:/iris@champion").close(),
        "check": lambda: registry.check("models:/iris@champion", "iris", gate="metrics.a > 1", alias="x"),
        "alias": lambda: registry.set_alias("iris", "staging", 1),
        "register it again": lambda: registry.register("models:/iris@champion", "mine", alias="champion"),
        "register the folder": lambda: registry.register("loose", "mine", alias="champion"),
        "search": lambda: (list(registry.versions()), list(registry.models()), list(registry.history("iris"))),
        "artifacts": lambda: [run.download(each.path) for each in run.artifacts()],
    }
    for name, act in acts.items():
        try:
            act()
            loaded.append(name)
        except (errors.PodiumError, errors.PodiumWarning) as error:
            refused.append(name)
    print(json.dumps({"done": loaded, "refused": refused}))
    """
)
TRAPS = [
    "pickled_function",
    "pickle_of_sklearn",
    "pickle_that_says_it_is_skops",
    "loader_module",
    "code_paths_beside_data",
    "yaml_with_a_constructor",
    "pickled_example",
]


def forge(store: Path, loose: Path) -> None:
    """Replace the bytes of version 1 by those of a folder, with every digest of object, commit and index made right."""
    files = sorted(each for each in loose.rglob("*") if each.is_file())
    manifest = canonical(
        [
            {
                "path": each.relative_to(loose).as_posix(),
                "size": each.stat().st_size,
                "sha256": hashlib.sha256(each.read_bytes()).hexdigest(),
            }
            for each in sorted(files, key=lambda each: each.relative_to(loose).as_posix())
        ]
    )
    sha256 = hashlib.sha256(manifest).hexdigest()
    (model,) = (store / "models").iterdir()
    shutil.rmtree(model / "objects")
    (model / "index.json").unlink()
    shutil.copytree(loose, model / "objects" / f"{sha256[:32]}.0")
    (model / "objects" / f"{sha256[:32]}.0.json").write_bytes(manifest)
    (commit,) = (model / "commits").glob("*.json")
    document: dict[str, Any] = json.loads(commit.read_bytes())
    del document["digest"]
    document["body"] |= {"sha256": sha256, "object_key": f"{sha256[:32]}.0", "trust": "data"}
    document["digest"] = hashlib.sha256(canonical(document)).hexdigest()
    commit.write_bytes(canonical(document) + b"\n")


@pytest.mark.parametrize("trap", TRAPS)
def test_code_in_a_cloned_store_is_not_run_wherever_it_lies(tmp_path: Path, trap: str) -> None:
    attacker = tmp_path / "attacker"
    laid = python(f"import sys; sys.argv[1:] = [{trap!r}]\n{LAY}", attacker, tmp_path / "attackers home")
    assert laid.returncode == 0, laid.stderr
    forge(attacker / ".podium", attacker / "loose")
    clone = tmp_path / "clone"
    shutil.copytree(attacker, clone)
    home = tmp_path / "home"

    looked = python(LOOK, clone, home)

    assert looked.returncode == 0, looked.stderr
    told = json.loads(looked.stdout.splitlines()[-1])
    assert set(told["done"]) >= {"search", "artifacts"}
    assert not (home / "the trap has run").exists()
    if trap not in {"pickled_example", "code_paths_beside_data"}:  # there the model itself is plain data
        assert {"load the champion", "load the version", "load by digest", "load the folder", "live"} <= set(
            told["refused"]
        )


def test_nothing_in_a_store_can_say_that_it_is_trusted(tmp_path: Path) -> None:
    attacker = tmp_path / "attacker"
    laid = python(
        f"import sys; sys.argv[1:] = ['pickled_function']\n{LAY}", attacker, tmp_path / "attackers home"
    )
    assert laid.returncode == 0, laid.stderr
    clone = tmp_path / "clone"
    shutil.copytree(attacker, clone)
    store = clone / ".podium"
    header = json.loads((store / "podium.json").read_bytes())
    noted = {"format": 1, "stores": [{"path": str(store.resolve()), "store_id": header["store_id"]}]}
    for place in (store / "podium", store / ".config/podium", clone / ".config/podium"):
        place.mkdir(parents=True)
        (place / "stores.json").write_bytes(canonical(noted))
    (store / "podium.json").write_bytes(canonical({**header, "trusted": True, "trust": "code"}))
    home = tmp_path / "home"

    looked = python(LOOK, clone, home)

    assert looked.returncode == 0, looked.stderr
    assert "load the champion" in json.loads(looked.stdout.splitlines()[-1])["refused"]
    assert not (home / "the trap has run").exists()


def test_the_traps_are_real(tmp_path: Path) -> None:
    laid = python(f"import sys; sys.argv[1:] = ['pickled_function']\n{LAY}", tmp_path, tmp_path / "home")
    assert laid.returncode == 0, laid.stderr
    trap = tmp_path / "home" / "the trap has run"
    trap.unlink(missing_ok=True)

    python("from podium import load_model; load_model('models:/iris@champion')", tmp_path, tmp_path / "home")

    assert trap.exists()

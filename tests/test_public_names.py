"""The public face is pinned: its names here, its signatures against the contract where that lies beside the project."""

from __future__ import annotations

import ast
import importlib
import inspect
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

CONTRACT = Path(__file__).parents[2] / "shared" / "API.md"

NAMES = {
    "podium": (
        "Workspace default_workspace errors live load_model model_info registry save_model set_store testing track "
        "types"
    ),
    "podium.track": (
        "active_run amend_run autolog define_metric delete_experiment delete_run delete_tag end_run experiments flush "
        "get_run last_run log_artifact log_artifacts log_dataset log_dict log_metric log_metrics log_model log_param "
        "log_params log_text restore_experiment restore_run search_runs set_experiment set_note set_tag set_tags start_run"
    ),
    "podium.registry": (
        "Registry alias_at check delete_alias delete_model delete_tag delete_version get_model get_version "
        "history log_metrics models quarantine register release resolve rollback set_alias set_gate "
        "set_note set_tag versions"
    ),
    "podium.types": (
        "ActiveRun Artifact Check Commit Dataset Experiment History LiveModel LiveStatus MetricSummary Model ModelInfo "
        "ModelVersion Point RegisteredModel Run Runs Signature Table Verdict"
    ),
    "podium.testing": "FaultyStore LossyStore StoreTests isolated",
    "podium.stores": "Entry Key LocalStore MemoryStore Store",
}
# What is public beyond the contract, and why it is there.
BEYOND = {
    "podium.testing": {"Fail", "Kill", "LostAnswer", "Late", "Stale", "Fault", "Schedule", "store_machine"},
    "podium.stores": {"Retrying", "Source"},
}


@pytest.mark.parametrize("module", NAMES)
def test_each_public_module_has_exactly_these_names(module: str) -> None:
    names = importlib.import_module(module).__all__

    assert list(names) == sorted(names)
    assert set(NAMES[module].split()) <= set(names)
    assert set(names) - set(NAMES[module].split()) <= BEYOND.get(module, set())
    assert all(getattr(importlib.import_module(module), name) is not None for name in names)


def test_star_import_of_podium_shadows_no_builtin() -> None:
    import builtins

    assert not {name for module in NAMES for name in NAMES[module].split() if hasattr(builtins, name)}


def test_dir_lists_the_lazy_names() -> None:
    import podium

    assert {"load_model", "track", "Workspace"} <= set(dir(podium))


def stubs() -> Iterator[tuple[str, str, ast.FunctionDef | ast.ClassDef]]:
    """(module, section, definition) of each public function and class in the contract."""
    if not CONTRACT.exists():
        return
    text = CONTRACT.read_text(encoding="utf-8")
    module = ""
    for block in re.findall(r"^```python\n(.*?)^```", text, flags=re.M | re.S):
        declared = re.match(r"# module: (\S+)", block)
        module = declared[1] if declared else module
        for node in ast.parse(block).body:
            if isinstance(node, ast.FunctionDef | ast.ClassDef):
                yield module, block, node


def shape_of_stub(node: ast.FunctionDef) -> list[tuple[str, str, bool]]:
    """Name, kind and whether it has a default, of each parameter."""
    spec = node.args
    positional = [*spec.posonlyargs, *spec.args]
    defaults = len(positional) - len(spec.defaults)
    shape = [
        (arg.arg, "positional-only" if at < len(spec.posonlyargs) else "positional", at >= defaults)
        for at, arg in enumerate(positional)
    ]
    if spec.vararg is not None:
        shape.append((spec.vararg.arg, "*", False))
    shape += [
        (arg.arg, "keyword", default is not None)
        for arg, default in zip(spec.kwonlyargs, spec.kw_defaults, strict=True)
    ]
    if spec.kwarg is not None:
        shape.append((spec.kwarg.arg, "**", False))
    return shape


KINDS = {
    inspect.Parameter.POSITIONAL_ONLY: "positional-only",
    inspect.Parameter.POSITIONAL_OR_KEYWORD: "positional",
    inspect.Parameter.VAR_POSITIONAL: "*",
    inspect.Parameter.KEYWORD_ONLY: "keyword",
    inspect.Parameter.VAR_KEYWORD: "**",
}


def shape_of(function: Any) -> list[tuple[str, str, bool]]:
    return [
        (parameter.name, KINDS[parameter.kind], parameter.default is not inspect.Parameter.empty)
        for parameter in inspect.signature(function).parameters.values()
    ]


def is_overload(node: ast.FunctionDef) -> bool:
    return any(isinstance(each, ast.Name) and each.id == "overload" for each in node.decorator_list)


@pytest.mark.skipif(not CONTRACT.exists(), reason="the contract is not beside this copy of the project")
def test_every_function_that_exists_has_the_signature_of_the_contract() -> None:
    wrong, held = [], 0
    for module_name, _, node in stubs():
        if not isinstance(node, ast.FunctionDef) or is_overload(node) or module_name not in NAMES:
            continue
        module = importlib.import_module(module_name)
        if node.name not in module.__all__:
            continue
        held += 1
        if shape_of(getattr(module, node.name)) != shape_of_stub(node):
            wrong.append((module_name, node.name, shape_of(getattr(module, node.name)), shape_of_stub(node)))
    assert wrong == []
    assert held > 25


@pytest.mark.skipif(not CONTRACT.exists(), reason="the contract is not beside this copy of the project")
def test_every_method_that_exists_has_the_signature_of_the_contract() -> None:
    import podium
    from podium import registry, types

    classes = {name: getattr(types, name) for name in types.__all__} | {"Workspace": podium.Workspace}
    wrong, held = [], 0
    for _, _, node in stubs():
        if not isinstance(node, ast.ClassDef) or node.name not in classes:
            continue
        for method in node.body:
            if not isinstance(method, ast.FunctionDef) or is_overload(method):
                continue
            found = inspect.getattr_static(classes[node.name], method.name, None)
            if not inspect.isfunction(found) or (method.name == "__init__" and node.name != "Workspace"):
                continue
            held += 1
            if shape_of(found) != shape_of_stub(method) and (node.name, method.name) != (
                "Workspace",
                "load_model",
            ):
                wrong.append((node.name, method.name, shape_of(found), shape_of_stub(method)))
    for _, block, node in stubs():
        if "# module: podium.registry" in block and isinstance(node, ast.FunctionDef):
            found = getattr(registry.Registry, node.name, None)
            if found is not None:
                held += 1
                if shape_of(found)[1:] != shape_of_stub(node):
                    wrong.append(("Registry", node.name, shape_of(found)[1:], shape_of_stub(node)))
    assert wrong == []
    assert held > 60


@pytest.mark.skipif(not CONTRACT.exists(), reason="the contract is not beside this copy of the project")
def test_every_field_of_a_fact_is_there() -> None:
    from podium import types

    missing = []
    for _, _, node in stubs():
        if not isinstance(node, ast.ClassDef) or node.name not in types.__all__:
            continue
        fields = [
            each.target.id
            for each in node.body
            if isinstance(each, ast.AnnAssign) and isinstance(each.target, ast.Name)
        ]
        cls = getattr(types, node.name)
        known = set(dir(cls)) | set(getattr(cls, "__annotations__", {}))
        missing += [(node.name, each) for each in fields if each not in known]
    assert missing == []


@pytest.mark.parametrize(
    "use",
    [
        "import podium",
        "import podium; podium.track.start_run, podium.registry.register, podium.load_model, podium.live",
        "import podium.testing",
    ],
)
def test_importing_loads_no_dependency(use: str) -> None:
    heavy = "yaml filelock fsspec cloudpickle numpy pandas sklearn skops hypothesis pytest asyncio subprocess"
    code = f"import sys; before = set(sys.modules); {use}; print(*sorted(set(sys.modules) - before))"

    loaded = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout.split()

    assert [name for name in loaded if name.partition(".")[0] in heavy.split()] == []
    assert "podium" in loaded

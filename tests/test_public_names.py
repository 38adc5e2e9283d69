"""The public face is pinned: its names here, its signatures against the contract where that lies beside the project."""

from __future__ import annotations

import ast
import importlib
import inspect
import re
import subprocess
import sys
from collections.abc import Iterator
from itertools import zip_longest
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
        "active_run amend_run autolog compare define_metric delete_experiment delete_run delete_tag end_run "
        "experiments flush get_run last_run log_artifact log_artifacts log_dataset log_dict log_figure "
        "log_image log_metric log_metrics log_model log_param log_params log_table log_text "
        "restore_experiment restore_run search_runs set_experiment set_note set_tag set_tags start_run"
    ),
    "podium.registry": (
        "Registry alias_at check compare delete_alias delete_model delete_tag delete_version get_model get_version "
        "history log_metrics models quarantine register release resolve rollback set_alias set_gate "
        "set_note set_tag versions"
    ),
    "podium.types": (
        "ActiveRun Artifact Autolog Check Commit Comparison Dataset Difference Experiment History LiveModel LiveStatus "
        "MetricSummary Model ModelInfo ModelVersion Point RegisteredModel Run Runs Signature Table Verdict"
    ),
    "podium.testing": "FaultyStore LossyStore StoreTests isolated",
    "podium.stores": "Entry Key LocalStore MemoryStore RemoteStore Store",
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


# The same type under the name the code has for it, and under the contract's.
SPELLINGS = {
    "str | os.PathLike[str]": "StrPath",
    "pd.DataFrame": "pandas.DataFrame",
    "pl.DataFrame": "polars.DataFrame",
}
# Where the code says another thing than the contract, and why.
DIFFERENT = {
    # The contract leaves the default of the untyped overload open.
    ("Workspace", "load_model"): ("native_type: type[Any] | None = None", "native_type: type[Any] = ..."),
}

Parameter = tuple[str, str]  # its kind; its name, type and default as they are written


def parameters_of_stub(node: ast.FunctionDef) -> list[Parameter]:
    spec = node.args
    positional = [*spec.posonlyargs, *spec.args]
    defaults = [None] * (len(positional) - len(spec.defaults)) + list(spec.defaults)
    found = [
        ("positional-only" if at < len(spec.posonlyargs) else "positional", written(arg, default))
        for at, (arg, default) in enumerate(zip(positional, defaults, strict=True))
    ]
    if spec.vararg is not None:
        found.append(("*", written(spec.vararg, None)))
    found += [
        ("keyword", written(arg, default))
        for arg, default in zip(spec.kwonlyargs, spec.kw_defaults, strict=True)
    ]
    if spec.kwarg is not None:
        found.append(("**", written(spec.kwarg, None)))
    return [*found, ("->", ast.unparse(node.returns) if node.returns else "")]


def written(arg: ast.arg, default: ast.expr | None) -> str:
    kind = f": {ast.unparse(arg.annotation)}" if arg.annotation else ""
    return f"{arg.arg}{kind}" + (f" = {ast.unparse(default)}" if default is not None else "")


KINDS = {
    inspect.Parameter.POSITIONAL_ONLY: "positional-only",
    inspect.Parameter.POSITIONAL_OR_KEYWORD: "positional",
    inspect.Parameter.VAR_POSITIONAL: "*",
    inspect.Parameter.KEYWORD_ONLY: "keyword",
    inspect.Parameter.VAR_KEYWORD: "**",
}


def parameters_of(function: Any) -> list[Parameter]:
    signature = inspect.signature(function)
    empty = inspect.Parameter.empty
    found = [
        (
            KINDS[each.kind],
            each.name
            + (f": {spelled(each.annotation)}" if each.annotation is not empty else "")
            + (f" = {each.default!r}" if each.default is not empty else ""),
        )
        for each in signature.parameters.values()
    ]
    returns = signature.return_annotation
    return [*found, ("->", spelled(returns) if returns is not empty else "")]


def spelled(annotation: object) -> str:
    assert isinstance(annotation, str), (
        "annotations are not evaluated, so that they can be compared as written"
    )
    for ours, theirs in SPELLINGS.items():
        annotation = annotation.replace(ours, theirs)
    return annotation


def differences(
    where: str, function: Any, node: ast.FunctionDef, *, bound: bool = False
) -> list[tuple[str, str, Parameter | None, Parameter | None]]:
    """Each place where a function and the contract differ; nothing where they say the same."""
    ours, theirs = parameters_of(function), parameters_of_stub(node)
    if bound:
        ours = ours[1:]
    allowed = DIFFERENT.get((where, node.name))
    return [
        (where, node.name, mine, its)
        for mine, its in zip_longest(ours, theirs)
        if mine != its and (mine is None or its is None or (mine[1], its[1]) != allowed)
    ]


def is_overload(node: ast.FunctionDef) -> bool:
    return any(isinstance(each, ast.Name) and each.id == "overload" for each in node.decorator_list)


def stub(source: str) -> ast.FunctionDef:
    (node,) = ast.parse(source).body
    assert isinstance(node, ast.FunctionDef)
    return node


@pytest.mark.parametrize(
    "changed",
    [
        "def f(a: int, *, b: str) -> None: ...",
        "def f(a: int, *, b: str = 'y') -> None: ...",
        "def f(a: int, b: str = 'x') -> None: ...",
        "def f(a: float, *, b: str = 'x') -> None: ...",
        "def f(aa: int, *, b: str = 'x') -> None: ...",
        "def f(a: int, *, b: str = 'x', c: int = 0) -> None: ...",
        "def f(a: int, /, *, b: str = 'x') -> None: ...",
        "def f(a: int, *, b: str = 'x') -> int: ...",
    ],
)
def test_the_comparison_sees_a_change_of_name_kind_type_default_and_result(changed: str) -> None:
    def f(a: int, *, b: str = "x") -> None: ...

    assert differences("here", f, stub("def f(a: int, *, b: str = 'x') -> None: ...")) == []
    assert differences("here", f, stub(changed)) != []


@pytest.mark.skipif(not CONTRACT.exists(), reason="the contract is not beside this copy of the project")
def test_every_function_that_exists_has_the_signature_of_the_contract() -> None:
    wrong, held = [], set()
    for module_name, _, node in stubs():
        if not isinstance(node, ast.FunctionDef) or is_overload(node) or module_name not in NAMES:
            continue
        module = importlib.import_module(module_name)
        if node.name in module.__all__:
            held.add((module_name, node.name))
            wrong += differences(module_name, getattr(module, node.name), node)
    assert wrong == []
    # Nothing is left unheld that the contract declares once; functions of track that stand for methods come below.
    declared = {
        (module_name, node.name)
        for module_name, _, node in stubs()
        if isinstance(node, ast.FunctionDef) and not is_overload(node) and module_name in NAMES
    }
    there = {(module, name) for module in NAMES for name in importlib.import_module(module).__all__}
    assert held == declared & there
    assert len(held) > 25


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
            wrong += differences(node.name, found, method)
    for _, block, node in stubs():
        if "# module: podium.registry" in block and isinstance(node, ast.FunctionDef):
            found = getattr(registry.Registry, node.name, None)
            if found is not None:
                held += 1
                wrong += differences("Registry", found, node, bound=True)
    assert wrong == []
    assert held > 60


def test_functions_of_track_have_the_signatures_of_the_methods_they_stand_for() -> None:
    from podium import Workspace, track
    from podium.types import ActiveRun

    own = {"active_run", "autolog", "end_run", "last_run", "set_experiment"}
    for name in set(track.__all__) - own:
        method = getattr(Workspace, name, None) or getattr(ActiveRun, name)
        assert parameters_of(getattr(track, name)) == parameters_of(method)[1:], name


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


def test_every_signature_is_the_one_that_was_promised() -> None:
    from tests.public_api import lines

    promised = (Path(__file__).parent / "public_api.txt").read_text(encoding="utf-8").splitlines()

    assert list(lines()) == promised, "if this is meant: python -m tests.public_api > tests/public_api.txt"

"""podium: train, compare, gate, register, serve by alias, roll back. One import, no server.

Everything here is loaded when it is first used (PEP 562): ``import podium`` itself loads nothing.
"""

from __future__ import annotations

from importlib import import_module

# Not from typing: that import alone costs more than all of this. Type checkers know the name.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from podium import errors, registry, testing, track, types
    from podium.current import default_workspace, set_store
    from podium.loading import live, load_model, model_info, save_model
    from podium.workspace.workspace import Workspace

    __version__: str

__all__ = [
    "Workspace",
    "default_workspace",
    "errors",
    "live",
    "load_model",
    "model_info",
    "registry",
    "save_model",
    "set_store",
    "testing",
    "track",
    "types",
]

_MODULES = frozenset({"errors", "registry", "testing", "track", "types"})
_HOMES = {
    "Workspace": "podium.workspace.workspace",
    "default_workspace": "podium.current",
    "live": "podium.loading",
    "load_model": "podium.loading",
    "model_info": "podium.loading",
    "save_model": "podium.loading",
    "set_store": "podium.current",
}


if not TYPE_CHECKING:  # or checkers would take every misspelt name for one that this makes

    def __getattr__(name: str) -> object:
        if name in _MODULES:
            return import_module(f"podium.{name}")
        if name == "__version__":
            from importlib.metadata import version

            return version("podium")
        if name not in _HOMES:
            raise AttributeError(f"module 'podium' has no attribute {name!r}")
        value = getattr(import_module(_HOMES[name]), name)
        globals()[name] = value
        return value


def __dir__() -> list[str]:
    return [*__all__, "__version__"]

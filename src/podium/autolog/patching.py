"""The one way podium changes somebody else's code: idempotent, undoable, and never in the way.

A method is replaced by one that looks the same and calls the original with the same arguments; what the original
returns or raises goes through untouched. A library that is not imported yet is patched when it is; nothing is imported
for it. Knows no library.
"""

from __future__ import annotations

import functools
import importlib.abc
import importlib.machinery
import importlib.util
import inspect
import operator
import sys
import threading
import warnings
from collections.abc import Callable, Sequence
from types import MethodType, ModuleType, TracebackType
from typing import TYPE_CHECKING, Any

from podium.errors import PodiumWarning
from podium.workspace.active import WORLD
from podium.workspace.switches import is_on

if TYPE_CHECKING:
    from podium.workspace.active import ActiveRun

__all__ = [
    "Around",
    "add_attribute",
    "is_patched",
    "patch_method",
    "tracking",
    "undo_all",
    "when_imported",
]

Around = Callable[..., Any]
"""Called as ``around(original, self, *args, **kwargs)`` instead of ``original(self, *args, **kwargs)``."""

_ABSENT = object()
_lock = threading.RLock()
_patched: dict[tuple[type, str], tuple[Any, Any]] = {}
_waiting: list[_Waiter] = []
_said: set[str] = set()


def patch_method(owner: type, name: str, around: Around) -> bool:
    """Replace a method that ``owner`` itself defines; False where it does not, or is replaced already.

    Also one that only some instances have (scikit-learn's ``available_if``): those others still lack it.
    """
    with _lock:
        original = vars(owner).get(name)
        if (owner, name) in _patched or not _is_method(original):
            return False
        replaced = _Replaced(original, around)
        setattr(owner, name, replaced)
        _patched[owner, name] = (original, replaced)
        return True


def _is_method(value: object) -> bool:
    if inspect.isfunction(value):
        return True
    wrapped = getattr(value, "__wrapped__", None)
    return (
        inspect.isfunction(wrapped)
        and hasattr(type(value), "__get__")
        and not isinstance(value, classmethod | staticmethod | property | _Replaced)
    )


class _Replaced:
    """What stands in a class where its method was.

    Pickled, it is the method that was there: cloudpickle writes a class of ``__main__`` by value, and neither a stored
    model nor a worker process is to find podium in it.
    """

    def __init__(self, original: Any, around: Around) -> None:
        self._original = original
        self._is_function = inspect.isfunction(original)
        function = original if self._is_function else original.__wrapped__

        @functools.wraps(function)
        def unbound(instance: Any, /, *args: Any, **kwargs: Any) -> Any:
            return original.__get__(instance, type(instance))(*args, **kwargs)

        called = original if self._is_function else unbound

        @functools.wraps(function)
        def method(self: Any, /, *args: Any, **kwargs: Any) -> Any:
            return around(called, self, *args, **kwargs)

        self._method = method

    def __get__(self, instance: object, owner: type | None = None) -> Any:
        if instance is None:
            return self._method
        if not self._is_function:
            self._original.__get__(instance, owner)  # where the instance lacks the method this raises
        return MethodType(self._method, instance)

    def __reduce__(self) -> tuple[object, ...]:
        # Out of Python's own parts: loading it must not need podium.
        return (operator.itemgetter(0), ((self._original,),))


def add_attribute(owner: type, name: str, value: object) -> None:
    """Give ``owner`` an attribute it does not define itself; where it does, it is left alone."""
    with _lock:
        if name not in vars(owner):
            setattr(owner, name, value)
            _patched[owner, name] = (_ABSENT, vars(owner)[name])


def is_patched() -> bool:
    """Whether anything is replaced, or will be at its import."""
    with _lock:
        return bool(_patched or _waiting)


def undo_all() -> None:
    """Put every original back, where nobody else has replaced it since, and wait for no import any more."""
    with _lock:
        for (owner, name), (original, method) in _patched.items():
            if vars(owner).get(name) is not method:
                continue  # somebody else has replaced it since
            if original is _ABSENT:
                delattr(owner, name)
            else:
                setattr(owner, name, original)
        _patched.clear()
        for waiter in _waiting:
            if waiter in sys.meta_path:
                sys.meta_path.remove(waiter)
        _waiting.clear()


class tracking:  # noqa: N801 - reads as the verb it is: `with tracking("log the params", run):`
    """The boundary: whatever goes wrong with tracking is said once and counted, and training goes on.

    What the world decides (a full disk) is raised where the run is strict; what autolog itself cannot do with an object
    of the user's never is.

    Args:
        what: the work, as in "autolog could not ...".
        run: to which something is lost if it fails; None: nothing is, or none is known yet, and ``PODIUM_STRICT`` says
            whether it is raised.
        silent: warn of nothing.
    """

    def __init__(self, what: str, run: ActiveRun | None = None, *, silent: bool = False) -> None:
        self._what = what
        self._run = run
        self._silent = silent

    def __enter__(self) -> None:
        """Begin."""

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool:
        if not isinstance(error, Exception):
            return False
        if isinstance(error, WORLD) and self._is_strict():
            return False
        if self._run is not None:
            self._run._writer.count_lost()
        message = f"autolog could not {self._what}: {type(error).__name__}: {error}"
        if not self._silent and message not in _said:
            _said.add(message)
            warnings.warn(message, PodiumWarning, stacklevel=3)
        return True

    def _is_strict(self) -> bool:
        return is_on("PODIUM_STRICT") if self._run is None else self._run._writer.strict


def when_imported(name: str, then: Callable[[ModuleType], None]) -> None:
    """Call ``then`` with a module, now if it is imported already, else as soon as it is."""
    with _lock:
        module = sys.modules.get(name)
        if module is not None:
            then(module)
        elif not any(each.name == name for each in _waiting):
            waiter = _Waiter(name, then)
            _waiting.append(waiter)
            sys.meta_path.insert(0, waiter)


class _Waiter(importlib.abc.MetaPathFinder):
    """Finds nothing itself: it lets the others find one module, and is there when it has been executed."""

    def __init__(self, name: str, then: Callable[[ModuleType], None]) -> None:
        self.name = name
        self._then = then
        self._asking = False

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        if fullname != self.name or self._asking:
            return None
        self._asking = True
        try:
            spec = importlib.util.find_spec(fullname)
        finally:
            self._asking = False
        if spec is None or spec.loader is None:
            return None
        loader, then = spec.loader, self._then
        execute = loader.exec_module

        def exec_module(module: ModuleType) -> None:
            execute(module)
            with tracking(f"follow the import of {fullname}"):
                then(module)

        loader.exec_module = exec_module  # type: ignore[method-assign]  # of this one loader object
        return spec

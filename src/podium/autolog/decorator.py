"""A function whose every call is a run: ``@track.autolog``.

Nothing happens at decoration. A call starts a run (a child of the current one), notes its arguments, runs the function
unchanged, and keeps what it returns. Knows no library and opens no store.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import AsyncGenerator, Callable, Generator, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import TYPE_CHECKING, Any

from podium.autolog.patching import tracking
from podium.autolog.sessions import Session, open_call, register_model
from podium.autolog.settings import Settings
from podium.autolog.values import arguments_of, is_data, is_model, is_number, params_of, results_of

if TYPE_CHECKING:
    from podium.models.info import ModelInfo

__all__ = ["decorate"]


Begin = Callable[[tuple[Any, ...], Mapping[str, Any]], "Session | None"]
"""Called with the arguments of a call: the session of it, or None where none could be opened."""


def decorate(
    fn: Callable[..., Any], settings: Settings, prepare: Callable[[], None] = lambda: None
) -> Callable[..., Any]:
    """``fn``, tracked; also a coroutine function, a generator function, or one that is both.

    Args:
        fn: the function.
        settings: that hold in each call.
        prepare: called at the beginning of each.

    Raises:
        TypeError: it is a class, or no function.
    """
    if isinstance(fn, classmethod | staticmethod):
        raise TypeError(f"write @track.autolog below @{type(fn).__name__}, on the function itself.")
    if isinstance(fn, type) or not callable(fn):
        raise TypeError(f"track.autolog tracks calls of a function; {fn!r:.100} is none.")

    def begin(args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Session | None:
        with tracking("start a run", silent=settings.silent):
            prepare()
            session = open_call(settings, getattr(fn, "__name__", type(fn).__name__))
            try:
                with tracking("note the arguments", session.run, silent=settings.silent):
                    _note_arguments(session, arguments_of(inspect.signature(fn), args, kwargs))
            except BaseException as error:
                session.end(error)
                raise
            return session
        return None

    if inspect.isasyncgenfunction(fn):
        return _around_async_generator(fn, begin)
    if inspect.iscoroutinefunction(fn):
        return _around_coroutine(fn, begin)
    if inspect.isgeneratorfunction(fn):
        return _around_generator(fn, begin)
    return _around_function(fn, begin)


def _around_function(fn: Callable[..., Any], begin: Begin) -> Callable[..., Any]:
    @functools.wraps(fn)
    def call(*args: Any, **kwargs: Any) -> Any:
        session = begin(args, kwargs)
        if session is None:
            return fn(*args, **kwargs)
        with _ended_as_left(session), session.here():
            result = fn(*args, **kwargs)
            _keep(session, result)
            return result

    return call


def _around_coroutine(fn: Callable[..., Any], begin: Begin) -> Callable[..., Any]:
    @functools.wraps(fn)
    async def call(*args: Any, **kwargs: Any) -> Any:
        session = begin(args, kwargs)
        if session is None:
            return await fn(*args, **kwargs)
        with _ended_as_left(session), session.here():
            result = await fn(*args, **kwargs)
            _keep(session, result)
            return result

    return call


def _around_generator(fn: Callable[..., Any], begin: Begin) -> Callable[..., Any]:
    @functools.wraps(fn)
    def call(*args: Any, **kwargs: Any) -> Generator[Any, Any, Any]:
        session = begin(args, kwargs)
        body = fn(*args, **kwargs)
        if session is None:
            return (yield from body)
        with _ended_as_left(session):
            step = functools.partial(body.send, None)
            while True:
                # Current only while the body runs: between two values the caller's own run is.
                with session.here():
                    try:
                        value = step()
                    except StopIteration as stop:
                        _keep(session, stop.value)
                        return stop.value
                    _keep_step(session, value)
                try:
                    step = functools.partial(body.send, (yield value))
                except GeneratorExit:
                    with session.here():
                        body.close()
                    raise
                except BaseException as error:  # noqa: BLE001 - thrown by the caller, and meant for the body
                    step = functools.partial(body.throw, error)

    return call


def _around_async_generator(fn: Callable[..., Any], begin: Begin) -> Callable[..., Any]:
    @functools.wraps(fn)
    async def call(*args: Any, **kwargs: Any) -> AsyncGenerator[Any, Any]:
        session = begin(args, kwargs)
        body = fn(*args, **kwargs)
        with _ended_as_left(session):
            step = functools.partial(body.asend, None)
            while True:
                with _here(session):
                    try:
                        value = await step()
                    except StopAsyncIteration:
                        return
                    if session is not None:
                        _keep_step(session, value)
                try:
                    step = functools.partial(body.asend, (yield value))
                except GeneratorExit:
                    with _here(session):
                        await body.aclose()
                    raise
                except BaseException as error:  # noqa: BLE001 - thrown by the caller, and meant for the body
                    step = functools.partial(body.athrow, error)

    return call


def _here(session: Session | None) -> AbstractContextManager[None]:
    return nullcontext() if session is None else session.here()


@contextmanager
def _ended_as_left(session: Session | None) -> Iterator[None]:
    """The run ends when the call does, and as it does."""
    try:
        yield
    except BaseException as error:
        if session is not None:
            session.end(error)
        raise
    if session is not None:
        session.end()


def _note_arguments(session: Session, arguments: Mapping[str, Any]) -> None:
    params: dict[str, Any] = {}
    for name, value in arguments.items():
        with tracking(f"note the argument {name!r}", session.run, silent=session.settings.silent):
            if not is_data(value):
                params.update(params_of(name, value))
            elif session.settings.log_datasets:
                session.run.log_dataset(value, name)
    for name, value in params.items():
        with tracking(f"log the param {name!r}", session.run, silent=session.settings.silent):
            session.run.log_param(name, value)


def _keep_step(session: Session, value: object) -> None:
    if isinstance(value, Mapping):
        numbers = {str(key): each for key, each in value.items() if is_number(each)}
        with tracking("log what was yielded", session.run, silent=session.settings.silent):
            session.run.log_metrics(numbers)


def _keep(session: Session, result: object) -> None:
    silent = session.settings.silent
    found = list(results_of(result, session.settings.returns))
    models = [(name, value) for name, value in found if is_model(value)]
    for name, value in found:
        if not is_model(value):
            with tracking(f"keep {name!r}", session.run, silent=silent):
                session.run.log_metric(name, value)  # type: ignore[arg-type]  # a number, see results_of
    returned: list[ModelInfo] = []
    if session.settings.log_models:
        for name, value in models:
            with tracking(f"keep {name!r}", session.run, silent=silent):
                returned.append(session.keep_model(value, name))
    # The gate reads the metrics that were just logged; what is registered is what was returned, else trained last.
    chosen = returned[:1] or (session.trained or [])[-1:]
    for info in chosen:
        with tracking("register the model", session.run, silent=silent):
            register_model(session, info)

"""A function whose every call is a run: ``@track.autolog``.

Nothing happens at decoration. A call starts a run (a child of the current one), notes its arguments, runs the function
unchanged, and keeps what it returns. Knows no library and opens no store.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import AsyncGenerator, Callable, Generator, Mapping
from typing import Any

from podium.autolog.patching import tracking
from podium.autolog.sessions import Session, open_session, register_model
from podium.autolog.settings import Settings
from podium.autolog.values import arguments_of, is_data, is_model, is_number, params_of, results_of

__all__ = ["decorate"]


def decorate(fn: Callable[..., Any], settings: Settings) -> Callable[..., Any]:
    """``fn``, tracked; also a coroutine function, a generator function, or one that is both."""
    if inspect.isasyncgenfunction(fn):
        return _around_async_generator(fn, settings)
    if inspect.iscoroutinefunction(fn):
        return _around_coroutine(fn, settings)
    if inspect.isgeneratorfunction(fn):
        return _around_generator(fn, settings)

    @functools.wraps(fn)
    def call(*args: Any, **kwargs: Any) -> Any:
        session = _begin(fn, settings, args, kwargs)
        if session is None:
            return fn(*args, **kwargs)
        try:
            with session.here():
                result = fn(*args, **kwargs)
                _keep(session, result)
        except BaseException as error:
            session.end(error)
            raise
        session.end()
        return result

    return call


def _around_coroutine(fn: Callable[..., Any], settings: Settings) -> Callable[..., Any]:
    @functools.wraps(fn)
    async def call(*args: Any, **kwargs: Any) -> Any:
        session = _begin(fn, settings, args, kwargs)
        if session is None:
            return await fn(*args, **kwargs)
        try:
            with session.here():
                result = await fn(*args, **kwargs)
                _keep(session, result)
        except BaseException as error:
            session.end(error)
            raise
        session.end()
        return result

    return call


def _around_generator(fn: Callable[..., Any], settings: Settings) -> Callable[..., Any]:
    @functools.wraps(fn)
    def call(*args: Any, **kwargs: Any) -> Generator[Any, Any, Any]:
        session = _begin(fn, settings, args, kwargs)
        body = fn(*args, **kwargs)
        if session is None:
            return (yield from body)
        sent: Any = None
        thrown: BaseException | None = None
        try:
            while True:
                # Current only while the body runs: between two values the caller's own run is.
                with session.here():
                    value = body.send(sent) if thrown is None else body.throw(thrown)
                    thrown = None
                    _keep_step(session, value)
                try:
                    sent = yield value
                except GeneratorExit:
                    raise
                except BaseException as error:  # noqa: BLE001 - it is thrown into the body, as the caller meant
                    thrown = error
        except StopIteration as stop:
            with session.here():
                _keep(session, stop.value)
            session.end()
            return stop.value
        except GeneratorExit as error:
            with session.here():
                body.close()
            session.end(error)
            raise
        except BaseException as error:
            session.end(error)
            raise

    return call


def _around_async_generator(fn: Callable[..., Any], settings: Settings) -> Callable[..., Any]:
    @functools.wraps(fn)
    async def call(*args: Any, **kwargs: Any) -> AsyncGenerator[Any, Any]:
        session = _begin(fn, settings, args, kwargs)
        body = fn(*args, **kwargs)
        sent: Any = None
        try:
            while True:
                if session is None:
                    value = await body.asend(sent)
                else:
                    with session.here():
                        value = await body.asend(sent)
                        _keep_step(session, value)
                sent = yield value
        except StopAsyncIteration:
            if session is not None:
                session.end()
        except BaseException as error:
            await body.aclose()
            if session is not None:
                session.end(error)
            raise

    return call


def _begin(
    fn: Callable[..., Any], settings: Settings, args: tuple[Any, ...], kwargs: Mapping[str, Any]
) -> Session | None:
    with tracking("start a run", silent=settings.silent):
        session = open_session(settings, name=getattr(fn, "__name__", None), child=True)
        session.defers = True
        with tracking("note the arguments", silent=settings.silent):
            _note_arguments(session, arguments_of(inspect.signature(fn), args, kwargs))
        return session
    return None


def _note_arguments(session: Session, arguments: Mapping[str, Any]) -> None:
    params: dict[str, Any] = {}
    for name, value in arguments.items():
        with tracking(f"note the argument {name!r}", silent=session.settings.silent):
            if not is_data(value):
                params.update(params_of(name, value))
            elif session.settings.log_datasets:
                session.run.log_dataset(value, name)
    for name, value in params.items():
        with tracking(f"log the param {name!r}", silent=session.settings.silent):
            session.run.log_param(name, value)


def _keep_step(session: Session, value: object) -> None:
    if isinstance(value, Mapping):
        numbers = {str(key): each for key, each in value.items() if is_number(each)}
        with tracking("log what was yielded", silent=session.settings.silent):
            session.run.log_metrics(numbers)


def _keep(session: Session, result: object) -> None:
    silent = session.settings.silent
    found = list(results_of(result, session.settings.returns))
    models = [(name, value) for name, value in found if is_model(value)]
    for name, value in found:
        if not is_model(value):
            with tracking(f"keep {name!r}", silent=silent):
                session.run.log_metric(name, value)  # type: ignore[arg-type]  # a number, see results_of
    if session.settings.log_models:
        for name, value in models:
            with tracking(f"keep {name!r}", silent=silent):
                session.keep_model(value, name)
    # The gate reads the metrics that were just logged; what is registered is what was returned, else trained last.
    returned = [session.kept[id(value)] for _, value in models if id(value) in session.kept]
    chosen = returned[:1] or list(session.kept.values())[-1:]
    for info in chosen:
        with tracking("register the model", silent=silent):
            register_model(session, info)

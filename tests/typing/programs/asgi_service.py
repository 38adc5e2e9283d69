"""The shape of a FastAPI service: startup, requests and shutdown of an ASGI app around a live model."""

import asyncio
import json
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

from podium import live, registry, save_model
from podium.types import LiveModel

Message = dict[str, Any]
Send = Callable[[Message], Awaitable[None]]


class App:
    def __init__(self, lifespan: Callable[[], AbstractAsyncContextManager[LiveModel]]) -> None:
        self.lifespan = lifespan

    async def __call__(self, model: LiveModel, path: str, body: bytes, send: Send) -> None:
        if path == "/health":
            status = model.status()
            await send({"status": 200, "body": {"version": status.version, "error": status.last_error}})
            return
        current = model.current
        answer = await asyncio.to_thread(current.predict, json.loads(body))
        await send({"status": 200, "body": {"version": current.version, "predictions": answer}})


@asynccontextmanager
async def lifespan() -> AsyncGenerator[LiveModel, None]:
    with live("models:/lengths@champion", poll_s=30) as model:
        yield model


def lengths(texts: list[str]) -> list[int]:
    return [len(text) for text in texts]


def words(texts: list[str]) -> list[int]:
    return [len(text.split()) for text in texts]


async def main() -> list[Message]:
    sent: list[Message] = []

    async def send(message: Message) -> None:
        sent.append(message)

    app = App(lifespan)
    async with app.lifespan() as model:
        await asyncio.gather(*(app(model, "/predict", b'["a b", "abc d e"]', send) for _ in range(3)))
        registry.register(save_model(words, "words"), "lengths", alias="champion")
        assert await asyncio.to_thread(model.refresh)
        await app(model, "/predict", b'["a b", "abc d e"]', send)
        await app(model, "/health", b"", send)
    return sent


registry.register(save_model(lengths, "lengths"), "lengths", alias="champion")
*first, second, health = [message["body"] for message in asyncio.run(main())]
assert first == [{"version": 1, "predictions": [3, 7]}] * 3
assert second == {"version": 2, "predictions": [2, 3]}
assert health == {"version": 2, "error": None}

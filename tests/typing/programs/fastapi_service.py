"""A FastAPI service around a live model: it follows the alias, and each answer says which version gave it."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from fastapi import FastAPI
from fastapi.testclient import TestClient

from podium import live, registry, save_model
from podium.types import LiveModel


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncGenerator[dict[str, LiveModel], None]:
    with live("models:/lengths@champion", poll_s=30) as model:
        app.state.model = model
        yield {"model": model}


app = FastAPI(lifespan=lifespan)


@app.post("/predict")
async def predict(texts: list[str]) -> dict[str, object]:
    current = app.state.model.current  # once a request: predictions and version belong together
    answer: list[int] = await asyncio.to_thread(current.predict, texts)
    return {"version": current.version, "predictions": answer}


@app.get("/health")
def health() -> dict[str, object]:
    status = app.state.model.status()
    return {"version": status.version, "error": status.last_error}


def lengths(texts: list[str]) -> list[int]:
    return [len(text) for text in texts]


def words(texts: list[str]) -> list[int]:
    return [len(text.split()) for text in texts]


registry.register(save_model(lengths, "lengths"), "lengths", alias="champion")
with TestClient(app) as client:
    texts = ["a b", "abc d e"]
    assert client.post("/predict", json=texts).json() == {"version": 1, "predictions": [3, 7]}
    registry.register(save_model(words, "words"), "lengths", alias="champion")
    assert app.state.model.refresh()
    assert client.post("/predict", json=texts).json() == {"version": 2, "predictions": [2, 3]}
    registry.rollback("lengths", why="only for the test")
    assert app.state.model.refresh()
    assert client.get("/health").json() == {"version": 1, "error": None}

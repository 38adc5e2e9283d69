"""A prompt and its settings as a model: looked at, not called, and loading it runs no code."""

from typing import TypedDict

from podium import load_model, registry, track
from podium.errors import Invalid


class Prompt(TypedDict):
    system: str
    temperature: float


def log(prompt: Prompt) -> int:
    with track.start_run(experiment="prompts"):
        info = track.log_model(dict(prompt), "prompt")
    assert (info.flavor, info.trust) == ("json", "data")
    return registry.register(info, "assistant", alias="champion").version


assert log({"system": "You are brief.", "temperature": 0.2}) == 1
assert log({"system": "You are very brief.", "temperature": 0.0}) == 2

prompt = load_model("models:/assistant@champion", native_type=dict[str, object])
assert prompt.native["system"] == "You are very brief."
assert prompt.uri == "models:/assistant/2"
try:
    prompt.predict("hello")
except Invalid as error:
    assert "models:/assistant/2" in str(error)
else:
    raise AssertionError("a prompt does not predict")

"""A class of one's own, with a file beside it that it opens when it is loaded."""

import json
from collections.abc import Mapping
from pathlib import Path

from podium import load_model, save_model


class Tagger:
    """Looks words up in a vocabulary."""

    def __init__(self) -> None:
        self.words: dict[str, str] = {}

    def load(self, files: Mapping[str, Path]) -> None:
        self.words = json.loads(files["vocabulary"].read_text())

    def predict(self, texts: list[str]) -> list[str]:
        return [self.words.get(text, "?") for text in texts]


Path("vocabulary.json").write_text(json.dumps({"run": "verb", "model": "noun"}))
info = save_model(Tagger(), "tagger", files={"vocabulary": "vocabulary.json"}, input_example=["run"])
Path("vocabulary.json").unlink()

tagger = load_model(info)
assert tagger.predict(["model", "run", "fast"]) == ["noun", "verb", "?"]
assert isinstance(tagger.native, Tagger)
assert tagger.version is None

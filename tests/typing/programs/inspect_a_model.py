"""Before a model is loaded: what it needs, what it takes, whether loading it runs code."""

from pathlib import Path

from podium import load_model, model_info, save_model
from podium.errors import Conflict, NotFound, UntrustedModel
from podium.types import ModelInfo


def double(rows: list[float]) -> list[float]:
    return [2 * value for value in rows]


def report(info: ModelInfo) -> str:
    return f"{info.name}: {info.flavor}, {info.size_bytes} bytes, runs code: {info.trust == 'code'}"


saved = save_model(double, Path("double"), input_example=[1.0], requirements=["numpy>=1.26"])
read = model_info("double")
assert read.sha256 == saved.sha256
assert read.requirements == ("numpy>=1.26",)
assert read.signature is not None
assert read.run_id is None
assert report(read).startswith("double: function, ")
assert report(read).endswith("runs code: True")

assert load_model("double").predict([2.0]) == [4.0]  # written by this process
Path("double").rename("from-elsewhere")
try:
    load_model("from-elsewhere", trust=False)
except UntrustedModel as refusal:
    assert "from-elsewhere" in refusal.uri
else:
    raise AssertionError("trust=False loads no code")
try:
    save_model([1, 2], "from-elsewhere")
except Conflict:
    pass
else:
    raise AssertionError("something is there")
try:
    model_info("double")
except NotFound as missing:
    assert missing.name == "double"
else:
    raise AssertionError("nothing is there")

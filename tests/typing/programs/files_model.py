"""The files of a framework that podium does not know: kept, verified, given back as a folder."""

from pathlib import Path

from podium import load_model, registry, track
from podium.errors import Corrupt

folder = Path("checkpoint")
folder.mkdir()
(folder / "weights.bin").write_bytes(bytes(range(256)) * 100)
(folder / "config.ini").write_text("[model]\nlayers = 3\n")

with track.start_run(experiment="files") as run:
    track.log_model(folder, "network", requirements=["mynet==2.1"])
version = registry.register(run.model_uri("network"), "network")

loaded = load_model(version, native_type=Path)
assert (loaded.native / "weights.bin").read_bytes() == (folder / "weights.bin").read_bytes()
assert loaded.info.requirements == ("mynet==2.1",)
assert loaded.info.trust == "data"

stored = next(Path(".podium/models").rglob("weights.bin"))
stored.chmod(0o644)
stored.write_bytes(b"\x01" + stored.read_bytes()[1:])
try:
    load_model("models:/network/1")
except Corrupt as corrupt:
    assert "weights.bin" in corrupt.key
else:
    raise AssertionError("a changed byte has to be seen")

"""Nested dataclasses as the configuration; their keys come out joined by dots."""

from dataclasses import asdict, dataclass, field, replace

from podium import track
from podium.errors import ParamConflict


@dataclass(frozen=True)
class Optimizer:
    name: str = "adam"
    lr: float = 3e-4


@dataclass(frozen=True)
class Config:
    seed: int = 0
    amp: bool = True
    optimizer: Optimizer = field(default_factory=Optimizer)


config = Config()
with track.start_run(experiment="configs") as run:
    track.log_params(config)
    track.log_params(asdict(config))  # the same again says nothing new
    try:
        track.log_params(replace(config, optimizer=Optimizer(lr=1e-3)))
    except ParamConflict as conflict:
        assert (conflict.key, conflict.old, conflict.new) == ("optimizer.lr", 3e-4, 1e-3)
    else:
        raise AssertionError("a param cannot have two values")
    track.log_param("seed", 1, overwrite=True)

assert run.params == {"seed": 1, "amp": True, "optimizer.name": "adam", "optimizer.lr": 3e-4}

# mypy: ignore-errors
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

class KFold:
    def __init__(
        self, n_splits: int = 5, *, shuffle: bool = False, random_state: int | None = None
    ) -> None: ...
    def split(self, X: NDArray[np.float64]) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64]]]: ...

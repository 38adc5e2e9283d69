# mypy: ignore-errors
from sklearn.base import Classifier

class LogisticRegression(Classifier):
    def __init__(self, *, C: float = 1.0, max_iter: int = 100, random_state: int | None = None) -> None: ...

# mypy: ignore-errors
from sklearn.base import Classifier

class DecisionTreeClassifier(Classifier):
    def __init__(self, *, max_depth: int | None = None, random_state: int | None = None) -> None: ...

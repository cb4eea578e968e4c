"""The classical classifier of several labels: TF-IDF with a logistic regression and a threshold for each label."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
from scipy.sparse import csr_matrix
from sklearn.linear_model import LogisticRegression
from threadpoolctl import threadpool_limits

from serving.answers import labels as server
from serving.answers._probabilities import sigmoid
from stages.shared.linear_baseline import STRENGTHS, VIEWS, Features
from stages.tasks import Prediction
from stages.tasks._multi_label_scores import Marks, best_threshold, metrics_of

Texts = Sequence[str]
Scores = npt.NDArray[np.float64]  # (rows, labels)


@dataclass(frozen=True)
class Setting:
    """What is chosen: a key of VIEWS, the inverse regularisation C."""

    view: str
    strength: float

    def __str__(self) -> str:
        return f"TF-IDF of {self.view}, a logistic regression for each label, C = {self.strength:g}, tuned thresholds"


class _Classifiers:
    """One logistic regression for each label; a label that no training row has, or every one, keeps that."""

    def __init__(self, matrix: csr_matrix, expected: Marks, strength: float, seed: int) -> None:
        self._each = [
            LogisticRegression(C=strength, max_iter=1000, random_state=seed).fit(matrix, column)
            if 0 < column.sum() < len(column)
            else math.copysign(math.inf, column[0] - 0.5)
            for column in expected.T
        ]

    def logits(self, matrix: csr_matrix) -> Scores:
        """The log odds of each label in each row, shape (rows, labels)."""
        rows = matrix.shape[0]
        columns = [
            np.full(rows, one) if isinstance(one, float) else one.decision_function(matrix) for one in self._each
        ]
        return np.stack(columns, axis=1)


@dataclass(frozen=True, eq=False)
class LabelBaseline:
    """A fitted classifier, and the threshold of each label."""

    setting: Setting
    features: Features
    classifiers: _Classifiers
    thresholds: dict[str, float]

    def predict(self, texts: Texts) -> list[Prediction]:
        """The labels of each text, as a server says it."""
        settings = {"labels": list(self.thresholds), "thresholds": self.thresholds}
        logits = self.classifiers.logits(self.features.of(texts, self.setting.view))
        said = [server.answer([row], [], [], settings) for row in logits]
        return [{"answer": server.word(one), "confidence": one["confidence"], "said": one} for one in said]


@threadpool_limits.wrap(limits=1)  # type: ignore[untyped-decorator]  # sparse work gains nothing from threads, and loses much where cores are shared
def fit_labels(
    train: tuple[Texts, Marks], validation: tuple[Texts, Marks], labels: list[str], seed: int
) -> LabelBaseline:
    """Fit on (texts, labels) of train, with the view, then the strength, and the thresholds best on validation."""
    features = Features(train[0])
    matrices = {view: (features.of(train[0], view), features.of(validation[0], view)) for view in VIEWS}
    fitted: dict[Setting, tuple[float, LabelBaseline]] = {}

    def merit(setting: Setting) -> float:
        """The macro F1 on validation; what is fitted is kept."""
        if setting not in fitted:
            seen, unseen = matrices[setting.view]
            classifiers = _Classifiers(seen, train[1], setting.strength, seed)
            scores = sigmoid(classifiers.logits(unseen))
            thresholds = [best_threshold(*pair) for pair in zip(scores.T, validation[1].T, strict=True)]
            macro_f1 = metrics_of(validation[1], scores >= thresholds)["macro_f1"]
            named = dict(zip(labels, thresholds, strict=True))
            fitted[setting] = macro_f1, LabelBaseline(setting, features, classifiers, named)
        return fitted[setting][0]

    best = max((Setting(view, STRENGTHS[0]) for view in VIEWS), key=merit)
    best = max((replace(best, strength=strength) for strength in STRENGTHS), key=merit)
    return fitted[best][1]

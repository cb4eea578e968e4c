"""The classical text classifier: TF-IDF with logistic regression, its settings chosen on the validation split."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from scipy.sparse import csr_matrix, hstack
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import f1_score
from threadpoolctl import threadpool_limits

Texts = Sequence[str]
VIEWS = {"words": ("words",), "characters": ("characters",), "words and characters": ("words", "characters")}
STRENGTHS = (4.0, 1.0, 16.0)
_MANY = 20_000  # training rows from which a term must come up twice: the terms that do not are most of the memory


@dataclass(frozen=True)
class Setting:
    """What is chosen: a key of VIEWS, the inverse regularisation C, the weighting of classes."""

    view: str
    strength: float
    weighting: str | None

    def __str__(self) -> str:
        weighted = ", balanced classes" if self.weighting else ""
        return f"TF-IDF of {self.view}, logistic regression, C = {self.strength:g}{weighted}"


@dataclass(frozen=True)
class Baseline:
    """A fitted classifier."""

    setting: Setting
    features: "Features"
    classifier: LogisticRegression

    def predict(self, texts: Texts) -> list[dict[str, Any]]:
        """The likeliest label of each text and its probability: {"answer": str, "confidence": float}."""
        probabilities = self.classifier.predict_proba(self.features.of(texts, self.setting.view))
        best = probabilities.argmax(axis=1)
        return [
            {"answer": str(self.classifier.classes_[column]), "confidence": float(row[column])}
            for column, row in zip(best, probabilities, strict=True)
        ]


class Features:
    """TF-IDF of words (1 and 2 in a row) and of characters (1 to 4 in a row, for scripts without spaces too)."""

    def __init__(self, texts: Texts) -> None:
        common = {"sublinear_tf": True, "min_df": 2 if len(texts) > _MANY else 1, "dtype": np.float32}
        self._vectorizers = {
            "words": TfidfVectorizer(ngram_range=(1, 2), token_pattern=r"(?u)\b\w+\b|[^\w\s]+", **common),
            "characters": TfidfVectorizer(analyzer="char_wb", ngram_range=(1, 4), **common),
        }
        for vectorizer in self._vectorizers.values():
            vectorizer.fit(texts)

    def of(self, texts: Texts, view: str) -> csr_matrix:
        """The features of a view, shape (texts, terms)."""
        return hstack([self._vectorizers[part].transform(texts) for part in VIEWS[view]], format="csr")

    def bytes_of(self, view: str) -> int:
        """How many bytes the terms of a view and their weights take."""
        used = [self._vectorizers[part] for part in VIEWS[view]]
        return sum(len(term.encode()) + 4 for one in used for term in one.vocabulary_)


@threadpool_limits.wrap(limits=1)  # type: ignore[untyped-decorator]  # sparse work gains nothing from threads, and loses much where cores are shared
def fit_baseline(train: tuple[Texts, Texts], validation: tuple[Texts, Texts], seed: int) -> Baseline:
    """Fit on (texts, labels) of train, with the view, then the strength, then the weighting best on validation."""
    features = Features(train[0])
    matrices = {view: (features.of(train[0], view), features.of(validation[0], view)) for view in VIEWS}
    fitted: dict[Setting, tuple[float, LogisticRegression]] = {}

    def score(setting: Setting) -> float:
        if setting not in fitted:
            seen, unseen = matrices[setting.view]
            classifier = LogisticRegression(
                C=setting.strength, class_weight=setting.weighting, max_iter=1000, random_state=seed
            ).fit(seen, train[1])
            merit = f1_score(validation[1], classifier.predict(unseen), average="macro", zero_division=0)
            fitted[setting] = (float(merit), classifier)
        return fitted[setting][0]

    best = max((Setting(view, STRENGTHS[0], None) for view in VIEWS), key=score)
    best = max((replace(best, strength=strength) for strength in STRENGTHS), key=score)
    best = max((replace(best, weighting=weighting) for weighting in (None, "balanced")), key=score)
    return Baseline(best, features, fitted[best][1])

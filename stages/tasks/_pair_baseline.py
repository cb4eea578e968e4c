"""The classical methods for two texts: how near they are by TF-IDF, and a line or a logistic curve over that."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
from scipy.sparse import csr_matrix, hstack
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import f1_score
from threadpoolctl import threadpool_limits

from stages.shared.examples import Example
from stages.shared.linear_baseline import STRENGTHS, VIEWS, Features
from stages.tasks._pair_score import TEXTS
from stages.tasks._score_figures import score_figures

Values: TypeAlias = npt.NDArray[np.float64]

_SEEN = {"nearness": False, "nearness and words": True}  # what the classifier sees: the words of both texts too


def _fitted(rows: Sequence[Example]) -> Features:
    return Features([row[name] for row in rows for name in TEXTS])


def nearness(rows: Sequence[Example], features: Features, view: str) -> Values:
    """The cosine of the two texts by each part of a view, and 1: shape (rows, parts + 1)."""
    columns = []
    for part in VIEWS[view]:
        first, second = (features.of([row[name] for row in rows], part) for name in TEXTS)
        columns.append(np.asarray(first.multiply(second).sum(axis=1), dtype=np.float64).ravel())
    return np.stack([*columns, np.ones(len(rows))], axis=1)


def line_scores(splits: Mapping[str, Sequence[Example]], low: float, high: float) -> tuple[Values, str]:
    """The scores of the test rows, and the features that validation chose.

    The line is fitted to train by least squares; what it says beyond the range is cut.
    """
    features = _fitted(splits["train"])
    wanted = {name: np.array([row["score"] for row in rows], dtype=np.float64) for name, rows in splits.items()}
    trials = []
    for view in VIEWS:
        line, *_ = np.linalg.lstsq(nearness(splits["train"], features, view), wanted["train"])
        found = score_figures(wanted["validation"], nearness(splits["validation"], features, view) @ line)
        trials.append((float(found["spearman"]), view, line))
    _, view, line = max(trials, key=lambda trial: trial[0])
    scores: Values = np.clip(nearness(splits["test"], features, view) @ line, low, high)
    return scores, f"cosine of TF-IDF of {view}, least squares"


def _inputs(rows: Sequence[Example], features: Features, seen: str) -> csr_matrix:
    near = csr_matrix(nearness(rows, features, "words and characters"))
    if not _SEEN[seen]:
        return near
    return hstack([near, *(features.of([row[name] for row in rows], "words") for name in TEXTS)], format="csr")


def pair_labels(splits: Mapping[str, Sequence[Example]], seed: int) -> tuple[list[dict[str, Any]], str]:
    """The labels of the test rows with their probabilities, and what validation chose: inputs and strength."""
    features = _fitted(splits["train"])
    labels = {name: [row["label"] for row in rows] for name, rows in splits.items()}
    trials = []
    for seen in _SEEN:
        train, validation = (_inputs(splits[name], features, seen) for name in ("train", "validation"))
        for strength in STRENGTHS:
            classifier = LogisticRegression(C=strength, max_iter=1000, random_state=seed)
            with threadpool_limits(
                limits=1
            ):  # sparse work gains nothing from threads, and loses where cores are shared
                answers = classifier.fit(train, labels["train"]).predict(validation)
            merit = f1_score(labels["validation"], answers, average="macro", zero_division=0)
            trials.append((float(merit), seen, strength, classifier))
    _, seen, strength, classifier = max(trials, key=lambda trial: trial[0])
    probabilities = classifier.predict_proba(_inputs(splits["test"], features, seen))
    best = probabilities.argmax(axis=1)
    predicted = [
        {"answer": str(classifier.classes_[column]), "confidence": float(row[column]), "said": {}}
        for column, row in zip(best, probabilities, strict=True)
    ]
    return predicted, f"TF-IDF {seen} of the two texts, logistic regression, C = {strength:g}"

"""The classical classifier of pictures: colours and edges of their parts, with logistic regression.

Source: Dalal and Triggs 2005, Histograms of oriented gradients, https://doi.org/10.1109/CVPR.2005.177
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import f1_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from threadpoolctl import threadpool_limits

from serving.pictures import PictureReader
from stages.shared.examples import Example
from stages.tasks import Prediction

SIDE, CELLS, DIRECTIONS = 32, 4, 9  # pixels of a side that are looked at, parts of a side, kinds of edges in a part
VIEWS = {"colours": (True, False), "edges": (False, True), "colours and edges": (True, True)}
STRENGTHS = (0.01, 0.1, 1.0)

Features = npt.NDArray[np.float32]


def colours_of(pixels: Features) -> Features:
    """The mean of each channel in each of 8 x 8 parts, shape (192,), given (3, 32, 32)."""
    return np.asarray(pixels.reshape(3, 8, SIDE // 8, 8, SIDE // 8).mean(axis=(2, 4)).ravel())


def edges_of(pixels: Features) -> Features:
    """How much edge of each direction there is in each of 4 x 4 parts, of length 1, shape (144,), given (3, 32, 32)."""
    down, across = np.gradient(pixels.mean(axis=0))
    strength = np.hypot(down, across)
    direction = ((np.arctan2(down, across) % np.pi) / np.pi * DIRECTIONS).astype(np.intp) % DIRECTIONS
    cell = np.arange(SIDE) * CELLS // SIDE
    places = (cell[:, None] * CELLS + cell[None, :]) * DIRECTIONS + direction
    found = np.bincount(places.ravel(), strength.ravel(), minlength=CELLS * CELLS * DIRECTIONS)
    return np.asarray(found / (np.linalg.norm(found) + 1e-6), np.float32)


def _features(examples: Sequence[Example], settings: Mapping[str, Any]) -> tuple[Features, Features]:
    """The colours and the edges of each, shape (examples, ...)."""
    plain = {"height": SIDE, "width": SIDE, "fit": "stretch", "resampling": "bilinear", "mean": [0] * 3, "std": [1] * 3}
    reader = PictureReader({**settings, **plain})
    pixels = [reader.pixels(example["image"]).values for example in examples]
    return np.stack([colours_of(one) for one in pixels]), np.stack([edges_of(one) for one in pixels])


def _view(features: tuple[Features, Features], view: str) -> Features:
    return np.hstack([part for part, is_seen in zip(features, VIEWS[view], strict=True) if is_seen])


@threadpool_limits.wrap(limits=1)  # type: ignore[untyped-decorator]  # the same sums whatever the machine
def label_pictures(
    splits: Mapping[str, Sequence[Example]], settings: Mapping[str, Any], seed: int
) -> tuple[list[Prediction], str]:
    """What it answers on test, and what it is; what it sees and its strength are the best on validation."""
    features = {split: _features(examples, settings) for split, examples in splits.items()}
    labels = {split: [example["label"] for example in examples] for split, examples in splits.items()}
    trials = []
    for view in VIEWS:
        for strength in STRENGTHS:
            classifier = make_pipeline(
                StandardScaler(), LogisticRegression(C=strength, max_iter=1000, random_state=seed)
            ).fit(_view(features["train"], view), labels["train"])
            answers = classifier.predict(_view(features["validation"], view))
            trials.append((f1_score(labels["validation"], answers, average="macro"), view, strength, classifier))
    _, view, strength, classifier = max(trials, key=lambda trial: trial[0])
    probabilities = classifier.predict_proba(_view(features["test"], view))
    predicted: list[Prediction] = [
        {"answer": str(classifier.classes_[row.argmax()]), "confidence": float(row.max())} for row in probabilities
    ]
    return predicted, f"the {view} of 32 x 32 pixels, logistic regression, C = {strength:g}"

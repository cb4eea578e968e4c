"""A linear probe: logistic regression on what a base model makes of the texts, as it comes, without fine-tuning.

Source: Alain and Bengio 2016, Understanding intermediate layers using linear classifier probes, arXiv:1610.01644
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from stages.shared.errors import ParamsError
from stages.shared.examples import Example
from stages.shared.params import Params

if TYPE_CHECKING:
    from sklearn.linear_model import LogisticRegression

    from stages.tasks import Task

BATCH_SIZE = 64  # texts of a forward pass
STRENGTHS = (1.0, 4.0, 16.0, 64.0)  # inverse regularisations C, of unit vectors
Vectors = npt.NDArray[np.float32]


def is_probed(task: Task) -> bool:
    """Whether the task is one label on what the model reads at once, so that a linear probe can learn it."""
    return task.settings()["answers"] == "label" and task.medium == "text"


def require_probe(key: str, off: str, task: Task, params: Params) -> None:
    """Raise ParamsError where no probe can be fitted: the task is not one label on a text, or there is no base yet.

    Args:
        key: of params.yaml that asks for it.
        off: the value that turns it off.
    """
    if not is_probed(task):
        raise ParamsError(
            f"{key}: it is for tasks of one label on a text, and '{params.task.name}' is another. Set it to {off}."
        )
    if params.pretrain.base is None:
        raise ParamsError(
            f"{key}: it reads the texts through the base model, and there is none before pretrain makes it. Set it to "
            f"{off}, or name a base in pretrain.base."
        )


class Embedder:
    """A base model that reads examples as the task does, and gives a unit vector for each.

    Args:
        base: the folder of an encoder.
    """

    def __init__(self, task: Task, base: Path) -> None:
        from accelerate import PartialState

        from stages.shared.headed import sentence_encoder

        tokenizer: Any = task.open_tokenizer(base)
        self._task, self._padding = task, tokenizer.pad_token_id or 0
        self._reader = task.open_reader(tokenizer, task.settings())
        self._model = sentence_encoder(base, len(tokenizer)).to(PartialState().device)

    def of(self, examples: Sequence[Example], what: str) -> Vectors:
        """Vectors of the examples, (examples, hidden): the mean of the tokens; `what` is the name of the work."""
        return self._embed(self._task.items(self._reader, examples), len(examples), what)

    def of_texts(self, texts: Sequence[str], what: str) -> Vectors:
        """The same of texts by themselves, such as the names of labels."""
        from stages.shared.items import Item

        read = self._reader.read_all([(text,) for text in texts])
        items = [Item(place, (reading.windows[0],), 0) for place, reading in enumerate(read)]
        return self._embed(items, len(texts), what)

    def _embed(self, items: Sequence[Any], count: int, what: str) -> Vectors:
        from stages.shared.predict import Batching, predict

        found = predict(self._task, self._model, items, Batching(BATCH_SIZE, self._padding, what))
        vectors = np.zeros((count, np.ravel(found[0]).size), np.float32)
        for item, output in zip(items, found, strict=True):
            vectors[item.example] += np.ravel(output)
        unit: Vectors = vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)
        return unit


def fit_probe(vectors: Vectors, labels: Sequence[str], strength: float) -> LogisticRegression:
    """Logistic regression on the vectors, fitted by L-BFGS on one thread: the same each time."""
    from sklearn.linear_model import LogisticRegression
    from threadpoolctl import threadpool_limits

    with threadpool_limits(limits=1):
        return LogisticRegression(C=strength, max_iter=1000).fit(vectors, labels)


def fit_best_probe(
    train: tuple[Vectors, Sequence[str]], validation: tuple[Vectors, Sequence[str]]
) -> tuple[LogisticRegression, float]:
    """The probe with the strength of regularisation that is best on validation by macro F1, and that strength."""
    from sklearn.metrics import f1_score

    def merit(strength: float) -> tuple[float, LogisticRegression]:
        probe = fit_probe(*train, strength)
        score = f1_score(validation[1], probe.predict(validation[0]), average="macro", zero_division=0)
        return float(score), probe

    tried = {strength: merit(strength) for strength in STRENGTHS}
    best = max(STRENGTHS, key=lambda strength: tried[strength][0])
    return tried[best][1], best

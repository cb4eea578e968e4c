"""A vector for each label from its descriptions, and from the examples of it that are shown."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from stages.methods import Start
from stages.methods._shown_examples import shown_examples
from stages.shared.answering import run_of
from stages.shared.headed import Headed, sentence_encoder, with_label_vectors
from stages.shared.items import reader_of
from stages.shared.predict import Batching, predict

if TYPE_CHECKING:
    from stages.methods.prompting import Params

BATCH_SIZE = 32  # texts per forward pass; the vectors do not depend on it but for rounding


def _unit_mean(vectors: np.ndarray) -> np.ndarray:
    """The mean of vectors (texts, hidden), of length 1."""
    mean = vectors.mean(axis=0)
    length = max(float(np.linalg.norm(mean)), 1e-12)
    return np.asarray(mean / length)


def _embed(start: Start, encoder: Headed, texts: list[str]) -> np.ndarray:
    """Unit vectors (texts, hidden)."""
    reader = reader_of(start.tokenizer, start.task.settings())
    way = Batching(BATCH_SIZE, start.tokenizer.pad_token_id or 0, "describe")
    return np.stack(run_of(reader, lambda items: predict(start.task, encoder, items, way))([(text,) for text in texts]))


def label_vectors(start: Start, encoder: Headed, params: Params) -> np.ndarray:
    """A unit vector for each label, (labels, hidden).

    It is the mean of the label's descriptions; where examples are shown it lies halfway from there to their mean.
    """
    shown = shown_examples(start, params.shown_examples)
    (column,) = start.task.texts
    vectors = []
    for label in start.task.settings()["labels"]:
        kinds = [params.per_label[label], [row[column] for row in shown if row["label"] == label]]
        vectors.append(_unit_mean(np.stack([_unit_mean(_embed(start, encoder, texts)) for texts in kinds if texts])))
    return np.stack(vectors)


def model_by_descriptions(start: Start, params: Params) -> Headed:
    """The encoder with the labels' vectors as its head: cosines divided by the temperature."""
    import torch

    encoder = sentence_encoder(start.base, len(start.tokenizer))
    vectors = label_vectors(start, encoder, params)
    model = with_label_vectors(encoder.body, len(vectors), bias=False)
    model.head.load_state_dict({"vectors.weight": torch.from_numpy(vectors / params.temperature)})
    return model

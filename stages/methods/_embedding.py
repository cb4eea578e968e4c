"""A model whose head reads one vector for each text: the mean of its tokens."""

from __future__ import annotations

from typing import TYPE_CHECKING

from stages.methods import Start
from stages.shared.bodies import load_body
from stages.shared.headed import Headed, with_label_vectors

if TYPE_CHECKING:
    from transformers import PreTrainedModel


def embedding_model(start: Start) -> PreTrainedModel:
    """The base with a linear head on the mean of the tokens; where the task has another head of ours, with that."""
    task, model = start.task, start.load()
    if task.head not in ("sequence", "compared") or isinstance(model, Headed):
        return model
    return mean_model(start)


def mean_model(start: Start) -> Headed:
    """The base with a linear head on the mean of the tokens."""
    body = load_body("encoder", start.base, len(start.tokenizer))
    return with_label_vectors(body, len(start.task.outputs), bias=True)

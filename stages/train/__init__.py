"""Fine-tune the base model on the augmented training split.

in    augmented/train.parquet, validation.parquet   one Example per row
      base/base.json                                which base model
out   base.json                                     which base it was trained from
      model/                                        Transformers layout: safetensors, config, tokenizer
      model/answering.json                          how texts are read and answers decoded, thresholds included
      plots/loss.csv                                step, loss (nats per example), learning_rate
      plots/validation.csv                          step, epoch, validation_loss, the task's metrics, primary
      plots/learning_rate.csv                       of a range test: learning_rate, loss
      members/<number>/plots/                       the same of each member of an ensemble
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from stages.train.training import train

__all__ = ["train"]


def __getattr__(name: str) -> Any:
    """The stage's function, loaded when it is asked for: what checks its parameters needs no torch."""
    if name != "train":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return importlib.import_module("stages.train.training").train

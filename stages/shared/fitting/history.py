"""What a training has gone through: its curves, and its best weights so far."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from transformers import PreTrainedModel

from stages.shared.csv_files import write_csv
from stages.shared.outcome import Metrics

Row = dict[str, float]
BITS = {"float32": 32, "bfloat16": 16, "float16": 16}  # of a number, by precision


@dataclass
class History:
    """The curves of a training and its best weights, filled while it runs.

    Attributes:
        updates: per update: step, loss (nats per example), learning_rate.
        validations: per validation: step, epoch, validation_loss and the task's metrics.
        best: the row of the best validation.
        weights: the model's weights at that validation.
        tuned: the settings that the task decided on at that validation.
        since_best: validations since then.
        padded_shares: per epoch begun, the fraction of its tokens that is padding.
        examples: trained on so far, each as often as it was seen.
        seconds: spent on updates alone.
        rates: of a range test: learning_rate, loss (nats per example, smoothed).
        precision: what is computed in; empty before that is chosen.
    """

    updates: list[Row] = field(default_factory=list)
    validations: list[Row] = field(default_factory=list)
    best: Row | None = None
    weights: dict[str, torch.Tensor] = field(default_factory=dict)
    tuned: dict[str, Any] = field(default_factory=dict)
    since_best: int = 0
    padded_shares: list[float] = field(default_factory=list)
    examples: int = 0
    seconds: float = 0.0
    rates: list[Row] = field(default_factory=list)
    precision: str = ""

    @property
    def steps(self) -> int:
        """Updates of the weights so far."""
        return len(self.updates)

    def begin_epoch(self, padded_share: float) -> None:
        """Take note of an epoch."""
        self.padded_shares.append(padded_share)

    def add_update(self, row: Row, examples: int, seconds: float) -> None:
        """Take note of an update of the weights."""
        self.updates.append(row)
        self.examples += examples
        self.seconds += seconds

    def add_validation(self, row: Row, primary: str, model: PreTrainedModel, tuned: dict[str, Any]) -> None:
        """Take note of a validation, and keep the best weights; of equals the lower loss, then the earlier."""
        self.validations.append(row)
        if self.best is None or _merit(row, primary) > _merit(self.best, primary):
            self.best, self.tuned, self.since_best = row, tuned, 0
            self.weights = {name: tensor.detach().cpu().clone() for name, tensor in model.state_dict().items()}
        else:
            self.since_best += 1

    def metrics(self) -> Metrics:
        """The figures of the best validation, and how long it took to get there."""
        best = dict(self.best or {})
        step = best.pop("step", 0)
        best.pop("epoch", None)
        return {
            **{f"validation.{name.removeprefix('validation_')}": value for name, value in best.items()},
            "best_step": step,
            "steps": self.steps,
            "epochs": len(self.padded_shares),
            "precision_bits": BITS[self.precision or "float32"],
            "padded_share": sum(self.padded_shares) / max(1, len(self.padded_shares)),
        }

    def write(self, folder: Path, primary: str) -> None:
        """Write the curves: loss.csv, validation.csv, where `primary` stands under that name too, learning_rate.csv."""
        validations = [{**row, "primary": row[primary]} for row in self.validations]
        for name, rows in (("loss", self.updates), ("validation", validations), ("learning_rate", self.rates)):
            if rows:
                write_csv(folder / f"{name}.csv", list(rows[0]), (list(row.values()) for row in rows))


def _merit(row: Row, primary: str) -> tuple[float, float]:
    return row[primary], -row["validation_loss"]

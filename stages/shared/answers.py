"""What a model said of each text of the test split, as it lies in predictions.parquet."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

SCHEMA = pa.schema(
    [
        ("id", pa.string()),
        ("expected", pa.string()),
        ("predicted", pa.string()),
        ("confidence", pa.float64()),
        ("logits", pa.list_(pa.float32())),
    ]
)


@dataclass(frozen=True)
class Answers:
    """A model's answers, row by row in the order of the split.

    Attributes:
        ids, expected: of the examples.
        predictions: {"answer": str, "confidence": float, ...} of each.
        logits: float32, shape (examples, outputs).
    """

    ids: list[str]
    expected: list[str]
    predictions: list[dict[str, Any]]
    logits: np.ndarray


def read_answers(file: Path) -> Answers:
    """The answers that a predictions.parquet holds."""
    columns = pq.read_table(file).to_pydict()
    predictions = [
        {"answer": answer, "confidence": confidence}
        for answer, confidence in zip(columns["predicted"], columns["confidence"], strict=True)
    ]
    return Answers(columns["id"], columns["expected"], predictions, np.array(columns["logits"], dtype=np.float32))


def write_answers(file: Path, answers: Answers) -> None:
    """Write a predictions.parquet."""
    columns = {
        "id": answers.ids,
        "expected": answers.expected,
        "predicted": [prediction["answer"] for prediction in answers.predictions],
        "confidence": [prediction["confidence"] for prediction in answers.predictions],
        "logits": answers.logits.tolist(),
    }
    pq.write_table(pa.table(columns, schema=SCHEMA), file, compression="zstd")

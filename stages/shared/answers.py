"""What a model said of each example of the test split, as it lies in predictions.parquet."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from stages.shared.items import Item, Output

SCHEMA = pa.schema(
    [
        ("id", pa.string()),
        ("expected", pa.string()),
        ("predicted", pa.string()),
        ("confidence", pa.float64()),
        ("said", pa.string()),
        ("scores", pa.list_(pa.float64())),
        ("outputs", pa.list_(pa.list_(pa.float32()))),
    ]
)


@dataclass(frozen=True)
class Answers:
    """A model's answers, row by row in the order of the split.

    Attributes:
        ids, expected: of the examples.
        predictions: {"answer": str, "confidence": float or None, "said": dict, "scores": list of floats} of each.
        outputs: of each example, for each row that the model read of it, what it gave, flattened.
    """

    ids: list[str]
    expected: list[str]
    predictions: list[dict[str, Any]]
    outputs: list[list[np.ndarray]]


def by_example(outputs: Sequence[Output], items: Sequence[Item]) -> list[list[np.ndarray]]:
    """The outputs of the items of each example, row by row, flattened."""
    found: list[list[np.ndarray]] = [[] for _ in range(max((item.example for item in items), default=-1) + 1)]
    for item, output in zip(items, outputs, strict=True):
        rows = output if isinstance(output, list) else [output]
        found[item.example] += [np.float32(row).ravel() for row in rows]
    return found


def read_answers(file: Path) -> Answers:
    """The answers that a predictions.parquet holds."""
    columns = pq.read_table(file).to_pydict()
    kept = (columns[name] for name in ("predicted", "confidence", "said", "scores"))
    predictions = [
        {"answer": answer, "confidence": confidence, "said": json.loads(said), "scores": scores}
        for answer, confidence, said, scores in zip(*kept, strict=True)
    ]
    outputs = [[np.array(row, dtype=np.float32) for row in rows] for rows in columns["outputs"]]
    return Answers(columns["id"], columns["expected"], predictions, outputs)


def write_answers(file: Path, answers: Answers) -> None:
    """Write a predictions.parquet."""
    columns = {
        "id": answers.ids,
        "expected": answers.expected,
        "predicted": [prediction["answer"] for prediction in answers.predictions],
        "confidence": [prediction["confidence"] for prediction in answers.predictions],
        "said": [json.dumps(prediction["said"], ensure_ascii=False) for prediction in answers.predictions],
        "scores": [prediction["scores"] for prediction in answers.predictions],
        "outputs": [[row.tolist() for row in rows] for rows in answers.outputs],
    }
    pq.write_table(pa.table(columns, schema=SCHEMA), file, compression="zstd")

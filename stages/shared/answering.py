"""From a model's outputs to answers, by the very code that answers in production."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from serving.answers import answers_for
from serving.reading import Reader
from serving.text import CleanText
from stages.shared.examples import Example
from stages.shared.items import Item, Output
from stages.shared.publish import write_json

if TYPE_CHECKING:
    from stages.tasks import Prediction, Task

SETTINGS, EXTRAS = "answering.json", "extras"


def decode(
    task: Task,
    examples: Sequence[Example],
    items: Sequence[Item],
    outputs: Sequence[Output],
    settings: dict[str, Any],
    reader: Reader,
) -> list[Prediction]:
    """The prediction for each example, made of the outputs of its items.

    Args:
        task: whose texts are asked.
        examples: that are answered.
        items: of the examples, in order.
        outputs: of the items; of one of several parts the first counts, which is for what is asked.
        settings: of the task, of the trained model, and what the task gathered.
        reader: that read the items; its tokenizer spells what a model writes.
    """
    kind, settings = answers_for(settings), settings | {"tokenizer": reader.tokenizer}
    windows: list[list[Any]] = [[] for _ in examples]
    found: list[list[np.ndarray]] = [[] for _ in examples]
    scores: list[list[np.ndarray]] = [[] for _ in examples]
    for item, output in zip(items, outputs, strict=True):
        windows[item.example].append(item.rows[0])
        asked, *others = output if isinstance(output, list) else [output]
        found[item.example].append(asked)
        scores[item.example] += others if len(item.rows) == 1 else []
    predictions = []
    for example, rows, said_of, scored in zip(examples, windows, found, scores, strict=True):
        texts = tuple(CleanText(text) for text in task.question(example) if isinstance(text, str))
        said = kind.answer(said_of, rows, texts, settings)
        total = np.sum(scored, axis=0).tolist() if scored else []
        predictions.append({"answer": kind.word(said), "confidence": said["confidence"], "said": said, "scores": total})
    return predictions


def write_settings(folder: Path, settings: Mapping[str, Any]) -> None:
    """Write how a trained model answers."""
    write_json(folder / SETTINGS, dict(settings))


def read_settings(folder: Path) -> dict[str, Any]:
    """How a trained model answers, as training left it."""
    settings: dict[str, Any] = json.loads((folder / SETTINGS).read_text(encoding="utf-8"))
    return settings


def run_of(
    reader: Reader, answer: Callable[[Sequence[Item]], list[Any]]
) -> Callable[[Sequence[tuple[str, ...]]], list[np.ndarray]]:
    """What a task asks to have its texts shown to the model: of a text that is longer, the first window."""

    def run(requests: Sequence[tuple[str, ...]]) -> list[np.ndarray]:
        readings = reader.read_all(requests)
        return answer([Item(position, (reading.windows[0],), 0) for position, reading in enumerate(readings)])

    return run


def write_extras(out: Path, gathered: Mapping[str, Any]) -> None:
    """Write what a task gathered into `<out>/extras`, if anything: <name>.npy for an array, <name>.json for texts."""
    folder = out / EXTRAS
    if gathered:
        folder.mkdir()
    for name, value in gathered.items():
        if isinstance(value, np.ndarray):
            np.save(folder / f"{name}.npy", value, allow_pickle=False)
        else:
            write_json(folder / f"{name}.json", value)

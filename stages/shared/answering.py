"""From a model's outputs to answers, by the very code that answers in production."""

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from serving.answers import answers_for
from serving.reading import Reader
from serving.text import CleanText
from stages.shared.items import Item
from stages.shared.publish import write_json

SETTINGS, EXTRAS = "answering.json", "extras"


def decode(
    outputs: Sequence[np.ndarray], items: Sequence[Item], asked: Sequence[tuple[str, ...]], settings: dict[str, Any]
) -> list[dict[str, Any]]:
    """The prediction for each example: {"answer": in one line, "confidence": float or None, "said": by the server}.

    Args:
        outputs: of the items; of an item of several rows the first row's counts, which is what is asked.
        items: of the examples, in order.
        asked: the texts of each example that a server is given.
        settings: of the task, of the trained model, and what the task gathered.
    """
    kind = answers_for(settings)
    windows: list[list[Any]] = [[] for _ in asked]
    found: list[list[np.ndarray]] = [[] for _ in asked]
    for item, output in zip(items, outputs, strict=True):
        windows[item.example].append(item.rows[0])
        found[item.example].append(output if len(item.rows) == 1 else output[0])
    predictions = []
    for texts, rows, logits in zip(asked, windows, found, strict=True):
        said = kind.answer(logits, rows, tuple(CleanText(text) for text in texts), settings)
        predictions.append({"answer": kind.word(said), "confidence": said["confidence"], "said": said})
    return predictions


def write_settings(folder: Path, settings: Mapping[str, Any]) -> None:
    """Write how a trained model answers."""
    write_json(folder / SETTINGS, dict(settings))


def read_settings(folder: Path) -> dict[str, Any]:
    """How a trained model answers, as training left it."""
    settings: dict[str, Any] = json.loads((folder / SETTINGS).read_text(encoding="utf-8"))
    return settings


def run_of(
    reader: Reader, answer: Callable[[Sequence[Item]], list[np.ndarray]]
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

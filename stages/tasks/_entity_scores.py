"""How right found entities are: exact span and type, as the CoNLL-2003 scorer counts, and the kinds of error.

Source: Tjong Kim Sang and De Meulder 2003, https://aclanthology.org/W03-0419
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from nervaluate import Evaluator
from nervaluate.entities import EvaluationResult

from stages.shared.csv_files import write_csv
from stages.shared.markdown import table
from stages.shared.outcome import Metrics
from stages.tasks._entities import Entity

Sentences = Sequence[Sequence[Entity]]

KINDS = ("exact", "wrong type", "wrong boundary", "both wrong", "missed", "spurious")


def entity_metrics(expected: Sentences, predicted: Sentences, labels: Sequence[str]) -> Metrics:
    """{"precision", "recall", "f1"} of all entities and "macro_f1", the mean of the types: fractions in [0, 1].

    0 where 0 is divided by 0, as for a type that does not occur.
    """
    found, types = _evaluated(expected, predicted, labels)
    return {
        "precision": float(found.precision),
        "recall": float(found.recall),
        "f1": float(found.f1),
        "macro_f1": sum(float(score.f1) for score in types.values()) / len(labels),
    }


def scores_of_types(expected: Sentences, predicted: Sentences, labels: Sequence[str]) -> dict[str, EvaluationResult]:
    """Precision, recall, F1 and counts of each type."""
    return _evaluated(expected, predicted, labels)[1]


def _evaluated(
    expected: Sentences, predicted: Sentences, labels: Sequence[str]
) -> tuple[EvaluationResult, dict[str, EvaluationResult]]:
    """The result over all types, and that of each."""
    evaluator = Evaluator(_as_nervaluate(expected), _as_nervaluate(predicted), tags=list(labels), loader="dict")
    evaluator.strategies = {"strict": evaluator.strategies["strict"]}  # the others would take four times as long
    found = evaluator.evaluate()
    types = found["entities"]
    return found["overall"]["strict"], {
        label: types[label]["strict"] if label in types else EvaluationResult() for label in labels
    }


def _as_nervaluate(sentences: Sentences) -> list[list[dict[str, Any]]]:
    """Entities as nervaluate has them: with the last character's position for an end."""
    return [[{"start": start, "end": end - 1, "label": label} for start, end, label in one] for one in sentences]


def entity_counts(expected: Sentences, predicted: Sentences, labels: Sequence[str]) -> npt.NDArray[np.int32]:
    """Of each sentence and type the entities that are right, were found and are there: (sentences, types, 3)."""
    index = {label: column for column, label in enumerate(labels)}
    counts = np.zeros((len(expected), len(labels), 3), dtype=np.int32)
    for row, (there, found) in enumerate(zip(expected, predicted, strict=True)):
        for column, entities in enumerate((set(there) & set(found), found, there)):
            for _, _, label in entities:
                counts[row, index[label], column] += 1
    return counts


def entity_report(out: Path, expected: Sentences, predicted: Sentences, labels: Sequence[str]) -> str:
    """Write labels.csv, with the scores and the kinds of error of each type; give both as Markdown tables."""
    scores = scores_of_types(expected, predicted, labels)
    figures = [(label, *map(float, (s.precision, s.recall, s.f1)), s.possible) for label, s in scores.items()]
    counts = kinds_of_error(expected, predicted)
    kinds = [(label, *(counts[label, kind] for kind in KINDS)) for label in labels]
    header = ("label", "precision", "recall", "f1", "support")
    rows = [(*one, *other[1:]) for one, other in zip(figures, kinds, strict=True)]
    write_csv(out / "labels.csv", (*header, *KINDS), rows)
    return (
        f"## Types\n\n{table(header, figures)}\n## Kinds of error\n\n"
        "Of each entity that is there, what was found in its place; `spurious` was found where there is none.\n\n"
        f"{table(('type', *KINDS), kinds)}"
    )


def kinds_of_error(expected: Sentences, predicted: Sentences) -> Counter[tuple[str, str]]:
    """How many entities of each (type, kind of error): the type is the found one where nothing was expected."""
    counts: Counter[tuple[str, str]] = Counter()
    for there, found in zip(expected, predicted, strict=True):
        counts.update((entity[2], _kind(entity, [one for one in found if _touch(one, entity)])) for entity in there)
        counts.update((one[2], "spurious") for one in found if not any(_touch(one, entity) for entity in there))
    return counts


def _touch(one: Entity, other: Entity) -> bool:
    return one[0] < other[1] and other[0] < one[1]


def _kind(entity: Entity, found: Sequence[Entity]) -> str:
    """What became of an entity, given what was found that shares a character with it."""
    if entity in found:
        return "exact"
    if any(one[:2] == entity[:2] for one in found):
        return "wrong type"
    if any(one[2] == entity[2] for one in found):
        return "wrong boundary"
    return "both wrong" if found else "missed"

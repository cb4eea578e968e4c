"""The stage on rows that hold lists: entities of sentences, answers to questions."""

from collections.abc import Callable
from typing import Any

import pyarrow.parquet as pq
import pytest

from tests.stages.validate.conftest import ENTITIES, Run, Splits, entity_row, row

Runner = Callable[..., Run]


@pytest.fixture
def entities() -> Splits:
    """Sentences with and without entities; the last of train is long."""
    people, towns = ("Anna", "Ben", "Carla", "Dov", "Edda"), ("Rome", "Oslo", "Lima", "Cork")
    texts = [(f"{who} moved to {town}, and liked it.", who, town) for who in people for town in towns]
    splits: Splits = {"train": [], "validation": [], "test": []}
    for number, (text, who, town) in enumerate(texts):
        split = ("train", "train", "validation", "test")[number % 4]
        splits[split].append(entity_row(split, number, text, (who, "PER"), (town, "LOC")))
    splits["train"].append(entity_row("train", 30, "Nobody stayed there for very long, or so they say."))
    return splits


FEW: dict[str, Any] = ENTITIES | {
    **{f"validate.min_rows.{split}": 5 for split in ("train", "validation", "test")},
    "validate.max_class_share": 1.0,
    "validate.near_duplicate_similarity": 0.99,
}


def test_rows_with_lists_pass_unchanged_and_long_texts_in_windows_are_not_cut(entities: Splits, run: Runner) -> None:
    result = run(entities, FEW)
    assert result.refusal == ""
    for split, examples in entities.items():
        assert pq.read_table(result.out / f"{split}.parquet").to_pylist() == examples
    metrics = result.outcome.metrics
    assert (metrics["cut_share"], metrics["cut_token_share"]) == (0, 0)
    assert metrics["long_share"] > 0.9
    report = (result.out / "report.md").read_text(encoding="utf-8")
    assert "than the 8 tokens that the model reads at once: they are read in windows, nothing is cut" in report
    assert "| PER | 20 | 100 % |" in report
    assert "| PER | 10 (90.9 %) | 5 (100 %) | 5 (100 %) |" in report


def test_spans_that_cannot_be_used_and_that_differ_are_set_aside_with_a_short_reason(
    entities: Splits, run: Runner
) -> None:
    names = [f"Q{letter}." for letter in "abcdefgh"]
    text = " ".join(names)
    bad = entity_row("train", 40, "Ben is away.", ("Ben", "PERSON"))
    listed = entity_row("train", 41, text, *((name, "PER") for name in names))
    entities["train"] += [bad, listed, entity_row("train", 42, text)]
    result = run(entities, FEW)
    assert result.refusal == ""
    reasons = {entry["id"]: entry["reasons"] for entry in result.rejected}
    assert set(reasons) == {"train-40", "train-41", "train-42"}
    assert reasons["train-40"][0].startswith("unusable_label: entities[0]: label 'PERSON' is not in task.labels")
    (shortened,) = reasons["train-41"]
    start = '[[0, 3, "PER"], [4, 7, "PER"], [8, 11, "PER"], [12, 15, "PER…'
    assert shortened == f"conflict: expected '{start[:59]}…' here and '[]' at train.csv:44 (train)"


QUESTIONS = ENTITIES | {
    "task": {
        "name": "qa",
        "max_tokens": 64,
        "long_texts": "windows",
        "overlap": 8,
        "head": None,
        "head_from_packages": False,
        "max_answer_tokens": 8,
        "no_answer": True,
        "rules": "squad",
    }
}


def test_two_answers_to_one_question_and_one_that_does_not_stand_are_not_quoted(run: Runner) -> None:
    contexts = [f"The ferry of pier {number} leaves at noon and comes back at dusk." for number in range(30)]

    def asked(split: str, number: int, place: int, answer: str, start: int | None = None) -> Any:
        context = contexts[place]
        answers = [{"text": answer, "start": context.index(answer) if start is None else start}]
        example = {
            **row(split, number, "", ""),
            "question": "When does it leave?",
            "context": context,
            "answers": answers,
        }
        return {name: value for name, value in example.items() if name not in ("text", "label")}

    every = [("train", 18), ("validation", 6), ("test", 6)]
    starts = {"train": 0, "validation": 18, "test": 24}
    splits = {name: [asked(name, n, starts[name] + n, "noon") for n in range(count)] for name, count in every}
    splits["train"] += [asked("train", 40, 0, "dusk"), asked("train", 41, 1, "dusk", start=3)]
    few = {f"validate.min_rows.{split}": 1 for split in splits} | {"validate.near_duplicate_similarity": 0.999}
    reasons = {entry["id"]: entry["reasons"] for entry in run(splits, QUESTIONS | few).rejected}
    assert reasons == {
        "train-0": ["conflict: something else is expected at train.csv:42 (train)"],
        "train-40": ["conflict: something else is expected at train.csv:2 (train)"],
        "train-41": ["unusable_label: answers[0]: 4 characters do not stand at 3 of the context; they stand at 53"],
    }

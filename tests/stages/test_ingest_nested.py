"""The ingest stage with columns that hold lists: entities, answers, several labels, scores."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.stages.test_ingest import Run, rejected_in, run

__all__ = ["run"]

NER = {"name": "ner", "labels": ["PER", "LOC"]}
QA = {"name": "qa", "no_answer": True, "max_answer_tokens": 8, "rules": "squad"}
FRACTIONS = {"train": 0.5, "validation": 0.25, "test": 0.25}


def example_of(splits: Any, source: str) -> dict[str, Any]:
    """The example that was made of one row."""
    found: list[dict[str, Any]] = [one for rows in splits.values() for one in rows if one["source"].endswith(source)]
    assert len(found) == 1
    return found[0]


def mentions(example: dict[str, Any]) -> list[tuple[str, str]]:
    return [(example["text"][one["start"] : one["end"]], one["label"]) for one in example["entities"]]


def test_entities_move_with_the_text_that_is_cleaned(run: Run, tmp_path: Path) -> None:
    texts = [f"Mill number {number} stands in Ro\u0308mo." for number in range(8)]  # o and its dots become one letter
    texts[0] = " Mill\u200b  number\t0 stands in Ro\u0308mo."
    lines = [
        {"text": text, "found": [[text.index("M"), text.index("M") + 4, "PER"], [len(text) - 6, len(text) - 1, "L"]]}
        for text in texts
    ]
    bad = [{"text": "Mill", "found": [[0, 4, "PER"], ["x", 4, "PER"]]}]
    (tmp_path / "rows.jsonl").write_text("\n".join(map(json.dumps, lines + bad)), encoding="utf-8")
    source = {"format": "jsonl", "spans": "exclusive", "columns": {"text": "text", "entities": "found"}}
    options = {"task": NER, "label_names": {"L": "LOC"}, "splits": FRACTIONS, "max_rejected_share": 0.2}
    outcome, splits = run(tmp_path / "rows.jsonl", source=source, **options)
    assert example_of(splits, ":1")["text"] == "Mill number 0 stands in R\u00f6mo."
    for number in range(1, 9):
        assert mentions(example_of(splits, f":{number}")) == [("Mill", "PER"), ("R\u00f6mo", "LOC")]
    assert [row["reason"] for row in rejected_in(tmp_path / "out")] == ["entities[1].start: 'x' is no whole number"]
    assert outcome.metrics["texts.cleaned"] == 8
    assert len({example["id"] for rows in splits.values() for example in rows}) == 8


def test_answers_move_with_the_context_that_is_cleaned(run: Run, tmp_path: Path) -> None:
    given = [
        ("The  lock was\u200b made\n in Oslo.", [("lock was\u200b made", 5), (" in Oslo", 20)]),
        ("It is in Oslo.", [(" Oslo ", 8), ("Bergen", 3)]),
        ("Nobody  knows.", []),
        ("Plain.", [("Plain", 0)]),
    ]
    paragraphs = [
        {
            "context": context,
            "qas": [
                {"question": f"Where {n}?", "answers": [{"text": text, "answer_start": at} for text, at in answers]}
            ],
        }
        for n, (context, answers) in enumerate(given)
        for texts, starts in [([text for text, _ in answers], [at for _, at in answers])]
    ]
    document = {"data": [{"paragraphs": paragraphs}]}
    (tmp_path / "qa.json").write_text(json.dumps(document), encoding="utf-8")
    source = {"format": "squad", "columns": {name: name for name in ("question", "context", "answers")}}
    _, splits = run(tmp_path / "qa.json", source=source, task=QA, splits=FRACTIONS)
    found = [example_of(splits, f"paragraph {number}, question 1") for number in range(1, 5)]
    assert found[0]["context"] == "The lock was made in Oslo."
    assert [one["answers"] for one in found] == [
        [{"text": "lock was made", "start": 4}, {"text": "in Oslo", "start": 18}],
        [{"text": "Oslo", "start": 9}, {"text": "Bergen", "start": 3}],
        [],
        [{"text": "Plain", "start": 0}],
    ]


@pytest.mark.parametrize("separator", ["|", None])
def test_a_text_may_have_several_labels(separator: str | None, run: Run) -> None:
    task = {"name": "classification", "labels": ["good", "cheap", "late"], "multi_label": True}
    cells = ["good|cheap", "late", "", "1| late"]
    if separator is None:
        cells = ['["good", "cheap"]', '["late"]', "[]", '["1", " late"]']
    rows = [(f"Parcel {number}", cells[number % 4]) for number in range(40)]
    options = {"label_separator": separator, "label_names": {"1": "good"}, "splits": FRACTIONS}
    _, splits = run(rows, task=task, **options)
    labels = {example["text"]: example["label"] for examples in splits.values() for example in examples}
    assert [labels[f"Parcel {number}"] for number in range(4)] == [["good", "cheap"], ["late"], [], ["good", "late"]]
    for examples in splits.values():  # each split has its share of every kind
        assert abs(sum(example["label"] == ["late"] for example in examples) - len(examples) / 4) <= 1

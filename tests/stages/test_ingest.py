"""The ingest stage: examples from rows, stable ids, splits, and the account of every row."""

import csv
import json
import random
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pyarrow.parquet as pq
import pytest

from serving.text import matching_key
from stages.ingest import ingest
from stages.ingest.intake import Intake
from stages.ingest.values import Columns
from stages.shared import plugins
from stages.shared.errors import DataError
from stages.shared.outcome import Outcome
from stages.shared.params import SPLITS, Ingest, Params
from stages.shared.sections import concrete
from stages.sources import Row
from stages.tasks import task_of

FRACTIONS = {"train": 0.7, "validation": 0.15, "test": 0.15}
SOURCE: dict[str, Any] = {
    "name": "file",
    "files": {},
    "format": "csv",
    "encoding": "utf-8",
    "header": True,
    "separator": ",",
    "quoting": "double",
    "pattern": None,
    "conll": None,
    "spans": None,
    "columns": {"text": "text", "label": "label"},
    "max_field_characters": 1000,
}
LABELS = ["negative"] * 2 + ["neutral"] * 3 + ["positive"] * 5
ROWS = [(f"This is review number {number}.", LABELS[number % 10]) for number in range(200)]

TEXTS = {"max_tokens": 64, "long_texts": "head", "overlap": 0, "head": None, "head_from_packages": False}
TASK = {"name": "classification", "labels": ["negative", "neutral", "positive"], "multi_label": False}

Split = dict[str, list[dict[str, Any]]]


def task_params(task: dict[str, Any]) -> Any:
    return plugins.load("tasks", task["name"]).Params.model_validate(task | TEXTS)


def params_for(path: Path, seed: int = 13, source: dict[str, Any] | None = None, **options: Any) -> Params:
    task = task_params(options.pop("task", TASK))
    raw = {"label_names": {}, "label_separator": None, "splits": FRACTIONS, "max_rejected_share": 0.01} | options
    raw["source"] = SOURCE | {"path": str(path)} | (source or {})
    section = concrete(Ingest, raw).model_validate(raw)
    return cast(Params, SimpleNamespace(seed=seed, task=task, ingest=section))


def intake_for(seed: int = 1) -> Intake:
    task = task_of(task_params(TASK))
    return Intake(task, Columns(task.columns, task.texts, {}, None), seed, Path())


def write_rows(path: Path, rows: list[tuple[str, ...]], header: tuple[str, ...] = ("text", "label")) -> Path:
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file, lineterminator="\n").writerows([header, *rows])
    return path


def read_out(out: Path) -> Split:
    return {split: pq.read_table(out / f"{split}.parquet").to_pylist() for split in SPLITS}


def rejected_in(out: Path) -> list[dict[str, str]]:
    return [json.loads(line) for line in (out / "rejected.jsonl").read_text(encoding="utf-8").splitlines()]


Run = Callable[..., tuple[Outcome, Split]]


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """Run the stage on a path, or on rows written to one; gives its outcome and what it wrote."""
    out = tmp_path / "out"

    def run(data: Path | list[tuple[str, ...]], **options: Any) -> tuple[Outcome, Split]:
        path = data if isinstance(data, Path) else write_rows(tmp_path / "rows.csv", data)
        for old in out.glob("*"):
            old.unlink()
        out.mkdir(exist_ok=True)
        outcome = ingest(path, out, params_for(path, **options))
        return outcome, read_out(out)

    return run


def sides(splits: Split) -> dict[str, str]:
    return {example["id"]: split for split, examples in splits.items() for example in examples}


# The account


def test_every_row_is_written_or_rejected(run: Run, tmp_path: Path) -> None:
    outcome, splits = run([*ROWS, ("no label",), ("a\0b", "neutral")], max_rejected_share=0.02)
    assert {split: len(examples) for split, examples in splits.items()} == {"train": 140, "validation": 30, "test": 30}
    assert [row["place"] for row in rejected_in(tmp_path / "out")] == ["rows.csv:202", "rows.csv:203"]
    assert outcome.metrics["rows.read"] == 202
    assert outcome.metrics["rows.rejected"] == 2
    assert outcome.metrics["rows.train"] == 140
    assert "a\0b" not in json.dumps(rejected_in(tmp_path / "out"))


def test_a_row_that_goes_astray_is_noticed() -> None:
    intake = intake_for()
    list(intake.examples([Row("all", "x:1", {"text": "a", "label": "b"})]))
    intake.rows += 1
    with pytest.raises(RuntimeError, match="one went astray"):
        intake.check(1.0)


def test_too_many_rejected_rows_are_an_error_that_lists_them(run: Run) -> None:
    with pytest.raises(DataError) as error:
        run([*ROWS, *[("no label",)] * 12])
    assert "12 of 212 rows cannot be read; ingest.max_rejected_share is 0.01:" in str(error.value)
    assert "rows.csv:202: 1 fields where there are 2 columns" in str(error.value)
    assert "and 2 more" in str(error.value)


def test_nothing_but_the_outputs_is_left(run: Run, tmp_path: Path) -> None:
    run(ROWS)
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
        "rejected.jsonl",
        "test.parquet",
        "train.parquet",
        "validation.parquet",
    ]


def test_the_same_input_gives_the_same_bytes(run: Run, tmp_path: Path) -> None:
    contents = []
    for _ in range(2):
        run([*ROWS, ("bad",)])
        contents.append({path.name: path.read_bytes() for path in (tmp_path / "out").iterdir()})
    assert contents[0] == contents[1]


# Examples and ids


def test_texts_are_cleaned_and_what_was_taken_out_is_counted(run: Run) -> None:
    outcome, splits = run([*ROWS, ("zero\u200bwidth \u202eand\n\tspaces ", " neutral ")])
    example = next(e for examples in splits.values() for e in examples if e["text"].startswith("zero"))
    assert (example["text"], example["label"]) == ("zerowidth and spaces", "neutral")
    assert outcome.metrics["texts.stray_characters"] == 2
    assert outcome.metrics["texts.cleaned"] == 1


def test_label_names_map_labels_and_leave_texts_alone(run: Run) -> None:
    numbered = [(text, str(LABELS.index(label))) for text, label in ROWS] + [("0", "other")]
    names = {"0": "negative", "2": "neutral", "5": "positive"}
    _, splits = run(numbered, label_names=names)
    examples = [example for examples in splits.values() for example in examples]
    assert {example["label"] for example in examples} == {*LABELS, "other"}
    assert [example["label"] for example in examples if example["text"] == "0"] == ["other"]


def test_words_for_nothing_stay_words(run: Run) -> None:
    words = [(word, word) for word in ("null", "NA", "None", "nan")]
    _, splits = run(ROWS + words)
    kept = {(e["text"], e["label"]) for examples in splits.values() for e in examples}
    assert set(words) <= kept


def test_ids_are_those_of_the_content_and_unique(run: Run) -> None:
    repeated = [*ROWS, ROWS[0], ROWS[0], (ROWS[0][0], "positive")]
    _, first = run(repeated)
    outcome, second = run(repeated[::-1])
    assert sides(first) == sides(second)
    assert len(sides(first)) == len(repeated)
    assert outcome.metrics["rows.repeated"] == 2
    copies = sorted(e["id"] for examples in first.values() for e in examples if (e["text"], e["label"]) == ROWS[0])
    assert copies == [copies[0], f"{copies[0]}-2", f"{copies[0]}-3"]


def test_ids_of_the_user_are_kept_and_must_differ(run: Run, tmp_path: Path) -> None:
    rows = [(text, label, f"r{number}") for number, (text, label) in enumerate(ROWS)]
    path = write_rows(
        tmp_path / "ids.csv", [*rows, ("again", "neutral", "r7"), ("none", "neutral", " ")], ("a", "b", "c")
    )
    _, splits = run(path, source={"columns": {"text": "a", "label": "b", "id": "c"}}, max_rejected_share=0.1)
    assert set(sides(splits)) == {row[2] for row in rows}
    assert [row["reason"] for row in rejected_in(tmp_path / "out")] == [
        "id: 'r7' is also that of a row before",
        "id: empty",
    ]


def test_examples_name_their_place(run: Run) -> None:
    _, splits = run(ROWS)
    places = {e["source"]: e["text"] for examples in splits.values() for e in examples}
    assert places["rows.csv:2"] == ROWS[0][0]
    assert all(e["parent"] == e["made_by"] == "" for examples in splits.values() for e in examples)


# Splits


def test_missing_splits_are_cut_by_answer(run: Run) -> None:
    outcome, splits = run(ROWS)
    for split, shares in {"train": (28, 42, 70), "validation": (6, 9, 15), "test": (6, 9, 15)}.items():
        labels = [example["label"] for example in splits[split]]
        assert tuple(labels.count(label) for label in ("negative", "neutral", "positive")) == shares
    assert "cut from train: validation, test" in outcome.summary


def test_the_order_of_the_rows_does_not_matter(run: Run) -> None:
    _, first = run(ROWS)
    _, second = run(random.Random(3).sample(ROWS, len(ROWS)))
    assert sides(first) == sides(second)


def test_another_seed_gives_another_cut(run: Run) -> None:
    _, first = run(ROWS, seed=1)
    _, second = run(ROWS, seed=2)
    assert sides(first).keys() == sides(second).keys()
    assert sides(first) != sides(second)


def test_a_few_more_rows_move_few_others(run: Run) -> None:
    _, first = run(ROWS)
    _, second = run([*ROWS, ("One more.", "neutral"), ("And another.", "positive")])
    after = sides(second)
    moved = [name for name, split in sides(first).items() if after[name] != split]
    assert len(moved) <= 3


def test_the_same_text_is_never_on_two_sides(run: Run) -> None:
    draw = random.Random(4)
    rows = [(f"text {draw.randint(0, 60)}" + draw.choice(["", " ", "\u200b"]), draw.choice(LABELS)) for _ in range(300)]
    rows = [(text.upper() if draw.random() < 0.3 else text, label) for text, label in rows]
    _, splits = run(rows)
    keys = {split: {matching_key(example["text"]) for example in examples} for split, examples in splits.items()}
    assert not keys["train"] & keys["test"]
    assert not keys["train"] & keys["validation"]
    assert not keys["validation"] & keys["test"]
    assert abs(len(splits["test"]) - 45) <= 3
    assert abs(len(splits["validation"]) - 45) <= 3


def files_of(tmp_path: Path, **rows: list[tuple[str, str]]) -> dict[str, Any]:
    for split, part in rows.items():
        write_rows(tmp_path / f"{split}.csv", part)
    return {"files": {split: f"{split}.csv" for split in rows}}


def test_given_splits_are_used_and_the_missing_one_is_cut_in_proportion(run: Run, tmp_path: Path) -> None:
    source = files_of(tmp_path, train=ROWS[:170], test=ROWS[170:])
    outcome, splits = run(tmp_path, source=source)
    assert [example["text"] for example in splits["test"]] == [text for text, _ in ROWS[170:]]
    assert len(splits["validation"]) == round(170 * 0.15 / 0.85)
    assert "cut from train: validation)" in outcome.summary


def test_when_all_splits_are_given_none_is_cut(run: Run, tmp_path: Path) -> None:
    source = files_of(tmp_path, train=ROWS[:150], validation=ROWS[150:160], test=ROWS[160:])
    outcome, splits = run(tmp_path, source=source)
    assert {split: len(examples) for split, examples in splits.items()} == {"train": 150, "validation": 10, "test": 40}
    assert "all splits given" in outcome.summary


def test_a_column_may_tell_the_split(run: Run, tmp_path: Path) -> None:
    rows = [(text, label, "test" if number < 40 else "train") for number, (text, label) in enumerate(ROWS)]
    path = write_rows(tmp_path / "told.csv", rows, ("text", "label", "split"))
    _, splits = run(path, source={"columns": {"text": "text", "label": "label", "split": "split"}})
    assert [example["text"] for example in splits["test"]] == [text for text, _ in ROWS[:40]]
    assert len(splits["validation"]) == round(160 * 0.15 / 0.85)


def test_a_given_split_that_cannot_be_read_is_not_replaced(run: Run, tmp_path: Path) -> None:
    source = files_of(tmp_path, train=ROWS, test=[("a\0", "neutral")])
    with pytest.raises(DataError, match="none is for test: the source gives test, train"):
        run(tmp_path, source=source)


def test_without_train_or_with_too_few_rows_it_is_an_error(run: Run, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"in train, only in test\. Give it a train split"):
        run(tmp_path, source=files_of(tmp_path, test=ROWS))
    with pytest.raises(DataError, match="none is for validation and test"):
        run(ROWS[:1])

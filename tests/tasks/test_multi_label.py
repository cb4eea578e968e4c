"""Classification with any number of labels for a text."""

import csv
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from sklearn.metrics import accuracy_score, f1_score, hamming_loss, precision_recall_fscore_support

from serving.answers import answers_for
from stages.tasks import Prediction
from stages.tasks._multi_label import MultiLabel
from stages.tasks._multi_label_baseline import fit_labels
from stages.tasks._multi_label_scores import best_threshold

LABELS = ["billing", "delivery", "returns"]
TASK = MultiLabel("classification", LABELS, {"max_tokens": 8, "long_texts": "head", "overlap": 0})


def example(*labels: str, text: str = "a text", name: str = "1") -> dict[str, Any]:
    return {"id": name, "source": "a:1", "parent": "", "made_by": "", "text": text, "label": list(labels)}


def prediction(*labels: str, scores: tuple[float, ...] = (0.5, 0.5, 0.5)) -> Prediction:
    said = {"labels": list(labels), "confidence": 0.5, "scores": dict(zip(LABELS, scores, strict=True))}
    return {"answer": "|".join(labels), "confidence": 0.5, "said": said}


def random_rows(rows: int, seed: int) -> tuple[list[dict[str, Any]], list[Prediction], np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    expected, answered = rng.random((rows, 3)) < 0.4, rng.random((rows, 3)) < 0.4
    names = [[label for label, has in zip(LABELS, row, strict=True) if has] for row in (*expected, *answered)]
    return [example(*row) for row in names[:rows]], [prediction(*row) for row in names[rows:]], expected, answered


def test_equal_sets_of_labels_are_the_same_answer_in_the_order_of_the_parameters() -> None:
    assert TASK.answer(example("returns", "billing")) == "billing|returns" == TASK.answer(example("billing", "returns"))
    assert TASK.answer(example()) == ""
    assert [TASK.stratum(example(*labels)) for labels in (["returns", "delivery"], [])] == ["delivery", ""]


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        ([], None),
        (["returns", "billing"], None),
        (
            ["billing", "retuns"],
            "label 'retuns' is not in task.labels [billing, delivery, returns]. Did you mean 'return",
        ),
        (["billing", "billing"], "label 'billing' is given more than once"),
        (None, "no list of labels; for none of them it is the empty list []"),
    ],
)
def test_unknown_and_repeated_labels_are_faults_and_none_at_all_is_not(
    labels: list[str] | None, message: str | None
) -> None:
    fault = TASK.fault({**example(), "label": labels})
    assert (fault or "").startswith(message or "")
    assert (fault is None) == (message is None)


def test_every_window_expects_all_labels_and_the_loss_is_the_mean_over_them() -> None:
    first, second = TASK.expected(example("returns"), windows=[None, None])  # type: ignore[list-item]
    assert first.tolist() == second.tolist() == [0, 0, 1]
    logits = torch.randn(2, 3, generator=torch.manual_seed(0))
    batch = {"expected": torch.tensor(np.stack([first, [1, 0, 0]]))}
    mean = TASK.loss_sum(logits, batch, None) / TASK.loss_weight(batch, None)
    each = -torch.where(batch["expected"] == 1, logits.sigmoid(), 1 - logits.sigmoid()).log()
    assert mean.item() == pytest.approx(each.mean().item())
    weighted = TASK.loss_sum(logits, batch, torch.tensor([1.0, 1.0, 5.0]))
    assert weighted.item() == pytest.approx((each.sum() + 4 * each[0, 2]).item() / 3, rel=1e-5)


def test_rare_labels_weigh_more_within_bounds() -> None:
    rows = [example("billing", "delivery"), *[example("billing")] * 29, *[example()] * 10]
    weights = TASK.class_weights(rows)
    assert weights is not None
    assert weights.tolist() == pytest.approx([10 / 30, 20, 20])


@pytest.mark.parametrize(
    ("scores", "expected", "threshold"),
    [
        ([0.1, 0.2, 0.3, 0.4], [0, 0, 1, 1], 0.25),  # all right from midway between them on
        ([0.1, 0.2, 0.7, 0.8], [0, 0, 1, 1], 0.5),  # all right anywhere from 0.2 to 0.7
        ([0.1, 0.9], [0, 0], 0.5),  # no row with the label
        ([0.001, 0.002, 0.003], [0, 0, 1], 0.5),  # nothing is right anywhere within the bounds
        ([0.96, 0.97, 0.99], [0, 1, 1], 0.5),  # the best would be beyond 0.95: all are given, wherever it is
        ([0.01, 0.06], [0, 1], 0.05),
    ],
)
def test_a_threshold_is_the_best_within_bounds_and_near_the_middle(
    scores: list[float], expected: list[int], threshold: float
) -> None:
    assert best_threshold(scores, expected) == pytest.approx(threshold)


def test_the_tuned_threshold_is_as_good_as_any() -> None:
    rng = np.random.default_rng(3)
    expected = rng.random(80) < 0.3
    scores = np.clip(0.3 * expected + 0.6 * rng.random(80), 0, 1)
    tuned = best_threshold(scores, expected)
    everywhere = [f1_score(expected, scores >= threshold) for threshold in np.linspace(0.05, 0.95, 181)]
    assert f1_score(expected, scores >= tuned) == pytest.approx(max(everywhere))
    assert f1_score(expected, scores >= tuned) > f1_score(expected, scores >= 0.5)


def test_tuning_gives_a_threshold_to_each_label_that_the_server_takes() -> None:
    rows = [example("billing"), example("delivery"), example()]
    predicted = [prediction(scores=scores) for scores in [(0.3, 0.1, 0.2), (0.1, 0.9, 0.2), (0.2, 0.8, 0.2)]]
    tuned = TASK.tune(rows, predicted)
    assert tuned == {"thresholds": pytest.approx({"billing": 0.25, "delivery": 0.85, "returns": 0.5})}
    server = answers_for(TASK.settings() | tuned)
    said = server.answer([np.log([0.3 / 0.7, 0.8 / 0.2, 1e-3])], [], [], TASK.settings() | tuned)
    assert server.word(said) == TASK.answer(example("billing"))


def test_metrics_are_those_of_scikit_learn() -> None:
    rows, predicted, expected, answered = random_rows(60, seed=0)
    found = TASK.metrics(rows, predicted)
    assert found["subset_accuracy"] == pytest.approx(accuracy_score(expected, answered))
    assert found["hamming_loss"] == pytest.approx(hamming_loss(expected, answered))
    for average in ("micro", "macro"):
        wanted = precision_recall_fscore_support(expected, answered, average=average, zero_division=0)[:3]
        assert [found[f"{average}_{name}"] for name in ("precision", "recall", "f1")] == pytest.approx(wanted)
    f1 = f1_score(expected, answered, average=None)
    assert TASK.class_scores(rows, predicted) == pytest.approx(dict(zip(LABELS, f1, strict=True)))
    assert found[TASK.primary] == pytest.approx(f1.mean())


def test_metrics_of_nothing_given_and_nothing_right_are_zero() -> None:
    found = TASK.metrics([example("billing")], [prediction()])
    assert found["macro_f1"] == found["micro_precision"] == found["subset_accuracy"] == 0
    assert TASK.metrics([example()], [prediction()])["subset_accuracy"] == 1


def test_rightness_is_the_overlap() -> None:
    def rightness(expected: list[str], answered: list[str]) -> float:
        return TASK.rightness(example(*expected), prediction(*answered))

    assert rightness(["billing", "returns"], ["billing", "delivery"]) == pytest.approx(1 / 3)
    assert (rightness([], []), rightness([], ["billing"]), rightness(["billing"], ["billing"])) == (1, 0, 1)


def test_resamples_are_paired_and_centre_on_the_metrics() -> None:
    rows, predicted, _, _ = random_rows(200, seed=1)
    right = [prediction(*row["label"]) for row in rows]
    ours, theirs, again = TASK.resample(rows, [right, predicted, predicted], samples=400, seed=2)
    assert set(ours["subset_accuracy"]) == {1.0}
    assert np.array_equal(theirs["f1.returns"], again["f1.returns"])
    assert theirs["macro_f1"].mean() == pytest.approx(TASK.metrics(rows, predicted)["macro_f1"], abs=0.01)
    assert 0.01 < theirs["macro_f1"].std() < 0.05


def test_the_report_lists_each_label(tmp_path: Path) -> None:
    rows = [example("billing", "returns"), example("billing"), example()]
    text = TASK.report(tmp_path, rows, [prediction("billing"), prediction("billing", "delivery"), prediction()])
    assert "| delivery | 0.0000 | 0.0000 | 0.0000 | 0 | 1 |" in text
    with (tmp_path / "labels.csv").open(encoding="utf-8") as file:
        assert next(csv.DictReader(file)) == {
            **{"label": "billing", "precision": "1", "recall": "1", "f1": "1"},
            **{"support": "2", "answered": "2"},
        }


def test_the_baseline_tells_labels_apart_and_may_give_several_or_none() -> None:
    words = {"billing": "invoice money", "delivery": "parcel late"}
    train = [
        example(*labels, text=" ".join(words[label] for label in labels) + end)
        for labels in (["billing"], ["delivery"], ["billing", "delivery"], [])
        for end in (" hello", " there", " again", " please")
    ]
    test = [example(text="my invoice, and the late parcel"), example(text="hello again"), example(text="money")]
    predicted, setting = TASK.baseline({"train": train, "validation": train, "test": test}, seed=1)
    assert [one["answer"] for one in predicted] == ["billing|delivery", "", "billing"]
    assert all(one["said"]["scores"]["returns"] == 0 for one in predicted)  # no row of train has it
    assert setting.startswith("TF-IDF of ")


def test_a_label_that_every_training_row_has_is_given_to_all() -> None:
    train = (["one text", "two texts", "three"], np.array([[True, True], [True, False], [True, True]]))
    fitted = fit_labels(train, train, ["always", "some"], seed=1)
    assert all("always" in one["said"]["labels"] for one in fitted.predict(["four", "five texts"]))

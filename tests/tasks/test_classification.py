"""The classification task: one label for one text."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from pydantic import ValidationError
from sklearn.metrics import f1_score

from stages.shared.base_model import tokenizer_of
from stages.shared.items import collate, items_of, reader_of
from stages.shared.models import load_model
from stages.tasks import classification

OPTIONS = {"name": "classification", "multi_label": False, "max_tokens": 8, "long_texts": "head", "overlap": 0}
OPTIONS |= {"head": None, "head_from_packages": False}
LABELS = ["bad", "fair", "good"]
PARAMS = classification.Params(**OPTIONS, labels=LABELS)
TASK = classification.open_task(PARAMS)


def example(text: str = "a text", label: str = "good") -> dict[str, str]:
    return {"id": "1", "source": "a:1", "parent": "", "made_by": "", "text": text, "label": label}


def rows_of(labels: list[str]) -> list[dict[str, str]]:
    return [example(label=label) for label in labels]


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"labels": ["good", "bad", "good"]}, "good given more than once"),
        ({"labels": ["good"]}, "at least 2"),
        ({"overlap": 5}, "more than half of max_tokens"),
        ({"head": "no module"}, "not of the form package.module:Class"),
    ],
)
def test_options_that_make_no_sense_are_refused(wrong: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        classification.Params(**({"labels": LABELS} | OPTIONS | wrong))


def test_texts_can_be_replaced_and_the_rest_stays() -> None:
    assert TASK.with_texts(example("old"), ("new",), [int]) == example("new")


def test_a_label_typo_is_named_with_the_nearest_label() -> None:
    assert TASK.fault(example(label="good")) is None
    assert TASK.fault(example(label="")) == "no label"
    message = TASK.fault(example(label="goood"))
    assert message == "label 'goood' is not in task.labels [bad, fair, good]. Did you mean 'good'?"


def test_negations_are_protected() -> None:
    assert {"not", "never", "n't", "but"} <= TASK.protected_words()


def test_a_text_is_cut_at_the_longest_allowed_and_a_batch_padded_to_the_longest_there(tiny_base: Path) -> None:
    tokenizer = tokenizer_of(tiny_base)
    items = items_of(TASK, reader_of(tokenizer, TASK.settings()), [example("a " * 50, "bad"), example("a", "good")])
    assert [item.tokens for item in items] == [8, 3]
    batch = collate(items, tokenizer.pad_token_id)
    assert batch["input_ids"].shape == (2, 8)
    assert batch["attention_mask"].sum(dim=1).tolist() == [8, 3]
    assert set(batch["input_ids"][1, 3:].tolist()) == {tokenizer.pad_token_id}
    assert batch["expected"].tolist() == [0, 2]


def test_in_windows_every_one_of_a_long_text_has_its_label(tiny_base: Path) -> None:
    task = classification.open_task(PARAMS.model_copy(update={"long_texts": "windows", "overlap": 2}))
    items = items_of(task, reader_of(tokenizer_of(tiny_base), task.settings()), [example("a " * 20, "bad")])
    assert len(items) > 2
    assert {(item.example, item.expected) for item in items} == {(0, 0)}


def test_the_model_knows_its_labels_and_its_new_head_is_drawn_from_the_seed(tiny_base: Path) -> None:
    def head(seed: int) -> torch.Tensor:
        torch.manual_seed(seed)
        model = load_model(TASK, tiny_base, PARAMS, len(tokenizer_of(tiny_base)))
        assert model.config.id2label == {0: "bad", 1: "fair", 2: "good"}
        return model.classifier.weight

    assert torch.equal(head(1), head(1))
    assert not torch.equal(head(1), head(2))


def test_class_weights_are_balanced_and_zero_for_a_label_without_rows() -> None:
    rows = rows_of(["bad", "good", "good", "good"])
    assert TASK.class_weights(rows).tolist() == pytest.approx([4 / 3, 0, 4 / 9])


@pytest.mark.parametrize("weights", [None, torch.tensor([1.0, 2.0, 0.5])])
def test_summed_loss_over_its_weight_is_the_mean_that_torch_gives(weights: torch.Tensor | None) -> None:
    logits, expected = torch.randn(5, 3, generator=torch.manual_seed(0)), torch.tensor([0, 1, 2, 2, 1])
    batch = {"expected": expected}
    mean = TASK.loss_sum(logits, batch, weights) / TASK.loss_weight(batch, weights)
    assert mean.item() == pytest.approx(torch.nn.functional.cross_entropy(logits, expected, weight=weights).item())


def test_metrics_count_a_label_that_is_never_predicted_as_zero() -> None:
    expected, predicted = ["bad", "fair", "good", "good"], [{"answer": "good"}, *[{"answer": "good"}] * 3]
    found = TASK.metrics(rows_of(expected), predicted)
    assert found["accuracy"] == 0.5
    assert found[TASK.primary] == pytest.approx((0 + 0 + 2 / 3) / 3)
    assert TASK.class_scores(rows_of(expected), predicted) == {"bad": 0.0, "fair": 0.0, "good": pytest.approx(2 / 3)}


def test_resamples_of_two_models_are_of_the_same_rows() -> None:
    expected = ["bad", "fair", "good", "good"] * 5
    right = [{"answer": label} for label in expected]
    wrong = [{"answer": "bad"} for _ in expected]
    first, second, again = TASK.resample(rows_of(expected), [right, wrong, right], samples=50, seed=1)
    assert set(first["accuracy"]) == {1.0}
    assert set(first) == {"accuracy", "macro_f1", "weighted_f1", "f1.bad", "f1.fair", "f1.good"}
    assert np.array_equal(first["macro_f1"], again["macro_f1"])
    share_bad = second["accuracy"]
    assert np.allclose(second["f1.bad"], 2 * share_bad / (share_bad + 1))


def test_the_report_counts_each_pair_of_labels(tmp_path: Path) -> None:
    text = TASK.report(tmp_path, rows_of(["bad", "good"]), [{"answer": "bad"}, {"answer": "bad"}])
    assert "| good | 1 | 0 | 0 |" in text
    assert (tmp_path / "plots/confusion.csv").read_text() == "expected,predicted\nbad,bad\ngood,bad\n"
    assert (tmp_path / "pictures/confusion.png").read_bytes().startswith(b"\x89PNG")


def test_the_baseline_learns_from_train_and_answers_on_test() -> None:
    def rows(*pairs: tuple[str, str]) -> list[dict[str, str]]:
        return [example(text, label) for text, label in pairs]

    train = rows(*[("awful thing", "bad"), ("it is fine", "fair"), ("lovely thing", "good")] * 3)
    splits = {"train": train, "validation": train[:3], "test": rows(("so lovely", "bad"), ("awful!", "good"))}
    predicted, setting = TASK.baseline(splits, seed=1)
    assert [prediction["answer"] for prediction in predicted] == ["good", "bad"]
    assert all(1 / 3 < prediction["confidence"] <= 1 for prediction in predicted)
    assert setting.startswith("TF-IDF of words")


def test_macro_f1_is_that_of_scikit_learn() -> None:
    rng = np.random.default_rng(0)
    expected, answers = (rng.choice(PARAMS.labels, size=200).tolist() for _ in range(2))
    found = TASK.metrics(rows_of(expected), [{"answer": answer} for answer in answers])
    assert found["macro_f1"] == pytest.approx(f1_score(expected, answers, average="macro"))

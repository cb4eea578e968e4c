"""The classification task: one label for one text."""

from pathlib import Path

import numpy as np
import pytest
import torch
from pydantic import ValidationError
from sklearn.metrics import f1_score

from stages.shared.base_model import tokenizer_of
from stages.tasks import classification as task

PARAMS = task.Params(name="classification", labels=["bad", "fair", "good"], max_tokens=8)


def example(text: str = "a text", label: str = "good") -> dict[str, str]:
    return {"id": "1", "source": "a:1", "parent": "", "made_by": "", "text": text, "label": label}


def test_labels_must_differ_and_be_at_least_two() -> None:
    with pytest.raises(ValidationError, match="good given more than once"):
        task.Params(name="classification", labels=["good", "bad", "good"], max_tokens=8)
    with pytest.raises(ValidationError):
        task.Params(name="classification", labels=["good"], max_tokens=8)


def test_texts_can_be_replaced_and_the_rest_stays() -> None:
    replaced = task.with_texts(example("old"), ("new",))
    assert task.texts(replaced) == ("new",)
    assert task.answer(replaced) == "good"
    assert task.texts(example("old")) == ("old",)


def test_a_label_typo_is_named_with_the_nearest_label() -> None:
    assert task.fault(example(label="good"), PARAMS) is None
    assert task.fault(example(label=""), PARAMS) == "no label"
    message = task.fault(example(label="goood"), PARAMS)
    assert message == "label 'goood' is not in task.labels [bad, fair, good]. Did you mean 'good'?"


def test_negations_are_protected() -> None:
    assert {"not", "never", "n't", "but"} <= task.protected_words()


def test_encode_cuts_at_the_longest_allowed_and_collate_pads_to_the_longest_there(tiny_base: Path) -> None:
    tokenizer = tokenizer_of(tiny_base)
    encoded = task.encode(tokenizer, [example("a " * 50, "bad"), example("a", "good")], PARAMS)
    assert [len(row["input_ids"]) for row in encoded] == [8, 3]
    batch = task.collate(encoded, tokenizer)
    assert batch["input_ids"].shape == (2, 8)
    assert batch["attention_mask"].sum(dim=1).tolist() == [8, 3]
    assert set(batch["input_ids"][1, 3:].tolist()) == {tokenizer.pad_token_id}
    assert batch["expected"].tolist() == [0, 2]


def test_the_model_knows_its_labels_and_its_new_head_is_drawn_from_the_seed(tiny_base: Path) -> None:
    def head(seed: int) -> torch.Tensor:
        torch.manual_seed(seed)
        model = task.load_model(tiny_base, PARAMS)
        assert model.config.id2label == {0: "bad", 1: "fair", 2: "good"}
        return model.classifier.weight

    assert torch.equal(head(1), head(1))
    assert not torch.equal(head(1), head(2))


def test_class_weights_are_balanced_and_zero_for_a_label_without_rows() -> None:
    rows = [example(label=label) for label in ("bad", "good", "good", "good")]
    assert task.class_weights(rows, PARAMS).tolist() == pytest.approx([4 / 3, 0, 4 / 9])


@pytest.mark.parametrize("weights", [None, torch.tensor([1.0, 2.0, 0.5])])
def test_summed_loss_over_its_weight_is_the_mean_that_torch_gives(weights: torch.Tensor | None) -> None:
    logits, expected = torch.randn(5, 3, generator=torch.manual_seed(0)), torch.tensor([0, 1, 2, 2, 1])
    mean = task.loss_sum(logits, expected, weights) / task.loss_weight(expected, weights)
    assert mean.item() == pytest.approx(torch.nn.functional.cross_entropy(logits, expected, weight=weights).item())


def test_decode_gives_the_likeliest_label_and_its_probability_even_for_huge_logits() -> None:
    sure, torn = task.decode(np.array([[0, 0, 1000], [np.log(3), 0, -1000]], dtype=np.float32), PARAMS)
    assert sure == {"answer": "good", "confidence": 1.0}
    assert torn["answer"] == "bad"
    assert torn["confidence"] == pytest.approx(0.75)


def test_metrics_count_a_label_that_is_never_predicted_as_zero() -> None:
    expected, predicted = ["bad", "fair", "good", "good"], [{"answer": "good"}, *[{"answer": "good"}] * 3]
    found = task.metrics(expected, predicted, PARAMS)
    assert found["accuracy"] == 0.5
    assert found[task.PRIMARY] == pytest.approx((0 + 0 + 2 / 3) / 3)
    assert task.class_scores(expected, predicted, PARAMS) == {"bad": 0.0, "fair": 0.0, "good": pytest.approx(2 / 3)}


def test_resamples_of_two_models_are_of_the_same_rows() -> None:
    expected = ["bad", "fair", "good", "good"] * 5
    right = [{"answer": label} for label in expected]
    wrong = [{"answer": "bad"} for _ in expected]
    first, second, again = task.resample(expected, [right, wrong, right], PARAMS, samples=50, seed=1)
    assert set(first["accuracy"]) == {1.0}
    assert set(first) == {"accuracy", "macro_f1", "weighted_f1", "f1.bad", "f1.fair", "f1.good"}
    assert np.array_equal(first["macro_f1"], again["macro_f1"])
    share_bad = second["accuracy"]
    assert np.allclose(second["f1.bad"], 2 * share_bad / (share_bad + 1))


def test_the_report_counts_each_pair_of_labels(tmp_path: Path) -> None:
    text = task.report(tmp_path, ["bad", "good"], [{"answer": "bad"}, {"answer": "bad"}], PARAMS)
    assert "| good | 1 | 0 | 0 |" in text
    assert (tmp_path / "plots/confusion.csv").read_text() == "expected,predicted\nbad,bad\ngood,bad\n"
    assert (tmp_path / "pictures/confusion.png").read_bytes().startswith(b"\x89PNG")


def test_the_baseline_learns_from_train_and_answers_on_test() -> None:
    def rows(*pairs: tuple[str, str]) -> list[dict[str, str]]:
        return [example(text, label) for text, label in pairs]

    train = rows(*[("awful thing", "bad"), ("it is fine", "fair"), ("lovely thing", "good")] * 3)
    splits = {"train": train, "validation": train[:3], "test": rows(("so lovely", "bad"), ("awful!", "good"))}
    predicted, setting = task.baseline(splits, PARAMS, seed=1)
    assert [prediction["answer"] for prediction in predicted] == ["good", "bad"]
    assert all(1 / 3 < prediction["confidence"] <= 1 for prediction in predicted)
    assert setting.startswith("TF-IDF of words")


def test_macro_f1_is_that_of_scikit_learn() -> None:
    rng = np.random.default_rng(0)
    expected, answers = (rng.choice(PARAMS.labels, size=200).tolist() for _ in range(2))
    found = task.metrics(expected, [{"answer": answer} for answer in answers], PARAMS)
    assert found["macro_f1"] == pytest.approx(f1_score(expected, answers, average="macro"))

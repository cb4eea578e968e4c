"""Finding the answer to a question."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from pydantic import ValidationError
from sklearn.metrics import ndcg_score

from serving.answers import answers_for
from stages.shared.base_model import tokenizer_of
from stages.shared.items import collate, items_of, outputs_of, reader_of
from stages.shared.models import load_model
from stages.tasks import Prediction, retrieval

OPTIONS: dict[str, Any] = {
    **{"name": "retrieval", "temperature": 0.05, "top": 10},
    **{"max_tokens": 16, "long_texts": "head", "overlap": 0, "head": None, "head_from_packages": False},
}
PARAMS = retrieval.Params(**OPTIONS)
TASK = retrieval.Retrieval("retrieval", PARAMS.reading(), PARAMS.temperature, PARAMS.top)
ANSWERS = [f"answer {letter}" for letter in "abcdefghijkl"]


def example(question: str = "a question?", answer: str = "answer a", name: str = "1") -> dict[str, Any]:
    return {"id": name, "source": "a:1", "parent": "", "made_by": "", "question": question, "answer": answer}


def prediction(*answers: str) -> Prediction:
    found = [{"answer": answer, "score": 1 / (place + 1)} for place, answer in enumerate(answers)]
    said = {"answer": answers[0], "confidence": 1.0, "candidates": found}
    return {"answer": answers[0], "confidence": 1.0, "said": said}


def ranked(right: str, place: int) -> Prediction:
    """The answers there are, `right` at the place, from 1."""
    others = [answer for answer in ANSWERS if answer != right]
    return prediction(*[*others[: place - 1], right, *others[place - 1 :]][:10])


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"top": 9}, "greater than or equal to 10"),
        ({"temperature": 0.0}, "greater than 0"),
        ({"long_texts": "windows"}, "retrieval takes head or head_tail"),
        ({"head": "heads.two_layer:TwoLayerHead"}, "'heads.two_layer:TwoLayerHead' is not used"),
    ],
)
def test_options_that_do_not_fit_are_refused(values: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=re.escape(message)):
        retrieval.Params(**OPTIONS | values)


def test_a_question_may_be_paraphrased_and_an_answer_not_touched() -> None:
    assert TASK.paraphrased == ("question",)
    assert TASK.fixed_spans(example(answer="four")) == ([], [(0, 4)])
    changed = TASK.with_texts(example(), ("another?", "answer a"), [])
    assert (changed["question"], TASK.answer(changed), changed["id"]) == ("another?", "answer a", "1")


def test_keys_are_shared_by_texts_that_differ_in_case_and_spaces_alone() -> None:
    one, other = (TASK.expected(example(answer=text), [])[0] for text in ("Thirty  days", "thirty days"))
    assert one.dtype == np.int64
    assert (one >= 0).all()
    assert one.tolist() == other.tolist()
    assert one[1] != TASK.expected(example(answer="thirty day"), [])[0][1]


def unit(vectors: list[list[float]]) -> torch.Tensor:
    return torch.nn.functional.normalize(torch.tensor(vectors), dim=1)


def batch_of(*pairs: tuple[str, str]) -> dict[str, torch.Tensor]:
    return {"expected": torch.tensor(np.stack([TASK.expected(example(*pair), [])[0] for pair in pairs]))}


def test_the_loss_is_the_mean_cross_entropy_of_both_directions() -> None:
    logits = torch.nn.functional.normalize(torch.randn(6, 4, generator=torch.manual_seed(0)), dim=1)
    batch = batch_of(("q1", "a1"), ("q2", "a2"), ("q3", "a3"))
    scores = np.exp((logits[0::2] @ logits[1::2].T / 0.05).numpy().astype(np.float64))
    there, back = scores.diagonal() / scores.sum(axis=1), scores.diagonal() / scores.sum(axis=0)
    mean = TASK.loss_sum(logits, batch, None) / TASK.loss_weight(batch, None)
    assert mean.item() == pytest.approx(-(np.log(there) + np.log(back)).mean() / 2, rel=1e-5)


def test_equal_answers_and_equal_questions_are_not_wrong_for_each_other() -> None:
    logits = unit([[1, 0], [1, 0.1], [1, 0], [1, 0.1], [0, 1], [0, 1]])
    apart = TASK.loss_sum(logits, batch_of(("q1", "a1"), ("q2", "a2"), ("q3", "a3")), None)
    same_answer = TASK.loss_sum(logits, batch_of(("q1", "a1"), ("q2", "A1 "), ("q3", "a3")), None)
    same_question = TASK.loss_sum(logits, batch_of(("q1", "a1"), ("Q1", "a2"), ("q3", "a3")), None)
    assert apart.item() > 1
    assert same_answer.item() == pytest.approx(0, abs=1e-3)
    assert same_question.item() == pytest.approx(same_answer.item())
    assert TASK.loss_sum(logits[:2], batch_of(("q1", "a1")), None).item() == 0


def test_the_index_holds_every_answer_once_as_it_is_spelt_first_whatever_the_order() -> None:
    def run(requests: Sequence[tuple[str, ...]]) -> list[np.ndarray]:
        return [np.array([len(text), ord(text[-1])], dtype=np.float64) for (text,) in requests]

    rows = [example(answer=answer) for answer in ("Zebra", "ant", "zebra ", "bee")]
    found = TASK.gather(rows, run)
    assert found["candidates"] == ["ant", "bee", "Zebra"]
    assert found["index"].tolist() == [[3, ord("t")], [3, ord("e")], [5, ord("a")]]
    assert found["index"].dtype == np.float32
    said = answers_for(TASK.settings() | found).answer([np.array([1, 0])], [], [], TASK.settings() | found)
    assert said["answer"] == "Zebra"


def test_figures_follow_the_rank_of_the_right_answer() -> None:
    rows = [example(f"question {place}") for place in (1, 2, 4, 11)]
    predicted = [ranked("answer a", place) for place in (1, 2, 4, 11)]
    found = TASK.metrics(rows, predicted)
    assert [found[f"recall_at_{cut}"] for cut in (1, 3, 10)] == [0.25, 0.5, 0.75]
    assert found[TASK.primary] == pytest.approx((1 + 1 / 2 + 1 / 4 + 0) / 4)
    assert found["ndcg_at_10"] == pytest.approx((1 + 1 / np.log2(3) + 1 / np.log2(5) + 0) / 4)
    rightness = [TASK.rightness(*pair) for pair in zip(rows, predicted, strict=True)]
    assert rightness == pytest.approx([1, 0.5, 0.25, 0])


def test_every_answer_to_the_same_question_is_right() -> None:
    rows = [example("Where?", "answer a"), example("where?", "answer c"), example("When?", "answer b")]
    predicted = [prediction(*ANSWERS[:10])] * 3
    found = TASK.metrics(rows, predicted)
    assert found["recall_at_1"] == pytest.approx(2 / 3)  # either of two answers may come first
    assert found["recall_at_3"] == 1
    relevant = np.array([[1, 0, 1, *[0] * 7], [1, 0, 1, *[0] * 7], [0, 1, *[0] * 8]])
    assert found["ndcg_at_10"] == pytest.approx(ndcg_score(relevant, [list(range(10, 0, -1))] * 3, k=10))


def test_fewer_answers_than_ten_are_enough() -> None:
    assert TASK.metrics([example()], [prediction("answer b", "answer a")])["mrr_at_10"] == 0.5


def test_resamples_are_paired_and_centre_on_the_metrics() -> None:
    places = [1 + place % 11 for place in range(110)]
    rows = [example(f"question {number}") for number in range(110)]
    predicted = [ranked("answer a", place) for place in places]
    best = [ranked("answer a", 1)] * 110
    ours, theirs, again = TASK.resample(rows, [best, predicted, predicted], samples=300, seed=1)
    assert set(ours) == set(TASK.metrics(rows, best))
    assert set(ours["ndcg_at_10"]) == {1.0}
    assert np.array_equal(theirs["mrr_at_10"], again["mrr_at_10"])
    assert theirs["mrr_at_10"].mean() == pytest.approx(TASK.metrics(rows, predicted)["mrr_at_10"], abs=0.01)


def test_the_baseline_searches_the_answers_of_every_split() -> None:
    splits = {
        "train": [example("how long does shipping take", "Shipping takes two days.")],
        "validation": [example("which cards", "We take all cards.")],
        "test": [example("can i return my shipping box", "Return it within a month."), example("cards?")],
    }
    predicted, setting = TASK.baseline(splits, seed=1)
    assert [one["answer"] for one in predicted] == ["Return it within a month.", "We take all cards."]
    assert [len(one["said"]["candidates"]) for one in predicted] == [4, 4]
    assert all(one["confidence"] is None for one in predicted)
    assert setting.startswith("TF-IDF of ")


def test_the_report_names_the_hardest_questions_by_id(tmp_path: Path) -> None:
    rows = [example(f"a private question {name}", name=name) for name in ("easy", "hard", "hopeless")]
    text = TASK.report(tmp_path, rows, [ranked("answer a", place) for place in (1, 3, 11)])
    assert text.index("| hopeless | beyond 10 |") < text.index("| hard | 3 |")
    assert "private" not in text
    assert "| easy |" not in text
    assert (tmp_path / "pictures/recall.png").read_bytes().startswith(b"\x89PNG")
    assert (tmp_path / "ranks.csv").read_text() == "id,rank\neasy,1\nhard,3\nhopeless,beyond 10\n"
    assert (tmp_path / "plots/recall.csv").read_text().splitlines()[:4] == [
        *("answers,recall", "1,0.333333", "2,0.333333", "3,0.666667")
    ]


def test_a_model_learns_which_answer_belongs_to_which_question(tiny_base: Path) -> None:
    pairs = [("a lamp", "light"), ("the soup", "food"), ("good lamp", "light"), ("best soup", "food"), ("late", "post")]
    rows = [example(*pair) for pair in pairs]
    tokenizer = tokenizer_of(tiny_base)
    torch.manual_seed(0)
    model = load_model(TASK, tiny_base, PARAMS, len(tokenizer))
    items = items_of(TASK, reader_of(tokenizer, TASK.settings()), rows)
    batch = collate(items, tokenizer.pad_token_id)
    inputs = {name: batch[name] for name in ("input_ids", "attention_mask", "token_type_ids")}
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3)
    model.eval()
    losses = []
    for _ in range(15):
        loss = TASK.loss_sum(model(**inputs).logits, batch, None) / TASK.loss_weight(batch, None)
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        losses.append(loss.item())
    assert losses[-1] < losses[0] / 4
    vectors = outputs_of(model(**inputs).logits.detach().numpy(), items)
    best = [int(np.argmax([question @ answer for _, answer in vectors])) for question, _ in vectors]
    assert [rows[place]["answer"] for place in best] == [row["answer"] for row in rows]

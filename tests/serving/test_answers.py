"""What a server says: labels, scores, and answers that are looked up."""

import math
from typing import Any

import numpy as np
import pytest

from serving.answers import answers_for
from serving.answers._probabilities import sigmoid, softmax
from serving.errors import BundleDamaged
from stages.shared import plugins
from stages.tasks import Task, task_of

LABEL = {"answers": "label", "labels": ["no", "yes"]}
LABELS = {"answers": "labels", "labels": ["b", "a", "c"], "thresholds": {"a": 0.5, "b": 0.2, "c": 0.9}}
SCORE = {"answers": "score", "score": {"min": 0, "max": 5}}
SEARCH: dict[str, Any] = {
    "answers": "search",
    "index": np.array([[0.6, 0.8], [1, 0], [0, 1], [1, 0]], dtype=np.float32),
    "candidates": ["both", "east", "north", "east again"],
    "top": 3,
}


def said(settings: dict[str, Any], *outputs: list[float]) -> tuple[dict[str, Any], str]:
    """The answer and its word, given the output of each window."""
    answers = answers_for(settings)
    answer = answers.answer([np.array(output, dtype=np.float32) for output in outputs], [], [], settings)
    return answer, answers.word(answer)


def test_probabilities_add_up_and_large_logits_do_not_overflow() -> None:
    found = softmax(np.array([1000.0, 999.0, -1000.0], dtype=np.float32))
    assert found.sum() == pytest.approx(1)
    assert found[0] == pytest.approx(1 / (1 + np.exp(-1)))
    with np.errstate(all="raise", under="ignore"):
        assert sigmoid(np.array([-1000.0, 0.0, 1000.0])).tolist() == [0.0, 0.5, 1.0]


def test_the_label_is_the_likeliest_with_all_scores() -> None:
    found, word = said(LABEL, [0.0, 2.0])
    assert found["label"] == word == "yes"
    assert found["confidence"] == found["scores"]["yes"] == pytest.approx(1 / (1 + np.exp(-2)))
    assert list(found["scores"]) == ["no", "yes"]


def test_the_windows_of_a_text_vote_with_the_mean_of_their_logits() -> None:
    assert said(LABEL, [0, 3], [6, 0], [0, 0]) == said(LABEL, [2, 1])
    found, word = said(LABELS, [2, -4, 0], [-2, 4, 0])
    assert (word, found["scores"]) == ("b|a", {"b": 0.5, "a": 0.5, "c": 0.5})
    assert said(SCORE, [-3], [3])[0]["score"] == 2.5


def test_each_of_several_labels_has_its_own_threshold() -> None:
    found, word = said(LABELS, [-1, -1, 1])
    assert (found["labels"], word) == (["b"], "b")
    assert found["confidence"] == pytest.approx(1 / (1 + np.exp(-1)))
    assert said(LABELS, [-9, -9, -9])[1] == ""
    assert said(LABELS, [9, 9, 9])[1] == "b|a|c"


def test_a_score_stays_within_its_bounds_and_has_no_confidence() -> None:
    assert said(SCORE, [900]) == ({"score": 5, "confidence": None}, "5.0000")
    assert said(SCORE, [-900])[1] == "0.0000"
    assert said(SCORE, [math.log(0.25 / 0.75)])[1] == "1.2500"
    assert said({"answers": "score", "score": {"min": -1, "max": 1}}, [-1e-5])[1] == "0.0000"


def test_the_nearest_answers_come_first_and_equals_in_their_order() -> None:
    found, word = said(SEARCH, [1.0, 0.0])
    assert [candidate["answer"] for candidate in found["candidates"]] == ["east", "east again", "both"]
    assert (found["answer"], found["confidence"], word) == ("east", None, "east")
    assert found["candidates"][2]["score"] == pytest.approx(0.6)
    assert len(said({**SEARCH, "top": 9}, [0.0, 1.0])[0]["candidates"]) == 4


def opened(name: str, **options: Any) -> Task:
    """A task with these options."""
    reading = {"max_tokens": 20, "long_texts": "head", "overlap": 0, "head": None, "head_from_packages": False}
    return task_of(plugins.load("tasks", name).Params(name=name, **reading, **options))


QA = opened("qa", no_answer=True, max_answer_tokens=5, rules="squad")
RIGHT = [
    (opened("classification", labels=["no", "yes"], multi_label=False), {"label": "yes"}, {"label": "yes"}),
    (opened("classification", labels=["b", "a"], multi_label=True), {"label": ["a", "b"]}, {"labels": ["b", "a"]}),
    (opened("classification", labels=["b", "a"], multi_label=True), {"label": []}, {"labels": []}),
    (opened("pairs", labels=None, score={"min": 0, "max": 5}, both_orders=True), {"score": 2.25}, {"score": 2.25}),
    (QA, {"answers": [{"text": "two three", "start": 4}]}, {"answer": "two three"}),
    (QA, {"answers": []}, {"answer": ""}),
    (opened("retrieval", temperature=0.05, top=10), {"question": "where", "answer": "there"}, {"answer": "there"}),
]


@pytest.mark.parametrize(("task", "example", "answer"), RIGHT)
def test_a_right_answer_is_the_word_that_the_task_expects(
    task: Task, example: dict[str, Any], answer: dict[str, Any]
) -> None:
    known = {"index": np.eye(1, dtype=np.float32), "candidates": ["there"]}
    assert answers_for(task.settings() | known).word(answer) == task.answer(example)


@pytest.mark.parametrize(
    ("settings", "why"),
    [
        (
            {},
            r"answers 'None' is not a kind .*'extract', 'fill', 'label', 'labels', 'score', 'search', 'spans', 'text'",
        ),
        ({"answers": "_probabilities"}, "is not a kind"),
        ({**LABEL, "labels": ["only one"]}, "`labels` must be 2 or more words"),
        ({**LABEL, "labels": ["a", "b", "a"]}, "`labels` has a word twice"),
        ({**LABELS, "labels": None, "thresholds": {"a": "0.5"}}, "`labels` must .*; `thresholds` must be a number"),
        ({**LABELS, "thresholds": {"a": 0.5}}, r"`thresholds` are for \['a'\], the labels are \['a', 'b', 'c'\]"),
        ({**SCORE, "score": {"min": 5, "max": 0}}, "the lower one first"),
        ({**SCORE, "score": {"min": 5}}, "`score` must be"),
        ({"answers": "search"}, "`index` must .*; `candidates` must .*; `top` must"),
        ({**SEARCH, "candidates": ["one"]}, "`index` has 4 rows, `candidates` 1 texts"),
        ({**SEARCH, "index": SEARCH["index"].astype(float)}, "`index` must be an array of float32"),
        ({"answers": "spans", "tags": ["B-X", "I-X", "I-Y", "Z"]}, "Z are none .*; .*I-Y without .*; .*no O"),
        ({"answers": "spans"}, "`tags` must be 1 or more words"),
        ({"answers": "extract"}, "`max_answer_tokens` must .*; `no_answer` must .*; `no_answer_threshold` must"),
    ],
)
def test_settings_that_lack_something_say_all_that_is_wrong(settings: dict[str, Any], why: str) -> None:
    with pytest.raises(BundleDamaged, match=why):
        answers_for(settings)


def test_labels_that_do_not_fit_the_model_are_an_error() -> None:
    with pytest.raises(ValueError, match="zip"):
        said({**LABEL, "labels": ["no", "perhaps", "yes"]}, [0.0, 2.0])

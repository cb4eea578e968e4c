"""The task of questions about a text."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from pydantic import ValidationError
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors, trainers
from torch.nn.functional import cross_entropy

from serving.answers import extract
from serving.reading import Reader, Window
from serving.text import CleanText
from stages.shared.examples import Example
from stages.tasks import qa
from stages.tasks._answer_baseline import sentences_of
from stages.tasks._answer_report import question_word
from stages.tasks._answer_scores import answer_scores, best_threshold

ROOT = Path(__file__).parents[2]
OPTIONS: dict[str, Any] = {
    "name": "qa",
    "no_answer": True,
    "max_answer_tokens": 60,
    "rules": "squad",
    "max_tokens": 48,
    "long_texts": "windows",
    "overlap": 24,
    "head": None,
    "head_from_packages": False,
}
TASK = qa.open_task(qa.Params(**OPTIONS))
ALWAYS = qa.open_task(qa.Params(**OPTIONS | {"no_answer": False}))


def example(question: str, context: str, *answers: tuple[str | None, int | None]) -> Example:
    spans = [{"text": text, "start": start} for text, start in answers]
    return {"id": "1", "question": question, "context": context, "answers": spans}


def sample() -> list[Example]:
    articles = json.loads((ROOT / "data/sample/qa.json").read_text(encoding="utf-8"))["data"]
    return [
        {
            **example(asked["question"], part["context"], *((a["text"], a["answer_start"]) for a in asked["answers"])),
            "id": asked["id"],
        }
        for article in articles
        for part in article["paragraphs"]
        for asked in part["qas"]
    ]


def says(*answers: str) -> list[dict[str, Any]]:
    return [{"answer": answer, "confidence": None, "said": {}} for answer in answers]


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    """A WordPiece tokenizer so small that most words fall into pieces."""
    found = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    found.normalizer = normalizers.BertNormalizer()
    found.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    trainer = trainers.WordPieceTrainer(vocab_size=900, special_tokens=["[UNK]", "[CLS]", "[SEP]"])
    found.train_from_iterator([text for row in sample() for text in (row["question"], row["context"])], trainer)
    found.post_processor = processors.TemplateProcessing(
        "[CLS] $A [SEP]", "[CLS] $A [SEP] $B:1 [SEP]:1", special_tokens=[("[CLS]", 1), ("[SEP]", 2)]
    )
    return found


def certain(expected: np.ndarray, window: Window) -> np.ndarray:
    """The output for a window of a model that is sure of the expected tokens."""
    return np.where(np.arange(len(window.ids))[:, None] == expected, 10.0, -10.0)


def answered(rows: Sequence[Example], reader: Reader, settings: dict[str, Any]) -> list[dict[str, Any]]:
    """What a server says when the model is sure of what the task expects."""
    found = []
    for row in rows:
        windows = reader.read((row["question"], row["context"])).windows
        outputs = [certain(*pair) for pair in zip(TASK.expected(row, windows), windows, strict=True)]
        texts = (CleanText(row["question"]), CleanText(row["context"]))
        said = extract.answer(outputs, windows, texts, settings)
        found.append({"answer": extract.word(said), "confidence": said["confidence"], "said": said})
    return found


def test_a_context_is_read_without_a_gap() -> None:
    with pytest.raises(ValidationError, match="'head_tail' leaves a gap that an answer may lie in"):
        qa.Params(**OPTIONS | {"long_texts": "head_tail"})


@pytest.mark.parametrize(
    ("said", "right", "rules", "exact", "f1"),
    [
        ("The Eiffel tower!", ["Big Ben", "eiffel Tower"], "squad", 1, 1),
        ("in the north yard", ["under the planes in the north yard"], "squad", 0, 2 * 3 / (3 + 5)),
        ("yard yard", ["yard"], "squad", 0, 2 / 3),
        ("", [], "squad", 1, 1),
        ("a yard", [], "squad", 0, 0),
        ("", ["yard"], "squad", 0, 0),
        ("踢爆。", ["踢爆"], "cmrc", 1, 1),
        ("2018年5月3日", ["2018年3日"], "cmrc", 0, 0.4),
        ("由Nexon公司开发", ["韩国Nexon", "盛大"], "cmrc", 0, 2 / 9),
        ("A-B 公司, 3.5米", ["AB公司，3.5米"], "cmrc", 0, 6 / 11),
        ("", ["踢爆"], "cmrc", 0, 0),
        ("", [], "cmrc", 1, 1),
    ],
)
def test_scores_are_those_of_the_published_scripts(
    said: str, right: list[str], rules: Any, exact: float, f1: float
) -> None:
    assert answer_scores(said, right, rules) == (exact, pytest.approx(f1))


def test_every_wrong_answer_is_named_with_where_it_stands() -> None:
    context = "The ferry leaves at noon. At noon the café shuts."
    assert TASK.fault(example("When?", context, ("noon", 20), ("At noon", 26))) is None
    assert TASK.fault(example("When?", context, ("noon", 21), ("noon", 20), ("dusk", 3), ("noon", 21))) == (
        "answers[0], answers[3]: 4 characters do not stand at 21 of the context; they stand at 20 and 29; "
        "answers[2]: 4 characters do not stand at 3 of the context; they stand nowhere in it"
    )
    long = TASK.fault(example("When?", context, ("noon " * 40, -1)))
    assert long is not None and "200 characters do not stand at -1" in long
    assert TASK.fault(example("When?", context, ("", 0), (" ", 3))) == "answers[0], answers[1]: no text"
    assert "stand at None" in str(TASK.fault(example("When?", context, ("noon", None))))


def test_a_question_is_needed_and_an_answer_unless_there_may_be_none() -> None:
    assert TASK.fault(example("", "A context.", ("A", 0))) == "no question"
    assert TASK.fault(example("Why?", "A context.")) is None
    assert ALWAYS.fault(example("Why?", "A context.")) == "no answer, and task.no_answer is false"


def test_answers_move_with_their_context_and_wrong_ones_stay_wrong() -> None:
    row = example(" When ? ", "  The\u200b ferry   leaves at no\u200bon.", ("no\u200bon", 25), ("ferry", 5))
    texts = [CleanText(row[name]) for name in TASK.texts]
    moved = TASK.with_texts(row, tuple(text.text for text in texts), [text.position for text in texts])
    assert moved["context"] == "The ferry leaves at noon."
    assert moved["answers"] == [{"text": "noon", "start": 20}, {"text": "ferry", "start": 5}]
    assert str(TASK.fault(moved)).startswith("answers[1]: 5 characters do not stand at 5")
    assert TASK.fixed_spans(moved) == ([], [(20, 24)])
    assert row["answers"][0]["start"] == 25


def test_an_answer_belongs_to_the_windows_that_hold_it_whole(tokenizer: Tokenizer) -> None:
    row = next(row for row in sample() if row["id"] == "26-4")
    windows = Reader(tokenizer, TASK.settings()).read((row["question"], row["context"])).windows
    expected = TASK.expected(row, windows)
    start, text = row["answers"][0]["start"], row["answers"][0]["text"]
    holding = 0
    for (first, last), window in zip(expected, windows, strict=True):
        own = window.offsets[window.text_of == 1]
        if own[0, 0] <= start and start + len(text) <= own[-1, 1]:
            holding += 1
            assert row["context"][window.offsets[first][0] : window.offsets[last][1]] == text
        else:
            assert (first, last) == (0, 0)
    assert 0 < holding < len(windows)


def test_a_model_that_is_sure_of_what_is_expected_answers_every_question_of_the_sample(tokenizer: Tokenizer) -> None:
    rows = sample()
    assert [TASK.fault(row) for row in rows] == [None] * len(rows)
    settings = TASK.settings()
    extract.check(settings)
    reader = Reader(tokenizer, settings)
    before = answered(rows, reader, settings)
    figures = TASK.metrics(rows, before)
    assert (figures["has_answer_f1"], figures["no_answer_accuracy"]) == (1, 0)  # nothing goes unanswered yet
    tuned = TASK.tune(rows, before)
    after = answered(rows, reader, settings | tuned)
    assert set(TASK.metrics(rows, after).values()) == {1}
    assert {one["answer"] for one, row in zip(after, rows, strict=True) if not row["answers"]} == {""}
    assert ALWAYS.tune(rows, before) == {}


def test_the_threshold_lies_where_f1_is_highest() -> None:
    assert best_threshold([3, -1, 1, -2], [1, 0, 0.4, 0], [0, 1, 0, 1]) == 0
    assert best_threshold([1, 2], [1, 1], [0, 0]) == 0
    assert best_threshold([1, 2], [0, 0], [1, 1]) == 3
    assert best_threshold([1, 1, 1], [1, 0, 0], [0, 1, 1]) == 2  # equal margins cannot be told apart


def test_the_loss_is_the_mean_over_start_and_end_and_padding_is_no_answer() -> None:
    logits = torch.randn(2, 5, 2, generator=torch.manual_seed(0))
    mask = torch.tensor([[1, 1, 1, 1, 1], [1, 1, 1, 0, 0]])
    batch = {"expected": torch.tensor([[1, 4], [0, 2]]), "attention_mask": mask}
    wanted = [
        cross_entropy(row[:length, side][None], expected[None])
        for row, length, both in zip(logits, (5, 3), batch["expected"], strict=True)
        for side, expected in enumerate(both)
    ]
    assert TASK.loss_sum(logits, batch, None).item() == pytest.approx(sum(wanted).item() / 2)
    assert TASK.loss_weight(batch, None).item() == 2
    logits[1, 3:] = 100
    assert TASK.loss_sum(logits, batch, None).item() == pytest.approx(sum(wanted).item() / 2)


def test_resamples_of_two_models_are_of_the_same_rows() -> None:
    rows = [example("Why?", "So it is.", ("it is", 3)), example("Who?", "So it is.")] * 20
    right, wrong = says(*["it is", ""] * 20), says(*["it", "So"] * 20)
    first, second, again = TASK.resample(rows, [right, wrong, right], samples=30, seed=1)
    assert set(first) == set(TASK.metrics(rows, right))
    assert {value for values in first.values() for value in values} == {1}
    assert np.array_equal(first["f1"], again["f1"])
    assert np.allclose(second["has_answer_f1"], 2 / 3)
    assert np.ptp(second["f1"]) > 0
    assert set(ALWAYS.metrics(rows, right)) == {"exact_match", "f1"}


def test_the_baseline_gives_the_nearest_sentence_or_nothing() -> None:
    pond = "The heron stands in the pond. Frogs fear it! A keeper feeds the carp at noon."
    near = example("When does the keeper feed the carp?", pond, ("at noon", 69))
    far = example("Which bus goes to Zagreb?", pond)
    splits = {"train": [near], "validation": [near, far], "test": [near, far]}
    predicted, setting = TASK.baseline(splits, seed=1)
    assert [one["answer"] for one in predicted] == ["A keeper feeds the carp at noon.", ""]
    assert "none below a cosine of" in setting
    assert sentences_of("他来了。“真的？”她笑了！ 3.5 米") == ["他来了。", "“真的？”", "她笑了！", "3.5 米"]


def test_the_report_counts_by_question_word_and_length_and_names_ids_alone(tmp_path: Path) -> None:
    rows = [example("So, WHO is it?", "So it is.", ("it is", 3)), example("Is it?", "So it is.")]
    text = TASK.report(tmp_path, rows, says("it", ""))
    assert "| who | 1 | 0.0000 | 0.6667 |" in text and "| other | 1 | 1.0000 | 1.0000 |" in text
    assert "| no answer | 1 |" in text and text.endswith("## Lowest F1\n\n`1`\n")
    assert (tmp_path / "question_words.csv").read_text().splitlines()[0] == "kind,questions,exact_match,f1"
    assert question_word("河流为什么改道？", "cmrc") == "为什么"

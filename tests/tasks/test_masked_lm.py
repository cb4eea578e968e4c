"""The task of finding hidden words."""

import json
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
import torch
from pydantic import ValidationError

from serving.answers import fill
from serving.reading import Reader
from stages.shared.base_model import tokenizer_of
from stages.shared.items import collate
from stages.tasks import masked_lm
from stages.tasks.masked_lm import HiddenWords
from tests.conftest import sample_texts

OPTIONS: dict[str, Any] = {"name": "masked_lm", "max_tokens": 24, "long_texts": "head", "overlap": 0, "head": None}
OPTIONS |= {"head_from_packages": False, "masked_share": 0.15, "whole_words": True}
ROWS = [{"id": f"r{i}", "text": text} for i, (text, _) in enumerate(sample_texts(60))]


@pytest.fixture(scope="module")
def reader(tiny_base: Path) -> Reader:
    tokenizer = tokenizer_of(tiny_base)
    plain = masked_lm.open_task(masked_lm.Params(**OPTIONS))
    return Reader(tokenizer.backend_tokenizer, plain.settings() | plain.base_settings(tokenizer))


@pytest.fixture(scope="module")
def task(reader: Reader) -> HiddenWords:
    return cast(HiddenWords, masked_lm.open_task(masked_lm.Params(**OPTIONS)).read_by(reader))


def test_a_row_hides_the_same_words_each_time_and_another_row_others(task: HiddenWords) -> None:
    first, again, other = (task.question({"id": i, "text": ROWS[3]["text"]})[0] for i in ("a", "a", "b"))
    assert first == again != other
    assert "[MASK]" in first and "[MASK]" in other


def test_what_is_asked_as_a_text_is_what_is_measured(task: HiddenWords, reader: Reader) -> None:
    for item, row in zip(task.items(reader, ROWS), ROWS, strict=True):
        (window,) = reader.read(task.question(row)).windows
        assert window.ids == item.rows[0].ids
        whole = reader.read((row["text"],)).windows[0].ids
        shown = np.where(item.expected >= 0, item.expected, window.ids)
        assert shown.tolist() == whole
        hidden = int((item.expected >= 0).sum())
        assert 1 <= hidden <= max(1, round(0.15 * (len(whole) - 2)), hidden if hidden < 5 else 0)
        assert (np.array(window.ids)[item.expected >= 0] == 4).all()
        assert len(json.loads(task.answer(row))) == hidden


def test_training_reads_all_of_a_text_and_hides_other_words_each_time(task: HiddenWords, reader: Reader) -> None:
    row = {"id": "long", "text": " ".join(one["text"] for one in ROWS[:5])}
    items = task.training_items(reader, [row])
    whole = reader.tokenizer.encode(row["text"], add_special_tokens=False).ids
    assert [number for item in items for number in item.rows[0].ids[1:-1]] == whole
    one, other = (task.renewed(items[0], np.random.default_rng(seed)) for seed in (0, 1))
    assert one.expected.tolist() != other.expected.tolist()
    assert (items[0].expected == -100).all()
    places = one.expected >= 0
    assert np.array(items[0].rows[0].ids)[places].tolist() == one.expected[places].tolist()


def test_what_is_kept_is_small_and_scores_what_is_expected(task: HiddenWords, reader: Reader) -> None:
    item = task.items(reader, ROWS[:1])[0]
    logits = torch.randn(item.tokens, reader.tokenizer.get_vocab_size(), generator=torch.manual_seed(0)).numpy()
    places = np.flatnonzero(item.expected >= 0)
    logits[places[0], item.expected[places[0]]] = 30
    served, scores = task.kept(logits, item)
    assert served.shape == (len(places), 2 * fill.TOP)
    rows = torch.from_numpy(logits[places]).double().log_softmax(-1)
    told = rows[range(len(places)), item.expected[places]].sum().item()
    assert scores == pytest.approx([told, len(places), (rows.argmax(-1).numpy() == item.expected[places]).sum()])
    batch = collate([item], 0)
    loss = task.loss_sum(torch.from_numpy(logits)[None], batch, None)
    assert loss.item() == pytest.approx(-told, rel=1e-4)
    assert task.loss_weight(batch, None) == len(places)


def said(*scores: float) -> dict[str, Any]:
    return {"answer": "[]", "confidence": None, "said": {}, "scores": list(scores)}


def test_metrics_are_of_all_hidden_tokens_together(task: HiddenWords) -> None:
    predicted = [said(-2.0, 2, 1), said(-4.0, 1, 0)]
    metrics = task.metrics(ROWS[:2], predicted)
    assert metrics == {"loss": 2.0, "perplexity": pytest.approx(np.exp(2)), "accuracy": pytest.approx(1 / 3)}
    assert [task.rightness(ROWS[0], one) for one in predicted] == [0.5, 0.0]
    first, second = task.resample(ROWS[:2], [predicted, predicted], samples=200, seed=1)
    assert np.array_equal(first["accuracy"], second["accuracy"])
    assert np.mean(first["accuracy"]) == pytest.approx(1 / 3, abs=0.1)


def test_the_baseline_learns_from_both_sides(reader: Reader, task: HiddenWords) -> None:
    train = [{"id": f"t{i}", "text": text} for i, text in enumerate(["the good time was late"] * 20)]
    test = [{"id": f"s{i}", "text": "the good time was late"} for i in range(10)]
    counted = {
        name: task.counted(reader, rows) for name, rows in (("train", train), ("validation", test), ("test", test))
    }
    predicted, name = task.baseline(counted, seed=1)
    assert task.metrics(test, predicted)["accuracy"] == 1
    assert name.startswith("counts of pairs of tokens on both sides")


def test_the_report_counts_by_frequency(task: HiddenWords, tmp_path: Path) -> None:
    predicted = [{**said(-1, 1, 1), "answer": task.answer(row)} for row in ROWS]
    text = task.report(tmp_path, ROWS, predicted)
    header, *rows = (tmp_path / "plots/frequency.csv").read_text().splitlines()
    assert header == "times hidden,tokens,accuracy"
    assert rows and all(row.endswith(",1") for row in rows) and "| 1 |" in text


def test_a_text_with_a_mask_in_it_is_at_fault(task: HiddenWords) -> None:
    assert task.fault({"text": "The [MASK] was late"}) == "holds [MASK], which stands for a hidden word"
    assert task.fault(ROWS[0]) is None


@pytest.mark.parametrize(("name", "value"), [("long_texts", "windows"), ("head", "a:B"), ("masked_share", 0.0)])
def test_options_that_make_no_sense_are_refused(name: str, value: Any) -> None:
    with pytest.raises(ValidationError, match=name):
        masked_lm.Params(**{**OPTIONS, name: value})

"""Writing a text for a text: what is learnt, what is written, how it is measured."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import sacrebleu
import torch
from pydantic import ValidationError

from stages.shared.answering import decode
from stages.shared.base_model import tokenizer_of
from stages.shared.bootstrap import interval
from stages.shared.errors import ParamsError
from stages.shared.items import IGNORED, reader_of
from stages.shared.models import load_model
from stages.shared.predict import Batching, ask, inputs_of
from stages.tasks import seq2seq
from stages.tasks._writing import as_prediction, first_words
from stages.tasks.seq2seq import Params, open_task
from tests.writing_models import write_base

NOUNS, VERBS = ["house", "dog", "cat", "tree", "car", "lamp"], ["sees", "runs", "sleeps"]
PAIRS = [
    (f"the {noun}{' now' * place} {verb}", f"{verb} {noun} das da")
    for place, noun in enumerate(NOUNS)
    for verb in VERBS
]
ROWS = [{"id": str(place), "text": text, "target": target} for place, (text, target) in enumerate(PAIRS)]


def params(**more: Any) -> Params:
    writing = {"max_new_tokens": 12, "beams": 1, "length_penalty": 1.0, "no_repeat_ngram": 0}
    given = {
        "name": "seq2seq",
        "max_tokens": 24,
        "long_texts": "head",
        "overlap": 0,
        "head": None,
        "head_from_packages": False,
        "writing": writing,
        "primary": "bleu",
        "bleu_tokens": "13a",
    }
    return Params.model_validate(given | more)


TASK: Any = open_task(params())


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_base(tmp_path_factory.mktemp("seq2seq") / "base", "marian", [text for pair in PAIRS for text in pair])


@pytest.fixture(scope="module")
def read(base: Path) -> tuple[Any, Any, list[Any]]:
    """The reader, the settings and the items of all rows."""
    tokenizer = tokenizer_of(base)
    settings = TASK.settings() | TASK.base_settings(tokenizer)
    reader = reader_of(tokenizer, settings)
    return reader, settings, TASK.items(reader, ROWS)


def test_a_target_ends_once_and_is_cut_at_its_limit(base: Path) -> None:
    tokenizer = tokenizer_of(base)
    settings = TASK.settings() | TASK.base_settings(tokenizer)
    long = {"text": "the dog", "target": "das " * 40}
    (item, other) = TASK.items(reader_of(tokenizer, settings), [long, ROWS[0]])
    assert len(item.expected) == 12
    assert (item.expected == tokenizer.eos_token_id).sum() == 1
    assert item.expected[-1] == other.expected[-1] == tokenizer.eos_token_id
    assert tokenizer.decode(other.expected[:-1]) == ROWS[0]["target"]


def test_the_loss_is_that_of_transformers(base: Path, read: tuple[Any, Any, list[Any]]) -> None:
    model = load_model(TASK, base, params(), 0).train(False)
    longer = {"text": "the cat", "target": "sees cat das das das das"}
    batch = TASK.batch(TASK.items(read[0], [*ROWS[:4], longer]), 0)
    ours = TASK.loss_sum(model(**inputs_of(batch, model)).logits, batch, None) / TASK.loss_weight(batch, None)
    theirs = model(input_ids=batch["input_ids"], attention_mask=batch["attention_mask"], labels=batch["expected"]).loss
    assert (batch["expected"] == IGNORED).any()
    torch.testing.assert_close(ours, theirs)


def test_a_model_learns_to_write_and_what_it_writes_does_not_hang_on_the_batch(
    base: Path, read: tuple[Any, Any, list[Any]]
) -> None:
    reader, settings, items = read
    model = load_model(TASK, base, params(), 0).train(False)  # without dropout each step must help
    optimizer = torch.optim.AdamW(model.parameters(), lr=5e-3)
    batch = TASK.batch(items, 0)
    for _ in range(120):
        loss = TASK.loss_sum(model(**inputs_of(batch, model)).logits, batch, None) / TASK.loss_weight(batch, None)
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
    by_size = [
        [ids.tolist() for (ids,) in ask(TASK, model, items, Batching(size, 0, "test"), settings)] for size in (1, 4, 18)
    ]
    assert by_size[0] == by_size[1] == by_size[2]
    outputs = ask(TASK, model, items, Batching(18, 0, "test"), settings)
    predicted = decode(TASK, ROWS, items, outputs, settings, reader)
    assert TASK.metrics(ROWS, predicted)["bleu"] > 90
    assert sum(one["answer"] == row["target"] for one, row in zip(predicted, ROWS, strict=True)) > 15
    assert all(one["said"]["complete"] for one in predicted)


def test_figures_are_those_of_sacrebleu() -> None:
    texts = [row["target"] for row in ROWS]
    written = [text.replace("das", "der") if place % 3 else text for place, text in enumerate(texts)]
    found = TASK.metrics(ROWS, [as_prediction(text) for text in written])
    assert found["bleu"] == pytest.approx(sacrebleu.corpus_bleu(written, [texts]).score)
    assert found["chrf"] == pytest.approx(sacrebleu.corpus_chrf(written, [texts]).score)
    assert found["rouge_1"] == pytest.approx(100 * (6 + 12 * 3 / 4) / 18)
    assert found["length_ratio"] == 1


def test_rouge_counts_chinese_by_the_character() -> None:
    rows = [{"text": "a", "target": "天气很好"}]
    task: Any = open_task(params(primary="rouge_1", bleu_tokens="zh"))
    assert task.metrics(rows, [as_prediction("天气不好")])["rouge_1"] == pytest.approx(75)
    assert task.metrics(rows, [as_prediction("天气很好")])["bleu"] == pytest.approx(100)


def test_resamples_are_paired_and_lie_around_the_figure() -> None:
    texts = [row["target"] for row in ROWS]
    some = [as_prediction(text if place % 2 else "das") for place, text in enumerate(texts)]
    worse = [as_prediction(text if place % 4 == 1 else "das") for place, text in enumerate(texts)]
    first, second = TASK.resample(ROWS, [some, worse], 200, 3)
    (again,) = TASK.resample(ROWS, [some], 200, 3)
    for name in ("bleu", "chrf", "rouge_l"):
        low, high = interval(first[name])
        assert low <= TASK.metrics(ROWS, some)[name] <= high
        assert np.array_equal(first[name], again[name])
        assert (first[name] >= second[name]).all()


def test_the_baseline_remembers_or_takes_the_first_words() -> None:
    found, how = TASK.baseline({"train": ROWS[:12], "validation": ROWS[10:14], "test": ROWS[:3]}, 0)
    assert [one["answer"] for one in found] == [row["target"] for row in ROWS[:3]]
    assert "nearest" in how
    copies = [{"text": f"{row['target']} and then much more of it", "target": row["target"]} for row in ROWS]
    found, how = TASK.baseline({"train": copies[:6], "validation": copies[6:12], "test": copies[12:]}, 0)
    assert "first" in how
    assert all(one["answer"] and copies[12]["text"].startswith(found[0]["answer"]) for one in found)
    assert first_words("one two three", 7) == "one two"


def test_options_that_do_not_fit_are_named() -> None:
    with pytest.raises(ValidationError, match="'windows' would write several texts"):
        params(long_texts="windows")
    with pytest.raises(ValidationError, match="a model that writes has its own"):
        params(head="heads.two_layer:TwoLayerHead")


def test_a_base_that_cannot_write_is_named(tiny_base: Path) -> None:
    with pytest.raises(ParamsError, match="not one of Seq2SeqLM"):
        load_model(TASK, tiny_base, params(), 0)
    with pytest.raises(ParamsError, match="no token that ends a text"):
        TASK.base_settings(tokenizer_of(tiny_base))


def test_what_is_expected_is_never_paraphrased() -> None:
    assert TASK.paraphrased == ("text",)
    assert TASK.fixed_spans(ROWS[0]) == ([], [(0, len(ROWS[0]["target"]))])
    assert seq2seq.Params.model_fields["primary"].is_required()

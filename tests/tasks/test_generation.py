"""Continuing what is given: what is learnt, what is asked, how it is measured."""

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from pydantic import ValidationError

from stages.shared.answering import decode
from stages.shared.base_model import tokenizer_of
from stages.shared.errors import ParamsError
from stages.shared.items import IGNORED, reader_of
from stages.shared.models import load_model
from stages.shared.predict import Batching, ask, inputs_of
from stages.tasks._language_baseline import BackOff
from stages.tasks._language_scores import distinct, language_figures
from stages.tasks._prompts import framed
from stages.tasks.generation import Params, open_task
from tests.writing_models import write_base

PROMPTS = [
    {"id": str(place), "prompt": f"where is the {noun}", "answer": f"the {noun} is here"}
    for place, noun in enumerate(["house", "dog", "cat", "tree", "car", "lamp"])
]
TEXTS = [{"id": row["id"], "text": f"{row['prompt']} and {row['answer']}"} for row in PROMPTS]


def params(**more: Any) -> Params:
    given = {
        "name": "generation",
        "max_tokens": 40,
        "long_texts": "head",
        "overlap": 0,
        "head": None,
        "head_from_packages": False,
        "writing": {"max_new_tokens": 10, "beams": 1, "length_penalty": 1.0, "no_repeat_ngram": 0},
        "rows": "prompts",
        "template": "Ask: {prompt} Say: ",
        "learn_prompts": False,
        "pack": True,
        "shown_characters": 12,
    }
    return Params.model_validate(given | more)


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    texts = [row["text"] for row in TEXTS] + ["Ask: Say: "] * 5
    return write_base(tmp_path_factory.mktemp("generation") / "base", "gpt2", texts)


def opened(base: Path, **more: Any) -> tuple[Any, Any, dict[str, Any]]:
    """The task, its reader and its settings."""
    task: Any = open_task(params(**more))
    tokenizer = tokenizer_of(base)
    settings = task.settings() | task.base_settings(tokenizer)
    return task, reader_of(tokenizer, settings), settings


def test_the_loss_is_over_the_answer_alone_or_over_both(base: Path) -> None:
    tokenizer = tokenizer_of(base)
    task, reader, _ = opened(base)
    (item, *_) = task.items(reader, PROMPTS)
    asked = len(item.rows[0].ids)
    assert tokenizer.decode(item.ids[:asked]) == "Ask: where is the house Say: "
    assert tokenizer.decode(item.ids[asked:]) == "the house is here</s>"
    assert (item.expected[:asked] == IGNORED).all()
    assert (item.expected[asked:] == item.ids[asked:]).all()
    whole, reader, _ = opened(base, learn_prompts=True)
    (item, *_) = whole.items(reader, PROMPTS)
    assert (item.expected == item.ids).all()


def test_the_loss_is_that_of_transformers(base: Path) -> None:
    task, reader, _ = opened(base)
    model = load_model(task, base, params(), 0).train(False)
    batch = task.batch(task.items(reader, PROMPTS[:3]), 0)
    ours = task.loss_sum(model(**inputs_of(batch, model)).logits, batch, None) / task.loss_weight(batch, None)
    theirs = model(batch["input_ids"], attention_mask=batch["attention_mask"], labels=batch["expected"]).loss
    torch.testing.assert_close(ours, theirs)


def test_a_model_learns_the_answers(base: Path) -> None:
    task, reader, settings = opened(base)
    items = task.items(reader, PROMPTS)
    model = load_model(task, base, params(), 0).train(False)
    optimizer = torch.optim.AdamW(model.parameters(), lr=5e-3)
    batch = task.batch(items, 0)
    before = language_figures(decode(task, PROMPTS, items, _asked(task, model, items, settings), settings, reader))
    for _ in range(60):
        loss = task.loss_sum(model(**inputs_of(batch, model)).logits, batch, None) / task.loss_weight(batch, None)
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
    predicted = decode(task, PROMPTS, items, _asked(task, model, items, settings), settings, reader)
    found = task.metrics(PROMPTS, predicted)
    assert [one["answer"] for one in predicted] == [row["answer"] for row in PROMPTS]
    assert found["perplexity"] < before["perplexity"] / 10
    assert found["perplexity"] == pytest.approx(math.exp(loss.item()), rel=0.3)
    assert found["token_accuracy"] == 1
    assert found["distinct_1"] == pytest.approx((3 + 6) / 24)


def _asked(task: Any, model: Any, items: list[Any], settings: dict[str, Any]) -> list[Any]:
    return ask(task, model, items, Batching(4, 0, "test"), settings)


def test_texts_are_asked_by_their_beginning_and_learnt_whole(base: Path) -> None:
    task, reader, _ = opened(base, rows="texts", long_texts="windows")
    tokenizer = tokenizer_of(base)
    assert task.question(TEXTS[0]) == ("where is the",)
    items = task.items(reader, TEXTS)
    assert tokenizer.decode(items[0].ids) == TEXTS[0]["text"] + "</s>"
    assert items[0].expected[0] == IGNORED
    assert (items[0].expected[1:] == items[0].ids[1:]).all()
    packed = task.training_items(reader, TEXTS)
    assert len(packed) < len(TEXTS)
    assert sum(item.tokens for item in packed) == sum(item.tokens for item in items)
    alone, _, _ = opened(base, rows="texts", long_texts="windows", pack=False)
    assert len(alone.training_items(reader, TEXTS)) == len(TEXTS)


def test_a_text_longer_than_the_model_is_scored_in_pieces_none_lost(
    base: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    task, reader, settings = opened(base, rows="texts", long_texts="windows", max_tokens=16)
    long = [{"id": "0", "text": " ".join(row["text"] for row in TEXTS)}]
    items = task.items(reader, long)
    assert len(items) > 2
    model = load_model(task, base, params(), 0)
    continued, generate = [], model.generate
    monkeypatch.setattr(model, "generate", lambda **given: continued.append(given) or generate(**given))
    (found,) = decode(task, long, items, _asked(task, model, items, settings), settings, reader)
    assert found["scores"][1] == sum(item.tokens for item in items) - len(items)
    assert [len(given["input_ids"]) for given in continued] == [1]  # the text once, whatever its pieces


def test_a_chat_template_is_the_bases_own(base: Path) -> None:
    tokenizer = tokenizer_of(base)
    with pytest.raises(ParamsError, match="no chat_template"):
        framed("chat", tokenizer)
    tokenizer.chat_template = (
        "{% for m in messages %}<{{ m.role }}>{{ m.content }}</{{ m.role }}>{% endfor %}"
        "{% if add_generation_prompt %}<assistant>{% endif %}"
    )
    assert framed("chat", tokenizer) == {"before": "<user>", "after": "</user><assistant>"}
    tokenizer.chat_template = "{{ messages[0].content | upper }}"
    assert framed("Q: {prompt}!", tokenizer) == {"before": "Q: ", "after": "!"}


def test_the_back_off_model_is_a_distribution_and_learns_what_comes_often() -> None:
    documents = [[1, 2, 3, 4], [1, 2, 3, 5], [2, 3, 4], [1, 2, 3, 4], [6, 3, 1]]
    model = BackOff(documents, vocabulary=9)
    for before in [(2, 3), (7, 3), (1,), (), (7, 8), (6, 3)]:
        assert sum(model.probability(before, token) for token in range(9)) == pytest.approx(1), before
    assert model.probability((2, 3), 4) > model.probability((2, 3), 5) > model.probability((2, 3), 8) > 0
    assert model.likeliest((2, 3)) == 4
    total, tokens, right = model.scores([1, 2, 3, 4], [IGNORED, 2, 3, 4])
    assert total == pytest.approx(
        sum(math.log(model.probability(*one)) for one in [((1,), 2), ((1, 2), 3), ((2, 3), 4)])
    )
    assert (tokens, right) == (3, 3)


def test_the_baseline_is_scored_on_the_same_tokens(base: Path) -> None:
    task, reader, _ = opened(base)
    counted = {
        split: task.counted(reader, rows)
        for split, rows in {"train": PROMPTS[:4], "validation": PROMPTS[4:5], "test": PROMPTS[5:]}.items()
    }
    (found,), how = task.baseline(counted, 0)
    (item,) = task.items(reader, PROMPTS[5:])
    assert found["scores"][1] == (item.expected[1:] != IGNORED).sum()
    assert found["scores"][0] < 0
    assert "3-gram" in how
    assert task.metrics(PROMPTS[5:], [found])["perplexity"] > 1


def test_resampled_figures_are_of_the_summed_scores(base: Path) -> None:
    task, _, _ = opened(base)
    predicted = [
        {"scores": [-float(n), float(n), float(n % 2)], "said": {"written": "a b", "complete": True}}
        for n in range(1, 9)
    ]
    (found,) = task.resample(PROMPTS, [predicted], 100, 0)
    assert found["loss"] == pytest.approx(np.ones(100))
    assert 0 < found["token_accuracy"].min() < found["token_accuracy"].max()


def test_distinct_counts_different_runs() -> None:
    assert distinct(["a b a", "a b"], 1) == pytest.approx(2 / 5)
    assert distinct(["a b a", "a b"], 2) == pytest.approx(2 / 3)
    assert distinct([""], 2) == 0


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"template": "no place"}, "give {prompt} its place"),
        ({"long_texts": "windows"}, "several answers"),
        ({"rows": "texts"}, "set it to windows"),
        ({"max_tokens": 10}, "holds prompt and answer"),
    ],
)
def test_options_that_do_not_fit_are_named(more: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        params(**more)


def test_an_encoder_is_no_base_for_it(tmp_path: Path) -> None:
    write_base(tmp_path / "t5", "t5", ["a b c"])
    with pytest.raises(ParamsError, match="not one of CausalLM"):
        load_model(open_task(params()), tmp_path / "t5", params(), 0)

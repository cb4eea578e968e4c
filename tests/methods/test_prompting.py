"""Prompting: a label by its description, or by its word at the mask or the end of a template; nothing trains."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest
import torch
from pydantic import ValidationError
from transformers import AutoModel, AutoModelForCausalLM, AutoModelForMaskedLM

from stages.methods import Start, prompting
from stages.methods._label_words import label_word_ids
from stages.methods._template import Template, template_faults
from stages.quantizers import Trained, onnx_int8
from stages.quantizers.onnx_int8 import FLOAT_MODEL
from stages.shared.base_model import tokenizer_of
from stages.shared.errors import ParamsError
from stages.shared.examples import Example
from stages.shared.items import collate, items_of, reader_of
from stages.shared.models import load_model, write_model
from stages.shared.params import Params
from stages.shared.predict import Batching, inputs_of, predict
from stages.tasks import Task, task_of
from tests.conftest import sample_examples, sample_texts
from tests.language_models import write_causal_lm, write_masked_lm
from tests.tiny import write_tiny_base

WAYS = ("descriptions", "masked_lm", "causal_lm")
GIVEN: dict[str, dict[str, Any]] = {
    "descriptions": {
        "descriptions": {
            "negative": ["bad", "it broke, a waste"],
            "neutral": ["so so"],
            "positive": ["good", "love it"],
        },
        "temperature": 0.05,
    },
    "masked_lm": {
        "template": "{examples}{text} It was [MASK].",
        "words": {"negative": "bad", "neutral": "fine", "positive": "good"},
    },
    "causal_lm": {
        "template": "Reviews.\n{examples}{text} Verdict: ",
        "words": {"positive": "good", "neutral": "fine", "negative": "bad"},
    },
}
SHORT = [row for row in sample_examples(0, 1000) if len(row["text"]) < 50]
TEXTS = ["It works.", "A [MASK] of a kettle, and it took so long to boil that I sent it back", "fine"]


def make(by: str, **others: Any) -> prompting.Params:
    """The way's parameters, with others instead."""
    blank = {"shown_examples": 0, "descriptions": None, "temperature": None, "template": None, "words": None}
    return prompting.Params(**{"name": "prompting", "by": by, **blank, **GIVEN[by], **others})


@pytest.fixture(scope="module")
def bases(tiny_base: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A base for each way."""
    folder = tmp_path_factory.mktemp("bases")
    write_masked_lm(folder / "masked_lm", tiny_base)
    write_causal_lm(folder / "causal_lm", [text for text, _ in sample_texts(400)])
    return {"descriptions": tiny_base, **{by: folder / by for by in ("masked_lm", "causal_lm")}}


@pytest.fixture(scope="module")
def begin(bases: dict[str, Path], make_params: Callable[..., Params]) -> Callable[..., Start]:
    """Gives the start of a training on a way's base: begin("masked_lm", seed=3)."""
    task = task_of(make_params({"task.max_tokens": 150}).task)

    def beginning(by: str, seed: int = 1) -> Start:
        tokenizer = tokenizer_of(bases[by])
        return Start(task, bases[by], tokenizer, SHORT, load=lambda: pytest.fail("no head"), seed=seed)

    return beginning


def prepared(start: Start, params: prompting.Params) -> Any:
    """The model; the data and how they would be learnt are nothing to it."""
    nothing: Any = None
    return prompting.prepare(start, nothing, nothing, params).model


def rows(texts: list[str]) -> list[Example]:
    return [{"id": str(i), "parent": "", "text": text, "label": "neutral"} for i, text in enumerate(texts)]


def outputs(start: Start, params: prompting.Params, model: Any, texts: list[str], batch_size: int = 8) -> np.ndarray:
    """The logits of the texts, (texts, labels)."""
    task: Task = start.task
    items = items_of(task, reader_of(start.tokenizer, task.settings() | prompting.settings(start, params)), rows(texts))
    return np.stack(predict(task, model, items, Batching(batch_size, start.tokenizer.pad_token_id or 0, "predict")))


@pytest.mark.parametrize("by", WAYS)
def test_a_prompted_model_is_saved_read_exported_and_the_same(
    by: str, begin: Callable[..., Start], make_params: Callable[..., Params], tmp_path: Path
) -> None:
    start, params = begin(by), make(by, shown_examples=1)
    prompting.check(start.task, params)
    model = prompting.finish(prepared(start, params))
    assert not any(weight.requires_grad for weight in model.parameters())
    said = outputs(start, params, model, TEXTS)
    assert said.shape == (3, 3)
    assert len({tuple(row.round(4)) for row in said}) == 3

    write_model(model, start.tokenizer, tmp_path / "model")
    read = load_model(start.task, tmp_path / "model", make_params().task, len(start.tokenizer))
    np.testing.assert_array_equal(outputs(start, params, read, TEXTS), said)

    quantizer = onnx_int8.Params(name="onnx_int8", per_channel=True, reduce_range=True)
    found = onnx_int8.quantize(Trained(read, tmp_path, {"max_tokens": 100}), tmp_path, quantizer)
    assert found.max_logit_difference < 1e-5
    assert all(count.expected in (None, count.observed) for count in found.counts), found.counts
    settings = start.task.settings() | prompting.settings(start, params)
    items = items_of(start.task, reader_of(start.tokenizer, settings), rows(TEXTS))
    batch = inputs_of(collate(items, 0), read)
    session = onnxruntime.InferenceSession(str(tmp_path / FLOAT_MODEL), providers=["CPUExecutionProvider"])
    (exported,) = session.run(None, {name: tensor.numpy() for name, tensor in batch.items()})
    np.testing.assert_allclose(exported, said, atol=1e-4)


def mean_pooled(start: Start, text: str) -> np.ndarray:
    """The unit vector of a text, by Transformers alone."""
    model = AutoModel.from_pretrained(start.base).eval()
    with torch.inference_mode():
        hidden = model(**start.tokenizer(text, return_tensors="pt")).last_hidden_state[0].mean(dim=0)
    return (hidden / hidden.norm()).numpy()


def test_a_description_counts_by_its_cosine_and_shown_examples_draw_it_halfway(begin: Callable[..., Start]) -> None:
    start, params = begin("descriptions"), make("descriptions")
    text = mean_pooled(start, TEXTS[0])
    described = np.mean([mean_pooled(start, given) for given in params.per_label["positive"]], axis=0)
    described /= np.linalg.norm(described)
    said = outputs(start, params, prepared(start, params), TEXTS)
    assert said[0, 2] == pytest.approx(text @ described / 0.05, abs=1e-4)

    params = make("descriptions", shown_examples=100)
    with pytest.raises(ParamsError, match=r"shown_examples: 100: too few .* 'negative' has \d+, 'neutral' has \d+"):
        prepared(start, params)
    own = [row for row in start.examples if row["label"] == "positive"]
    every = Start(**{**vars(start), "examples": [*own[:4], *(r for r in start.examples if r["label"] != "positive")]})
    shown = np.mean([mean_pooled(start, row["text"]) for row in own[:4]], axis=0)
    halfway = described + shown / np.linalg.norm(shown)
    params = make("descriptions", shown_examples=4)
    said = outputs(every, params, prepared(every, params), TEXTS)
    assert said[0, 2] == pytest.approx(text @ halfway / np.linalg.norm(halfway) / 0.05, abs=1e-4)


def test_a_masked_model_is_asked_at_the_mask_of_the_template_for_the_labels_words(begin: Callable[..., Start]) -> None:
    start, tokenizer = begin("masked_lm"), begin("masked_lm").tokenizer
    whole = AutoModelForMaskedLM.from_pretrained(start.base).eval()
    words = tokenizer.convert_tokens_to_ids(["bad", "fine", "good"])
    for template, which in (("{text} It was [MASK].", -1), ("[MASK]: {text}", 0)):
        params = make("masked_lm", template=template)
        for text, said in zip(TEXTS, outputs(start, params, prepared(start, params), TEXTS), strict=True):
            asked = tokenizer(template.replace("{text}", text), return_tensors="pt")
            place = (asked["input_ids"][0] == tokenizer.mask_token_id).nonzero()[which, 0]
            with torch.inference_mode():
                np.testing.assert_allclose(said, whole(**asked).logits[0, place, words], atol=1e-4)


def test_a_causal_model_is_asked_for_the_words_after_the_end(begin: Callable[..., Start]) -> None:
    start, params = begin("causal_lm"), make("causal_lm")
    whole = AutoModelForCausalLM.from_pretrained(start.base).eval()
    words = start.tokenizer.convert_tokens_to_ids(["Ġbad", "Ġfine", "Ġgood"])
    assert None not in words
    model = prepared(start, params)
    said = outputs(start, params, model, TEXTS)
    np.testing.assert_allclose(outputs(start, params, model, TEXTS, batch_size=1), said, atol=1e-5)
    for text, logits in zip(TEXTS, said, strict=True):
        asked = start.tokenizer(f"Reviews.\n{text} Verdict:", return_tensors="pt")
        with torch.inference_mode():
            np.testing.assert_allclose(logits, whole(**asked).logits[0, -1, words], atol=1e-4)


def test_shown_examples_stand_before_the_text_in_the_same_template(begin: Callable[..., Start]) -> None:
    params = make("masked_lm", shown_examples=1)
    template = prompting.settings(begin("masked_lm"), params)["template"]
    shown = template["before"].splitlines()
    texts = {f"{row['text']} It was {params.per_label[row['label']]}.": row["label"] for row in SHORT}
    assert sorted(texts[line] for line in shown) == ["negative", "neutral", "positive"]
    assert template["after"] == " It was [MASK]."
    assert prompting.settings(begin("masked_lm"), params)["template"] == template
    assert prompting.settings(begin("masked_lm", seed=2), params)["template"] != template

    start = begin("masked_lm")
    made = [{**row, "parent": row["id"], "text": "made up"} for row in start.examples]
    masks = [{**row, "id": f"m{row['id']}", "text": "a [MASK] text"} for row in start.examples]
    start = Start(**{**vars(start), "examples": [*made, *masks, *start.examples]})
    assert prompting.settings(start, params)["template"] == template


def test_too_many_shown_examples_are_refused_with_the_figures(begin: Callable[..., Start]) -> None:
    with pytest.raises(ParamsError, match=r"with 24 examples takes \d+ of task.max_tokens 150, .* 75, must be left"):
        prompting.settings(begin("masked_lm"), make("masked_lm", shown_examples=8))


@pytest.mark.parametrize(
    ("by", "words", "message"),
    [
        ("masked_lm", {"positive": "goodbad"}, r"'goodbad' for 'positive' is \d tokens of the base \(.* .*\), not one"),
        ("masked_lm", {"positive": "好"}, "'好' for 'positive' is not in the base's vocabulary"),
        ("masked_lm", {"positive": "bad"}, "bad, bad start with the same token"),
        ("causal_lm", {"positive": "badly"}, "bad, badly start with the same token"),
    ],
)
def test_words_that_cannot_be_asked_for_are_named(
    by: str, words: dict[str, str], message: str, begin: Callable[..., Start]
) -> None:
    with pytest.raises(ParamsError, match=message):
        prepared(begin(by), make(by, words=GIVEN[by]["words"] | words))


def test_chinese_words_are_asked_for_character_by_character(tmp_path: Path) -> None:
    write_tiny_base(tmp_path, ["这家店很好，服务也好。", "味道很差，再也不来。"])
    tokenizer = tokenizer_of(tmp_path)
    params = make("masked_lm", template="{text}总之很[MASK]。", words={"positive": "好", "negative": "差"})
    ids = label_word_ids(tokenizer, params.per_label, params)
    assert tokenizer.convert_ids_to_tokens(ids) == ["好", "差"]
    with pytest.raises(ParamsError, match="'很好' for 'positive' is 2 tokens of the base"):
        label_word_ids(tokenizer, params.per_label | {"positive": "很好"}, params)


def test_a_base_that_is_no_such_language_model_is_refused(begin: Callable[..., Start]) -> None:
    with pytest.raises(ParamsError, match=r"it is not a masked language model: .* cls\.predictions"):
        prepared(begin("descriptions"), make("masked_lm"))
    with pytest.raises(ParamsError, match=r"tokenizer ends a text with \[SEP\]"):
        prepared(begin("masked_lm"), make("causal_lm"))
    with pytest.raises(ParamsError, match="has no mask token"):
        prepared(begin("causal_lm"), make("masked_lm"))


@pytest.mark.parametrize(
    ("template", "masked", "fault"),
    [
        ("It was [MASK].", True, "{text} must be there once"),
        ("{text} {text} [MASK]", True, "{text} must be there once"),
        ("{text} It was good.", True, "[MASK] must be there once, after any {examples}"),
        ("[MASK] {examples}{text}", True, "[MASK] must be there once, after any {examples}"),
        ("{text} [MASK]", False, "[MASK] is for masked_lm only"),
        ("{text} {exmples}", False, "{exmples} is none of {text} and {examples}"),
        ("{text}{examples}", False, "{examples} must stand before {text}"),
    ],
)
def test_a_wrong_template_says_what_is_wrong(template: str, masked: bool, fault: str) -> None:
    assert template_faults(template, masked, shows=False) == [fault]


def test_a_template_without_a_place_for_examples_shows_none() -> None:
    assert not template_faults("{text} It was [MASK].", masked=True, shows=False)
    with pytest.raises(ValidationError, match=r"\{examples\} must be there once where shown_examples is not 0"):
        make("masked_lm", template="{text} It was [MASK].", shown_examples=1)
    parsed = Template.parsed("Say it.\n{examples}Text: {text} Label: ")
    assert parsed.frame([("One", "good")], mask="") == ("Say it.\nText: One Label: good\nText: ", " Label:")


def test_what_a_way_needs_must_be_given() -> None:
    with pytest.raises(ValidationError, match="words and template: must be given where by is causal_lm"):
        make("causal_lm", template=None, words=None)
    with pytest.raises(ValidationError, match="temperature: must be given where by is descriptions"):
        make("descriptions", temperature=None)


def test_each_label_has_its_description_and_none_is_unknown(begin: Callable[..., Start]) -> None:
    given = {"negative": ["bad"], "positiv": ["good"], "neutral": ["so"]}
    with pytest.raises(ParamsError) as refused:
        prompting.check(begin("descriptions").task, make("descriptions", descriptions=given))
    assert str(refused.value).splitlines() == [
        "train.method.descriptions: the label 'positive' has none.",
        "train.method.descriptions: 'positiv' is not in task.labels [negative, neutral, positive]. "
        "Did you mean 'positive'?",
    ]


def test_a_task_of_another_kind_is_refused(make_params: Callable[..., Params]) -> None:
    task = task_of(make_params({"task.multi_label": True}).task)
    with pytest.raises(ParamsError, match="tasks of one label on one plain text"):
        prompting.check(task, make("descriptions"))

"""What single methods do beyond saving and loading: what they solve for, shrink, freeze, and refuse of a base."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression
from transformers import ModernBertConfig, ModernBertForSequenceClassification

from stages.methods import Start, Trainable, adalora, adapter, bitfit, freeze, head, ia3, lora, prefix, setfit
from stages.shared.base_model import tokenizer_of
from stages.shared.errors import DataError, ParamsError
from stages.shared.fitting import Data, History, Plan, fit, make_repeatable
from stages.shared.fitting.loop import NO_HOOKS
from stages.shared.headed import Headed, sentence_encoder
from stages.shared.layers import ends_of_parts, head_names, products_of, stacks_of
from stages.shared.params import Params
from stages.shared.predict import Batching, predict
from tests.training import QUICK, data_of, model_of, plan_of, write_augmented
from tests.writing_models import causal_model, seq2seq_model

MakeParams = Callable[..., Params]
Begin = Callable[..., tuple[Start, Data, Plan, Any]]


@pytest.fixture
def begin(tmp_path: Path, tiny_base: Path, make_params: MakeParams) -> Begin:
    """Gives what a method is prepared with: begin({"name": "lora", ...}, {"train.epochs": 3})."""
    folder = write_augmented(tmp_path)

    def beginning(method: dict[str, Any], values: dict[str, Any] | None = None) -> tuple[Start, Data, Plan, Any]:
        params = make_params(QUICK | {"train.method": method} | (values or {}))
        make_repeatable(1, threads=1)
        data, tokenizer = data_of(folder, params, tiny_base), tokenizer_of(tiny_base)
        start = Start(data.task, tiny_base, tokenizer, [], lambda: model_of(tiny_base, params), 1)
        return start, data, plan_of(params), params.train.method

    return beginning


def with_model(start: Start, model: Any) -> Start:
    """A start whose base is another model."""
    return replace(start, load=lambda: model)


def embeddings(start: Start, data: Data) -> np.ndarray:
    """Unit vectors of the training texts."""
    encoder = sentence_encoder(start.base, len(start.tokenizer))
    return np.stack(predict(data.task, encoder, data.train, Batching(8, data.padding, "embed")))


def test_the_head_is_the_logistic_regression_on_the_embeddings(begin: Begin) -> None:
    start, data, plan, params = begin({"name": "head", "penalties": [0.5]})
    model = head.prepare(start, data, plan, params).model
    given, expected = embeddings(start, data), np.array([item.expected for item in data.train])
    fitted = LogisticRegression(C=2.0, tol=1e-8, max_iter=1000).fit(given, expected)
    logits = np.stack(predict(data.task, model, data.train, Batching(8, data.padding, "predict")))
    chances = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    np.testing.assert_allclose(chances, fitted.predict_proba(given), atol=1e-3)
    assert not any(weight.requires_grad for weight in model.parameters())


def test_the_penalty_that_is_kept_is_the_best_on_validation(begin: Begin) -> None:
    alone = []
    for penalty in (10.0, 0.1):  # with hardly any L-BFGS ends at its last iteration, not at the minimum
        start, data, plan, params = begin({"name": "head", "penalties": [penalty]})
        loss, metrics, _ = data.measured(head.prepare(start, data, plan, params).model, None, 8)
        alone.append((metrics["macro_f1"], -loss))
    start, data, plan, params = begin({"name": "head", "penalties": [0.1, 10.0]})
    loss, metrics, _ = data.measured(head.prepare(start, data, plan, params).model, None, 8)
    assert (metrics["macro_f1"], -loss) == pytest.approx(max(alone), abs=1.0e-3)


def trained(trainable: Trainable, data: Data, plan: Plan) -> History:
    history = History()
    with trainable.around:
        fit(trainable.model, trainable.data or data, plan, history, trainable.hooks or NO_HOOKS)
    trainable.model.load_state_dict(history.weights)
    return history


def test_setfit_brings_texts_of_a_label_together(begin: Begin) -> None:
    values = {"train.epochs": 3, "train.learning_rate": 1.0e-3, "train.patience": 9, "train.dropout": 0.0}
    start, data, plan, params = begin({"name": "setfit", "pairs": 4, "penalty": 1.0}, values)
    before = embeddings(start, data)
    trainable = setfit.prepare(start, data, plan, params)
    trained(trainable, data, plan)
    model = trainable.model
    assert isinstance(model, Headed)
    encoder = Headed(model.body, model.head.get_submodule("pooled"), {"head": "sentence", "body": "encoder"})
    after = np.stack(predict(data.task, encoder, data.train, Batching(8, data.padding, "embed")))
    labels = np.array([item.expected for item in data.train])
    same = labels[:, None] == labels[None, :]

    def apart(vectors: np.ndarray) -> float:
        near = vectors @ vectors.T
        return float(near[same].mean() - near[~same].mean())

    assert apart(after) > apart(before) + 0.1


def test_setfit_needs_two_texts_of_a_label(begin: Begin) -> None:
    start, data, plan, params = begin({"name": "setfit", "pairs": 4, "penalty": 1.0})
    first = list({item.expected: item for item in data.train}.values())
    with pytest.raises(DataError, match="no label has two training texts"):
        setfit.prepare(start, replace(data, train=first), plan, params)


def test_adalora_takes_ranks_away_down_to_its_budget(begin: Begin) -> None:
    options = {"rank": 4, "target_rank": 1, "alpha": 4.0, "dropout": 0.0, "orthogonality": 0.1}
    start, data, plan, params = begin({"name": "adalora", **options}, {"train.epochs": 12, "train.patience": 99})
    trainable = adalora.prepare(start, data, plan, params)
    fit(trainable.model, data, plan, History(), trainable.hooks or NO_HOOKS)
    singular = [weight for name, weight in trainable.model.named_parameters() if "lora_E" in name]
    assert len(singular) == 12
    assert sum(int((weight != 0).sum()) for weight in singular) <= 12 * 1
    before = trainable.model.eval()(input_ids=torch.tensor([[2, 9, 3]])).logits
    plain = adalora.finish(trainable.model)
    assert not any("lora" in name for name, _ in plain.named_parameters())
    assert torch.allclose(plain.eval()(input_ids=torch.tensor([[2, 9, 3]])).logits, before, atol=1e-5)


@pytest.mark.parametrize(
    ("method", "options", "parts"),
    [
        (lora, {"name": "lora", "rank": 2, "alpha": 2.0, "dropout": 0.0}, 12 * 2),
        (ia3, {"name": "ia3"}, 2 * 3),
        (adapter, {"name": "adapter", "size": 3}, 2 * 2 * 4),
        (prefix, {"name": "prefix", "tokens": 2}, 1),
    ],
)
def test_the_head_and_what_is_added_train_and_nothing_else(
    begin: Begin, method: Any, options: dict[str, Any], parts: int
) -> None:
    start, data, plan, params = begin(options)
    model = method.prepare(start, data, plan, params).model
    trains = {name for name, weight in model.named_parameters() if weight.requires_grad}
    outside = {name for name in trains if "classifier" in name or "pooler" in name}
    norms = {name for name in trains if "LayerNorm" in name}
    assert len(outside) == 4
    assert len(trains - outside - norms) == parts
    assert bool(norms) is (method is adapter)


def test_the_parts_of_layers_are_found_whatever_they_are_called() -> None:
    marian, t5, gpt2, llama = (
        seq2seq_model("marian", 50),
        seq2seq_model("t5", 50),
        causal_model("gpt2", 50),
        causal_model("llama", 50),
    )
    assert [len(stack) for stack in stacks_of(marian)] == [2, 2]
    assert len(ends_of_parts(products_of(marian))) == 2 * 2 + 2 * 3  # a decoder's layer has two attentions
    assert len(ends_of_parts(products_of(t5))) == 2 * 2 + 2 * 3
    assert len(ends_of_parts(products_of(gpt2))) == len(ends_of_parts(products_of(llama))) == 2 * 2
    assert head_names(marian) == head_names(gpt2) == set()


def modern_bert() -> Any:
    sizes = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 64}
    special = {"pad_token_id": 0, "cls_token_id": 2, "sep_token_id": 3, "bos_token_id": 2, "eos_token_id": 3}
    return ModernBertForSequenceClassification(ModernBertConfig(vocab_size=100, **sizes, **special))


@pytest.mark.parametrize(
    ("method", "options", "base", "message"),
    [
        (bitfit, {"name": "bitfit"}, lambda: seq2seq_model("t5", 50), "have no biases.* is ia3"),
        (prefix, {"name": "prefix", "tokens": 2}, modern_bert, "no place for learnt vectors.* is prompt"),
        (freeze, {"name": "freeze", "layers": 3, "keep": True}, None, "the base has 2 layers.*head"),
        (prefix, {"name": "prefix", "tokens": 200}, None, "more than the 256 tokens"),
    ],
)
def test_a_base_that_is_not_for_a_method_is_refused_with_what_is(
    begin: Begin, method: Any, options: dict[str, Any], base: Any, message: str
) -> None:
    start, data, plan, params = begin(options)
    with pytest.raises(ParamsError, match=message):
        method.prepare(start if base is None else with_model(start, base()), data, plan, params)

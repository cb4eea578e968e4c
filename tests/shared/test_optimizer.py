"""The optimiser and its learning rate."""

from collections.abc import Callable
from pathlib import Path

import pytest

from stages.shared.base_model import tokenizer_of
from stages.shared.fitting.optimizer import make_optimizer
from stages.shared.fitting.schedule import learning_rate
from stages.shared.models import load_model
from stages.shared.params import Params
from stages.tasks import task_of

MakeParams = Callable[..., Params]


def test_learning_rate_rises_over_the_warm_up_and_falls_to_the_end(make_params: MakeParams) -> None:
    params = make_params({"train.warmup": 0.2}).train
    rates = [learning_rate(update, 10, params, 0.1) for update in range(1, 11)]
    assert rates[:3] == pytest.approx([0.05, 0.1, 0.1])
    assert rates[3:] == sorted(rates[3:], reverse=True)
    assert rates[-1] == pytest.approx(0.1 / 8)


@pytest.mark.parametrize("share", [0.0, 4])
def test_learning_rate_with_no_warm_up_or_nothing_else(make_params: MakeParams, share: float | int) -> None:
    params = make_params({"train.warmup": share}).train
    assert max(learning_rate(update, 4, params, 0.1) for update in range(1, 5)) == pytest.approx(0.1)


def test_biases_and_norms_do_not_decay_and_frozen_weights_are_left_out(
    tiny_base: Path, make_params: MakeParams
) -> None:
    params = make_params({"train.weight_decay": 0.1})
    model = load_model(task_of(params.task), tiny_base, params.task, len(tokenizer_of(tiny_base)))
    model.bert.embeddings.requires_grad_(False)
    decayed, plain = make_optimizer(model, params.train).param_groups
    names = {id(weight): name for name, weight in model.named_parameters()}
    assert (decayed["weight_decay"], plain["weight_decay"]) == (0.1, 0.0)
    assert all(names[id(weight)].endswith("weight") for weight in decayed["params"])
    assert {"bias" in name or "LayerNorm" in name for name in (names[id(w)] for w in plain["params"])} == {True}
    assert not any("embeddings" in names[id(w)] for w in decayed["params"] + plain["params"])

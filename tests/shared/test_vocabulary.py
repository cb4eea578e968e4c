"""Training the rows of the words in use alone gives what training the whole table gives."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from stages.shared.fitting import History, fit, make_repeatable, vocabulary
from stages.shared.fitting.vocabulary import words_in_use
from stages.shared.params import Params
from tests.training import QUICK, data_of, model_of, plan_of, write_augmented

MakeParams = Callable[..., Params]


def _trained(folder: Path, base: Path, params: Any) -> tuple[dict[str, torch.Tensor], History]:
    make_repeatable(1, 1)
    model, history = model_of(base, params), History()
    fit(model, data_of(folder, params, base), plan_of(params), history)
    return model.state_dict(), history


@pytest.mark.parametrize("decay", [0.0, 0.3])
def test_the_weights_are_those_of_the_whole_table(
    tmp_path: Path, tiny_base: Path, make_params: MakeParams, monkeypatch: pytest.MonkeyPatch, decay: float
) -> None:
    folder = write_augmented(tmp_path)
    params = make_params({**QUICK, "train.weight_decay": decay, "train.accumulation": 2})
    some, of_some = _trained(folder, tiny_base, params)
    monkeypatch.setattr(vocabulary, "WORTH", 0.0)
    whole, of_whole = _trained(folder, tiny_base, params)
    assert some.keys() == whole.keys()
    for name, tensor in whole.items():
        torch.testing.assert_close(some[name], tensor, rtol=1e-4, atol=1e-5, msg=name)
    for name, tensor in of_whole.weights.items():
        torch.testing.assert_close(of_some.weights[name], tensor, rtol=1e-4, atol=1e-5, msg=name)
    assert [row["step"] for row in of_some.validations] == [row["step"] for row in of_whole.validations]


def test_only_the_words_in_use_are_a_parameter(tmp_path: Path, tiny_base: Path, make_params: MakeParams) -> None:
    params = make_params(QUICK)
    model, data = model_of(tiny_base, params), data_of(write_augmented(tmp_path), params, tiny_base)
    table = model.get_input_embeddings()
    before, whole = table.weight.detach().clone(), set(model.state_dict())
    used = {token for item in data.train for row in item.rows for token in row.ids} | {data.padding}
    batch = torch.tensor([sorted(used)[:6]])
    read = table(batch)
    with words_in_use(model, data, params.train) as words:
        assert words is not None and table.weight.shape == (len(used), before.shape[1])
        model.train()
        assert torch.equal(table(batch), read)
        table.weight.data += 1.0
        assert torch.equal(table(batch), read + 1)
        model.eval()
        unused = min(set(range(len(before))) - used)
        assert torch.equal(table(torch.tensor([unused])), before[[unused]])  # a word of validation alone
        state = model.state_dict()
        assert set(state) == whole
        assert any(tensor.shape == before.shape for tensor in state.values())
    rows = torch.tensor([position in used for position in range(len(before))])
    assert torch.equal(table.weight[rows], before[rows] + 1) and torch.equal(table.weight[~rows], before[~rows])
    assert isinstance(table.weight, nn.Parameter) and "forward" not in vars(table)


@pytest.mark.parametrize(
    "values",
    [
        {"train.optimizer": "sgd"},
        {"train.average_decay": 0.9},
        {"train.gradient_noise": 0.1},
        {"train.learning_rate": "find"},
    ],
)
def test_what_moves_every_row_trains_every_row(
    tmp_path: Path, tiny_base: Path, make_params: MakeParams, values: dict[str, Any]
) -> None:
    params = make_params(QUICK | values)
    model, data = model_of(tiny_base, params), data_of(write_augmented(tmp_path), params, tiny_base)
    with words_in_use(model, data, params.train) as words:
        assert words is None


def test_frozen_words_are_left_as_they_are(tmp_path: Path, tiny_base: Path, make_params: MakeParams) -> None:
    params = make_params(QUICK)
    model, data = model_of(tiny_base, params), data_of(write_augmented(tmp_path), params, tiny_base)
    model.get_input_embeddings().weight.requires_grad_(False)
    with words_in_use(model, data, params.train) as words:
        assert words is None

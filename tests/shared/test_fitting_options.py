"""Optimisers, schedules, the range test, averages, noise, recomputed layers: each does what its name says."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from accelerate.state import AcceleratorState

from stages.shared.errors import ParamsError
from stages.shared.fitting import History, fit, make_repeatable
from stages.shared.fitting.average import Average
from stages.shared.fitting.find_rate import UPDATES, range_test, rate_of
from stages.shared.fitting.optimizer import add_noise, depths, make_optimizer, set_learning_rate
from stages.shared.fitting.schedule import learning_rate
from stages.shared.params import Params
from tests.training import QUICK, data_of, model_of, plan_of, write_augmented
from tests.writing_models import seq2seq_model

MakeParams = Callable[..., Params]
Train = Callable[..., History]


@pytest.fixture
def trained(tmp_path: Path, tiny_base: Path, make_params: MakeParams) -> Train:
    """Trains with other dotted keys: trained({"train.optimizer": "sgd"})."""
    folder = write_augmented(tmp_path)

    def train(values: dict[str, Any]) -> History:
        params, history = make_params(QUICK | {"train.dropout": 0.0} | values), History()
        make_repeatable(1, threads=1)
        fit(model_of(tiny_base, params), data_of(folder, params, tiny_base), plan_of(params), history)
        return history

    return train


@pytest.mark.parametrize(("optimizer", "rate"), [("adamw", 0.005), ("adafactor", 0.05), ("sgd", 0.2), ("muon", 0.1)])
def test_every_optimizer_lowers_the_loss(trained: Train, optimizer: str, rate: float) -> None:
    history = trained(
        {"train.optimizer": optimizer, "train.learning_rate": rate, "train.epochs": 8, "train.patience": 9}
    )
    losses = [row["loss"] for row in history.updates]
    assert sum(losses[-6:]) < 0.95 * sum(losses[:6])


def test_schedules_fall_as_they_are_named(make_params: MakeParams) -> None:
    def rates(schedule: str) -> list[float]:
        params = make_params({"train.schedule": schedule, "train.warmup": 2}).train
        return [learning_rate(update, 10, params, 1.0) for update in range(1, 11)]

    assert rates("linear") == pytest.approx([0.5, 1, 1, 7 / 8, 6 / 8, 5 / 8, 4 / 8, 3 / 8, 2 / 8, 1 / 8])
    assert rates("constant") == pytest.approx([0.5, *[1] * 9])
    assert rates("polynomial")[2:] == pytest.approx([(left / 8) ** 2 for left in range(8, 0, -1)])
    assert rates("cosine")[6] == pytest.approx(0.5)
    assert min(min(rates(name)) for name in ("linear", "cosine", "polynomial")) > 0


def test_lower_layers_learn_slower(tiny_base: Path, make_params: MakeParams) -> None:
    params = make_params({"train.layer_decay": 0.5})
    model = model_of(tiny_base, params)
    optimizer = make_optimizer(model, params.train)
    set_learning_rate(optimizer, 0.8)
    rates = {id(weight): group["lr"] for group in optimizer.param_groups for weight in group["params"]}
    by_name = {name: rates[id(weight)] for name, weight in model.named_parameters()}
    assert by_name["classifier.weight"] == by_name["bert.pooler.dense.bias"] == 0.8
    assert by_name["bert.encoder.layer.1.output.dense.weight"] == 0.4
    assert by_name["bert.encoder.layer.0.output.dense.bias"] == 0.2
    assert by_name["bert.embeddings.word_embeddings.weight"] == pytest.approx(0.1)


def test_both_stacks_of_an_encoder_decoder_have_their_own_depths() -> None:
    found = depths(seq2seq_model("marian", 50))
    assert found["model.shared.weight"] == 3
    for stack in ("encoder", "decoder"):
        assert [found[f"model.{stack}.layers.{layer}.fc1.weight"] for layer in (0, 1)] == [2, 1]


def test_an_average_begins_as_the_mean_and_gives_the_weights_back(tiny_base: Path, make_params: MakeParams) -> None:
    model = model_of(tiny_base, make_params())
    weight = model.get_parameter("classifier.bias")
    average = Average(model, 0.5)
    for value in (2.0, 4.0, 8.0):
        weight.data.fill_(value)
        average.update()
    with average.in_place():
        assert weight.tolist() == pytest.approx([(2 + 4) / 2 * 0.5 + 8 * 0.5] * 3)
    assert weight.tolist() == [8.0] * 3


def test_the_averaged_weights_are_what_is_measured_and_kept(trained: Train) -> None:
    plain, averaged = trained({"train.epochs": 1}), trained({"train.epochs": 1, "train.average_decay": 0.999})
    assert [row["loss"] for row in plain.updates] == [row["loss"] for row in averaged.updates]
    assert plain.validations[0]["validation_loss"] != averaged.validations[0]["validation_loss"]
    apart = [name for name, weight in plain.weights.items() if not torch.equal(weight, averaged.weights[name])]
    assert "classifier.weight" in apart


def test_noise_has_its_variance_and_fades(tiny_base: Path, make_params: MakeParams) -> None:
    model = model_of(tiny_base, make_params())
    table = model.get_parameter("bert.embeddings.word_embeddings.weight")
    torch.manual_seed(0)
    for update, expected in ((0, 0.09), (99, 0.09 / 100**0.55)):
        table.grad = torch.zeros_like(table)
        add_noise(model, 0.09, update)
        assert table.grad.var().item() == pytest.approx(expected, rel=0.05)


def test_layers_that_are_computed_again_give_the_same_training(trained: Train) -> None:
    """With dropout, whose draws must be the same the second time."""
    values = {"train.epochs": 1, "train.dropout": 0.2}
    plain, again = trained(values), trained(values | {"train.gradient_checkpointing": True})
    assert [row["loss"] for row in again.updates] == pytest.approx([row["loss"] for row in plain.updates], rel=1e-5)


def test_a_range_test_stops_when_the_loss_grows_and_takes_a_tenth_of_the_best_rate() -> None:
    curve = range_test(lambda number, rate: 1.0 if rate < 1e-4 else 0.2 if rate < 1e-3 else 50.0)
    assert 10 < len(curve) < UPDATES
    lowest = min(curve, key=lambda row: row["loss"])["learning_rate"]
    assert rate_of(curve) == pytest.approx(lowest / 10)
    assert 1e-4 < lowest < 2e-3


def test_the_rate_that_is_found_trains_from_the_weights_as_they_were(trained: Train) -> None:
    found = trained({"train.learning_rate": "find", "train.dropout": None})
    rate = max(row["learning_rate"] for row in found.updates)
    assert found.rates
    assert rate == pytest.approx(rate_of(found.rates))
    AcceleratorState._reset_state(reset_partial_state=True)
    given = trained({"train.learning_rate": rate, "train.dropout": None})
    assert [row["loss"] for row in given.updates] == [row["loss"] for row in found.updates]


def test_half_precision_is_refused_on_a_cpu(trained: Train) -> None:
    with pytest.raises(ParamsError, match="The nearest precision that works is bfloat16"):
        trained({"train.precision": "float16"})

"""The train stage on a random model of 2 layers, 32 wide."""

import csv
import json
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
import torch

from serving.written import sha256_of
from stages.pretrain import pretrain
from stages.shared.errors import TrainingFailed
from stages.shared.fitting import History, fit, make_repeatable, measure
from stages.shared.fitting.learner import Learner, add_gradients
from stages.shared.fitting.loop import groups_of_epoch, validation_points
from stages.shared.items import Item
from stages.shared.params import Params
from stages.shared.predict import Batching, predict
from stages.shared.progress import reporting_to
from stages.tasks import Batch
from stages.tasks._labels import SingleLabel
from stages.train import train
from tests.training import QUICK, data_of, model_of, plan_of, write_augmented

LABELS = ["negative", "neutral", "positive"]
MakeParams = Callable[..., Params]


@pytest.fixture(scope="module")
def augmented(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_augmented(tmp_path_factory.mktemp("augmented"))


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory, make_params: MakeParams) -> Path:
    folder = tmp_path_factory.mktemp("base")
    pretrain(folder, folder, make_params())
    return folder


def run(augmented: Path, base: Path, out: Path, params: Params) -> dict[str, float]:
    out.mkdir()
    return train(augmented, base, out, params).metrics


@pytest.mark.parametrize(("wanted", "used"), [(None, 0.1), (0.3, 0.3), (0.0, 0.0)])
def test_dropout_is_that_of_the_parameters_and_the_base_keeps_its_own(
    augmented: Path, tiny_base: Path, make_params: MakeParams, wanted: float | None, used: float
) -> None:
    params = make_params(QUICK | {"train.epochs": 1, "train.dropout": wanted})
    model = model_of(tiny_base, params)
    fit(model, data_of(augmented, params, tiny_base), plan_of(params), History())
    assert {module.p for module in model.modules() if isinstance(module, torch.nn.Dropout)} == {used}
    assert model.config.hidden_dropout_prob == 0.1


@pytest.mark.parametrize("weights", [None, torch.tensor([0.5, 2.0, 1.0], dtype=torch.float64)])
def test_accumulated_gradients_are_those_of_the_large_batch(
    augmented: Path, tiny_base: Path, make_params: MakeParams, weights: torch.Tensor | None
) -> None:
    """Dropout off, float64, uneven batches of different lengths."""
    params = make_params()
    data = data_of(augmented, params, tiny_base)
    model = model_of(tiny_base, params).double().eval()

    def gradients(*cuts: slice) -> list[torch.Tensor]:
        model.zero_grad()
        learner = Learner(model, data.task, weights)
        loss = add_gradients(learner, [data.batch(range(19)[cut], (0,)) for cut in cuts])
        return [loss, *(weight.grad.clone() for weight in model.parameters())]

    whole = gradients(slice(0, 19))
    parts = gradients(slice(0, 8), slice(8, 16), slice(16, 19))
    assert max(weight.abs().max() for weight in whole) > 0.01
    for one, other in zip(whole, parts, strict=True):
        assert torch.allclose(one, other, rtol=1e-6, atol=1e-9)


def test_one_update_takes_the_accumulated_batches_and_the_last_what_is_left(make_params: MakeParams) -> None:
    params = make_params({"train.batch_size": 4, "train.accumulation": 3})
    groups = groups_of_epoch([5] * 29, plan_of(params), epoch=0)
    assert [len(group) for group in groups] == [3, 3, 2]
    assert sorted(index for group in groups for batch in group for index in batch) == list(range(29))


def test_validations_are_spread_over_the_epoch_and_the_last_ends_it() -> None:
    assert validation_points(10, 1) == {10}
    assert validation_points(10, 3) == {4, 7, 10}
    assert validation_points(2, 5) == {1, 2}


def test_of_equal_validations_the_lower_loss_then_the_earlier_is_best() -> None:
    model, history = torch.nn.Linear(1, 1), History()
    for step, f1, loss in ((1, 0.5, 0.9), (2, 0.5, 0.8), (3, 0.5, 0.8), (4, 0.4, 0.1)):
        torch.nn.init.constant_(model.weight, step)
        history.add_validation({"step": step, "f1": f1, "validation_loss": loss}, "f1", model, {"at": step})
    assert history.best is not None
    assert history.best["step"] == 2
    assert history.weights["weight"].item() == 2
    assert history.tuned == {"at": 2}
    assert history.since_best == 2


def test_training_writes_the_weights_of_its_best_validation(
    augmented: Path, base: Path, tmp_path: Path, make_params: MakeParams
) -> None:
    params = make_params({**QUICK, "train.epochs": 4, "train.validations_per_epoch": 2})
    metrics = run(augmented, base, tmp_path / "out", params)
    model = model_of(tmp_path / "out/model", params)
    data = data_of(augmented, params, tmp_path / "out/model")
    _, found, _ = measure(model, data, None, params.train.batch_size)
    with (tmp_path / "out/plots/validation.csv").open() as file:
        curve = [float(row["macro_f1"]) for row in csv.DictReader(file)]
    assert found["macro_f1"] == pytest.approx(metrics["validation.macro_f1"])
    assert found["macro_f1"] == pytest.approx(max(curve), abs=1e-5)
    assert metrics["steps"] == metrics["epochs"] * 6
    assert metrics["examples"] == 45


def test_the_same_seed_gives_the_same_bytes_and_another_seed_others(
    augmented: Path, base: Path, tmp_path: Path, make_params: MakeParams
) -> None:
    for name, seed in (("one", 1), ("again", 1), ("other", 2)):
        run(augmented, base, tmp_path / name, make_params({**QUICK, "seed": seed}))
    files = sorted(p.relative_to(tmp_path / "one") for p in (tmp_path / "one").rglob("*") if p.is_file())
    assert Path("model/model.safetensors") in files
    assert Path("model/tokenizer.json") in files
    for file in files:
        assert sha256_of(tmp_path / "one" / file) == sha256_of(tmp_path / "again" / file), file
    weights = "model/model.safetensors"
    assert sha256_of(tmp_path / "one" / weights) != sha256_of(tmp_path / "other" / weights)


def test_the_model_folder_names_its_labels_and_no_place_of_this_machine(
    augmented: Path, base: Path, tiny_base: Path, tmp_path: Path, make_params: MakeParams
) -> None:
    run(augmented, base, tmp_path / "out", make_params({**QUICK, "train.epochs": 1}))
    config = json.loads((tmp_path / "out/model/config.json").read_text())
    assert config["id2label"] == {str(position): label for position, label in enumerate(LABELS)}
    for name in ("config.json", "tokenizer_config.json", "tokenizer.json"):
        text = (tmp_path / "out/model" / name).read_text()
        assert str(tiny_base) not in text
        assert "local" not in text or name == "tokenizer.json"


def test_class_weights_and_bfloat16_and_accumulation_train(
    augmented: Path, base: Path, tmp_path: Path, make_params: MakeParams
) -> None:
    values = {**QUICK, "train.class_weights": "balanced", "train.accumulation": 2, "train.precision": "bfloat16"}
    assert run(augmented, base, tmp_path / "out", make_params(values))["steps"] == 2 * 3


def test_live_figures_are_reported_for_each_update_and_validation(
    augmented: Path, base: Path, tmp_path: Path, make_params: MakeParams
) -> None:
    seen: list[tuple[int, dict[str, float]]] = []
    with reporting_to(lambda step, values: seen.append((step, values))):
        run(augmented, base, tmp_path / "out", make_params({**QUICK, "train.epochs": 1}))
    assert [step for step, values in seen if "loss" in values] == [1, 2, 3, 4, 5, 6]
    assert [step for step, values in seen if "validation.macro_f1" in values] == [6]


def test_training_stops_when_patience_is_lost(
    augmented: Path, tiny_base: Path, make_params: MakeParams, monkeypatch: pytest.MonkeyPatch
) -> None:
    params = make_params({**QUICK, "train.epochs": 9, "train.patience": 2})
    scores = iter([0.3, 0.5, 0.4, 0.45, 0.9])
    monkeypatch.setattr(SingleLabel, "metrics", lambda *_: {"macro_f1": next(scores)})
    history, model = History(), model_of(tiny_base, params)
    fit(model, data_of(augmented, params, tiny_base), plan_of(params), history)
    assert [row["macro_f1"] for row in history.validations] == [0.3, 0.5, 0.4, 0.45]
    assert history.metrics()["best_step"] == 12
    assert history.metrics()["epochs"] == 4
    assert not torch.equal(history.weights["classifier.weight"], model.classifier.weight)


@pytest.mark.fault(38)
def test_a_loss_that_is_no_number_stops_with_step_rate_and_remedy(
    augmented: Path, tiny_base: Path, make_params: MakeParams, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(SingleLabel, "loss_sum", nan_from(4))
    values = {"train.learning_rate": 0.004, "train.warmup": 0.0, "train.validations_per_epoch": 2}
    params = make_params(QUICK | values)
    history = History()
    model = model_of(tiny_base, params)
    with pytest.raises(TrainingFailed) as caught:
        fit(model, data_of(augmented, params, tiny_base), plan_of(params), history)
    message = str(caught.value)
    assert "the loss is nan" in message
    assert "at update 4 of 12, learning rate 0.003" in message
    assert "Lower train.learning_rate (now 0.004)" in message
    assert "update 3" in message
    assert all(torch.isfinite(weight).all() for weight in model.parameters())


def nan_from(update: int) -> Callable[..., torch.Tensor]:
    """A summed loss that is no number from a forward pass with gradients on."""
    passes, loss_of = 0, SingleLabel.loss_sum

    def loss_sum(task: SingleLabel, logits: torch.Tensor, batch: Batch, weights: torch.Tensor | None) -> torch.Tensor:
        nonlocal passes
        passes += logits.requires_grad
        return loss_of(task, logits, batch, weights) * (float("nan") if passes >= update else 1.0)

    return loss_sum


@pytest.mark.fault(38)
def test_the_best_model_so_far_is_written_when_training_fails(
    augmented: Path, base: Path, tmp_path: Path, make_params: MakeParams, monkeypatch: pytest.MonkeyPatch
) -> None:
    params = make_params(QUICK)
    monkeypatch.setattr(SingleLabel, "loss_sum", nan_from(8))
    with pytest.raises(TrainingFailed, match="update 8 of 12"):
        run(augmented, base, tmp_path / "out", params)
    model = model_of(tmp_path / "out/model", params)
    assert all(torch.isfinite(weight).all() for weight in model.parameters())
    assert len((tmp_path / "out/plots/loss.csv").read_text().splitlines()) == 1 + 7


def test_without_a_validation_before_the_failure_there_is_no_model(
    augmented: Path, base: Path, tmp_path: Path, make_params: MakeParams, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(SingleLabel, "loss_sum", nan_from(1))
    with pytest.raises(TrainingFailed, match="no model to keep"):
        run(augmented, base, tmp_path / "out", make_params(QUICK))
    assert not (tmp_path / "out/model").exists()


def test_predictions_come_back_in_the_order_of_the_examples(
    augmented: Path, tiny_base: Path, make_params: MakeParams
) -> None:
    params = make_params()
    make_repeatable(1, threads=1)
    data = data_of(augmented, params, tiny_base)
    model = model_of(tiny_base, params)

    def logits(items: Sequence[Item], size: int) -> torch.Tensor:
        return torch.from_numpy(np.stack(predict(data.task, model, items, Batching(size, data.padding, "test"))))

    alone = torch.cat([logits([item], 1) for item in data.train])
    assert torch.allclose(logits(data.train, 5), alone, atol=1e-5)
    assert model.training is False


def test_a_model_without_trainable_weights_is_measured_as_it_is(
    augmented: Path, tiny_base: Path, make_params: MakeParams
) -> None:
    params, history = make_params(QUICK), History()
    fit(
        model_of(tiny_base, params).requires_grad_(False),
        data_of(augmented, params, tiny_base),
        plan_of(params),
        history,
    )
    assert history.best is not None
    assert history.metrics()["steps"] == 0

"""What each regularizer makes of the loss and its gradients, and what it does not go together with."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch.nn.functional import cross_entropy
from transformers import PreTrainedModel

from stages.regularizers import regularize
from stages.shared.errors import ParamsError
from stages.shared.fitting import Learner, add_gradients, make_repeatable, use_focal_loss
from stages.shared.params import Params
from stages.tasks import Batch, task_of
from stages.train.check import check_train
from tests.training import data_of, model_of, write_augmented

MakeParams = Callable[..., Params]
OPTIONS: dict[str, dict[str, Any]] = {
    "fgm": {"size": 0.5},
    "freelb": {"steps": 3, "start": 0.1, "step": 0.2, "size": 0.25},
    "label_smoothing": {"share": 0.2},
    "mixup": {"alpha": 1.0},
    "rdrop": {"weight": 2.0},
}


class Bench:
    """A model without dropout, one batch, and what is learnt of it."""

    def __init__(self, folder: Path, tiny_base: Path, params: Params) -> None:
        make_repeatable(1, threads=1)
        self.model: PreTrainedModel = model_of(tiny_base, params).eval()
        data = data_of(write_augmented(folder), params, tiny_base)
        self.task, self.batch = data.task, data.batch(range(8), (0,))

    def learner(self, *chosen: Any, weights: torch.Tensor | None = None) -> Learner:
        learner = Learner(self.model, self.task, weights)
        regularize(learner, list(chosen))
        return learner

    def gradients(self, learner: Learner) -> tuple[float, dict[str, torch.Tensor]]:
        self.model.zero_grad()
        loss = add_gradients(learner, [self.batch]).item()
        found = {n: w.grad.clone() for n, w in self.model.named_parameters() if w.grad is not None}
        return loss, found


@pytest.fixture
def bench(tmp_path: Path, tiny_base: Path, make_params: MakeParams) -> Bench:
    return Bench(tmp_path, tiny_base, make_params())


@pytest.fixture
def choose(make_params: MakeParams) -> Callable[..., Any]:
    """Gives the typed options of a regularizer, with others in their place: choose("fgm", size=1.0)."""

    def chosen(name: str, **options: Any) -> Any:
        return make_params({"train.regularizers": [{"name": name, **OPTIONS[name], **options}]}).train.regularizers[0]

    return chosen


def test_label_smoothing_is_that_of_torch(bench: Bench, choose: Callable[..., Any]) -> None:
    learner = bench.learner(choose("label_smoothing"))
    logits = learner.logits(bench.batch)
    expected = cross_entropy(logits, bench.batch["expected"], reduction="sum", label_smoothing=0.2)
    assert learner.loss(bench.batch).item() == pytest.approx(expected.item(), rel=1e-5)


@pytest.mark.parametrize("weights", [None, torch.tensor([0.5, 2.0, 1.0])])
def test_focal_loss_counts_what_is_right_already_less(bench: Bench, weights: torch.Tensor | None) -> None:
    learner = bench.learner(weights=weights)
    plain = learner.loss(bench.batch).item()
    logits, expected = learner.logits(bench.batch), bench.batch["expected"]
    chances = logits.softmax(-1)[torch.arange(8), expected]
    weight = torch.ones(8) if weights is None else weights[expected]
    use_focal_loss(learner, 2.0)
    assert learner.loss(bench.batch).item() == pytest.approx(
        (weight * (1 - chances) ** 2 * -chances.log()).sum().item(), rel=1e-5
    )
    use_focal_loss(learner, 0.0)
    assert learner.loss(bench.batch).item() == pytest.approx(plain, rel=1e-5)


def test_rdrop_adds_how_far_two_passes_diverge(bench: Bench, choose: Callable[..., Any]) -> None:
    plain = bench.learner().loss(bench.batch).item()
    learner = bench.learner(choose("rdrop"))
    assert learner.loss(bench.batch).item() == pytest.approx(plain, rel=1e-6)  # no dropout: both say the same
    said = iter([torch.zeros(8, 3), torch.tensor([[1.0, 0.0, 0.0]] * 8)])
    learner.logits = lambda batch: next(said)
    one, other = torch.full((3,), 1 / 3), torch.tensor([1.0, 0.0, 0.0]).softmax(0)
    both = ((one * (one / other).log()).sum() + (other * (other / one).log()).sum()) / 2
    losses = [
        cross_entropy(logits, bench.batch["expected"], reduction="sum")
        for logits in (one.expand(8, 3), other.log().expand(8, 3))
    ]
    assert learner.loss(bench.batch).item() == pytest.approx((sum(losses) / 2 + 2.0 * 8 * both).item(), rel=1e-5)


def test_mixup_mixes_what_the_last_map_reads_and_the_losses(bench: Bench, choose: Callable[..., Any]) -> None:
    learner = bench.learner(choose("mixup"))
    read: list[torch.Tensor] = []
    classifier = bench.model.get_submodule("classifier")
    with torch.no_grad():
        hook = classifier.register_forward_pre_hook(lambda _module, given: read.append(given[0].clone()))
        bench.model(**{name: value for name, value in bench.batch.items() if name != "expected"})
        hook.remove()
        torch.manual_seed(3)
        share = float(torch.distributions.Beta(1.0, 1.0).sample())
        order = torch.randperm(8)
        said = classifier(share * read[0] + (1 - share) * read[0][order])
        expected = bench.batch["expected"]
        parts = [cross_entropy(said, wanted, reduction="sum") for wanted in (expected, expected[order])]
        torch.manual_seed(3)
        assert learner.loss(bench.batch).item() == pytest.approx(
            (share * parts[0] + (1 - share) * parts[1]).item(), rel=1e-5
        )


def test_fgm_adds_the_gradients_a_step_uphill(bench: Bench, choose: Callable[..., Any]) -> None:
    plain, clean = bench.gradients(bench.learner())
    both, found = bench.gradients(bench.learner(choose("fgm")))
    table = bench.model.get_input_embeddings()
    added = torch.zeros(*bench.batch["input_ids"].shape, 32, requires_grad=True)
    hook = table.register_forward_hook(lambda _table, _ids, read: read + added)
    bench.gradients(bench.learner())
    assert added.grad is not None
    lengths = added.grad.flatten(1).norm(dim=1)[:, None, None]
    added.data = 0.5 * added.grad / lengths
    uphill, there = bench.gradients(bench.learner())
    hook.remove()
    assert uphill > plain
    assert both == pytest.approx(plain + uphill, rel=1e-5)
    for name, gradient in clean.items():
        assert torch.allclose(found[name], gradient + there[name], atol=1e-5), name
    assert bench.gradients(bench.learner())[0] == pytest.approx(plain)  # nothing is left on the model


def test_freelb_takes_the_mean_of_the_losses_on_a_bounded_way_up(bench: Bench, choose: Callable[..., Any]) -> None:
    plain = bench.learner().loss(bench.batch).item() / 8
    seen: list[torch.Tensor] = []
    table = bench.model.get_input_embeddings()
    clean = table(bench.batch["input_ids"]).detach()
    learner = bench.learner(choose("freelb"))
    pass_of = learner.logits

    def watched(batch: Batch) -> torch.Tensor:
        hook = table.register_forward_hook(lambda _table, _ids, read: seen.append(read.detach()))
        try:
            return pass_of(batch)
        finally:
            hook.remove()

    learner.logits = watched
    loss, _ = bench.gradients(learner)
    lengths = [(read - clean).flatten(1).norm(dim=1) for read in seen]
    assert len(lengths) == 3
    assert lengths[0] == pytest.approx(torch.full((8,), 0.1), rel=1e-4)
    assert all(float(length.max()) <= 0.25 + 1e-6 for length in lengths)
    assert plain < loss < 2 * plain


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"train.regularizers": [{"name": "fgm", "size": 1.0}] * 2}, "fgm: is listed twice"),
        (
            {"train.regularizers": [{"name": name, **OPTIONS[name]} for name in ("fgm", "freelb")]},
            "fgm and freelb: both perturb",
        ),
        (
            {"train.regularizers": [{"name": name, **OPTIONS[name]} for name in ("rdrop", "mixup")]},
            "either goes with label_smoothing and fgm",
        ),
        ({"train.regularizers": [{"name": "rdrop", "weight": 1.0}], "train.dropout": 0.0}, "train.dropout is 0"),
        (
            {"train.regularizers": [{"name": "label_smoothing", "share": 0.1}], "train.focal_gamma": 2.0},
            "Set focal_gamma to 0",
        ),
        (
            {
                "train.regularizers": [{"name": "fgm", "size": 1.0}],
                "train.method": {"name": "freeze", "layers": 2, "keep": True},
            },
            r"Set train\.method\.keep to false",
        ),
        (
            {
                "train.regularizers": [{"name": "fgm", "size": 1.0}],
                "train.method": {"name": "head", "penalties": [1.0]},
            },
            "the nearest method that takes it is lora",
        ),
        (
            {
                "train.ensemble": {"members": 3, "by": "seeds", "join": "soup"},
                "train.method": {"name": "head", "penalties": [1.0]},
            },
            "The nearest that works is by: folds",
        ),
    ],
)
def test_what_does_not_go_together_is_refused_with_what_does(
    make_params: MakeParams, values: dict[str, Any], message: str
) -> None:
    params = make_params(values)
    with pytest.raises(ParamsError, match=message):
        check_train(task_of(params.task), params)


def test_an_unknown_regularizer_and_a_lone_one_are_refused(make_params: MakeParams) -> None:
    with pytest.raises(ParamsError, match=r"train\.regularizers\.0: name: 'fmg' .* Did you mean 'fgm'"):
        make_params({"train.regularizers": [{"name": "fmg", "size": 1.0}]})
    with pytest.raises(ParamsError, match=r"train\.regularizers: .*needs a list"):
        make_params({"train.regularizers": {"name": "fgm", "size": 1.0}})
    with pytest.raises(ParamsError, match=r"train\.regularizers\.0\.size: missing"):
        make_params({"train.regularizers": [{"name": "fgm"}]})

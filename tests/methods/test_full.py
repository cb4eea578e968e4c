"""Full fine-tuning."""

from pathlib import Path
from types import SimpleNamespace

from stages.methods import full
from stages.shared.base_model import tokenizer_of
from stages.shared.models import load_model
from tests.tasks.test_classification import PARAMS, TASK


def test_every_weight_trains_even_when_it_was_frozen(tiny_base: Path) -> None:
    model = load_model(TASK, tiny_base, PARAMS, len(tokenizer_of(tiny_base))).requires_grad_(False)
    prepared = full.prepare(SimpleNamespace(load=lambda: model), full.Params(name="full"))
    assert all(weight.requires_grad for weight in prepared.parameters())
    assert full.finish(prepared) is prepared

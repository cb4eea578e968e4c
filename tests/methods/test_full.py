"""Full fine-tuning."""

from pathlib import Path

from stages.methods import full
from stages.tasks import classification


def test_every_weight_trains_even_when_it_was_frozen(tiny_base: Path) -> None:
    params = classification.Params(name="classification", labels=["a", "b"], max_tokens=8)
    model = classification.load_model(tiny_base, params).requires_grad_(False)
    prepared = full.prepare(model, full.Params(name="full"))
    assert all(weight.requires_grad for weight in prepared.parameters())
    assert full.finish(prepared) is prepared

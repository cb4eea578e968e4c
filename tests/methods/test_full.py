"""Full fine-tuning."""

from pathlib import Path
from types import SimpleNamespace

from transformers import AutoModelForSeq2SeqLM

from stages.methods import full
from stages.shared.base_model import tokenizer_of
from stages.shared.models import load_model
from tests.tasks.test_classification import PARAMS, TASK
from tests.writing_models import write_base


def test_every_weight_trains_even_when_it_was_frozen(tiny_base: Path) -> None:
    model = load_model(TASK, tiny_base, PARAMS, len(tokenizer_of(tiny_base))).requires_grad_(False)
    prepared = full.prepare(SimpleNamespace(load=lambda: model), None, None, full.Params(name="full")).model
    assert all(weight.requires_grad for weight in prepared.parameters())
    assert full.finish(prepared) is prepared


def test_what_a_model_computes_and_does_not_save_is_not_trained(tmp_path: Path) -> None:
    base = write_base(tmp_path / "base", "marian", ["a b c"])
    model = full.prepare(
        SimpleNamespace(load=lambda: AutoModelForSeq2SeqLM.from_pretrained(base)), None, None, full.Params(name="full")
    ).model
    frozen = [name for name, weight in model.named_parameters() if not weight.requires_grad]
    assert frozen == ["model.encoder.embed_positions.weight", "model.decoder.embed_positions.weight"]
    assert all(weight.requires_grad for name, weight in model.named_parameters() if name not in frozen)

"""What frozen layers make of a text is computed once, and is the same when it is given back."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from transformers import PreTrainedModel

from stages.shared.fitting import Data, History, fit, make_repeatable
from stages.shared.kept import Kept
from stages.shared.layers import stacks_of
from stages.shared.params import Params
from tests.tiny import tiny_convnext, tiny_vit
from tests.training import QUICK, data_of, model_of, plan_of, write_augmented
from tests.writing_models import seq2seq_model

MakeParams = Callable[..., Params]


def inputs(*texts: list[int]) -> dict[str, torch.Tensor]:
    """Rows of token ids, padded at their end."""
    width = max(map(len, texts))
    ids = torch.tensor([row + [0] * (width - len(row)) for row in texts])
    return {"input_ids": ids, "attention_mask": (ids != 0).long(), "token_type_ids": torch.zeros_like(ids)}


def test_a_text_is_computed_once_whatever_it_is_padded_with(tiny_base: Path, make_params: MakeParams) -> None:
    model = model_of(tiny_base, make_params()).eval()
    alone, beside = inputs([2, 9, 3]), inputs([2, 9, 3], [2, 8, 7, 6, 3])
    with torch.no_grad():
        plain = model(**beside).logits
        with Kept(model, stacks_of(model)[0][:1]) as kept:
            model(**alone)
            model(**inputs([2, 8, 7, 6, 3]))
            assert (kept.computed, kept.used) == (2, 0)
            again = model(**beside).logits
            assert (kept.computed, kept.used) == (2, 2)
            assert torch.allclose(again, plain, atol=1e-6)
            other = model(**inputs([2, 9, 9, 3])).logits
            assert kept.computed == 3
        assert torch.equal(model(**inputs([2, 9, 9, 3])).logits, other)
        assert torch.equal(model(**beside).logits, plain)


@pytest.mark.parametrize("make", [lambda: tiny_vit(32), tiny_convnext])
def test_pictures_are_kept_too(make: Callable[[], PreTrainedModel]) -> None:
    model, pixels = make().eval(), torch.rand(3, 3, 32, 32)
    with torch.no_grad():
        plain = model(pixel_values=pixels).last_hidden_state
        with Kept(model, stacks_of(model)[0][:1]) as kept:
            model(pixel_values=pixels[:2])
            model(pixel_values=pixels[1:])
            assert torch.allclose(model(pixel_values=pixels).last_hidden_state, plain, atol=1e-6)
            assert kept.used == 3


def test_where_there_is_no_room_the_layers_run_each_time(
    tiny_base: Path, make_params: MakeParams, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    model, given = model_of(tiny_base, make_params()).eval(), inputs([2, 9, 3], [2, 8, 3])
    monkeypatch.setattr("os.pwrite", lambda *_: 0)
    with torch.no_grad(), Kept(model, stacks_of(model)[0][:1]) as kept:
        first = model(**given).logits
        assert torch.equal(model(**given).logits, first)
    assert kept.used == 0
    assert "the disk is full" in caplog.text


@pytest.mark.parametrize(("kind", "used"), [("marian", 2), ("t5", 0)])
def test_an_encoder_that_is_asked_alone_is_not_given_another_text(kind: str, used: int) -> None:
    """T5's layers hand on their biases, so nothing of it is kept."""
    model = seq2seq_model(kind, 50).eval()
    one, other = torch.tensor([[5, 6, 7, 2]]), torch.tensor([[9, 8, 7, 2]])
    given = {"attention_mask": torch.ones_like(one), "decoder_input_ids": torch.tensor([[4, 5]])}
    with torch.no_grad():
        plain = model(input_ids=one, **given).logits
        written = model.generate(input_ids=other, max_new_tokens=4, num_beams=1, do_sample=False)
        with Kept(model, stacks_of(model)[0][:1]) as kept:
            for _ in range(3):
                assert torch.allclose(model(input_ids=one, **given).logits, plain, atol=1e-6)
            assert kept.used == used
            assert torch.equal(model.generate(input_ids=other, max_new_tokens=4, num_beams=1, do_sample=False), written)


def test_training_on_what_is_kept_gives_the_weights_of_training_without(
    tmp_path: Path, tiny_base: Path, make_params: MakeParams
) -> None:
    """Three epochs with dropout above the frozen layer."""
    from stages.methods import Start, freeze

    def trained(keep: bool) -> dict[str, torch.Tensor]:
        values = {"train.method": {"name": "freeze", "layers": 1, "keep": keep}, "train.epochs": 3}
        params = make_params(QUICK | values | {"train.learning_rate": 1.0e-3})
        make_repeatable(1, threads=1)
        data: Data = data_of(write_augmented(tmp_path), params, tiny_base)
        start = Start(data.task, tiny_base, None, [], lambda: model_of(tiny_base, params), 1)  # type: ignore[arg-type]
        trainable = freeze.prepare(start, data, plan_of(params), params.train.method)
        history = History()
        with trainable.around as kept:
            fit(trainable.model, data, plan_of(params), history)
            assert not keep or (kept.computed, kept.used) == (65, 2 * 65)
        return history.weights

    first, second = trained(keep=True), trained(keep=False)
    assert first.keys() == second.keys()
    assert max(float((first[name] - second[name]).abs().max()) for name in first) < 1e-5

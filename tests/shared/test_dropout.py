"""Dropout that params.yaml sets, on random models of usual architectures."""

from typing import Any

import pytest
import torch
from transformers import AutoConfig, BertConfig, BertForSequenceClassification

from stages.pretrain.new_model import make_model
from stages.shared.fitting.dropout import set_dropout
from tests.stages.test_pretrain_new import SIZES

SHARE = 0.5


def inputs_for(name: str) -> dict[str, torch.Tensor]:
    if name == "vit":
        return {"pixel_values": torch.rand(1, 3, 32, 32)}
    ids = torch.arange(5, 15).unsqueeze(0)
    return {"input_ids": ids} | ({"decoder_input_ids": ids} if name in ("marian", "bart", "t5") else {})


@pytest.mark.parametrize("name", SIZES)
def test_a_share_is_that_of_every_layer_and_none_makes_training_repeat_itself(
    monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    model = make_model(AutoConfig.for_model(name, **SIZES[name]), None).train()
    before, inputs = model.config.to_dict(), inputs_for(name)
    shares: set[float] = set()
    attend = torch.nn.functional.scaled_dot_product_attention

    def spy(*given: Any, **named: Any) -> torch.Tensor:
        shares.add(named["dropout_p"])
        return attend(*given, **named)

    monkeypatch.setattr(torch.nn.functional, "scaled_dot_product_attention", spy)
    set_dropout(model, SHARE)
    first, second = model(**inputs).logits, model(**inputs).logits
    assert shares == {SHARE} and not torch.equal(first, second)
    shares.clear()
    set_dropout(model, 0.0)
    first, second = model(**inputs).logits, model(**inputs).logits
    assert shares == {0.0} and torch.equal(first, second)
    assert model.config.to_dict() == before


def test_a_trained_model_answers_without_dropout() -> None:
    model = BertForSequenceClassification(BertConfig(**SIZES["bert"])).eval()
    ids = torch.arange(5, 15).unsqueeze(0)
    plain = model(input_ids=ids).logits
    set_dropout(model, SHARE)
    assert torch.equal(model(input_ids=ids).logits, plain)

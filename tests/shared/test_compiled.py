"""A compiled model gives what the model gives, and only a long run on a GPU compiles one."""

from pathlib import Path

import pytest
import torch
from transformers import AutoModel

from stages.shared.fitting.compiled import WORTH, compiled


def test_what_is_compiled_gives_the_same_for_batches_of_any_shape(tiny_base: Path) -> None:
    model = AutoModel.from_pretrained(tiny_base).train(False)
    batches = [torch.arange(rows * tokens).reshape(rows, tokens) for rows, tokens in ((2, 3), (4, 5), (1, 9))]
    before = [model(batch).last_hidden_state for batch in batches]
    with compiled(model, torch.device("cuda"), WORTH, backend="eager"):
        assert model._compiled_call_impl is not None
        for batch, expected in zip(batches, before, strict=True):
            torch.testing.assert_close(model(batch).last_hidden_state, expected)
    assert model._compiled_call_impl is None


@pytest.mark.parametrize(("device", "updates"), [("cpu", 10 * WORTH), ("cuda", WORTH - 1)])
def test_elsewhere_nothing_is_compiled(tiny_base: Path, device: str, updates: int) -> None:
    model = AutoModel.from_pretrained(tiny_base)
    with compiled(model, torch.device(device), updates):
        assert model._compiled_call_impl is None

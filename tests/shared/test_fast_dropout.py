"""Dropout that is drawn fast: the share, the scale, the gradient, and attention as torch computes it."""

import pytest
import torch
from torch import nn
from transformers import AutoModel, PreTrainedModel
from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS

from stages.shared.fitting.dropout import attention, drop, fast_dropout

CPU = torch.device("cpu")


@pytest.mark.parametrize("kind", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
def test_it_drops_the_share_and_scales_the_rest(kind: torch.dtype, share: float) -> None:
    torch.manual_seed(1)
    given = torch.ones(401, 499, dtype=kind)
    dropped = drop(given, share)
    assert dropped.dtype == kind and dropped.shape == given.shape
    assert (dropped == 0).float().mean().item() == pytest.approx(share, abs=0.005)
    assert dropped.max().item() == pytest.approx(1 / (1 - share), rel=4e-3 if kind == torch.bfloat16 else 1e-4)
    assert set(dropped.unique().tolist()) == {0.0, dropped.max().item()}


def test_neighbours_drop_independently() -> None:
    torch.manual_seed(1)
    zero = (drop(torch.ones(400_000), 0.3) == 0).float()
    for distance in range(1, 9):
        assert (zero[distance:] * zero[:-distance]).mean().item() == pytest.approx(0.09, abs=0.003)


def test_the_gradient_goes_where_the_value_went() -> None:
    given = torch.randn(57, 33, requires_grad=True)
    dropped = drop(given, 0.4)
    dropped.sum().backward()
    assert torch.equal(given.grad * given.detach(), dropped.detach())


def test_the_same_seed_draws_the_same() -> None:
    drawn = []
    for seed in (1, 1, 2):
        torch.manual_seed(seed)
        drawn.append(drop(torch.ones(1000), 0.1))
    assert torch.equal(drawn[0], drawn[1]) and not torch.equal(drawn[0], drawn[2])


@pytest.mark.parametrize("masked", ["none", "yes or no", "added"])
def test_attention_is_torchs_but_for_what_is_dropped(masked: str) -> None:
    torch.manual_seed(1)
    module = nn.Module()
    module.is_causal = False
    query, key, value = (torch.randn(3, 4, 7, 8, requires_grad=True) for _ in range(3))
    seen = torch.arange(7)[None, None, None] < torch.tensor([7, 5, 2])[:, None, None, None]
    masks = {"none": None, "yes or no": seen, "added": torch.zeros(3, 1, 1, 7).masked_fill(~seen, -1e30)}
    results = []
    for share in (0.0, 1e-9):  # torch's own, and ours with a share that rounds to nothing
        made, _ = attention(module, query, key, value, masks[masked], dropout=share, scaling=0.3)
        results.append([made, *torch.autograd.grad(made.square().sum(), (query, key, value))])
    for one, other in zip(*results, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-5, atol=1e-5)


def test_a_causal_model_without_a_mask_sees_nothing_ahead() -> None:
    module = nn.Module()
    module.is_causal = True
    query, key, value = (torch.randn(1, 2, 5, 4) for _ in range(3))
    first = attention(module, query, key, value, None, dropout=1e-9)[0][:, 0]
    torch.testing.assert_close(first, value[:, :, 0])


def test_a_model_is_left_as_it_was(tiny_base) -> None:
    model: PreTrainedModel = AutoModel.from_pretrained(tiny_base)
    ids = torch.arange(6).reshape(2, 3)
    before, function = model(ids).last_hidden_state, ALL_ATTENTION_FUNCTIONS["sdpa"]
    with fast_dropout(model, CPU):
        torch.testing.assert_close(model(ids).last_hidden_state, before)  # it is not learning: nothing is dropped
        model.train()
        assert not torch.allclose(model(ids).last_hidden_state, before)
    model.eval()
    assert ALL_ATTENTION_FUNCTIONS["sdpa"] is function
    assert not any("forward" in vars(module) for module in model.modules())
    assert torch.equal(model(ids).last_hidden_state, before)

"""The precision of training: as asked for, or what a measurement on this machine says."""

import pytest
import torch

from stages.shared.fitting import precision
from stages.shared.fitting.precision import chosen_precision, gain_of_bfloat16

CPU = torch.device("cpu")


def test_what_is_asked_for_is_taken() -> None:
    assert [chosen_precision(name, CPU) for name in ("float32", "bfloat16")] == ["float32", "bfloat16"]


def test_auto_is_what_is_clearly_faster_here(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(precision, "LONGEST", 0.05)
    gain_of_bfloat16.cache_clear()
    expected = "bfloat16" if gain_of_bfloat16(CPU, torch.get_num_threads()) >= precision.ENOUGH else "float32"
    assert chosen_precision("auto", CPU) == expected


@pytest.mark.parametrize(("seconds_of_half", "expected"), [(0.5, "bfloat16"), (0.8, "float32"), (2.0, "float32")])
def test_a_small_gain_is_not_worth_the_digits(
    monkeypatch: pytest.MonkeyPatch, seconds_of_half: float, expected: str
) -> None:
    monkeypatch.setattr(precision, "LONGEST", 0.01)
    seconds = {torch.float32: 1.0, torch.bfloat16: seconds_of_half}
    monkeypatch.setattr(precision, "_product_seconds", lambda _device, kind: seconds[kind])
    gain_of_bfloat16.cache_clear()
    assert chosen_precision("auto", CPU) == expected
    gain_of_bfloat16.cache_clear()


def test_it_draws_nothing() -> None:
    torch.manual_seed(1)
    before = torch.get_rng_state()
    precision._product_seconds(CPU, torch.bfloat16)
    assert torch.equal(torch.get_rng_state(), before)

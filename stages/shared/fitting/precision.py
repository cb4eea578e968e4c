"""The precision that training computes in: as asked for, or the faster one on this machine, measured in a second."""

from __future__ import annotations

import logging
import statistics
import time
from functools import lru_cache

import torch

log = logging.getLogger(__name__)
SHAPE = (768, 384, 1536)  # tokens of a batch, width, inner width: the largest product of a small encoder
LONGEST = 0.8  # seconds that the measurement may take
ENOUGH = 1.5  # how many times faster bfloat16 must be: below, what it loses in digits buys nothing


def _product_seconds(device: torch.device, precision: torch.dtype) -> float:
    """The seconds of one linear map with its gradients, computed in this precision from float32 weights."""
    tokens, width, inner = SHAPE
    given = torch.full((tokens, width), 0.5, device=device, requires_grad=True)
    weight = torch.full((inner, width), 0.5, device=device, requires_grad=True)
    started = time.perf_counter()
    with torch.autocast(device.type, dtype=torch.bfloat16, enabled=precision == torch.bfloat16):
        made = torch.nn.functional.linear(given, weight)
    torch.autograd.backward(made, torch.ones_like(made))
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter() - started


@lru_cache
def gain_of_bfloat16(device: torch.device, threads: int) -> float:
    """How many times faster a linear map is in bfloat16 than in float32, medians of both taking turns.

    Args:
        threads: those that torch uses now; the same question is measured once in a process.
    """
    seconds: dict[torch.dtype, list[float]] = {torch.float32: [], torch.bfloat16: []}
    for precision in seconds:
        _product_seconds(device, precision)  # the first time makes what the others use
    end = time.perf_counter() + LONGEST
    while time.perf_counter() < end and len(seconds[torch.bfloat16]) < 50:
        for precision, measured in seconds.items():
            measured.append(_product_seconds(device, precision))
    full, half = (statistics.median(measured or [1.0]) for measured in seconds.values())
    return full / half


def chosen_precision(asked: str, device: torch.device) -> str:
    """`asked`, or for "auto" bfloat16 where it is clearly faster here, else float32."""
    if asked != "auto":
        return asked
    gain = gain_of_bfloat16(device, torch.get_num_threads())
    chosen = "bfloat16" if gain >= ENOUGH else "float32"
    log.info("precision auto: %s; products in bfloat16 take %.2f of the time of float32 here", chosen, 1 / gain)
    return chosen

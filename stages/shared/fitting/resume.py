"""A training's whole state, taken at the end of an update and put back: what follows is the same to the bit."""

from __future__ import annotations

import logging
import random
from dataclasses import asdict, dataclass, fields
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from stages.shared.checkpoints import Checkpoints, current_keeper
from stages.shared.fitting.packed import read_packed, write_packed
from stages.shared.progress import report

if TYPE_CHECKING:
    from stages.shared.fitting.loop import Loop

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Position:
    """How far a training is: epochs that are over, and updates of the one after them."""

    epoch: int = 0
    updates: int = 0


class Resumption:
    """The checkpoints of one training, and the state of the one that it goes on from."""

    def __init__(self) -> None:
        keeper = current_keeper()
        self._checkpoints: Checkpoints | None = None if keeper is None else keeper.open()
        newest = None if self._checkpoints is None else self._checkpoints.newest()
        self.state: dict[str, Any] | None = None if newest is None else read_packed(newest)

    @property
    def precision(self) -> str:
        """What the training was computed in that goes on; empty where it begins."""
        return "" if self.state is None else str(self.state["history"]["precision"])

    def restore(self, loop: Loop) -> Position:
        """Put the state back, if there is one."""
        if self.state is None:
            return Position()
        position = Position(**self.state["position"])
        _restore(loop, self.state)
        self.state = None  # it is large
        log.warning("%s: goes on from update %d of %d", loop.plan.section, loop.history.steps, loop.updates)
        for row in loop.history.updates:
            report(int(row["step"]), {"loss": row["loss"], "learning_rate": row["learning_rate"]})
        for row in loop.history.validations:
            loop.report_validation(row)
        return position

    def keep(self, loop: Loop, position: Position, is_end: bool = False) -> None:
        """Write a checkpoint when one is due; at the end, when there is one already."""
        kept = self._checkpoints
        if kept is not None and (kept.has_written() if is_end else kept.is_due()):
            kept.write(lambda folder: write_packed(folder, _taken(loop, position)))


def _taken(loop: Loop, position: Position) -> dict[str, Any]:
    """The state in parts; each with tensors becomes a file of its own."""
    history = {one.name: getattr(loop.history, one.name) for one in fields(loop.history) if one.name != "weights"}
    model, average, scaler = loop.model, loop.average, loop.accelerator.scaler
    return {
        "weights": {
            "trained": {name: weight for name, weight in model.named_parameters() if weight.requires_grad},
            "buffers": dict(model.named_buffers()),
            "words": None if loop.words is None else loop.words.state(),
            "average": None if average is None else average.state(),
            "method": None if loop.hooks.state is None else loop.hooks.state.state_dict(),
        },
        "optimizer": {
            "optimizer": loop.optimizer.state_dict(),
            "scaler": None if scaler is None else scaler.state_dict(),
        },
        "best": loop.history.weights,
        "history": history,
        "position": asdict(position),
        "highest": loop.highest,
        "chance": _chance(),
    }


def _restore(loop: Loop, state: dict[str, Any]) -> None:
    weights = state["weights"]
    with torch.no_grad():
        for name, weight in loop.model.named_parameters():
            if weight.requires_grad:
                weight.copy_(weights["trained"][name])
        for name, buffer in loop.model.named_buffers():
            if not torch.equal(buffer.cpu(), weights["buffers"][name]):
                buffer.copy_(weights["buffers"][name])
    if loop.words is not None:
        loop.words.restore(weights["words"])
    if loop.average is not None:
        loop.average.restore(weights["average"])
    if loop.hooks.state is not None:
        loop.hooks.state.load_state_dict(weights["method"])
    loop.optimizer.load_state_dict(state["optimizer"]["optimizer"])
    if loop.accelerator.scaler is not None:
        loop.accelerator.scaler.load_state_dict(state["optimizer"]["scaler"])
    for name, value in state["history"].items():
        setattr(loop.history, name, value)
    loop.history.weights = state["best"]
    loop.highest = state["highest"]
    _restore_chance(state["chance"])


def _chance() -> dict[str, Any]:
    """The state of every source of random numbers."""
    name, numbers, *rest = np.random.get_state()
    return {
        "python": random.getstate(),
        "numpy": (name, np.asarray(numbers).tolist(), *rest),
        "torch": torch.get_rng_state().numpy().tobytes(),
        "cuda": [one.numpy().tobytes() for one in torch.cuda.get_rng_state_all()] if torch.cuda.is_available() else [],
    }


def _restore_chance(state: dict[str, Any]) -> None:
    name, numbers, *rest = state["numpy"]
    random.setstate(state["python"])
    np.random.set_state((name, np.array(numbers, np.uint32), *rest))
    torch.set_rng_state(torch.frombuffer(bytearray(state["torch"]), dtype=torch.uint8))
    if state["cuda"] and torch.cuda.is_available():
        torch.cuda.set_rng_state_all([torch.frombuffer(bytearray(one), dtype=torch.uint8) for one in state["cuda"]])

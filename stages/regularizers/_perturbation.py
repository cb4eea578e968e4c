"""A small change of what the model reads: of the embeddings of a text's words, or of the pixels of a picture."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from stages.shared.errors import ParamsError
from stages.shared.layers import behind, body_of

if TYPE_CHECKING:
    from transformers import PreTrainedModel

    from stages.tasks import Batch

TINY = 1e-12


def check_reaches(name: str, task: Any, train: Any) -> None:
    """Raise ParamsError where layers that are kept on disk would not see the change."""
    if getattr(train.method, "keep", False) and train.method.layers > 0:
        raise ParamsError(
            f"train.regularizers: {name}: it changes the embeddings, and what train.method freeze keeps on disk would "
            f"not see it. Set train.method.keep to false, or leave {name} out."
        )
    others = [other.name for other in train.regularizers if other.name in ("fgm", "freelb")]
    if len(others) > 1:
        raise ParamsError(f"train.regularizers: {' and '.join(others)}: both perturb the embeddings. Choose one.")


def _embedding_of(model: PreTrainedModel) -> nn.Module:
    """The table of words that the model reads by: of an encoder-decoder its encoder's."""
    body: Any = body_of(behind(model))
    body = behind(body)
    reads = body.get_encoder() if body.config.is_encoder_decoder else body
    table: nn.Module = reads.get_input_embeddings()
    return table


class Perturbation:
    """What is added to what is read, of the same shape; its gradient is known after a backward pass.

    Args:
        start: length of the random change of each row at first; 0 is none.
    """

    def __init__(self, start: float) -> None:
        self._start = start
        self._added: torch.Tensor | None = None
        self._open = False

    def begin_pass(self) -> None:
        """Let the next use of what is read be changed: a decoder may read by the same table after the encoder."""
        self._open = True

    def change(self, read: torch.Tensor) -> torch.Tensor:
        """What is read, changed."""
        if not self._open:
            return read
        self._open = False
        if self._added is None:
            self.added = self._start * _unit(torch.randn_like(read)) if self._start else torch.zeros_like(read)
        return read + self.added

    @property
    def added(self) -> torch.Tensor:
        """What is added, (rows, ...)."""
        assert self._added is not None  # asked for after a pass
        return self._added

    @added.setter
    def added(self, value: torch.Tensor) -> None:
        self._added = value.detach().requires_grad_(True)

    @property
    def direction(self) -> torch.Tensor:
        """Its gradient, of length 1 for each row."""
        assert self.added.grad is not None  # asked for after a backward pass
        return _unit(self.added.grad)


def _unit(rows: torch.Tensor) -> torch.Tensor:
    return rows / (length_of(rows) + TINY)


def length_of(rows: torch.Tensor) -> torch.Tensor:
    """The Euclidean length of each row of (rows, ...), as (rows, 1, ...)."""
    lengths: torch.Tensor = rows.float().flatten(1).norm(dim=1).view(-1, *[1] * (rows.ndim - 1)).to(rows.dtype)
    return lengths


@contextmanager
def perturbing(model: PreTrainedModel, batch: Batch, start: float = 0.0) -> Iterator[tuple[Perturbation, Batch]]:
    """A perturbation of what the model reads, and the batch to give it, as long as this context is open.

    Args:
        start: length of the random change at first.
    """
    perturbation = Perturbation(start)
    if "pixel_values" in batch:
        yield perturbation, _Changed(batch, perturbation)
        return
    table = _embedding_of(model)
    hooks = [
        model.register_forward_pre_hook(lambda _model, _given: perturbation.begin_pass()),
        table.register_forward_hook(lambda _table, _ids, read: perturbation.change(read)),
    ]
    try:
        yield perturbation, batch
    finally:
        for hook in hooks:
            hook.remove()


class _Changed(dict[str, torch.Tensor]):
    """A batch whose pixels are changed whenever they are read."""

    def __init__(self, batch: Batch, perturbation: Perturbation) -> None:
        super().__init__(batch)
        self._perturbation = perturbation

    def items(self) -> Any:
        """The tensors of the batch, of the pixels the changed ones."""
        self._perturbation.begin_pass()
        change = self._perturbation.change
        return [(name, change(value) if name == "pixel_values" else value) for name, value in super().items()]

"""What layers that do not train make of an input: computed once, kept on disk, and given back the next time.

The weights below the first that trains give the same for the same text in every epoch, so from the second epoch on
they need not run. What is kept belongs to the very numbers that the model is given, so that a text which changes is
computed anew.
"""

from __future__ import annotations

import logging
import os
import tempfile
from collections.abc import Callable, Sequence
from hashlib import blake2b
from types import TracebackType
from typing import Any, Self

import numpy as np
import torch
from torch import nn
from transformers import PreTrainedModel

from stages.shared.errors import MachineError
from stages.shared.workspace import state_folder

log = logging.getLogger(__name__)
KNOWN = {"input_ids", "attention_mask", "token_type_ids", "decoder_input_ids", "pixel_values"}


class Store:
    """Arrays by a key, in a file without a name: it is gone with the process, however that ends."""

    def __init__(self) -> None:
        self._folder = state_folder("kept")
        self._file = tempfile.TemporaryFile(dir=self._folder)  # noqa: SIM115  # closed by close()
        self._places: dict[bytes, tuple[int, tuple[int, ...]]] = {}
        self._end = 0

    def __contains__(self, key: bytes) -> bool:
        return key in self._places

    def add(self, key: bytes, array: np.ndarray) -> None:
        """Keep a float32 array. Raises MachineError when there is no room for it."""
        try:
            written = os.pwrite(self._file.fileno(), np.ascontiguousarray(array).tobytes(), self._end)
        except OSError as error:
            raise MachineError(f"{self._folder}: what layers make of the texts cannot be kept: {error}") from None
        if written != array.nbytes:
            raise MachineError(
                f"{self._folder}: no room to keep what layers make of the texts: {self._end:,} bytes are kept, and the "
                f"disk is full. Free some."
            )
        self._places[key] = (self._end, array.shape)
        self._end += array.nbytes

    def get(self, key: bytes) -> np.ndarray:
        """The array of a key."""
        start, shape = self._places[key]
        return np.frombuffer(os.pread(self._file.fileno(), 4 * int(np.prod(shape)), start), np.float32).reshape(shape)

    def close(self) -> None:
        """Give the space back."""
        self._file.close()


def _stacked(rows: Sequence[np.ndarray], tokens: int) -> np.ndarray:
    """Rows of one shape as one array; those of a vector for each token with zeros up to so many tokens."""
    if rows[0].ndim != 2 or not tokens:
        return np.stack(rows)
    filled = np.zeros((len(rows), tokens, rows[0].shape[1]), np.float32)
    for place, row in enumerate(rows):
        filled[place, : len(row)] = row
    return filled


def _key(read: dict[str, np.ndarray], row: int, length: int | None) -> bytes:
    """16 bytes of all that the model is given for a row, without the padding."""
    parts = [name.encode() + value[row, :length].tobytes() for name, value in read.items()]
    return blake2b(b"\0".join(parts), digest_size=16).digest()


class Kept:
    """A model whose frozen part runs once for each input, as long as this context is open.

    Args:
        model: to be called with arguments by name.
        frozen: the modules that are passed over, lowest first; what the last of them gives is kept. They hold no
            weight that trains. Where a layer hands on more than its hidden states, nothing is kept.
    """

    def __init__(self, model: PreTrainedModel, frozen: Sequence[nn.Module]) -> None:
        self._model, self._frozen = model, list(frozen)
        self._store = Store()
        self._keys: list[bytes] | None = None
        self._lengths: list[int] = []
        self._given: torch.Tensor | None = None
        self._hooks: list[Any] = []
        self._can = True  # whether each layer hands on nothing but its hidden states, as T5's do not
        self.used, self.computed = 0, 0

    def __enter__(self) -> Self:
        begin = self._model.register_forward_pre_hook(self._begin, with_kwargs=True)
        end = self._model.register_forward_hook(self._end, always_call=True)
        self._hooks = [begin, end]
        for module in self._frozen:
            module.forward = self._passed_over(module, module is self._frozen[-1])
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        for hook in self._hooks:
            hook.remove()
        for module in self._frozen:
            del module.forward
        self._store.close()

    def _begin(self, model: nn.Module, args: tuple[Any, ...], inputs: dict[str, Any]) -> None:
        """Find out what is known of a batch before the model runs."""
        given = {name: value for name, value in inputs.items() if isinstance(value, torch.Tensor)}
        mask = given.get("attention_mask")
        writes = inputs.get("past_key_values") is not None or inputs.get("use_cache")  # then each layer must run
        known = not args and KNOWN.issuperset(given) and (mask is None or mask.ndim == 2)
        if not self._can or writes or not known:
            return
        read = {name: value.cpu().numpy() for name, value in sorted(given.items()) if name != "decoder_input_ids"}
        rows = len(next(iter(read.values())))
        self._lengths = [] if mask is None else mask.sum(dim=1).tolist()
        self._keys = [_key(read, row, self._lengths[row] if self._lengths else None) for row in range(rows)]
        if all(key in self._store for key in self._keys):
            kept = _stacked([self._store.get(key) for key in self._keys], 0 if mask is None else mask.shape[1])
            self._given = torch.from_numpy(kept).to(next(model.parameters()).device)
            self.used += rows

    def _end(self, *_: Any) -> None:
        """Forget the batch: parts of the model may be called by themselves, as an encoder when a decoder writes."""
        self._keys, self._given = None, None

    def _keep(self, made: torch.Tensor) -> None:
        if self._keys is None:
            return
        self.computed += len(self._keys)
        values = made.detach().float().cpu().numpy()
        for place, key in enumerate(self._keys):
            if key not in self._store:
                value = values[place]
                per_token = self._lengths and value.ndim == 2
                try:
                    self._store.add(key, value[: self._lengths[place]] if per_token else value)
                except MachineError as error:  # slower, but as right without
                    log.warning("%s The frozen layers run each time.", error)
                    self._can = False
                    return

    def _passed_over(self, module: nn.Module, is_last: bool) -> Callable[..., Any]:
        original, plain = type(module).forward, [True]

        def forward(*args: Any, **inputs: Any) -> Any:
            if self._given is None:
                made = original(module, *args, **inputs)
                plain[0] = isinstance(made, torch.Tensor)
                self._can &= plain[0] or isinstance(made, dict) or all(part is None for part in made[1:])
                if is_last:
                    self._keep(made if plain[0] else made[0])
                return made
            there = self._given if is_last else inputs.get("hidden_states", args[0] if args else None)
            return there if plain[0] else (there,)

        return forward

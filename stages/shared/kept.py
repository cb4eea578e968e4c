"""What layers that do not train make of an input: computed once, kept on disk, and given back the next time.

The weights below the first that trains give the same for the same text in every epoch, so from the second epoch on
they need not run. What is kept belongs to the very numbers that the model is given, so that a text which changes is
computed anew.
"""

from __future__ import annotations

import logging
import os
import struct
import tempfile
from collections.abc import Callable, Sequence
from hashlib import blake2b
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
import torch
from torch import nn
from transformers import PreTrainedModel

from stages.shared.checkpoints import current_keeper
from stages.shared.errors import MachineError
from stages.shared.workspace import state_folder

log = logging.getLogger(__name__)
AXES = 4  # at most, of an array that is kept
HEAD = struct.Struct(f"<16s8sB{AXES}Q")  # before each array: its key, a check of both, its axes and shape
KNOWN = {"input_ids", "attention_mask", "token_type_ids", "decoder_input_ids", "pixel_values"}


def _check_of(key: bytes, values: bytes) -> bytes:
    return blake2b(values, digest_size=8, key=key).digest()


class Store:
    """Arrays by a key, in a file.

    Args:
        file: what it holds is known again; None: a file without a name, which is gone with the process.
    """

    def __init__(self, file: Path | None = None) -> None:
        self._folder = state_folder("kept") if file is None else file.parent
        if file is None:
            self._file = tempfile.TemporaryFile(dir=self._folder)  # noqa: SIM115  # closed by close()
        else:
            file.touch()
            self._file = file.open("rb+")
        self._places: dict[bytes, tuple[int, tuple[int, ...]]] = {}
        self._end = 0
        if file is not None:
            self._read_again()

    def _read_again(self) -> None:
        """Find what is there, up to the first that is not whole."""
        size = os.fstat(self._file.fileno()).st_size
        while self._end + HEAD.size <= size:
            key, check, axes, *shape = HEAD.unpack(os.pread(self._file.fileno(), HEAD.size, self._end))
            start, shape = self._end + HEAD.size, shape[:axes]
            length = 4 * int(np.prod(shape))
            values = os.pread(self._file.fileno(), length, start) if axes <= AXES and start + length <= size else b""
            if not values or check != _check_of(key, values):
                break
            self._places[key] = (start, tuple(shape))
            self._end = start + length

    def __contains__(self, key: bytes) -> bool:
        return key in self._places

    def add(self, key: bytes, array: np.ndarray) -> None:
        """Keep a float32 array. Raises MachineError when there is no room for it."""
        values = np.ascontiguousarray(array).tobytes()
        shape = [*array.shape, *[0] * (AXES - array.ndim)]
        head = HEAD.pack(key, _check_of(key, values), array.ndim, *shape)
        try:
            written = os.pwrite(self._file.fileno(), head + values, self._end)
        except OSError as error:
            raise MachineError(f"{self._folder}: what layers make of the texts cannot be kept: {error}") from None
        if written != HEAD.size + array.nbytes:
            raise MachineError(
                f"{self._folder}: no room to keep what layers make of the texts: {self._end:,} bytes are kept, and the "
                f"disk is full. Free some."
            )
        self._places[key] = (self._end + HEAD.size, array.shape)
        self._end += written

    def get(self, key: bytes) -> np.ndarray:
        """The array of a key."""
        start, shape = self._places[key]
        return np.frombuffer(os.pread(self._file.fileno(), 4 * int(np.prod(shape)), start), np.float32).reshape(shape)

    @property
    def end(self) -> int:
        """How many bytes are in use."""
        return self._end

    def forget_after(self, end: int) -> bool:
        """Forget what was added after it had so many bytes; give whether all before that is there."""
        self._places = {key: place for key, place in self._places.items() if place[0] < end}
        is_whole, self._end = self._end >= end, min(self._end, end)
        os.ftruncate(self._file.fileno(), self._end)
        return is_whole

    def close(self) -> None:
        """Give the space back; of a file with a name, no more than what it takes to be open."""
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
        keeper = current_keeper()  # what was computed in other batches differs in the last bits
        self._store = Store(None if keeper is None else keeper.next_folder() / "kept")
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

    def state_dict(self) -> dict[str, Any]:
        """What a training goes on from, beside the file."""
        return {"end": self._store.end, "can": self._can}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Have what was kept then, and no more: what a layer has just made goes on in its own precision."""
        self._can = state["can"]
        if not self._store.forget_after(state["end"]):
            log.warning("some of what the frozen layers made is gone: it is computed anew, the last bits may differ")

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

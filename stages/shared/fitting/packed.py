"""Nested values with tensors among them, as JSON and safetensors: nothing that is read can run."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from stages.shared.errors import MachineError
from stages.shared.model_files import read_settings
from stages.shared.publish import write_json

PLAIN = (bool, int, float, str, type(None))
STATE = "state.json"


def _pack(value: Any, tensors: dict[str, torch.Tensor]) -> Any:
    """The value as JSON; each tensor becomes the name under which it is put into `tensors`."""
    if isinstance(value, torch.Tensor):
        name = f"{len(tensors):06d}"
        tensors[name] = value.detach().cpu().contiguous()
        return {"tensor": name}
    if isinstance(value, bytes):
        return {"bytes": base64.b64encode(value).decode("ascii")}
    if isinstance(value, dict):
        return {"dict": [[_pack(key, tensors), _pack(one, tensors)] for key, one in value.items()]}
    if isinstance(value, tuple):
        return {"tuple": [_pack(one, tensors) for one in value]}
    if isinstance(value, list):
        return [_pack(one, tensors) for one in value]
    if not isinstance(value, PLAIN):
        raise TypeError(f"a checkpoint cannot hold a {type(value).__name__}")
    return value


def _unpack(value: Any, tensors: Any) -> Any:
    if isinstance(value, list):
        return [_unpack(one, tensors) for one in value]
    if not isinstance(value, dict):
        return value
    ((kind, held),) = value.items()
    if kind == "tensor":
        return tensors.get_tensor(held)
    if kind == "bytes":
        return base64.b64decode(held)
    if kind == "tuple":
        return tuple(_unpack(one, tensors) for one in held)
    return {_unpack(key, tensors): _unpack(one, tensors) for key, one in held}


def write_packed(folder: Path, parts: dict[str, Any]) -> None:
    """Write state.json, and for each part with tensors <part>.safetensors.

    Raises:
        TypeError: there is something in it other than tensors, texts, numbers, bytes, and lists, tuples and
            dictionaries of them.
    """
    packed = {}
    for name, part in parts.items():
        tensors: dict[str, torch.Tensor] = {}
        packed[name] = _pack(part, tensors)
        if tensors:
            save_file(tensors, folder / f"{name}.safetensors")
    write_json(folder / STATE, packed)


def read_packed(folder: Path) -> dict[str, Any]:
    """The parts as they were written, on the CPU.

    Raises:
        MachineError: there is something else in the folder.
    """
    try:
        return {name: _part(folder, name, part) for name, part in read_settings(folder / STATE).items()}
    except (ValueError, TypeError, AttributeError, RecursionError, SafetensorError) as error:
        raise MachineError(
            f"{folder}: is no checkpoint that this release has written: {error}. Delete the folder to begin anew."
        ) from None


def _part(folder: Path, name: str, part: Any) -> Any:
    file = folder / f"{name}.safetensors"
    if not file.is_file():
        return _unpack(part, None)
    with safe_open(file, "pt") as tensors:
        return _unpack(part, tensors)

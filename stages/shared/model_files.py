"""The files of a model that are data alone: what is loaded of a folder in Transformers layout can run no code.

Weights are safetensors. Of settings there is what the architecture's own configuration knows; what names code, files or
a kernel, or leads to another model, is left out, as are pickles, scripts and all other files of the folder.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stages.shared.errors import MachineError

if TYPE_CHECKING:
    import torch
    from transformers import PretrainedConfig

WEIGHTS, CONFIG = "model.safetensors", "config.json"
_GENERATION, _TOKENIZER = "generation_config.json", "tokenizer_config.json"
_PLAIN = (WEIGHTS, "tokenizer.json", "vocab.json", "special_tokens_map.json", "added_tokens.json")
_PLAIN_ENDINGS = (".txt", ".model", ".spm", ".codes")  # vocabularies
_ALSO_KNOWN = {"model_type", "num_labels"}  # by every configuration, beside what it writes itself
_LEADING = ("_file", "_files", "_path", "_map", "_url")  # ends of settings that name files or code


def check_links(folder: Path, where: str) -> None:
    """Raise MachineError when a link in a folder leads out of it, but for the links of the hub's own cache.

    Args:
        folder: of a model.
        where: in params.yaml it is named.
    """
    allowed = [folder.resolve()]
    if folder.resolve().parent.name == "snapshots":
        allowed.append(folder.resolve().parents[1] / "blobs")
    for path in folder.iterdir():
        if path.is_symlink() and not any(path.resolve().is_relative_to(place) for place in allowed):
            raise MachineError(
                f"{where}: {path}: a link that leads out of the model's folder, to {path.resolve()}. "
                f"Put the file itself there if it is meant."
            )


def check_weights(path: Path) -> None:
    """Raise MachineError when a file is no safetensors, whatever its name says."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, "numpy"):
            pass
    except (SafetensorError, OSError) as error:
        raise MachineError(
            f"{path}: holds no safetensors: {error}. Weights are read as safetensors alone, never as a pickle; "
            f"fetch it again, or convert the model."
        ) from None


def load_weights(path: Path) -> dict[str, torch.Tensor]:
    """The tensors of a safetensors file. Raises MachineError as `check_weights`."""
    from safetensors.torch import load_file

    check_weights(path)
    return load_file(path)


def read_settings(path: Path) -> dict[str, Any]:
    """The settings in a JSON file of a model.

    Raises:
        MachineError: it holds no JSON object.
    """
    try:
        told = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise MachineError(f"{path}: cannot be read: {error}. Fetch the model again.") from None
    if not isinstance(told, dict):
        raise MachineError(f"{path}: holds no JSON object. Fetch the model again.")
    return told


def known_keys(kind: type[PretrainedConfig]) -> set[str]:
    """The settings that an architecture's configuration has, by all their names; none that is private."""
    return {key for key in {*kind().to_dict(), *kind.attribute_map, *_ALSO_KNOWN} if not key.startswith("_")}


def _keys_of_generation() -> set[str]:
    from transformers import GenerationConfig

    keys = GenerationConfig().to_dict()  # type: ignore[no-untyped-call]
    return {key for key in keys if not key.startswith("_") and not key.endswith("_config")}


def _kept_config(told: Mapping[str, Any], kind: type[PretrainedConfig]) -> dict[str, Any]:
    from transformers import CONFIG_MAPPING

    known = known_keys(kind) | _keys_of_generation()
    kept = {key: value for key, value in told.items() if key in known}
    for name, part in kind.sub_configs.items():
        if isinstance(kept.get(name), dict):
            of_part: Any = CONFIG_MAPPING.get(str(kept[name].get("model_type")), part)
            kept[name] = _kept_config(kept[name], of_part) if hasattr(of_part, "attribute_map") else {}
    return kept


def plain_config(folder: Path) -> dict[str, Any]:
    """What a model's config.json says that its architecture's configuration knows.

    Raises:
        MachineError: it cannot be read, is of an unknown architecture, as one that would bring its own code, or says
            that the weights are quantised.
    """
    from transformers import CONFIG_MAPPING

    told = read_settings(folder / CONFIG)
    name = told.get("model_type")
    if not isinstance(name, str) or name not in CONFIG_MAPPING:
        raise MachineError(
            f"{folder / CONFIG}: model_type: {name!r} is no architecture that transformers knows, and code that comes "
            f"with a model is never run. Choose another base."
        )
    if told.get("quantization_config"):
        raise MachineError(
            f"{folder / CONFIG}: quantization_config: its weights are quantised, and training needs them as they were "
            f"before. Choose the model that it was made of."
        )
    return _kept_config(told, CONFIG_MAPPING[name])


def config_of(folder: Path) -> PretrainedConfig:
    """The configuration of the model in a folder. Raises MachineError as `plain_config`, or for a wrong value."""
    from transformers import CONFIG_MAPPING

    plain = plain_config(folder)
    try:
        return CONFIG_MAPPING[plain["model_type"]].from_dict(plain)
    except Exception as error:  # each configuration checks its values in its own way
        raise MachineError(f"{folder / CONFIG}: {' '.join(str(error).split())}. Choose another base.") from None


def _without_leads(value: Any) -> Any:
    """Settings without those that are private, or name files or code, however deep they lie."""
    if isinstance(value, list):
        return [_without_leads(item) for item in value]
    if not isinstance(value, dict):
        return value
    return {
        key: _without_leads(item)
        for key, item in value.items()
        if not key.startswith("_") and not key.endswith(_LEADING)
    }


@contextmanager
def data_alone(folder: Path) -> Iterator[Path]:
    """A temporary folder with what of a model's folder is data alone, for loaders of others.

    Raises:
        MachineError: as `plain_config`, or settings cannot be read.
    """
    with tempfile.TemporaryDirectory(prefix="model-") as scratch:
        plain = Path(scratch)
        for path in folder.iterdir():
            if path.is_file() and (path.name in _PLAIN or path.suffix in _PLAIN_ENDINGS):
                (plain / path.name).symlink_to(path.resolve())
        kept = {CONFIG: plain_config(folder)} if (folder / CONFIG).is_file() else {}
        if (folder / _GENERATION).is_file():
            known, told = _keys_of_generation(), read_settings(folder / _GENERATION)
            kept[_GENERATION] = {key: value for key, value in told.items() if key in known}
        if (folder / _TOKENIZER).is_file():
            kept[_TOKENIZER] = _without_leads(read_settings(folder / _TOKENIZER))
        for name, settings in kept.items():
            (plain / name).write_text(json.dumps(settings, ensure_ascii=False), encoding="utf-8")
        yield plain

"""The base model: where it lies, that it is the right one, and its tokenizer."""

from __future__ import annotations

import importlib.util
import logging
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from serving.written import sha256_of
from stages.shared.errors import DataError, MachineError, ParamsError
from stages.shared.model_files import CONFIG, WEIGHTS, check_links, check_weights, data_alone, read_settings
from stages.shared.params import Base, Params
from stages.shared.publish import write_json

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

POINTER = "base.json"
OWN = "model"  # beside a base.json: the folder of a base that was made or trained here
POSITIONS = ("max_position_embeddings", "n_positions", "max_seq_len")  # what configurations call them
COUNTED_FROM_PADDING = ("camembert", "roberta", "xlm-roberta")
_log = logging.getLogger(__name__)
_COMMIT = re.compile("[0-9a-f]{40}")


@dataclass(frozen=True)
class BaseModel:
    """A base model on this machine.

    Attributes:
        reference: as params.yaml names it, or what it was made of.
        revision: commit of its hub repository, if it is of one.
        folder: where it lies.
        sha256: of its weights.
        is_new: whether it was made from scratch, its tokenizer too.
    """

    reference: str
    revision: str | None
    folder: Path
    sha256: str
    is_new: bool


def _package_folder(reference: str) -> Path:
    package, _, folder = reference.removeprefix("package:").partition("/")
    spec = importlib.util.find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        raise MachineError(
            f"pretrain.base: the Python package '{package}' is not installed. "
            f"Install it with pip, or name a folder or a hub id in pretrain.base."
        )
    return Path(next(iter(spec.submodule_search_locations))) / folder


def _hub_folder(reference: str, revision: str | None) -> Path:
    from huggingface_hub import snapshot_download

    if revision is None or not _COMMIT.fullmatch(revision):
        raise ParamsError(
            f"pretrain.revision: '{revision}': the hub id '{reference}' needs the 40-digit commit of its repository, "
            f"so that the base is the same tomorrow. Copy it from the model's page, or name a folder in pretrain.base."
        )
    patterns = ["*.json", "*.txt", "*.model", WEIGHTS]
    try:
        return Path(snapshot_download(reference, revision=revision, allow_patterns=patterns))
    except Exception as error:  # the hub's client raises a dozen kinds, none of them for the user
        raise MachineError(
            f"pretrain.base: '{reference}' at {revision} cannot be fetched: {type(error).__name__}: {error}. "
            f"Without a hub, copy the model to a folder and name that in pretrain.base."
        ) from None


def _folder_of(reference: str, revision: str | None) -> Path:
    if reference.startswith("package:"):
        return _package_folder(reference)
    if Path(reference).is_dir():
        return Path(reference)
    if reference.startswith((".", "/", "~")) or reference.count("/") != 1:
        raise MachineError(
            f"pretrain.base: no folder '{reference}'. Give a folder that holds {WEIGHTS}, config.json and the "
            f"tokenizer's files, a hub id as owner/name, or package:<package>/<folder>."
        )
    return _hub_folder(reference, revision)


def base_of(params: Params) -> BaseModel | None:
    """The base model that params.yaml names; None where the stage pretrain makes one from scratch.

    Raises:
        MachineError, ParamsError, DataError: as `find_base`.
    """
    return None if params.pretrain.base is None else find_base(params.pretrain)


def find_base(params: Base) -> BaseModel:
    """Find the base model that the parameters name, fetch it where it is on a hub, and check its hash.

    Raises:
        MachineError: it is not there, or is not whole. ParamsError: a hub id without its revision.
        DataError: the weights are not those that `pretrain.sha256` names.
    """
    assert params.base is not None  # from scratch there is none to be found
    folder = _folder_of(params.base, params.revision)
    missing = [name for name in (WEIGHTS, CONFIG) if not (folder / name).is_file()]
    if missing:
        raise MachineError(
            f"pretrain.base: {params.base}: no {' and no '.join(missing)}. Weights are read as safetensors alone, "
            f"never as a pickle; convert the model, or name another."
        )
    check_links(folder, "pretrain.base")
    sha256 = sha256_of(folder / WEIGHTS)
    if params.sha256 not in (None, sha256):
        raise DataError(
            f"pretrain.base: {params.base}: {WEIGHTS} has SHA-256 {sha256}, and pretrain.sha256 asks for "
            f"{params.sha256}. If the change is meant, write the new hash into params.yaml."
        )
    check_weights(folder / WEIGHTS)
    if "auto_map" in read_settings(folder / CONFIG):
        _log.warning("pretrain.base: %s: its own code is not run, the usual one of its kind is.", params.base)
    return BaseModel(params.base, params.revision, folder, sha256, is_new=False)


def longest_text(config: Mapping[str, Any]) -> int | None:
    """The most tokens that an architecture has positions for, given its config.json; None without such a limit.

    A RoBERTa counts positions from the one after padding, so that two of its table's rows are never used.
    """
    positions: int | None = next((config[name] for name in POSITIONS if config.get(name) is not None), None)
    if positions is None:
        return None
    return positions - 2 if config.get("model_type") in COUNTED_FROM_PADDING else positions


def require_positions(reference: str, config: Mapping[str, Any], max_tokens: int) -> None:
    """Raise ParamsError when texts may have more tokens than the model has positions for.

    Args:
        reference: of the model.
        config: its config.json.
        max_tokens: of a text.
    """
    longest = longest_text(config)
    if longest is not None and max_tokens > longest:
        raise ParamsError(
            f"task.max_tokens: {max_tokens}: the base model '{reference}' reads at most {longest} tokens. "
            f"Lower it, or choose a base model for longer texts in pretrain.base."
        )


def require_length(base: BaseModel, max_tokens: int) -> None:
    """Raise ParamsError when texts may have more tokens than the base model has positions for."""
    config = read_settings(base.folder / CONFIG)
    require_positions(base.reference, config, max_tokens)


def tokenizer_of(folder: Path, marks: Sequence[str] = ()) -> PreTrainedTokenizerBase:
    """The fast tokenizer in a model's folder, with the marks in its vocabulary, each one token.

    Raises:
        MachineError: there is none.
    """
    from transformers import AutoTokenizer  # seconds, which not every stage needs

    try:
        with data_alone(folder) as plain:
            tokenizer: PreTrainedTokenizerBase = AutoTokenizer.from_pretrained(
                str(plain), use_fast=True, local_files_only=True, trust_remote_code=False
            )
    except Exception as error:  # transformers raises several kinds for a folder without a tokenizer
        raise MachineError(f"{folder}: holds no tokenizer that can be read: {error}") from None
    if not tokenizer.is_fast:
        raise MachineError(f"{folder}: holds no tokenizer.json, and none can be made from its files.")
    unknown = [mark for mark in marks if mark not in tokenizer.get_vocab()]
    if unknown:
        tokenizer.add_special_tokens({"additional_special_tokens": unknown})
    return tokenizer


def write_pointer(out: Path, base: BaseModel) -> None:
    """Write base.json: which base it is, by its hash; where it lies only if that is beside it, in `model`."""
    own = base.folder == out / OWN
    pinned = {"base": base.reference, "revision": base.revision, "sha256": base.sha256}
    write_json(out / POINTER, {**pinned, "folder": OWN if own else None, "is_new": base.is_new})


def read_pointer(folder: Path) -> BaseModel:
    """Find the base that a base.json pins, and check that it is still the same."""
    pinned = read_settings(folder / POINTER)
    own, is_new = pinned.pop("folder"), pinned.pop("is_new")
    if own not in (None, OWN):
        raise DataError(f"{folder / POINTER}: folder: {own!r}: must be null or '{OWN}'. Run `dvc repro -f pretrain`.")
    found = find_base(Base(**pinned) if own is None else Base(**{**pinned, "base": str(folder / own)}))
    return replace(found, reference=pinned["base"], is_new=is_new)

"""Translation by Marian models, such as Helsinki-NLP's opus-mt, through CTranslate2, from a folder or a hub.

CTranslate2 translates faster than `generate` of transformers, by as much as benchmarks/back_translation.py measures;
with the precision float32 its words are the same, but where two beams are nearly level.

Longer texts than `max_tokens` are cut. Texts are padded to those that share their batch, which may move the last bits
of a score: with other `batch_size` or other texts a rare word may differ. What is cached stays as it is.

torch, transformers and ctranslate2 are imported where they are used: every stage reads this file for its Params.

Source: Junczys-Dowmunt et al. 2018, Marian: fast neural machine translation in C++, arXiv:1804.00344
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
import tempfile
from functools import lru_cache
from importlib.metadata import version as version_of
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field

from serving.written import sha256_of
from stages.shared.errors import MachineError
from stages.shared.model_files import WEIGHTS, check_links, check_weights, data_alone
from stages.shared.sections import Choice, Section
from stages.translators import Way

if TYPE_CHECKING:
    from ctranslate2 import Translator
    from transformers import MarianTokenizer

Precision = Literal["float32", "int8"]
_LIBRARIES = ("ctranslate2", "sentencepiece", "sacremoses")
_FILES = ("config.json", "model.safetensors", "source.spm", "target.spm", "tokenizer_config.json", "vocab.json")
_OPTIONAL_FILES = ("generation_config.json", "special_tokens_map.json")


class Model(Section):
    """One way: a folder, or a hub id with the commit of its repository."""

    model: str = Field(min_length=1)
    revision: str | None = Field(pattern="^[0-9a-f]{40}$")


class Params(Choice):
    """Options: the models of the two ways, how they search, and whether in float or, faster, with int8 weights."""

    name: Literal["marian"]
    there: Model
    back: Model
    batch_size: int = Field(gt=0)
    num_beams: int = Field(gt=0)
    max_tokens: int = Field(gt=1)
    precision: Precision


def name(params: Params) -> str:
    """As in `marian:opus-mt-en-es:opus-mt-es-en`."""
    return f"marian:{Path(params.there.model).name}:{Path(params.back.model).name}"


def check(params: Params) -> None:
    """Raise MachineError when a library or a model is not there; a hub is not asked yet."""
    missing = [library for library in _LIBRARIES if importlib.util.find_spec(library) is None]
    problems = []
    if missing:
        problems.append(
            f"augment.back_translation.translator: marian needs the Python packages {', '.join(missing)}. "
            f"Install the extra `marian`: pip install -c constraints.txt -e '.[marian]'"
        )
    for key, model in (("there", params.there), ("back", params.back)):
        where = f"augment.back_translation.translator.{key}"
        if Path(model.model).is_dir():
            lacking = [file for file in _FILES if not (Path(model.model) / file).is_file()]
            if lacking:
                problems.append(f"{where}.model: the folder '{model.model}' lacks {', '.join(lacking)}")
        elif model.revision is None or model.model.count("/") != 1 or model.model.startswith((".", "/", "~")):
            problems.append(
                f"{where}: '{model.model}' is no folder; a hub id is owner/name, with the 40-digit commit of its "
                f"repository as revision"
            )
    if problems:
        raise MachineError("\n".join(problems) + "\nOr set augment.back_translation.copies to 0.")


def version(params: Params) -> str:
    """The libraries' versions, and what identifies each model: the hash of its files, or its commit."""
    libraries = " ".join(f"{library} {version_of(library)}" for library in ("ctranslate2", "transformers"))
    return f"marian {libraries} {_identity(params.there)} {_identity(params.back)}"


def translate(texts: list[str], way: Way, params: Params) -> list[str]:
    """Translate each text by beam search, in batches of similar length, one on each core at a time.

    Raises:
        MachineError: a library or a model is missing, or cannot be read.
    """
    check(params)
    if not texts:
        return []
    tokenizer, model = _load(params.there if way == "there" else params.back, params.precision)
    read = tokenizer(texts, truncation=True, max_length=params.max_tokens)["input_ids"]
    order = sorted(range(len(texts)), key=lambda i: (len(read[i]), texts[i]))
    written = model.translate_batch(
        [tokenizer.convert_ids_to_tokens(read[i]) for i in order],
        max_batch_size=params.batch_size,
        beam_size=params.num_beams,
        max_decoding_length=params.max_tokens - 1,  # without the end, which counts among the tokens
        suppress_sequences=[[tokenizer.pad_token]],
    )
    ids = [tokenizer.convert_tokens_to_ids(found.hypotheses[0]) for found in written]
    decoded = tokenizer.batch_decode(ids, skip_special_tokens=True)  # type: ignore[no-untyped-call]
    return [text for _, text in sorted(zip(order, decoded, strict=True))]


@lru_cache(maxsize=2)
def _load(model: Model, precision: Precision) -> tuple[MarianTokenizer, Translator]:
    """The tokenizer of a model, and the model, converted for CTranslate2."""
    import torch
    from ctranslate2 import Translator
    from safetensors import SafetensorError
    from transformers import MarianMTModel, MarianTokenizer

    from stages.shared.ctranslate2_models import convert

    folder = _folder_of(model)
    check_links(folder, "augment.back_translation.translator")
    only_data: dict[str, Any] = {"local_files_only": True, "trust_remote_code": False}
    try:
        check_weights(folder / WEIGHTS)
        with data_alone(folder) as plain:
            tokenizer = MarianTokenizer.from_pretrained(plain, **only_data)
            network = MarianMTModel.from_pretrained(plain, use_safetensors=True, dtype=torch.float32, **only_data)
    except (MachineError, OSError, ValueError, KeyError, RuntimeError, SafetensorError) as error:
        raise MachineError(
            f"augment.back_translation.translator: '{model.model}' is no Marian model: {error}"
        ) from None
    threads = torch.get_num_threads()
    with tempfile.TemporaryDirectory() as scratch:
        converted = Path(scratch) / "converted"
        convert(network, folder, converted, "int8" if precision == "int8" else None)
        cores = len(os.sched_getaffinity(0))
        opened = Translator(str(converted), device="auto", compute_type=precision, inter_threads=cores, intra_threads=1)
    torch.set_num_threads(threads)  # opening the model has set it to 1
    return tokenizer, opened


def _folder_of(model: Model) -> Path:
    """The folder of a model; one of a hub is fetched first."""
    if Path(model.model).is_dir():
        return Path(model.model)
    from huggingface_hub import snapshot_download

    try:
        files = list(_FILES + _OPTIONAL_FILES)
        folder = Path(snapshot_download(model.model, revision=model.revision, allow_patterns=files))
    except Exception as error:  # the hub's client raises a dozen kinds, none of them for the user
        raise MachineError(
            f"augment.back_translation.translator: '{model.model}' at {model.revision} cannot be fetched: "
            f"{type(error).__name__}: {error}. Without a hub, copy the model to a folder and name that."
        ) from None
    lacking = [file for file in _FILES if not (folder / file).is_file()]
    if lacking:
        raise MachineError(
            f"augment.back_translation.translator: '{model.model}' at {model.revision} lacks {', '.join(lacking)}. "
            f"Weights are read as safetensors only: name a revision that has them."
        )
    return folder


def _identity(model: Model) -> str:
    folder = Path(model.model)
    if not folder.is_dir():
        return f"{model.model}@{model.revision}"
    files = [folder / file for file in _FILES + _OPTIONAL_FILES if (folder / file).is_file()]
    return hashlib.sha256("".join(f"{file.name} {sha256_of(file)}\n" for file in files).encode()).hexdigest()

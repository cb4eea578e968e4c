"""From Transformers to CTranslate2, with what its converter gets wrong for models that were trained here put right."""

import json
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ctranslate2.converters import TransformersConverter
from ctranslate2.converters import transformers as loaders
from transformers import AutoTokenizer, PreTrainedModel

from stages.shared.errors import MachineError
from stages.shared.model_files import data_alone


class _BartLoader(loaders.BartLoader):  # type: ignore[misc]  # it ships no types
    """BART: its newer configurations do not say that it normalises afterwards, and its embeddings."""

    def get_model_spec(self, model: Any) -> Any:
        model.config.normalize_before, model.config.normalize_embedding = False, True
        return super().get_model_spec(model)


class _MarianLoader(loaders.BartLoader):  # type: ignore[misc]
    """Marian, whose decoder starts from the padding token.

    CTranslate2's own loader starts from zeros instead, which that token is no longer once it has been trained on, as
    it shares its weights with the output; and it takes the last word of the vocabulary for it.
    """

    @property
    def architecture_name(self) -> str:
        return "MarianMTModel"

    def get_model_spec(self, model: Any) -> Any:
        model.config.normalize_before, model.config.normalize_embedding = False, False
        return super().get_model_spec(model)


OURS = {"BartConfig": _BartLoader(), "MarianConfig": _MarianLoader()}


@contextmanager
def _our_loaders() -> Iterator[None]:
    before = dict(loaders._MODEL_LOADERS)
    loaders._MODEL_LOADERS.update(OURS)
    try:
        yield
    finally:
        loaders._MODEL_LOADERS.update(before)


class _Converter(TransformersConverter):  # type: ignore[misc]
    """Keeps the description of what it wrote."""

    spec: Any = None

    def _load(self) -> Any:
        self.spec = super()._load()
        return self.spec


def _write_source(model: PreTrainedModel, source: Path, folder: Path) -> None:
    """The model as the converter wants it: as many words as its tokenizer has, and no more.

    Words beyond, as a base may have to fill up its matrix, are in no text.
    """
    only_data: dict[str, Any] = {"local_files_only": True, "trust_remote_code": False}
    tokenizer = AutoTokenizer.from_pretrained(str(source), **only_data)
    for name in ("bos_token", "unk_token"):  # the converter wants both
        if getattr(tokenizer, name) is None:
            setattr(tokenizer, name, tokenizer.eos_token)
    if model.config.vocab_size != len(tokenizer):
        model = type(model).from_pretrained(str(source), use_safetensors=True, **only_data, dtype="float32")
        model.resize_token_embeddings(len(tokenizer), mean_resizing=False)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)


def convert(model: PreTrainedModel, source: Path, out: Path, quantization: str | None) -> Any:
    """Write a CTranslate2 model into the folder `out`; give its description.

    Args:
        model: on the CPU.
        source: the folder where it lies in Transformers layout, with its tokenizer.
        out: does not exist yet; the folder above it does.
        quantization: "int8", or None for the weights as they are.

    Raises:
        MachineError: CTranslate2 does not know the architecture.
    """
    kind = type(model.config).__name__
    if kind not in loaders._MODEL_LOADERS:
        known = ", ".join(sorted(loaders._MODEL_LOADERS))
        raise MachineError(f"CTranslate2 does not know a {kind}. Choose a base of another kind: {known}")
    with tempfile.TemporaryDirectory(dir=out.parent) as scratch, data_alone(source) as plain, _our_loaders():
        _write_source(model, plain, Path(scratch))
        converter = _Converter(scratch)
        try:
            converter.convert(str(out), quantization=quantization)
        except (ValueError, AttributeError, NotImplementedError) as error:
            raise MachineError(f"CTranslate2 cannot convert this {kind}: {error}") from error
    for file in out.glob("*.json"):  # the order of its keys is nobody's
        file.write_text(json.dumps(json.loads(file.read_text(encoding="utf-8")), ensure_ascii=False), encoding="utf-8")
    return converter.spec


def _weights(spec: Any) -> dict[str, Any]:
    """The matrices that products are made with, by name."""
    return {
        name: value
        for name, value in spec.variables(ordered=True)
        if name.endswith("weight") and getattr(value, "shape", None) is not None and len(value.shape) == 2
    }


def matrices(spec: Any) -> int:
    """How many matrices there are, embeddings among them."""
    return len(_weights(spec))


def int8_matrices(spec: Any) -> int:
    """How many of them are stored as int8."""
    return sum(str(value.dtype).endswith("int8") for value in _weights(spec).values())

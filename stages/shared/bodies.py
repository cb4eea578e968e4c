"""What a head of our own stands on: an encoder, or a language model, in Transformers layout."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal, get_args

import torch
from torch import nn
from transformers import (
    AutoModel,
    AutoModelForCausalLM,
    AutoModelForMaskedLM,
    PretrainedConfig,
    PreTrainedModel,
    logging,
)

from stages.shared.errors import ParamsError
from stages.shared.model_files import data_alone

Body = Literal["encoder", "masked_lm", "causal_lm"]
KINDS: dict[Body, Any] = dict(zip(get_args(Body), (AutoModel, AutoModelForMaskedLM, AutoModelForCausalLM), strict=True))


def has_token_types(config: PretrainedConfig) -> bool:
    """Whether an architecture tells the two texts of a pair apart by a type of each token."""
    return int(getattr(config, "type_vocab_size", 0) or 0) > 1


def reads_forward(config: PretrainedConfig) -> bool:
    """Whether a token of an architecture sees those before it alone, as in GPT-2, so that only the last sees all."""
    if type(config) not in AutoModelForCausalLM._model_mapping or config.is_encoder_decoder:
        return False
    of_both_kinds = type(config) in AutoModelForMaskedLM._model_mapping
    return not of_both_kinds or bool(getattr(config, "is_decoder", False))


def _read(kind: Any, folder: Path, words: int, options: dict[str, Any]) -> tuple[PreTrainedModel, set[str]]:
    """A model of one of the Auto classes, and the names of its weights that the folder lacks."""
    logging.set_verbosity_error()  # type: ignore[no-untyped-call]  # that a new head is new is no news
    logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    with data_alone(folder) as plain:
        model, found = kind.from_pretrained(
            str(plain),
            ignore_mismatched_sizes=True,
            local_files_only=True,
            trust_remote_code=False,
            use_safetensors=True,
            dtype="float32",
            output_loading_info=True,
            **options,
        )
    if words and words > model.config.get_text_config().vocab_size:
        model.resize_token_embeddings(words, mean_resizing=False)
    return model, {*found["missing_keys"], *(name for name, *_ in found["mismatched_keys"])}


def load_base(kind: Any, folder: Path, words: int, **options: Any) -> PreTrainedModel:
    """A model of one of the Auto classes from a folder, in float32; weights that it lacks are drawn from torch's seed.

    Args:
        kind: such as `AutoModelForTokenClassification`.
        folder: in Transformers layout, with safetensors.
        words: of the tokenizer: a smaller vocabulary grows to it.
        options: of `from_pretrained`.
    """
    return _read(kind, folder, words, options)[0]


def read_language_model(kind: Any, folder: Path, words: int) -> tuple[PreTrainedModel, set[str]]:
    """A language model from a folder, and the names of the weights that the folder lacks: those are new.

    Args:
        kind: such as `AutoModelForSeq2SeqLM`.
        folder, words: as of `load_base`.

    Raises:
        ParamsError: the architecture is of another kind.
    """
    try:
        return _read(kind, folder, words, {})
    except ValueError:  # transformers has no such class for the architecture
        name = kind.__name__.removeprefix("AutoModelFor")
        raise ParamsError(
            f"pretrain.base: its architecture is not one of {name} that the task needs. Choose another base."
        ) from None


def load_language_model(kind: Any, folder: Path, words: int) -> PreTrainedModel:
    """The same model; what says words may be new, as on an encoder that was made for sentences."""
    return read_language_model(kind, folder, words)[0]


def load_body(body: Body, folder: Path, words: int) -> PreTrainedModel:
    """A body from a folder; an encoder without the pooling layer that no head of ours reads.

    Raises:
        ParamsError: the folder holds no language model of the kind that is asked for.
    """
    if body == "encoder":
        model = load_base(AutoModel, folder, words)
        if getattr(model, "pooler", None) is not None:
            model.pooler = None  # type: ignore[assignment]
        if reads_forward(model.config):
            model.config.use_cache = False  # one pass over the text is all that is asked
        return model
    return _language_model(body, folder, words)


def _language_model(body: Body, folder: Path, words: int) -> PreTrainedModel:
    """A language model that was trained as one: of some bases the part that names words is not there, or is blind."""
    name = f"a {body.removesuffix('_lm')} language model"
    advice = "Choose another base in pretrain.base, or another way of prompting in train.method.by."
    try:
        model, missing = _read(KINDS[body], folder, words, {})
    except ValueError:  # transformers has no such class for the architecture
        raise ParamsError(f"pretrain.base: its architecture is not made for {name}. {advice}") from None
    if missing:
        raise ParamsError(
            f"pretrain.base: it is not {name}: {len(missing)} of its weights are not there, such as {min(missing)}. "
            + advice
        )
    if body == "causal_lm" and not reads_forward(model.config):
        raise ParamsError(
            f"pretrain.base: a {type(model).__name__} reads in both directions, so it is not {name}. {advice}"
        )
    model.config.use_cache = False  # one pass over the text is all that is asked
    return model


class Narrowed(nn.Linear):
    """The rows of a language model's last layer that are of some words, with the whole of it kept for saving."""

    def __init__(self, layer: nn.Linear, words: Sequence[int]) -> None:
        super().__init__(layer.in_features, len(words), bias=layer.bias is not None)
        self.whole = (layer,)  # in a tuple, so that it counts among nobody's weights
        with torch.no_grad():
            self.weight.copy_(layer.weight[list(words)])
            if layer.bias is not None:
                self.bias.copy_(layer.bias[list(words)])


def narrow(model: PreTrainedModel, words: Sequence[int]) -> None:
    """Let a language model say (batch, tokens, words) of these words alone: of the rest nothing is computed.

    Raises:
        ParamsError: its last layer is not one row for each word.
    """
    layer = model.get_output_embeddings()  # type: ignore[no-untyped-call]
    if not isinstance(layer, nn.Linear):
        raise ParamsError(
            f"pretrain.base: the last layer of a {type(model).__name__} is not one row for each word, so it cannot be "
            f"asked for the words of the labels. Choose another base."
        )
    model.set_output_embeddings(Narrowed(layer, words))  # type: ignore[no-untyped-call]


@contextmanager
def whole(model: PreTrainedModel) -> Iterator[None]:
    """With the whole of its last layer, where that was narrowed; afterwards narrow again."""
    layer = model.get_output_embeddings()  # type: ignore[no-untyped-call]
    if not isinstance(layer, Narrowed):
        yield
        return
    model.set_output_embeddings(layer.whole[0])  # type: ignore[no-untyped-call]
    try:
        yield
    finally:
        model.set_output_embeddings(layer)  # type: ignore[no-untyped-call]

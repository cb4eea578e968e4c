"""A model of an architecture's configuration, with random weights."""

from typing import Any

import torch
from huggingface_hub.errors import StrictDataclassError
from transformers import (
    CONFIG_MAPPING,
    AutoConfig,
    AutoModelForCausalLM,
    AutoModelForImageClassification,
    AutoModelForMaskedLM,
    AutoModelForSeq2SeqLM,
    PretrainedConfig,
    PreTrainedModel,
    PreTrainedTokenizerBase,
    logging,
)

from stages.pretrain.new_tokenizer import Family
from stages.shared.errors import ParamsError
from stages.shared.model_files import known_keys
from stages.shared.params import FromScratch
from stages.shared.plugins import nearest

WHERE = "pretrain.from_scratch.model"
FRAMING = ("cls_token_id", "sep_token_id")  # of some encoders' configurations, beside bos and eos
OF_THE_TOKENIZER = ("vocab_size", "pad_token_id", "bos_token_id", "eos_token_id", "decoder_start_token_id", *FRAMING)
OF_EVERY_MODEL = {"num_labels", "transformers_version", "architectures", "model_type", "dtype", "id2label", "label2id"}


def _options(model: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    """The architecture, and the options of its configuration, all of them known ones."""
    options = dict(model)
    name, known = options.pop("model_type", None), sorted(CONFIG_MAPPING.keys())
    if name not in known:
        raise ParamsError(
            f"{WHERE}.model_type: {name!r} is no architecture that transformers knows."
            f"{nearest(str(name or ''), known)} Usual ones are bert, roberta, gpt2, llama, marian, bart, t5, vit."
        )
    kind = CONFIG_MAPPING[name]
    keys = sorted(known_keys(kind) - OF_EVERY_MODEL)
    for key in options:
        if key in OF_THE_TOKENIZER:
            raise ParamsError(f"{WHERE}.{key}: the tokenizer decides on it. Take it out.")
        if key not in keys:
            raise ParamsError(
                f"{WHERE}.{key}: {name} has no such option.{nearest(key, keys)} Allowed: {', '.join(keys)}"
            )
    return name, options


def family_of(config: PretrainedConfig) -> Family | None:
    """What an architecture is to a tokenizer; None where it reads no text."""
    if config.is_encoder_decoder and type(config) in AutoModelForSeq2SeqLM._model_mapping:
        return "encoder_decoder"
    if type(config) in AutoModelForMaskedLM._model_mapping and not getattr(config, "is_decoder", False):
        return "encoder"
    if type(config) in AutoModelForCausalLM._model_mapping:
        return "decoder"
    if type(config) in AutoModelForImageClassification._model_mapping:
        return None
    raise ParamsError(
        f"{WHERE}.model_type: a {config.model_type} is neither an encoder, a decoder nor both of text, nor of images. "
        f"Usual ones are bert, roberta, gpt2, llama, marian, bart, t5, vit."
    )


def make_config(wanted: FromScratch) -> PretrainedConfig:
    """The configuration that the parameters ask for, as yet without what the tokenizer decides on.

    Raises:
        ParamsError: the architecture or an option is unknown, or an option's value is not of its kind.
    """
    name, options = _options(wanted.model)
    try:
        config = AutoConfig.for_model(name, **options)
    except (StrictDataclassError, ValueError, TypeError) as error:
        raise ParamsError(f"{WHERE}: {' '.join(str(error).split())}") from None
    family = family_of(config)
    if (family is None) != (wanted.tokenizer is None):
        needed = "text: it needs one, as {kind: wordpiece, vocabulary: 8000, lowercase: true}"
        raise ParamsError(
            f"pretrain.from_scratch.tokenizer: a {name} reads {needed if family else 'no text: it must be null'}."
        )
    return config


def _fit_to(config: PretrainedConfig, tokenizer: PreTrainedTokenizerBase, family: Family) -> None:
    """Let the configuration have the tokenizer's vocabulary and special tokens, and force none on what is written."""
    default = type(config)()
    config.vocab_size = len(tokenizer)
    config.pad_token_id = tokenizer.pad_token_id
    config.bos_token_id = tokenizer.cls_token_id if family == "encoder" else tokenizer.bos_token_id
    config.eos_token_id = tokenizer.sep_token_id if family == "encoder" else tokenizer.eos_token_id
    for name in FRAMING:
        if hasattr(config, name):
            setattr(config, name, getattr(tokenizer, name))
    if family == "encoder_decoder":
        begins_with_end = getattr(default, "decoder_start_token_id", None) == default.eos_token_id
        config.decoder_start_token_id = tokenizer.eos_token_id if begins_with_end else tokenizer.pad_token_id
        config.forced_bos_token_id = config.forced_eos_token_id = None


def make_model(config: PretrainedConfig, tokenizer: PreTrainedTokenizerBase | None) -> PreTrainedModel:
    """The model with the part that names words, or classes of images, its weights drawn from torch's seed.

    Raises:
        ParamsError: the options of the configuration do not fit together.
    """
    logging.set_verbosity_error()  # type: ignore[no-untyped-call]
    logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    family = family_of(config)
    if family is not None and tokenizer is not None:
        _fit_to(config, tokenizer, family)
    kind: Any = {
        "encoder": AutoModelForMaskedLM,
        "encoder_decoder": AutoModelForSeq2SeqLM,
        "decoder": AutoModelForCausalLM,
        None: AutoModelForImageClassification,
    }[family]
    try:
        model: PreTrainedModel = kind.from_config(config)
    except (ValueError, TypeError, AssertionError, RuntimeError, ZeroDivisionError, LookupError) as error:
        raise ParamsError(f"{WHERE}: its options do not fit together: {' '.join(str(error).split())}") from None
    return model


def check_model(wanted: FromScratch) -> PretrainedConfig:
    """The configuration, after a look at the model that it makes, without the memory that this takes.

    Raises:
        ParamsError: as `make_config` and `make_model`.
    """
    config = make_config(wanted)
    with torch.device("meta"):
        make_model(make_config(wanted), None)
    return config

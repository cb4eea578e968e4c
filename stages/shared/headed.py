"""A body with a head of our own or of the user, saved beside it: head.safetensors, and what it is in head.json."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple

import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import nn
from transformers import PreTrainedModel
from transformers.modeling_outputs import SequenceClassifierOutput

from serving.written import sha256_of
from stages.shared.bodies import load_body, narrow, whole
from stages.shared.errors import DataError, MachineError
from stages.shared.heads import AtToken, ComparedTexts, LabelVectors, LastToken, MeanPooled
from stages.shared.model_files import WEIGHTS as BODY_WEIGHTS
from stages.shared.model_files import load_weights, read_settings
from stages.shared.publish import write_json
from stages.shared.user_head import head_file, made_head

DESCRIPTION, WEIGHTS = "head.json", "head.safetensors"


class Headed(PreTrainedModel):  # type: ignore[no-untyped-call]  # transformers' own class hook has no types
    """A body whose first output goes into a head. Its own output has `logits`, as the models of Transformers have."""

    _supports_sdpa = _supports_flash_attn = _supports_flex_attn = _supports_attention_backend = True  # the body decides

    def __init__(self, body: PreTrainedModel, head: nn.Module, description: dict[str, Any]) -> None:
        super().__init__(body.config)
        self.body, self.head, self.description = body, head, description

    def forward(
        self,
        input_ids: torch.Tensor,
        attention_mask: torch.Tensor,
        token_type_ids: torch.Tensor | None = None,
    ) -> SequenceClassifierOutput:
        """The head's output; input_ids, attention_mask and token_type_ids are (batch, tokens)."""
        types = {} if token_type_ids is None else {"token_type_ids": token_type_ids}
        hidden = self.body(input_ids=input_ids, attention_mask=attention_mask, **types)[0]
        marked, token = attention_mask, self.description.get("token")
        if token is not None:
            marked = (input_ids == token).to(attention_mask.dtype)
        texts = [token_type_ids] if isinstance(self.head, ComparedTexts) else []
        return SequenceClassifierOutput(logits=self.head(hidden, marked, *texts))

    def save_pretrained(self, folder: Path, **_: Any) -> None:  # type: ignore[override]  # ours knows no options
        """Write the body in Transformers layout, and the head beside it."""
        with whole(self.body):
            self.body.save_pretrained(folder)
        if self.head.state_dict():
            save_file({name: tensor.contiguous() for name, tensor in self.head.state_dict().items()}, folder / WEIGHTS)
        write_json(folder / DESCRIPTION, self.description)


def sentence_encoder(folder: Path, words: int) -> Headed:
    """The encoder in a folder, mean-pooled."""
    return Headed(load_body("encoder", folder, words), MeanPooled(), {"head": "sentence", "body": "encoder"})


def comparing(folder: Path, words: int, outputs: int) -> Headed:
    """The encoder in a folder with a new head that compares two texts; it must tell them apart by token types."""
    body = load_body("encoder", folder, words)
    head = ComparedTexts(body.config.hidden_size, outputs, getattr(body.config, "hidden_dropout_prob", 0.1))
    return Headed(body, head, {"head": "compared", "body": "encoder"})


def at_last_token(folder: Path, words: int, outputs: int) -> Headed:
    """The decoder in a folder with logits at each text's last token: by the `score` that it has, if that fits."""
    body = load_body("encoder", folder, words)
    config = body.config.get_text_config()
    head = LastToken(config.hidden_size, outputs, getattr(config, "initializer_range", 0.02))
    with safe_open(folder / BODY_WEIGHTS, "pt") as weights, torch.no_grad():
        score = weights.get_tensor("score.weight") if "score.weight" in weights.offset_keys() else head.score.weight
        if score.shape == head.score.weight.shape:
            head.score.weight.copy_(score)
    return Headed(body, head, {"head": "last", "body": "encoder"})


def with_label_vectors(body: PreTrainedModel, labels: int, bias: bool) -> Headed:
    """An encoder with a vector for each label, `vectors.weight` of its head, and perhaps a bias, yet to be filled."""
    head = LabelVectors(body.config.hidden_size, labels, bias)
    return Headed(body, head, {"head": "vectors", "body": "encoder", "bias": bias})


class Place(NamedTuple):
    """Where a language model is asked for a word: at the first or last token of this id, or, without one, of all."""

    token: int | None
    last: bool


def with_label_words(
    body: Literal["masked_lm", "causal_lm"], folder: Path, words: int, label_words: Sequence[int], place: Place
) -> Headed:
    """The language model in a folder, asked at one place for one word for each label.

    Args:
        body: which kind of language model.
        folder: in Transformers layout.
        words: of the tokenizer.
        label_words: id of the word of each label, in the order of the labels.
        place: of the word: for a masked one its mask, for a causal one the last token.

    Raises:
        ParamsError: the folder holds no such language model.
    """
    model = load_body(body, folder, words)
    narrow(model, label_words)
    description = {"head": "words", "body": body, "words": list(label_words), **place._asdict()}
    return Headed(model, AtToken(place.last), description)


def with_custom_head(folder: Path, words: int, task: Any, params: Any) -> Headed:
    """The encoder in a folder with the user's head, new.

    Raises:
        ParamsError: the head cannot be imported, or does not fit.
    """
    file = head_file(params.head, params.head_from_packages)
    body = load_body("encoder", folder, words)
    head = made_head(params.head, body.config.hidden_size, len(task.outputs), task.head == "token")
    description = {"head": "custom", "body": "encoder", "class": params.head, "sha256": sha256_of(file)}
    return Headed(body, head, description)


def _read_custom(folder: Path, words: int, task: Any, params: Any, description: dict[str, Any]) -> Headed:
    if params.head != description["class"]:
        raise DataError(f"task.head: the model was trained with {description['class']}. Run `dvc repro train`.")
    if sha256_of(head_file(params.head, params.head_from_packages)) != description["sha256"]:
        raise DataError(
            f"task.head: '{params.head}' has changed since the model was trained. Run `dvc repro -f train`."
        )
    return with_custom_head(folder, words, task, params)


def read_headed(folder: Path, words: int, task: Any, params: Any) -> Headed:
    """A model that `Headed.save_pretrained` wrote.

    Raises:
        DataError: the user's head is not the one that it was trained with.
        MachineError: its head is unknown here.
    """
    description = read_settings(folder / DESCRIPTION)
    match description["head"]:
        case "sentence":
            headed = sentence_encoder(folder, words)
        case "compared":
            headed = comparing(folder, words, len(task.outputs))
        case "last":
            headed = at_last_token(folder, words, len(task.outputs))
        case "vectors":
            headed = with_label_vectors(load_body("encoder", folder, words), len(task.outputs), description["bias"])
        case "words":
            place = Place(description["token"], description["last"])
            headed = with_label_words(description["body"], folder, words, description["words"], place)
        case "custom":
            headed = _read_custom(folder, words, task, params, description)
        case other:
            raise MachineError(f"{folder / DESCRIPTION}: head '{other}' is unknown to this release.")
    if headed.head.state_dict():
        headed.head.load_state_dict(load_weights(folder / WEIGHTS))
    return headed

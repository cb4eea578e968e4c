"""A torch encoder as an ONNX graph, and how far the two are apart."""

import logging
import math
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import torch
from transformers import PreTrainedModel
from transformers.masking_utils import AttentionMaskInterface
from transformers.modeling_utils import AttentionInterface

from stages.shared.errors import MachineError
from stages.shared.headed import Headed
from stages.shared.predict import input_names

OPSET = 18
ONNX_LIMIT = 2_000_000_000  # bytes that one protobuf message can hold, less a little for what is no weight
PLAIN = "plain"  # our attention, under its name in transformers' two tables

Arrays = dict[str, np.ndarray]


def _plain_mask(attention_mask: torch.Tensor, dtype: torch.dtype, **_: Any) -> torch.Tensor:
    """What is added to the attention's scores, (batch, 1, 1, tokens): 0 at a token, the lowest number at padding."""
    return (1.0 - attention_mask[:, None, None, :].to(dtype)) * torch.finfo(dtype).min


def _plain_attention(
    module: torch.nn.Module,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor,
    scaling: float | None = None,
    **_: Any,
) -> tuple[torch.Tensor, torch.Tensor]:
    """Softmax attention, written as onnxruntime's fusion knows it: a division, not a product, before the mask.

    query, key, value: (batch, heads, tokens, head); the result: (batch, tokens, heads, head) and the weights.
    """
    divisor = math.sqrt(query.shape[-1]) if scaling is None else 1 / scaling
    scores = torch.matmul(query, key.transpose(2, 3)) / divisor
    weights = torch.softmax(scores + attention_mask, dim=-1)
    return torch.matmul(weights, value).transpose(1, 2).contiguous(), weights


@contextmanager
def plain_attention(model: PreTrainedModel) -> Iterator[None]:
    """Let the model attend in the way that can be fused, and afterwards in its own way again."""
    AttentionMaskInterface.register(PLAIN, _plain_mask)
    AttentionInterface.register(PLAIN, _plain_attention)
    before = model.config._attn_implementation
    model.set_attn_implementation(PLAIN)
    try:
        yield
    finally:
        model.set_attn_implementation(before)


@contextmanager
def _quiet() -> Iterator[None]:
    """Without the exporter's remarks about libraries that we do not use."""
    loggers = [logging.getLogger(name) for name in ("torch.onnx", "torch.onnx._internal.exporter", "onnxscript")]
    before = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        for logger, level in zip(loggers, before, strict=True):
            logger.setLevel(level)


def _sample(model: PreTrainedModel, batch: int, tokens: int) -> Arrays:
    """Random token ids (batch, tokens); each row is shorter than the one before, the rest of it is padding.

    The second half of each is of the second text.
    """
    config = model.config.get_text_config()
    random = np.random.default_rng([batch, tokens])
    ids = random.integers(0, config.vocab_size, (batch, tokens), dtype=np.int64)
    lengths = [max(2, tokens - row * tokens // batch) for row in range(batch)]
    mask = (np.arange(tokens) < np.array(lengths)[:, None]).astype(np.int64)
    padding = config.pad_token_id or 0
    ids = np.where(mask == 1, np.where(ids == padding, (padding + 1) % config.vocab_size, ids), padding)
    token = model.description.get("token") if isinstance(model, Headed) else None
    if token is not None:  # the one at which the head looks
        ids[range(batch), [length // 2 for length in lengths]] = token
    second = np.arange(tokens) >= np.array(lengths)[:, None] // 2
    arrays = {"input_ids": ids, "attention_mask": mask, "token_type_ids": mask * second}
    return {name: arrays[name] for name in input_names(model.config)}


def export(model: PreTrainedModel) -> onnx.ModelProto:
    """The model as an ONNX graph with dynamic batch and token axes.

    Raises:
        MachineError: it is too large for one ONNX file, or torch cannot export its architecture.
    """
    size = sum(weight.numel() * weight.element_size() for weight in model.parameters())
    if size > ONNX_LIMIT:
        raise MachineError(f"quantize: the model has {size} bytes of weights; at most {ONNX_LIMIT} fit an ONNX file.")
    sample = {name: torch.from_numpy(array) for name, array in _sample(model, 2, 8).items()}
    try:
        with _quiet(), torch.inference_mode():
            program = torch.onnx.export(
                model,
                kwargs=sample,
                dynamo=True,
                dynamic_shapes={name: {0: "batch", 1: "tokens"} for name in sample},
                input_names=list(sample),
                output_names=["logits"],
                opset_version=OPSET,
                verbose=False,
            )
    except torch.onnx.OnnxExporterError as error:
        raise MachineError(
            f"quantize: torch.onnx cannot export a {type(model).__name__}: {str(error).splitlines()[0]} "
            f"Choose a base model of another architecture in pretrain.base."
        ) from error
    assert program is not None  # torch gives None only when it writes the file itself
    return program.model_proto


def shapes(max_tokens: int) -> list[tuple[int, int]]:
    """The (batch, tokens) on which ONNX and torch are compared: alone and in padded batches, short and full length."""
    middle = max(2, max_tokens // 3)
    return sorted({(1, 2), (1, middle), (1, max_tokens), (2, 2), (3, 5), (4, middle), (8, max_tokens)})


def largest_difference(model: PreTrainedModel, onnx_file: Path, max_tokens: int) -> float:
    """The largest absolute difference of a logit between the ONNX model and torch, over `shapes(max_tokens)`."""
    session = onnxruntime.InferenceSession(str(onnx_file), providers=["CPUExecutionProvider"])
    largest = 0.0
    for batch, tokens in shapes(max_tokens):
        sample = _sample(model, batch, tokens)
        with torch.inference_mode():
            expected = model(**{name: torch.from_numpy(array) for name, array in sample.items()}).logits.numpy()
        (found,) = session.run(["logits"], sample)
        largest = max(largest, float(np.abs(found - expected).max()))
    return largest

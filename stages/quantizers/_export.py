"""A torch encoder as an ONNX graph, and how far the two are apart."""

import logging
import math
import warnings
from collections.abc import Iterator, Mapping, Sequence
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

from stages.quantizers._samples import Arrays, sample_for_export
from stages.shared.errors import MachineError

OPSET = 18
ONNX_LIMIT = 2_000_000_000  # bytes that one protobuf message can hold, less a little for what is no weight
PLAIN = "plain"  # our attention, under its name in transformers' two tables


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


def export(model: PreTrainedModel, settings: Mapping[str, Any]) -> onnx.ModelProto:
    """The model as an ONNX graph whose batch may be of any size, and its texts of any length.

    Raises:
        MachineError: it is too large for one ONNX file, or torch cannot export its architecture.
    """
    size = sum(weight.numel() * weight.element_size() for weight in model.parameters())
    if size > ONNX_LIMIT:
        raise MachineError(f"quantize: the model has {size} bytes of weights; at most {ONNX_LIMIT} fit an ONNX file.")
    arrays, axes = sample_for_export(model, settings)
    sample = {name: torch.from_numpy(array) for name, array in arrays.items()}
    try:
        with _quiet(), torch.inference_mode():
            program = torch.onnx.export(
                model,
                kwargs=sample,
                dynamo=True,
                dynamic_shapes=dict.fromkeys(sample, axes),
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


def largest_difference(model: PreTrainedModel, onnx_file: Path, samples: Sequence[Arrays]) -> float:
    """The largest absolute difference of a logit between the ONNX model and torch, over the samples."""
    session = onnxruntime.InferenceSession(str(onnx_file), providers=["CPUExecutionProvider"])
    largest, read = 0.0, {given.name for given in session.get_inputs()}  # learnt vectors leave token types unread
    for sample in samples:
        with torch.inference_mode():
            expected = model(**{name: torch.from_numpy(array) for name, array in sample.items()}).logits.numpy()
        (found,) = session.run(["logits"], {name: array for name, array in sample.items() if name in read})
        largest = max(largest, float(np.abs(found - expected).max()))
    return largest

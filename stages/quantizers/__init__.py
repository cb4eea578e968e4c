"""How a model is made small. A quantizer is a file of this folder that has:

    class Params(Choice)                               its options in params.yaml
    def quantize(model, out, settings, params)         writes float.onnx and model.onnx, gives what it checked

Every stage reads the chosen file for its Params: what is heavy is imported where it is used.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from transformers import PreTrainedModel

FLOAT_MODEL, SMALL_MODEL = "float.onnx", "model.onnx"


@dataclass(frozen=True)
class Count:
    """How many of something there are, and how many there must be; None where nobody knows for this architecture."""

    name: str
    observed: int
    expected: int | None


@dataclass(frozen=True)
class Quantized:
    """What a quantizer found out about what it wrote.

    Attributes:
        counts: of fused and quantised nodes.
        max_logit_difference: the largest difference of a logit between float.onnx and torch.
        shapes: how many shapes (batch, tokens, with padding; or batch of pictures) that was measured on.
    """

    max_logit_difference: float
    shapes: int
    counts: list[Count] = field(default_factory=list)


class Quantizer(Protocol):
    """What a file of this folder provides."""

    def quantize(self, model: PreTrainedModel, out: Path, settings: Mapping[str, Any], params: Any) -> Quantized:
        """Export, fuse and quantise a model.

        Writes `float.onnx` (fused, not quantised) and `model.onnx` (quantised) into `out`: inputs among input_ids,
        attention_mask and token_type_ids, int64 (batch, tokens), both axes dynamic; or pixel_values, float32 (batch, 3,
        height, width), the first dynamic; one output, the logits.

        Args:
            model: the trained model, on the CPU.
            out: an empty folder.
            settings: how the model is asked: `max_tokens` at most, or the `height` and `width` of `pictures`.
            params: the quantizer's own Params.

        Raises:
            MachineError: the model cannot be exported.
        """
        ...

"""How a model is made small. A quantizer is a file of this folder that has:

    class Params(Choice)                     its options in params.yaml
    def check(task)                          raises ParamsError when it is not for the task
    def quantize(trained, out, params)       writes the float and the small model, gives what it checked

Every stage reads the chosen file for its Params: what is heavy is imported where it is used.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from transformers import PreTrainedModel


@dataclass(frozen=True)
class Trained:
    """What is made small.

    Attributes:
        model: on the CPU.
        folder: where it lies in Transformers layout, with its tokenizer.
        settings: how it reads and answers, as training left them.
    """

    model: PreTrainedModel
    folder: Path
    settings: dict[str, Any]


@dataclass(frozen=True)
class Count:
    """How many of something there are, and how many there must be; None where nobody knows for this architecture."""

    name: str
    observed: int
    expected: int | None


@dataclass(frozen=True)
class Quantized:
    """What a quantizer wrote, and what it found out about it.

    Attributes:
        large, small: the names of the files or folders of the float and of the quantised model.
        counts: of fused and quantised nodes, or of quantised matrices.
        max_logit_difference: the largest difference of a logit, or of its log probability, from torch to the float one.
        shapes: how many shapes (batch, tokens, with padding; or batch of pictures) that was measured on.
    """

    large: str
    small: str

    max_logit_difference: float
    shapes: int
    counts: list[Count] = field(default_factory=list)


class Quantizer(Protocol):
    """What a file of this folder provides."""

    def check(self, task: Any) -> None:
        """Raise ParamsError when it is not for models as the task has them, before anything runs."""
        ...

    def quantize(self, trained: Trained, out: Path, params: Any) -> Quantized:
        """Export and quantise a model, in a form that `serving.runtime` opens.

        Writes the float model, not quantised, and the quantised one into `out`, an empty folder. An ONNX model has
        inputs among input_ids, attention_mask and token_type_ids, int64 (batch, tokens), both axes dynamic; or
        pixel_values, float32 (batch, 3, height, width), the first dynamic; and one output, the logits.

        Raises:
            MachineError: the model cannot be exported.
        """
        ...

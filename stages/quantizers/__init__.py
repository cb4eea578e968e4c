"""How a model is made small. A quantizer is a file of this folder that has:

class Params(Choice)                                   its options in params.yaml
def quantize(model, task, task_params, out, params)    writes model.onnx into `out`, gives what it checked
"""

from pathlib import Path
from typing import Any, Protocol

from stages.shared.outcome import Metrics


class Quantizer(Protocol):
    """What a file of this folder provides."""

    def quantize(self, model_folder: Path, out: Path, max_difference: float, params: Any) -> Metrics:
        """Export, fuse and quantise a model in Transformers layout.

        Writes `float.onnx` and `model.onnx` (the quantised one) into `out`.

        Args:
            model_folder: the trained model, Transformers layout.
            out: an empty folder.
            max_difference: how far a logit of the float ONNX model may be from torch's.
            params: the quantizer's own Params.

        Returns:
            Counts of fused and quantised nodes, and the largest difference of a logit.

        Raises:
            Refused: a count is not what the model's shape asks for, or a logit is too far off.
        """
        ...

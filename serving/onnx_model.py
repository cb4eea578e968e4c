"""An ONNX model on the CPU: one row of tokens, or a picture, in, what it says of that out."""

from pathlib import Path

import numpy as np
import onnxruntime

from serving.errors import BundleMissing
from serving.reading import Fed


def open_session(path: Path) -> onnxruntime.InferenceSession:
    """The model on the CPU, one thread for one text: the same bits whatever runs beside it.

    Raises:
        BundleMissing: onnxruntime cannot load it on this machine.
    """
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    try:
        return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime raises a dozen kinds, none of them for the user
        raise BundleMissing(
            f"{path}: onnxruntime {onnxruntime.__version__} cannot load it: {error}. Install the version that "
            f"constraints.txt names."
        ) from None


class OnnxModel:
    """A model that says something of a row of tokens in one pass."""

    def __init__(self, path: Path) -> None:
        """Load it. Raises BundleMissing as `open_session` does."""
        self._session = open_session(path)
        self._inputs = [given.name for given in self._session.get_inputs()]
        self._output = self._session.get_outputs()[0].name

    def run(self, window: Fed) -> np.ndarray:
        """What it says of one window or picture, float32 of shape (outputs,), (tokens, outputs) or (hidden,)."""
        given = window.feed()
        feed = {name: given[name][None] for name in self._inputs}
        return np.asarray(self._session.run([self._output], feed)[0][0])

"""sentence-transformers in a process of its own, for benchmarks.prediction: its versions are not those of the project.

    PEER_PYTHON benchmarks/sentence_peer.py MODEL onnx|openvino

It exports the model as its documentation says: `onnx` to int8 for AVX-512 with VNNI, `openvino` as it comes (its int8
is calibrated on texts of a hub). Then each line of standard input, JSON {"texts", "batch_size"}, gives a line,
{"seconds", "shape", "versions"}. It needs nothing of the project, and in an environment of its own

    pip install torch==2.13.0 sentence-transformers 'optimum-onnx[onnxruntime]' 'optimum-intel[openvino]'
"""

import json
import sys
import tempfile
import time
from importlib.metadata import version
from pathlib import Path
from typing import Any

PACKAGES = ("sentence-transformers", "transformers", "onnxruntime", "openvino")


def open_model(source: str, backend: str, scratch: Path) -> Any:
    """The model, exported into a scratch folder."""
    from sentence_transformers import SentenceTransformer, export_dynamic_quantized_onnx_model

    model = SentenceTransformer(source, backend=backend, device="cpu", model_kwargs={"export": True})
    if backend == "openvino":
        return model
    model.save_pretrained(str(scratch))
    export_dynamic_quantized_onnx_model(model, "avx512_vnni", str(scratch))
    (file,) = scratch.glob("onnx/*qint8*.onnx")
    kwargs = {"file_name": f"onnx/{file.name}"}
    return SentenceTransformer(str(scratch), backend="onnx", device="cpu", model_kwargs=kwargs)


def main() -> None:
    """Answer until standard input ends."""
    source, backend = sys.argv[1:]
    with tempfile.TemporaryDirectory() as scratch:
        answers, sys.stdout = sys.stdout, sys.stderr  # libraries may print what they like
        versions = {name: version(name) for name in PACKAGES}
        model = open_model(source, backend, Path(scratch))
        for line in sys.stdin:
            asked = json.loads(line)
            started = time.perf_counter()
            found = model.encode(asked["texts"], batch_size=asked["batch_size"], show_progress_bar=False)
            answer = {"seconds": time.perf_counter() - started, "shape": found.shape, "versions": versions}
            answers.write(json.dumps(answer) + "\n")
            answers.flush()


if __name__ == "__main__":
    main()

"""A bundle made in a minute for benchmarks: the bundled base with a new head, through the project's own quantizer.

What it says means nothing, and takes as long as what a trained one says: weights decide no time. So a benchmark of
speed needs no run of the pipeline.
"""

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

import flows  # noqa: F401  telemetry off
from serving.bundle import FORMAT, SETTINGS, TOKENIZER
from stages.quantizers import Trained, onnx_int8
from stages.shared.answering import write_settings
from stages.shared.base_model import find_base, tokenizer_of
from stages.shared.models import load_model, write_model
from stages.shared.params import load_params
from stages.shared.publish import write_json, write_manifest
from stages.tasks import task_of

ROOT = Path(__file__).parents[1]


@dataclass(frozen=True)
class Made:
    """A model in its three forms.

    Attributes:
        trained: folder in Transformers layout, with its tokenizer.
        large: the float ONNX model.
        bundle: with the int8 model, as `serving.predict` takes it.
        settings: how the model reads and answers.
    """

    trained: Path
    large: Path
    bundle: Path
    settings: dict[str, Any]


def make_bundle(out: Path, params_file: Path = ROOT / "params.yaml") -> Made:
    """Make the untrained model of a params.yaml, in the three forms, in the folder `out`."""
    params = load_params(params_file)
    task, base = task_of(params.task), find_base(params.pretrain).folder
    tokenizer = tokenizer_of(base)
    torch.manual_seed(params.seed)
    model = load_model(task, base, params.task, len(tokenizer))
    settings = task.settings() | task.base_settings(tokenizer)
    trained, scratch, bundle = (out / name for name in ("trained", "quantized", "bundle"))
    for folder in (trained, scratch, bundle):
        folder.mkdir()
    write_model(model, tokenizer, trained)
    write_settings(trained, settings)
    found = onnx_int8.quantize(Trained(model, trained, settings), scratch, params.quantize.method)
    shutil.copyfile(scratch / found.small, bundle / found.small)
    shutil.copyfile(trained / TOKENIZER, bundle / TOKENIZER)
    write_json(bundle / SETTINGS, settings | {"format": FORMAT, "model": found.small})
    write_manifest(bundle)
    return Made(trained, scratch / found.large, bundle, settings)

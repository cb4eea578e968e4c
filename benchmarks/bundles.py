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

MODEL = "model.onnx"


@dataclass(frozen=True)
class Made:
    """A model in its three forms.

    Attributes:
        base: folder of the model that it was made of.
        trained: folder in Transformers layout, with its tokenizer.
        bundle, float_bundle: with the int8 and with the float ONNX model, as `serving.predict` takes them.
        settings: how the model reads and answers.
    """

    base: Path
    trained: Path
    bundle: Path
    float_bundle: Path
    settings: dict[str, Any]


def _write_bundle(bundle: Path, model: Path, trained: Path, settings: dict[str, Any]) -> None:
    bundle.mkdir()
    shutil.copyfile(model, bundle / MODEL)
    shutil.copyfile(trained / TOKENIZER, bundle / TOKENIZER)
    write_json(bundle / SETTINGS, settings | {"format": FORMAT, "model": MODEL})
    write_manifest(bundle)


def make_bundle(out: Path, params_file: Path = ROOT / "params.yaml") -> Made:
    """Make the untrained model of a params.yaml, in its forms, in the new folder `out`."""
    params = load_params(params_file)
    task, base = task_of(params.task), find_base(params.pretrain).folder
    tokenizer = tokenizer_of(base)
    torch.manual_seed(params.seed)
    model = load_model(task, base, params.task, len(tokenizer))
    settings = task.settings() | task.base_settings(tokenizer)
    made = Made(base, *(out / name for name in ("trained", "bundle", "float")), settings)
    scratch = out / "quantized"
    scratch.mkdir(parents=True)
    write_model(model, tokenizer, made.trained)
    write_settings(made.trained, settings)
    found = onnx_int8.quantize(Trained(model, made.trained, settings), scratch, params.quantize.method)
    _write_bundle(made.bundle, scratch / found.small, made.trained, settings)
    _write_bundle(made.float_bundle, scratch / found.large, made.trained, settings)
    return made

"""One stage as a function call: inputs checked, output published whole. No record, no signals, no server."""

import importlib
import inspect
import os
import time
from collections.abc import Callable
from pathlib import Path

from serving.written import MANIFEST
from stages.shared.errors import MachineError, ParamsError, Refused, TrainingFailed
from stages.shared.outcome import Metrics, Outcome
from stages.shared.params import Params
from stages.shared.publish import check_manifest, mend, published, refused_folder, write_json
from stages.shared.workspace import write_page, write_timings

METRICS = "metrics.json"
SUMMARY = "summary.txt"


def stage_function(name: str) -> Callable[..., Outcome]:
    """The function of a stage: `stages.train.train` for `train`."""
    function: Callable[..., Outcome] = getattr(importlib.import_module(f"stages.{name}"), name)
    return function


def check_folders(function: Callable[..., Outcome], folders: list[Path]) -> None:
    """Raise ParamsError when the folders are not as many as the stage takes, in the order of its parameters."""
    wanted = [name for name in inspect.signature(function).parameters if name != "params"]
    if len(folders) != len(wanted):
        raise ParamsError(
            f"the stage takes {len(wanted)} paths ({', '.join(wanted)}), not {len(folders)}. See dvc.yaml."
        )


def check_inputs(inputs: list[Path]) -> None:
    """Raise when an input is missing, or a folder that a stage wrote is not as it was written."""
    for path in inputs:
        mend(path)
        if not path.exists():
            raise MachineError(f"{path}: no such file or folder. Run `dvc repro`, or correct the path in params.yaml.")
        if (path / MANIFEST).is_file() or (path / METRICS).is_file():
            check_manifest(path)


def _processor_seconds() -> float:
    """Of this process and of those that it has waited for, so far."""
    return sum(os.times()[:4])


def performed(name: str, folders: list[Path], params: Params) -> tuple[Outcome, Metrics]:
    """Run a stage on its folders, the last of which is its output; give also the time that it took.

    Raises:
        TemperError: of the kind that tells what is wrong; the output is then as it was before.
    """
    function = stage_function(name)
    check_folders(function, folders)
    *inputs, out = folders
    check_inputs(inputs)
    try:
        with published(out) as staging:
            started, processor = time.monotonic(), _processor_seconds()
            outcome = function(*inputs, staging, params)
            work = {"work.seconds": time.monotonic() - started, "work.processor": _processor_seconds() - processor}
            write_json(staging / METRICS, outcome.metrics)
            (staging / SUMMARY).write_text(outcome.summary + "\n", encoding="utf-8")
    except (Refused, TrainingFailed) as error:
        kept = sorted(path for path in refused_folder(out).iterdir() if path.name != MANIFEST)
        raise type(error)(f"{error}\nKept: {', '.join(map(str, kept)) or 'nothing'}") from None
    return outcome, work


def perform(name: str, folders: list[Path], params: Params) -> Outcome:
    """The same, and keep the times and pages of it in the clone."""
    outcome, work = performed(name, folders, params)
    write_timings(name, folders[-1], work | outcome.timings)
    for page, content in outcome.pages.items():
        write_page(name, page, content)
    return outcome

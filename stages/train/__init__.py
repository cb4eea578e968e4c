"""Fine-tune the base model on the augmented training split.

in    augmented/train.parquet, validation.parquet   one Example per row
      base/base.json                                which base model
out   base.json                                     which base it was trained from
      model/                                        Transformers layout: safetensors, config, tokenizer
      model/answering.json                          how texts are read and answers decoded, thresholds included
      plots/loss.csv                                step, loss (nats per example), learning_rate
      plots/validation.csv                          step, epoch, validation_loss, the task's metrics, primary
"""

import shutil
import time
from pathlib import Path
from typing import Any, cast

from transformers import PreTrainedModel

from stages.methods import Method, Start, check_method
from stages.shared import plugins
from stages.shared.answering import write_settings
from stages.shared.base_model import POINTER, read_pointer
from stages.shared.errors import TrainingFailed
from stages.shared.examples import read_split
from stages.shared.fitting import Data, History, Plan, fit, make_repeatable
from stages.shared.models import load_model, write_model
from stages.shared.outcome import Outcome
from stages.shared.params import Params
from stages.shared.resources import peak_memory
from stages.tasks import task_of
from stages.train.data import read_data
from stages.train.lengths import refuse_cut

__all__ = ["train"]


def _write(model: PreTrainedModel, data: Data, tokenizer: Any, history: History, out: Path, params: Params) -> None:
    history.write(out / "plots", data.task.primary)
    if history.best is not None:
        model.load_state_dict(history.weights)
        write_model(plugins.load("methods", params.train.method.name).finish(model), tokenizer, out / "model")
        write_settings(out / "model", data.settings | history.tuned)


def train(augmented: Path, base: Path, out: Path, params: Params) -> Outcome:
    """Train, and write the weights of the best validation.

    Raises:
        TrainingFailed: the loss is no number any more; the best model so far is written all the same.
        ParamsError: texts may be longer than the base model can read, or the method is not for the task.
        Refused: too many texts are cut, which a new tokenizer shows only now.
    """
    started = time.perf_counter()
    make_repeatable(params.seed, params.train.threads)
    pinned = read_pointer(base)
    task = task_of(params.task)
    task.require_fit(pinned)
    shutil.copyfile(base / POINTER, out / POINTER)
    check_method(task, params)
    tokenizer: Any = task.open_tokenizer(pinned.folder)
    start = Start(
        task=task,
        base=pinned.folder,
        tokenizer=tokenizer,
        examples=list(read_split(augmented, "train")),
        load=lambda: load_model(task, pinned.folder, params.task, len(tokenizer)),
        seed=params.seed,
    )
    method = cast(Method, plugins.load("methods", params.train.method.name))
    settings = task.settings() | task.base_settings(tokenizer) | method.settings(start, params.train.method)
    data = read_data(augmented, task, tokenizer, settings, params.train.class_weights == "balanced")
    if pinned.is_new and task.medium == "text" and params.task.long_texts != "windows":
        rows = [*data.train_rows, *data.validation_rows]
        refuse_cut(rows, task, data.reader.tokenizer, params.validate_.max_cut_share)
    model = method.prepare(start, params.train.method)
    history = History()
    try:
        fit(model, data, Plan(params.train, params.seed, "train"), history)
    except TrainingFailed:
        _write(model, data, tokenizer, history, out, params)
        raise
    _write(model, data, tokenizer, history, out, params)
    return _outcome(history, data, time.perf_counter() - started)


def _outcome(history: History, data: Data, seconds: float) -> Outcome:
    metrics = {"examples": len(data.train_rows), **history.metrics()}
    primary = data.task.primary
    return Outcome(
        summary=(
            f"{len(data.train_rows)} examples, {metrics['epochs']} epochs, {history.steps} updates; best at update "
            f"{metrics['best_step']:.0f}: validation {primary} {metrics[f'validation.{primary}']:.4f}"
        ),
        metrics=metrics,
        timings={
            "seconds": seconds,
            "examples_per_second": history.examples / history.seconds if history.seconds else 0.0,
            "peak_memory_megabytes": peak_memory() / 1e6,
        },
    )

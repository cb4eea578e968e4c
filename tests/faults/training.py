"""Stages that train, in processes of their own that are killed at a chosen or any moment and begun again."""

from __future__ import annotations

import csv
import multiprocessing
import os
import signal
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from flows.perform import perform
from serving.written import MANIFEST
from stages.shared.checkpoints import SECONDS, keeping
from stages.shared.params import load_params
from stages.shared.pipeline import Stage
from stages.shared.progress import reporting_to
from tests.conftest import sample_texts, set_values
from tests.recipes import RECIPES, run, student

ROWS = 60
BEFORE = ("ingest", "validate", "augment", "pretrain", "train", "evaluate")
SHORT: dict[str, Any] = {
    "train.epochs": 3,
    "train.batch_size": 8,
    "train.learning_rate": 0.003,
    "train.patience": 2,
    "train.precision": "float32",
    "distill.student": None,
}
LORA = {"rank": 2, "alpha": 4.0, "dropout": 0.1}
ADALORA = {"rank": 3, "target_rank": 1, "alpha": 4.0, "dropout": 0.1, "orthogonality": 0.5}
Way = tuple[str, dict[str, Any]]
Write = tuple[int, int]


def ways() -> dict[str, Way]:
    """By name: a stage that trains, and what is different from the usual parameters."""
    objective = YAML().load((RECIPES / "pretrain_mlm.yaml").read_text(encoding="utf-8"))["pretrain"]["objective"]
    taught = {**student(), "epochs": 3, "batch_size": 8, "precision": "float32"}
    return {
        "accumulation and early stopping": ("train", {"train.accumulation": 2, "train.validations_per_epoch": 3}),
        "adversarial steps": ("train", {"train.regularizers": [{"name": "fgm", "size": 0.2}]}),
        "lora": ("train", {"train.method": {"name": "lora", **LORA}}),
        "adalora": ("train", {"train.method": {"name": "adalora", **ADALORA}, "train.epochs": 6}),
        "frozen layers, kept": (
            "train",
            {"train.method": {"name": "freeze", "layers": 1, "keep": True}, "train.precision": "bfloat16"},
        ),
        "average, noise, muon": (
            "train",
            {"train.average_decay": 0.9, "train.gradient_noise": 0.01, "train.optimizer": "muon"},
        ),
        "bfloat16, rate found": ("train", {"train.precision": "bfloat16", "train.learning_rate": "find"}),
        "an ensemble": (
            "train",
            {"train.ensemble": {"members": 2, "by": "seeds", "join": "soup"}, "train.epochs": 2},
        ),
        "a student": ("distill", {"distill.student": taught}),
        "pre-training": (
            "pretrain",
            {"pretrain.objective": {**objective, "epochs": 2, "batch_size": 8, "threads": 1, "precision": "float32"}},
        ),
    }


@dataclass(frozen=True)
class Job:
    """A stage to run in a folder of its own, in which `.temper` and its output come to lie.

    Attributes:
        folder: it has params.yaml.
        stage: its name.
        inputs: absolute.
        code: files that count as the stage's code.
    """

    folder: Path
    stage: str
    inputs: Sequence[Path]
    code: tuple[str, ...] = ()

    @property
    def out(self) -> Path:
        return self.folder / "out"

    def result(self) -> str:
        """The hashes of every file that came out."""
        return (self.out / MANIFEST).read_text(encoding="utf-8")

    def checkpoints(self) -> list[Path]:
        """Those that there are, the newest last."""
        return sorted(path.parent for path in self.folder.glob(f".temper/checkpoints/*/*/*/*/{MANIFEST}"))

    def said(self) -> str:
        """What its processes printed."""
        return (self.folder / "said.txt").read_text(encoding="utf-8")


def kill_at_update(number: int) -> Callable[[], Any]:
    """SIGKILL after that update, before its checkpoint."""

    def sink(step: int, figures: dict[str, float]) -> None:
        if step == number and "loss" in figures and "gradient_norm" in figures:
            os.kill(os.getpid(), signal.SIGKILL)

    return lambda: reporting_to(sink)


def kill_at_write(checkpoint: int, place: int) -> None:
    """SIGKILL while a checkpoint is written: where a file or folder is opened, renamed or removed for it.

    Args:
        checkpoint: its number.
        place: how many of these things are done before.
    """
    left, has_begun, name = [place], [False], f"{checkpoint:06d}"

    def hook(event: str, given: tuple[Any, ...]) -> None:
        writes = event == "open" and given[1] not in (None, "r", "rb")
        writes = writes or event in ("os.rename", "os.remove", "os.rmdir")
        if writes and f"{os.sep}checkpoints{os.sep}" in str(given[0]):
            has_begun[0] = has_begun[0] or name in str(given[0])
            if has_begun[0] and left[0] == 0:
                os.kill(os.getpid(), signal.SIGKILL)
            left[0] -= has_begun[0]

    sys.addaudithook(hook)


def _work(job: Job, at_update: int | None, at_write: Write | None, seconds: float) -> None:
    import logging

    os.chdir(job.folder)
    os.environ[SECONDS] = str(seconds)
    said = os.open("said.txt", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(said, 1)
    os.dup2(said, 2)
    logging.basicConfig(format="%(message)s", stream=sys.stderr, force=True)
    logging.getLogger("stages").setLevel(logging.INFO)
    if at_write is not None:
        kill_at_write(*at_write)
    around = kill_at_update(at_update or 0)
    params = load_params(Path("params.yaml"))
    stage = Stage(job.stage, "", job.code, job.out, frozenset(), ("seed", "task", job.stage))
    with around(), keeping(stage, job.inputs, params):
        perform(job.stage, [*job.inputs, job.out], params)


def launched(function: Callable[..., None], *given: Any) -> BaseProcess:
    """A process that calls a function; one in which everything is loaded already forks for it."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["tests.faults.loaded"])
    process = context.Process(target=function, args=given)
    process.start()
    return process


def start(job: Job, at_update: int | None = None, at_write: Write | None = None, seconds: float = 0.0) -> BaseProcess:
    """Begin the stage.

    Args:
        at_update, at_write: where it kills itself, the latter as of kill_at_write; None: it does not.
        seconds: between two checkpoints.
    """
    return launched(_work, job, at_update, at_write, seconds)


def ended(process: BaseProcess) -> int:
    """The exit code of a process; minus the number of the signal that ended it."""
    process.join(120)
    assert process.exitcode is not None, "it has not ended"
    return process.exitcode


def run_to_end(job: Job) -> float:
    """Run the stage, without an end before its own; give the seconds."""
    started = time.monotonic()
    code = ended(start(job))
    assert code == 0, job.said()
    return time.monotonic() - started


def prepare(folder: Path) -> Path:
    """Run the stages on which the others stand, on a few rows of the sample with a tiny base; give the folder."""
    folder.mkdir()
    with (folder / "reviews.csv").open("w", encoding="utf-8", newline="") as file:
        csv.writer(file, lineterminator="\n").writerows([("text", "label"), *sample_texts(ROWS)])
    least = {"validate.min_rows": {"train": 10, "validation": 3, "test": 3}, "validate.min_rows_per_class": 1}
    values = {"ingest.source.path": str(folder / "reviews.csv"), **least}
    run("distill", folder, lambda stage: stage in BEFORE, values)
    return folder


def set_params(folder: Path, values: dict[str, Any], of: Path | None = None) -> None:
    """Write params.yaml of the folder with dotted keys replaced; what they were before are those of another folder."""
    raw = YAML().load(((of or folder) / "params.yaml").read_text(encoding="utf-8"))
    set_values(raw, values)
    YAML().dump(raw, folder / "params.yaml")


def job_of(prepared: Path, folder: Path, way: Way) -> Job:
    """A stage that trains in some way on what was prepared, in a folder of its own."""
    stage, values = way
    folder.mkdir(parents=True)
    set_params(folder, SHORT | values, prepared)
    of_stage = {
        "train": ["augment", "pretrain"],
        "distill": ["unlabelled", "validate", "augment", "train", "evaluate"],
        "pretrain": ["augment"],
        "augment": ["validate"],
    }
    (prepared / "unlabelled").mkdir(exist_ok=True)
    return Job(folder, stage, [prepared / name for name in of_stage[stage]])

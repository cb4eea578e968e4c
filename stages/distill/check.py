"""What a student can be made of: known before anything runs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from stages.shared.errors import ParamsError
from stages.shared.unlabelled import files_of

KEPT_IN = ("adapter", "prefix", "prompt", "prompting")  # methods whose models are more than a base with a head


def labels_texts(task: Any) -> bool:
    """Whether the task labels one text by itself, so that a text without a label can be learnt from."""
    answers = task.settings()["answers"]
    return answers in ("label", "labels") and task.medium == "text" and len(task.texts) == 1 and not task.marks


def check_distill(task: Any, params: Any) -> None:
    """Raise ParamsError where no student can be made; `params` is params.yaml."""
    wanted, method = params.distill.student, params.train.method.name
    if wanted is None:
        return
    settings = task.settings()
    if "writes" in settings or settings["answers"] == "fill":
        raise ParamsError(
            f"distill.student: it is for models that answer with labels, scores or places; those of the task "
            f"'{params.task.name}' give words. Set it to null; the nearest that makes them smaller is quantize."
        )
    if method in KEPT_IN:
        raise ParamsError(
            f"distill.student: a model of train.method: {method} has parts that belong to its very layers. Set it to "
            f"null, or train by lora, which is merged."
        )
    if params.task.head is not None and wanted.vocabulary == "corpus" and task.marks:
        raise ParamsError(
            "distill.student.vocabulary: corpus: not with a head of your own that reads marks. Set it to all."
        )
    if task.medium == "picture" and wanted.vocabulary == "corpus":
        raise ParamsError("distill.student.vocabulary: corpus: pictures have no words. Set it to all.")
    if files_of(Path(params.distill.text)) and not labels_texts(task):
        raise ParamsError(
            f"distill.text: {params.distill.text}: only a task of labels on one text can learn from text without "
            f"labels, and '{params.task.name}' is none. Name an empty folder; the training rows are learnt from anyway."
        )

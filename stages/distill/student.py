"""The student: cut from its teacher, taught by it, with the pieces of its tokenizer that the texts have."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from transformers import PreTrainedModel

from stages.distill.check import labels_texts
from stages.distill.smaller import (
    Importance,
    copied,
    drop_layers,
    feed_forwards,
    guides,
    kept_layers,
    narrow,
    single,
    stack_of,
)
from stages.distill.teacher import LOGITS, Lesson, Taught, learn_from_teacher, outputs_of_layers
from stages.distill.vocabulary import cut_embeddings, cut_tokenizer, kept_ids
from stages.shared.added import description_of
from stages.shared.answering import read_settings
from stages.shared.averaged import Averaged
from stages.shared.errors import MachineError, ParamsError, TrainingFailed
from stages.shared.examples import Example, read_split
from stages.shared.fitting import Data, History, Hooks, Plan, fit
from stages.shared.headed import Headed
from stages.shared.items import Item
from stages.shared.models import load_model
from stages.shared.outcome import Metrics
from stages.shared.params import Params, Student
from stages.shared.predict import inputs_of, to_device
from stages.shared.same import require_same, say
from stages.shared.unlabelled import Text, files_of
from stages.tasks import Task, task_of

log = logging.getLogger(__name__)
MEASURED = 512  # training items by which the feed-forward units are ranked
BATCH_SIZE = 32


@dataclass(frozen=True)
class Made:
    """A student.

    Attributes:
        model, tokenizer: as they are saved.
        settings: how it reads and answers.
        data: as the student reads it.
        history: of its learning; empty where it had nothing to learn.
        figures: how small it is.
    """

    model: PreTrainedModel
    tokenizer: Any
    settings: dict[str, Any]
    data: Data
    history: History
    figures: Metrics


def _data(augmented: Path, text: Path, task: Task, tokenizer: Any, settings: dict[str, Any]) -> Data:
    """The training rows, after them the texts without labels, and the validation rows."""
    reader = task.open_reader(tokenizer, settings)
    task = task.read_by(reader)
    rows, validation = (list(read_split(augmented, split)) for split in ("train", "validation"))
    learnt = [*task.training_items(reader, rows), *_unlabelled(text, task, reader, rows)]
    padding = tokenizer.pad_token_id or 0
    return Data(task, reader, settings, padding, learnt, task.items(reader, validation), rows, validation, None)


def _unlabelled(text: Path, task: Task, reader: Any, rows: Sequence[Example]) -> list[Item]:
    """Items of the texts without labels; their example lies after all rows, and what is expected is yet to be said."""
    if not files_of(text) or not labels_texts(task):
        return []
    texts = Text(text, task.texts, "line", "distill.text").read()
    examples = [rows[0] | {task.texts[0]: one} for one in dict.fromkeys(texts)]
    return [replace(item, example=len(rows) + item.example) for item in task.items(reader, examples)]


def _labelled_by(lesson: Lesson, data: Data) -> list[Item]:
    """The training items; of those without a label the teacher's answer is expected."""
    items = list(data.train)
    for place, item in enumerate(items):
        if item.example >= len(data.train_rows):
            said = lesson.of([place])[LOGITS][0].numpy()
            several = np.ndim(item.expected) > 0
            expected = (said > 0).astype(np.asarray(item.expected).dtype) if several else int(said.argmax())
            items[place] = replace(item, expected=expected)
    return items


def _rank(model: PreTrainedModel, data: Data) -> list[torch.Tensor]:
    """The importance of the feed-forward units, by the loss on some of the training rows."""
    labelled = [place for place, item in enumerate(data.train) if item.example < len(data.train_rows)]
    chosen = np.random.default_rng(0).permutation(labelled)[:MEASURED].tolist()
    model.train(False)
    with Importance(model) as importance:
        for start in range(0, len(chosen), BATCH_SIZE):
            batch = to_device(data.batch(chosen[start : start + BATCH_SIZE], (0, start)), model.device)
            loss = data.task.loss_sum(model(**inputs_of(batch, model)).logits, batch, None)
            loss.backward()  # type: ignore[no-untyped-call]
    model.zero_grad()
    return importance.sums


def _check(teacher: PreTrainedModel, wanted: Student) -> None:
    """Raise ParamsError where no student can be cut from the model."""
    one = single(teacher)
    if isinstance(one, Headed) and one.description["body"] != "encoder":
        raise ParamsError("distill.student: a model that answers by label words has no smaller one. Set it to null.")
    if description_of(one):
        raise ParamsError("distill.student: the model has parts added to its layers. Set it to null, or train by lora.")
    layers = len(stack_of(one))
    if wanted.layers is not None and wanted.layers > layers:
        raise ParamsError(
            f"distill.student.layers: {wanted.layers}: the trained model has {layers}. Keep at most those."
        )
    if wanted.feed_forward < 1:
        feed_forwards(one)


def _teach(
    student: PreTrainedModel, teacher: PreTrainedModel, data: Data, kept: Sequence[int], params: Params
) -> History:
    """Let the student learn, and leave it with its best weights."""
    wanted, history = params.distill.student, History()
    assert wanted is not None
    above = list(stack_of(single(teacher)))
    watched = [above[place] for place in guides(len(above), kept)] if wanted.hidden_weight else []
    below = list(stack_of(student)) if wanted.hidden_weight else []
    lesson = Lesson(teacher, data, watched, wanted.batch_size)
    taught = Taught(**{**vars(data), "train": _labelled_by(lesson, data)}, lesson=lesson)
    try:
        with outputs_of_layers(below) as seen:
            hooks = Hooks(regularize=lambda learner: learn_from_teacher(learner, seen, wanted))
            fit(student, taught, Plan(wanted, params.seed, "distill.student"), history, hooks)
    finally:
        lesson.close()
    if history.best is None:
        raise TrainingFailed("distill: no validation was reached.")
    student.load_state_dict(history.weights)
    return history


def _cut_vocabulary(student: PreTrainedModel, tokenizer: Any, data: Data) -> tuple[Any, Data]:
    """Take out of model and tokenizer the pieces that no text has; see that what is said is the same to the bit."""
    rows = [row for item in [*data.validation, *data.train] for row in item.rows]
    used = {int(number) for row in rows for number in row.ids}
    kept = kept_ids(tokenizer, used)
    some = [*data.validation, *data.train][:MEASURED]
    before = say(data.task, student, some, data.padding)
    small = cut_tokenizer(tokenizer, kept)
    cut_embeddings(student, kept)
    reader = data.task.open_reader(small, data.settings)
    task = data.task.read_by(reader)
    train, validation = task.training_items(reader, data.train_rows), task.items(reader, data.validation_rows)
    cut = replace(data, task=task, reader=reader, padding=small.pad_token_id or 0, train=train, validation=validation)
    for old, new in zip([*data.validation, *data.train], [*validation, *train], strict=False):
        if any(
            [kept[number] for number in two.ids] != list(one.ids) for one, two in zip(old.rows, new.rows, strict=True)
        ):
            raise MachineError("distill: without the unused pieces of its vocabulary the tokenizer reads otherwise.")
    after = say(task, student, [*validation, *train][:MEASURED], cut.padding)
    require_same(before, after, "distill: without the unused pieces the model says something else", tolerance=0.0)
    return small, cut


def make_student(text: Path, augmented: Path, folder: Path, params: Params, wanted: Student) -> Made:
    """Cut the student from the trained model in the folder, and teach it.

    Raises:
        ParamsError: it cannot be cut from such a model. TrainingFailed: the loss is no number any more.
        MachineError: what must stay the same does not.
    """
    task = task_of(params.task)
    tokenizer, settings = task.open_tokenizer(folder), read_settings(folder)
    teacher = load_model(task, folder, params.task, len(tokenizer))
    _check(teacher, wanted)
    data = _data(augmented, text, task, tokenizer, settings)
    student, history = copied(teacher), History()
    total = len(stack_of(student))
    kept = kept_layers(total, wanted.layers or total)
    drop_layers(student, kept)
    if wanted.feed_forward < 1:
        narrow(student, _rank(student, data), wanted.feed_forward)
    if isinstance(teacher, Averaged) or len(kept) < total or wanted.feed_forward < 1:
        history = _teach(student, teacher, data, kept, params)
    else:
        log.info("nothing but the vocabulary is made smaller: there is nothing to learn")
    student.requires_grad_(False).train(False)
    if wanted.vocabulary == "corpus":
        tokenizer, data = _cut_vocabulary(student, tokenizer, data)
    weights = [sum(weight.numel() for weight in model.parameters()) for model in (student, teacher)]
    figures = {
        "layers": len(kept),
        "vocabulary": len(tokenizer),
        "weights_share": weights[0] / weights[1],
        **{name: value for name, value in history.metrics().items() if history.steps},
    }
    return Made(student, tokenizer, settings | history.tuned, data, history, figures)

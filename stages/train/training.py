"""The stage: the members trained, joined into one model, written, and read again; see `stages.train`."""

import shutil
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stages.methods import Start
from stages.shared import plugins
from stages.shared.answering import write_settings
from stages.shared.base_model import POINTER, read_pointer
from stages.shared.disk import require_room, size_of
from stages.shared.errors import TrainingFailed
from stages.shared.examples import read_split
from stages.shared.fitting import Data, Plan, make_repeatable
from stages.shared.model_files import WEIGHTS
from stages.shared.models import load_model, write_model
from stages.shared.outcome import Metrics, Outcome
from stages.shared.params import Params
from stages.shared.resources import peak_memory
from stages.shared.same import COMPARED, TOLERANCE, require_same, say
from stages.tasks import task_of
from stages.train.check import check_train
from stages.train.data import read_data
from stages.train.ensemble import JOINS, Joined, without_fold
from stages.train.lengths import refuse_cut
from stages.train.member import Member, train_member


@dataclass(frozen=True)
class Training:
    """What a training begins with, and what it is of."""

    start: Start
    data: Data
    params: Params

    def members(self) -> list[Member]:
        """Every member trained; those of an ensemble begin alike and then differ. A failure ends it."""
        values, seed = self.params.train, self.params.seed
        wanted = values.ensemble
        found: list[Member] = []
        for number in range(wanted.members if wanted else 1):
            data, own = self.data, seed
            if wanted and wanted.by == "folds":
                data = without_fold(data, number, wanted.members, seed)
            elif number:
                own = seed + number
            head = own if wanted and wanted.join == "probabilities" else seed
            found.append(train_member(self.start, data, Plan(values, own, "train"), head))
            if found[-1].failure is not None:
                break
        return found

    def join(self, members: Sequence[Member]) -> Joined | None:
        """The one model that they make; of a single member its own figures. None where there is none."""
        good = [member for member in members if member.model is not None]
        if not good:
            return None
        if self.params.train.ensemble is not None and len(good) > 1:
            return JOINS[self.params.train.ensemble.join](good, self.data, self.params.train.batch_size)
        best = dict(good[0].history.best or {})
        loss = best.pop("validation_loss")
        metrics = {name: value for name, value in best.items() if name not in ("step", "epoch")}
        assert good[0].model is not None
        return Joined(good[0].model, loss, metrics, good[0].history.tuned, [members.index(good[0]) + 1])

    def write(self, members: Sequence[Member], joined: Joined | None, out: Path) -> None:
        """Write the curves and the model, and see that the saved model says what the trained one did."""
        for number, member in enumerate(members, start=1):
            folder = out if len(members) == 1 else out / f"members/{number}"
            member.history.write(folder / "plots", self.data.task.primary)
        if len(members) > 1:
            members[0].history.write(out / "plots", self.data.task.primary)
        if joined is None:
            return
        task, few, padding = self.data.task, self.data.validation[:COMPARED], self.data.padding
        said = members[joined.used[0] - 1].said if len(members) == 1 else say(task, joined.model, few, padding)
        folder, tokenizer = out / "model", self.start.tokenizer
        write_model(joined.model, tokenizer, folder)
        write_settings(folder, self.data.settings | joined.tuned)
        saved = load_model(self.start.task, folder, self.params.task, len(tokenizer))
        wrong = "train: the model that was saved says something else than the one that was trained"
        require_same(said, say(task, saved, few, padding), wrong, TOLERANCE)


def train(augmented: Path, base: Path, out: Path, params: Params) -> Outcome:
    """Train, and write the weights of the best validation.

    Raises:
        TrainingFailed: the loss is no number any more; the best model so far is written all the same.
        ParamsError: texts may be longer than the base model can read, or the method is not for the task.
        Refused: too many texts are cut, which a new tokenizer shows only now.
        MachineError: the model that was saved is not the one that was trained.
    """
    started = time.perf_counter()
    make_repeatable(params.seed, params.train.threads)
    pinned = read_pointer(base)
    task = task_of(params.task)
    task.require_fit(pinned)
    require_room(out, size_of(pinned.folder / WEIGHTS))
    shutil.copyfile(base / POINTER, out / POINTER)
    check_train(task, params)
    tokenizer: Any = task.open_tokenizer(pinned.folder)
    start = Start(
        task=task,
        base=pinned.folder,
        tokenizer=tokenizer,
        examples=list(read_split(augmented, "train")),
        load=lambda: load_model(task, pinned.folder, params.task, len(tokenizer)),
        seed=params.seed,
    )
    method = plugins.load("methods", params.train.method.name)
    settings = task.settings() | task.base_settings(tokenizer) | method.settings(start, params.train.method)
    data = read_data(augmented, task, tokenizer, settings, params.train.class_weights == "balanced")
    if pinned.is_new and task.medium == "text" and params.task.long_texts != "windows":
        rows = [*data.train_rows, *data.validation_rows]
        refuse_cut(rows, task, data.reader.tokenizer, params.validate_.max_cut_share)
    training = Training(start, data, params)
    members = training.members()
    joined = training.join(members)
    training.write(members, joined, out)
    failure: TrainingFailed | None = members[-1].failure
    if failure is not None or joined is None:
        raise failure or TrainingFailed("train: no validation was reached.")
    return _outcome(members, joined, data, time.perf_counter() - started)


def _figures(members: Sequence[Member], joined: Joined, data: Data) -> Metrics:
    """The figures of the model that is kept, and, of an ensemble, the primary one of each member."""
    metrics = {"examples": len(data.train_rows), "trained_share": members[0].share, **members[0].history.metrics()}
    if len(members) > 1:
        primary = data.task.primary
        metrics |= {"validation.loss": joined.loss}
        metrics |= {f"validation.{name}": value for name, value in joined.metrics.items()}
        metrics |= {
            f"member_{number}.validation.{primary}": (member.history.best or {})[primary]
            for number, member in enumerate(members, start=1)
        }
        metrics |= {"steps": sum(member.history.steps for member in members), "members_used": len(joined.used)}
    return metrics


def _outcome(members: Sequence[Member], joined: Joined, data: Data, seconds: float) -> Outcome:
    metrics, primary = _figures(members, joined, data), data.task.primary
    share = f"{metrics['trained_share']:.2%} of the weights" if metrics["trained_share"] < 1 else "every weight"
    several = f"; members {', '.join(map(str, joined.used))} of {len(members)}" if len(members) > 1 else ""
    histories = [member.history for member in members]
    share = f"{share} in {histories[0].precision}"
    best = f"validation {primary} {metrics[f'validation.{primary}']:.4f}"
    spent = sum(history.seconds for history in histories)
    return Outcome(
        summary=(
            f"{len(data.train_rows)} examples, {metrics['epochs']} epochs, {metrics['steps']} updates of {share}; "
            f"best at update {metrics['best_step']:.0f}: {best}{several}"
        ),
        metrics=metrics,
        timings={
            "seconds": seconds,
            "examples_per_second": sum(history.examples for history in histories) / spent if spent else 0.0,
            "peak_memory_megabytes": peak_memory() / 1e6,
        },
    )

"""What of the section `train` goes together, and with the task: known before anything runs."""

from __future__ import annotations

from typing import Any

from stages.shared import plugins
from stages.shared.errors import ParamsError

SOLVED = "is fitted in a way of its own, which none of this is part of"


def check_train(task: Any, params: Any) -> None:
    """Raise ParamsError with all that does not go together, and the nearest that does; `params` is params.yaml."""
    faults = []
    for check in (_check_method, _check_weights, _check_regularizers, _check_ensemble):
        try:
            check(task, params)
        except ParamsError as error:
            faults.append(str(error))
    if faults:
        raise ParamsError("\n".join(faults))


def _check_method(task: Any, params: Any) -> None:
    train = params.train
    method = plugins.load("methods", train.method.name)
    method.check(task, train.method)
    if params.task.head is not None and not method.KEEPS_HEAD:
        raise ParamsError(
            f"task.head: '{params.task.head}': the method '{train.method.name}' brings a head of its own. "
            f"Set task.head to null, or choose another train.method, such as full."
        )
    used = [f"regularizers: {other.name}" for other in train.regularizers]
    used += ["focal_gamma"] if train.focal_gamma else []
    if method.LEARNS == "nothing":
        used += ["average_decay"] if train.average_decay is not None else []
        used += ["learning_rate: find"] if train.learning_rate == "find" else []
    if method.LEARNS != "task" and used:
        raise ParamsError(
            f"train.{', train.'.join(used)}: the method '{train.method.name}' {SOLVED}. "
            f"Leave it out; the nearest method that takes it is lora."
        )


def _check_weights(task: Any, params: Any) -> None:
    if params.train.class_weights == "balanced" and task.class_weights([]) is None:
        raise ParamsError(
            f"train.class_weights: balanced: the task '{params.task.name}' has no classes to balance. Set it to none."
        )
    if params.train.focal_gamma and task.settings()["answers"] == "score":
        raise ParamsError(
            f"train.focal_gamma: the task '{params.task.name}' expects a score, of which nothing is simply right. "
            f"Set it to 0; the nearest that works is train.regularizers: rdrop."
        )


def _check_regularizers(task: Any, params: Any) -> None:
    names = [chosen.name for chosen in params.train.regularizers]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise ParamsError(f"train.regularizers: {twice[0]}: is listed twice. List it once.")
    for name in names:
        plugins.load("regularizers", name).check(task, params.train)


def _check_ensemble(task: Any, params: Any) -> None:
    chosen = params.train.ensemble
    if chosen is None:
        return
    name, learns = params.train.method.name, plugins.load("methods", params.train.method.name).LEARNS
    if name == "prompting" or (learns == "nothing" and chosen.by == "seeds"):
        nearest = "Set ensemble to null." if name == "prompting" else "The nearest that works is by: folds."
        raise ParamsError(
            f"train.ensemble: by: {chosen.by}: the members would all be the same, for nothing that the method '{name}' "
            f"does hangs on them. {nearest}"
        )
    if chosen.join == "probabilities" and task.averaged is None:
        raise ParamsError(
            f"train.ensemble.join: probabilities: what models of the task '{params.task.name}' say are no "
            f"probabilities of one set of classes. The nearest that works is join: soup."
        )

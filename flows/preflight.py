"""What can be known before anything runs: that the parameters are right and that what they need is here."""

import json
import subprocess
import sys
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

from serving.written import sha256_of
from stages.shared.base_model import base_of
from stages.shared.errors import MachineError, TemperError
from stages.shared.model_files import CONFIG
from stages.shared.params import PARAMS_FILE, Params, load_params
from stages.shared.pipeline import read_stages
from stages.shared.publish import require_writable, write_json
from stages.shared.workspace import read_state, state_folder


def _check_source(params: Params) -> None:
    path = Path(params.ingest.source.path)
    if not path.exists():
        raise MachineError(f"ingest.source.path: {path}: no such file or folder. Correct it in {PARAMS_FILE}.")


def _check_outputs(params: Params) -> None:
    for stage in read_stages():
        require_writable(stage.out)


def _check_base(params: Params) -> None:
    from stages.pretrain import check_architecture

    base = base_of(params)
    asked = {
        "params": sha256_of(PARAMS_FILE),
        "config": base and sha256_of(base.folder / CONFIG),
        "transformers": version("transformers"),
    }
    right = state_folder("checked") / "pretrain.json"  # what was found right last: looking again takes seconds
    if read_state(right) != asked:
        check_architecture(params, base)
        write_json(right, asked)


def _check_text(params: Params) -> None:
    for key, text in (("pretrain.text", params.pretrain.text), ("distill.text", params.distill.text)):
        path = Path(text)
        if not path.exists() and path not in {stage.out for stage in read_stages()}:
            raise MachineError(f"{key}: {path}: no such file or folder. Correct it in {PARAMS_FILE}.")


def _check_augment(params: Params) -> None:
    from stages.augment import check

    check(params)


def _check_train(params: Params) -> None:
    from stages.tasks import task_of
    from stages.train.check import check_train

    check_train(task_of(params.task), params)


def _check_quantizer(params: Params) -> None:
    from stages.shared import plugins
    from stages.tasks import task_of

    plugins.load("quantizers", params.quantize.method.name).check(task_of(params.task))


def _check_label_errors(params: Params) -> None:
    if params.validate_.label_errors is not None:
        from stages.tasks import task_of
        from stages.validate.label_errors import check_label_errors

        check_label_errors(task_of(params.task), params)


def _check_ladder(params: Params) -> None:
    if params.evaluate.ladder:
        from stages.evaluate import check_ladder
        from stages.tasks import task_of

        check_ladder(task_of(params.task), params)


def _check_distill(params: Params) -> None:
    from stages.distill.check import check_distill
    from stages.tasks import task_of

    check_distill(task_of(params.task), params)


Checks = tuple[Callable[[Params], None], ...]
OF_PARAMS: Checks = (
    _check_label_errors,
    _check_train,
    _check_ladder,
    _check_distill,
    _check_quantizer,
)  # by the parameters alone: before anything is downloaded
OF_MACHINE: Checks = (_check_outputs, _check_source, _check_base, _check_text, _check_augment)


def check_before_anything_runs() -> Params:
    """Check params.yaml and that source, base model and programs are here: a second now, not an error in an hour.

    Raises:
        TemperError: of the kind of the first problem, naming all of them.
    """
    params = load_params(PARAMS_FILE)
    for checks in (OF_PARAMS, OF_MACHINE):
        problems: list[TemperError] = []
        for check in checks:
            try:
                check(params)
            except TemperError as error:
                problems.append(error)
        if problems:
            raise type(problems[0])("\n".join(str(problem) for problem in problems))
    return params


def stale_stages() -> set[str] | None:
    """The stages of which DVC says that something has changed, not those after them; None where it says nothing."""
    command = [sys.executable, "-m", "dvc", "--wait-for-lock", "status", "--json"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    try:
        return set(json.loads(done.stdout)) if done.returncode == 0 else None
    except json.JSONDecodeError:
        return None

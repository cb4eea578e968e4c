"""Find, check and pin the base model, or make one from scratch; let it learn from text without labels.

in    text          the training split's folder, or .txt files: unlabelled text, never of validation or test
out   base.json     which base, with the SHA-256 of its weights; of one that was found never a copy
      model/        only of one that was made or learnt here: Transformers layout, safetensors, tokenizer
      plots/        of learning: loss.csv (step, loss, learning_rate), validation.csv (on held-out text)
"""

import time
from pathlib import Path

from stages.shared import plugins
from stages.shared.base_model import BaseModel, base_of, require_positions, write_pointer
from stages.shared.model_files import WEIGHTS, config_of
from stages.shared.outcome import Outcome
from stages.shared.params import Params
from stages.shared.resources import peak_memory
from stages.shared.unlabelled import Text
from stages.tasks import task_of

__all__ = ["check", "check_architecture", "pretrain"]


def check(params: Params) -> None:
    """Raise what can be known beforehand: that the base is here, or can be made, and fits texts and objective.

    Raises:
        MachineError, DataError: as `find_base`. ParamsError: something does not fit.
    """
    check_architecture(params, base_of(params))


def check_architecture(params: Params, base: BaseModel | None) -> None:
    """The same of the architecture alone, given the base that was found, None where it is made from scratch."""
    wanted = params.pretrain
    if base is None:
        from stages.pretrain.new_model import check_model

        assert wanted.from_scratch is not None
        config = check_model(wanted.from_scratch)
        if wanted.from_scratch.tokenizer is not None:
            require_positions(f"{config.model_type}, from scratch", config.to_dict(), params.task.max_tokens)
    else:
        task_of(params.task).require_fit(base)
        config = config_of(base.folder)
    plugins.load("objectives", wanted.objective.name).check(config, wanted.objective)


def pretrain(text: Path, out: Path, params: Params) -> Outcome:
    """Pin the base model that params.yaml names, or make the one that it asks for; let it learn from text.

    Raises:
        MachineError, ParamsError, DataError, TrainingFailed: as `find_base`, `make_base` and `learn_more`.
    """
    started = time.perf_counter()
    wanted = params.pretrain
    unlabelled = Text(text, task_of(params.task).texts, wanted.documents, "pretrain.text")
    base = base_of(params)
    if base is None:
        from stages.pretrain.making import make_base

        assert wanted.from_scratch is not None
        base = make_base(wanted.from_scratch, unlabelled, out, params.seed)
    said, metrics = "as pinned" if wanted.sha256 else "recorded", {}
    if plugins.load("objectives", wanted.objective.name).LEARNS:
        from stages.pretrain.making import learn_more

        base, learnt = learn_more(base, unlabelled, out, params)
        said, metrics = learnt.summary, learnt.metrics
    write_pointer(out, base)
    return Outcome(
        summary=f"{base.reference}: SHA-256 {base.sha256[:12]}..., {said}",
        metrics={"megabytes": round((base.folder / WEIGHTS).stat().st_size / 1e6, 1), **metrics},
        timings={"seconds": time.perf_counter() - started, "peak_memory_megabytes": peak_memory() / 1e6},
        tags={"base": base.reference, "base_sha256": base.sha256},
    )

"""Find, check and pin the base model, or make one from scratch; let it learn from text without labels.

in    text          the training split's folder, or .txt files: unlabelled text, never of validation or test
out   base.json     which base, with the SHA-256 of its weights; of one that was found never a copy
      model/        only of one that was made or learnt here: Transformers layout, safetensors, tokenizer
      plots/        of learning: loss.csv (step, loss, learning_rate), validation.csv (on held-out text)
"""

import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import cast

from transformers import AutoConfig

from stages.objectives import Learnt, Objective, Start
from stages.pretrain.new_model import check_model, family_of, make_config, make_model
from stages.pretrain.new_tokenizer import train_tokenizer
from stages.shared import plugins
from stages.shared.base_model import (
    OWN,
    WEIGHTS,
    BaseModel,
    base_of,
    longest_text,
    require_positions,
    tokenizer_of,
    write_pointer,
)
from stages.shared.fitting import make_repeatable
from stages.shared.models import write_model
from stages.shared.outcome import Outcome
from stages.shared.params import FromScratch, Params
from stages.shared.publish import sha256_of
from stages.shared.resources import peak_memory
from stages.shared.unlabelled import Text
from stages.tasks import task_of

__all__ = ["check", "pretrain"]


def check(params: Params) -> None:
    """Raise what can be known beforehand: that the base is here, or can be made, and fits texts and objective.

    Raises:
        MachineError, DataError: as `find_base`. ParamsError: something does not fit.
    """
    wanted, base = params.pretrain, base_of(params)
    if base is None:
        assert wanted.from_scratch is not None
        config = check_model(wanted.from_scratch)
        if wanted.from_scratch.tokenizer is not None:
            require_positions(f"{config.model_type}, from scratch", config.to_dict(), params.task.max_tokens)
    else:
        task_of(params.task).require_fit(base)
        config = AutoConfig.from_pretrained(str(base.folder), local_files_only=True)
    plugins.load("objectives", wanted.objective.name).check(config, wanted.objective)


def make_base(wanted: FromScratch, text: Text, out: Path) -> BaseModel:
    """Train a tokenizer on the text, draw the weights of a model, and write both into `out`/model.

    Raises:
        ParamsError: the configuration is wrong. DataError: there is no text, or too much of it for the vocabulary.
    """
    config = make_config(wanted)
    family, folder = family_of(config), out / OWN
    tokenizer = None
    if family is not None and wanted.tokenizer is not None:
        tokenizer = train_tokenizer(text.read, wanted.tokenizer, family, longest_text(config.to_dict()))
    write_model(make_model(config, tokenizer), tokenizer, folder)
    return BaseModel(f"{config.model_type}, from scratch", None, folder, sha256_of(folder / WEIGHTS), is_new=True)


def learn_more(base: BaseModel, text: Text, out: Path, params: Params) -> tuple[BaseModel, Learnt]:
    """Let the base learn from the text, and write the model and its curves into `out`.

    Raises:
        ParamsError: the objective is not for the base. DataError: there is too little text.
        TrainingFailed: the loss is no number any more; the best model so far is written all the same.
    """
    chosen = params.pretrain.objective
    objective = cast(Objective, plugins.load("objectives", chosen.name))
    objective.check(AutoConfig.from_pretrained(str(base.folder), local_files_only=True), chosen)
    tokenizer, folder = tokenizer_of(base.folder), out / OWN
    with tempfile.TemporaryDirectory(dir=out) as scratch:
        learnt = objective.learn(Start(base.folder, tokenizer, text.read, Path(scratch), params.seed), chosen)
    learnt.history.write(out / "plots", learnt.primary)
    if learnt.model is not None:
        write_model(learnt.model, tokenizer, folder)
    if learnt.failure is not None:
        raise learnt.failure
    reference = f"{base.reference}, then {chosen.name}"
    return replace(base, reference=reference, folder=folder, sha256=sha256_of(folder / WEIGHTS)), learnt


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
        assert wanted.from_scratch is not None
        make_repeatable(params.seed, 1)
        base = make_base(wanted.from_scratch, unlabelled, out)
    said, metrics = "as pinned" if wanted.sha256 else "recorded", {}
    if plugins.load("objectives", wanted.objective.name).LEARNS:
        base, learnt = learn_more(base, unlabelled, out, params)
        said, metrics = learnt.summary, learnt.metrics
    write_pointer(out, base)
    return Outcome(
        summary=f"{base.reference}: SHA-256 {base.sha256[:12]}..., {said}",
        metrics={"megabytes": round((base.folder / WEIGHTS).stat().st_size / 1e6, 1), **metrics},
        timings={"seconds": time.perf_counter() - started, "peak_memory_megabytes": peak_memory() / 1e6},
        tags={"base": base.reference, "base_sha256": base.sha256},
    )

"""A base model made from scratch, and one that learns from text without labels."""

import tempfile
from dataclasses import replace
from pathlib import Path
from typing import cast

from serving.written import sha256_of
from stages.objectives import Learnt, Objective, Start
from stages.pretrain.new_model import family_of, make_config, make_model
from stages.pretrain.new_tokenizer import train_tokenizer
from stages.shared import plugins
from stages.shared.base_model import OWN, BaseModel, longest_text, tokenizer_of
from stages.shared.fitting import make_repeatable
from stages.shared.model_files import WEIGHTS, config_of
from stages.shared.models import write_model
from stages.shared.params import FromScratch, Params
from stages.shared.unlabelled import Text


def make_base(wanted: FromScratch, text: Text, out: Path, seed: int) -> BaseModel:
    """Train a tokenizer on the text, draw the weights of a model, and write both into `out`/model.

    Raises:
        ParamsError: the configuration is wrong. DataError: there is no text, or too much of it for the vocabulary.
    """
    make_repeatable(seed, 1)
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
    objective.check(config_of(base.folder), chosen)
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

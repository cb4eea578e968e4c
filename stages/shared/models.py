"""The model of a task: a base with the usual head of its kind, or one of our own or the user; and how it is saved."""

from pathlib import Path
from typing import Any

from transformers import (
    AutoModelForCausalLM,
    AutoModelForImageClassification,
    AutoModelForMaskedLM,
    AutoModelForSeq2SeqLM,
    AutoModelForSequenceClassification,
    AutoModelForTokenClassification,
    PreTrainedModel,
    PreTrainedTokenizerBase,
)

from stages.shared.added import load_added, plain_body, save_added
from stages.shared.averaged import MEMBERS, Averaged, read_averaged
from stages.shared.bodies import has_token_types, load_base, load_language_model, reads_forward
from stages.shared.disk import require_room
from stages.shared.headed import DESCRIPTION, at_last_token, comparing, read_headed, sentence_encoder, with_custom_head
from stages.shared.model_files import config_of

USUAL = {
    "sequence": AutoModelForSequenceClassification,
    "compared": AutoModelForSequenceClassification,  # of a base that does not tell two texts apart by token types
    "token": AutoModelForTokenClassification,
    "picture": AutoModelForImageClassification,
}
WRITING = {"seq2seq": AutoModelForSeq2SeqLM, "causal_lm": AutoModelForCausalLM, "masked_lm": AutoModelForMaskedLM}


def load_model(task: Any, folder: Path, params: Any, words: int) -> PreTrainedModel:
    """The base or trained model in a folder with the head of the task; a head that it lacks is new.

    Args:
        task: see `stages.tasks.Task`; asked for `head` and `outputs`.
        folder: in Transformers layout.
        params: the task's Params, for `head` and `head_from_packages`.
        words: of the tokenizer: a smaller vocabulary of the base grows to it.

    Raises:
        ParamsError: the user's head cannot be imported or does not fit.
        DataError: the user's head is not the one that the model was trained with.
    """
    if (folder / MEMBERS).is_file():
        return read_averaged(folder, lambda member: load_model(task, member, params, words))
    model = _load_one(task, folder, params, words)
    load_added(model, folder)
    return model


def _load_one(task: Any, folder: Path, params: Any, words: int) -> PreTrainedModel:
    if (folder / DESCRIPTION).is_file():
        return read_headed(folder, words, task, params)
    if task.head in WRITING:
        return load_language_model(WRITING[task.head], folder, words)
    if task.head == "sentence":
        return sentence_encoder(folder, words)
    if params.head is not None:
        return with_custom_head(folder, words, task, params)
    config = config_of(folder)
    if task.head == "compared" and has_token_types(config):
        return comparing(folder, words, len(task.outputs))
    if task.head in ("sequence", "compared") and reads_forward(config):
        return at_last_token(folder, words, len(task.outputs))
    names = dict(enumerate(task.outputs))
    places = {name: position for position, name in names.items()}
    return load_base(USUAL[task.head], folder, words, id2label=names, label2id=places)


def write_model(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase | None, folder: Path) -> None:
    """Save model and tokenizer in Transformers layout, without a word of where the base lay on this machine.

    A model that reads no text has no tokenizer.
    """
    model.config._name_or_path = ""
    require_room(folder, sum(weight.nbytes for weight in model.parameters()))
    if isinstance(model, Averaged):
        model.save_members(folder, lambda member, inner: write_model(member, None, inner))
    else:
        with plain_body(model):
            model.save_pretrained(folder)
        save_added(model, folder)
    if tokenizer is not None:
        tokenizer.name_or_path = ""
        for place in ("is_local", "local_files_only"):
            tokenizer.init_kwargs.pop(place, None)
        tokenizer.save_pretrained(folder)
    for file in folder.rglob("*.safetensors"):
        file.chmod(0o644)  # safetensors writes for the owner alone

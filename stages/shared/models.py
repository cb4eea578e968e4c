"""The model of a task: a base with the usual head of its kind, or with one of our own or of the user."""

from pathlib import Path
from typing import Any

from transformers import (
    AutoConfig,
    AutoModelForSequenceClassification,
    AutoModelForTokenClassification,
    PreTrainedModel,
)

from stages.shared.bodies import has_token_types, load_base, reads_forward
from stages.shared.headed import DESCRIPTION, at_last_token, comparing, read_headed, sentence_encoder, with_custom_head

USUAL = {
    "sequence": AutoModelForSequenceClassification,
    "compared": AutoModelForSequenceClassification,  # of a base that does not tell two texts apart by token types
    "token": AutoModelForTokenClassification,
}


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
    if (folder / DESCRIPTION).is_file():
        return read_headed(folder, words, task, params)
    if task.head == "sentence":
        return sentence_encoder(folder, words)
    if params.head is not None:
        return with_custom_head(folder, words, task, params)
    config = AutoConfig.from_pretrained(str(folder), local_files_only=True)
    if task.head == "compared" and has_token_types(config):
        return comparing(folder, words, len(task.outputs))
    if task.head in ("sequence", "compared") and reads_forward(config):
        return at_last_token(folder, words, len(task.outputs))
    names = dict(enumerate(task.outputs))
    places = {name: position for position, name in names.items()}
    return load_base(USUAL[task.head], folder, words, id2label=names, label2id=places)

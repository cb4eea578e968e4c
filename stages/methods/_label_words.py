"""A language model that is asked, in a template, for the word of a label."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from stages.methods import Start
from stages.methods._shown_examples import shown_examples
from stages.methods._template import Template
from stages.shared.errors import ParamsError
from stages.shared.headed import Headed, Place, with_label_words

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

    from stages.methods.prompting import Params

TEXTS_SHARE = 0.5  # of max_tokens that must be left for the text


def _ids(tokenizer: PreTrainedTokenizerBase, text: str) -> list[int]:
    ids: list[int] = tokenizer.backend_tokenizer.encode(text, add_special_tokens=False).ids
    return ids


def _ids_after(tokenizer: PreTrainedTokenizerBase, before: str, word: str) -> list[int]:
    """The tokens of a word where it follows a text: many tokenizers count the space before it to the word."""
    first, together = _ids(tokenizer, before.rstrip()), _ids(tokenizer, before + word)
    return together[len(first) :] if together[: len(first)] == first else _ids(tokenizer, word)


def label_word_ids(tokenizer: PreTrainedTokenizerBase, words: Mapping[str, str], params: Params) -> list[int]:
    """The token that is asked for, for each label: its word, or the first token of it for a causal model.

    Raises:
        ParamsError: a word is not one token of the vocabulary (masked), or two words start alike.
    """
    before, faults = Template.parsed(params.template or "").word_follows, []
    tokens = {label: _ids_after(tokenizer, before, word) for label, word in words.items()}
    for label, ids in tokens.items():
        pieces = " ".join(tokenizer.convert_ids_to_tokens(ids))
        if not ids or tokenizer.unk_token_id in ids:
            faults.append(f"'{words[label]}' for '{label}' is not in the base's vocabulary")
        elif params.by == "masked_lm" and len(ids) > 1:
            faults.append(f"'{words[label]}' for '{label}' is {len(ids)} tokens of the base ({pieces}), not one")
    counts = Counter(ids[0] for ids in tokens.values() if ids)
    alike = [words[label] for label, ids in tokens.items() if ids and counts[ids[0]] > 1]
    if alike and not faults:
        faults.append(f"{', '.join(alike)} start with the same token of the base, so they cannot be told apart")
    if faults:
        raise ParamsError("\n".join(f"train.method.words: {fault}. Choose another word." for fault in faults))
    return [ids[0] for ids in tokens.values()]


def _mask_of(tokenizer: PreTrainedTokenizerBase, params: Params) -> str:
    """The tokenizer's own mask token, "" for a causal model.

    Raises:
        ParamsError: it has none; or, for a causal model, it ends every text with a token of its own.
    """
    if params.by == "masked_lm":
        if tokenizer.mask_token is None:
            raise ParamsError("train.method.by: masked_lm: the base's tokenizer has no mask token. Try causal_lm.")
        return str(tokenizer.mask_token)
    last = tokenizer("a")["input_ids"][-1]
    if last in tokenizer.all_special_ids:
        raise ParamsError(
            f"train.method.by: causal_lm: the base's tokenizer ends a text with "
            f"{tokenizer.convert_ids_to_tokens(last)}, so that no word can follow it. Choose another base."
        )
    return ""


def _require_room(start: Start, frame: dict[str, str], shown: int) -> None:
    """Raise ParamsError when template and examples leave too little of the model's length to the text."""
    most = start.task.settings()["max_tokens"]
    taken = len(start.tokenizer(frame["before"] + frame["after"])["input_ids"])
    if most - taken < TEXTS_SHARE * most:
        raise ParamsError(
            f"train.method: the template with {shown} examples takes {taken} of task.max_tokens {most}, which leaves "
            f"{max(0, most - taken)} to the text; at least half of them, {most - most // 2}, must be left. Lower "
            f"train.method.shown_examples, shorten the template, or raise task.max_tokens."
        )


def frame_of(start: Start, params: Params) -> dict[str, str]:
    """What stands before and after the text, {"before", "after"}, with the examples that are shown.

    Raises:
        ParamsError: the tokenizer does not fit; or too little room is left for the text.
    """
    mask = _mask_of(start.tokenizer, params)
    (column,) = start.task.texts
    rows = shown_examples(start, params.shown_examples, lambda text: not mask or mask not in text)
    shown = [(row[column], params.per_label[row["label"]]) for row in rows]
    before, after = Template.parsed(params.template or "").frame(shown, mask)
    frame = {"before": before, "after": after}
    _require_room(start, frame, len(shown))
    return frame


def model_by_words(start: Start, params: Params) -> Headed:
    """The language model that says how likely the word of each label is at its place.

    Raises:
        ParamsError: the base is no such language model, or a word cannot be asked for.
    """
    mask = _mask_of(start.tokenizer, params)
    labels: list[str] = start.task.settings()["labels"]
    ids = label_word_ids(start.tokenizer, {label: params.per_label[label] for label in labels}, params)
    place = Place(None, True)
    if mask:  # a text may hold the mask token itself; the template's is on its own side of it
        after = mask in frame_of(start, params)["after"]
        place = Place(int(start.tokenizer.mask_token_id), last=after)
    body: Any = params.by
    return with_label_words(body, start.base, len(start.tokenizer), ids, place)

"""A tokenizer and its model without the pieces that no text has. A text of kept pieces alone is read as before.

Of a word the same pieces are found: WordPiece takes the longest that fits, which is still there; BPE merges as before,
for every merge that could lead to a kept piece is kept with its parts; of a unigram model the likeliest parting is.
"""

from __future__ import annotations

import json
import tempfile
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import nn
from transformers import AutoTokenizer, PreTrainedModel, PreTrainedTokenizerBase

from stages.shared.errors import ParamsError
from stages.shared.layers import body_of, configurations_of

KINDS = ("WordPiece", "BPE", "Unigram")
Spelt = dict[str, Any]  # a tokenizer.json


def _vocabulary(model: Spelt) -> dict[str, int]:
    if model["type"] == "Unigram":
        return {piece: place for place, (piece, _) in enumerate(model["vocab"])}
    return dict(model["vocab"])


def _pair(merge: str | Sequence[str]) -> tuple[str, str]:
    first, second = merge.split(" ") if isinstance(merge, str) else merge
    return first, second


def _with_parts(kept: set[str], merges: Sequence[str | Sequence[str]]) -> set[str]:
    """The pieces, and all that any merge could make them of."""
    made_of: dict[str, list[str]] = defaultdict(list)
    for merge in merges:
        first, second = _pair(merge)
        made_of[first + second] += [first, second]
    found, waiting = set(kept), list(kept)
    while waiting:
        for part in made_of[waiting.pop()]:
            if part not in found:
                found.add(part)
                waiting.append(part)
    return found


def _is_basic(piece: str, prefix: str) -> bool:
    """Whether a piece is a single character, or a byte, of which any other word can be made."""
    return len(piece.removeprefix(prefix)) == 1 or (piece.startswith("<0x") and piece.endswith(">"))


def kept_ids(tokenizer: PreTrainedTokenizerBase, used: set[int]) -> list[int]:
    """The ids that stay, in order: of the pieces used, of what they are made of, of single characters, of marks.

    Raises:
        ParamsError: the tokenizer is of a kind that cannot be cut.
    """
    spelt: Spelt = json.loads(tokenizer.backend_tokenizer.to_str())
    model = spelt["model"]
    if model["type"] not in KINDS:
        raise ParamsError(
            f"distill.student.vocabulary: corpus: a tokenizer of the kind {model['type']} cannot be cut; "
            f"{', '.join(KINDS)} can. Set it to all."
        )
    vocabulary = _vocabulary(model)
    names = {place: piece for piece, place in vocabulary.items()}
    prefix = model.get("continuing_subword_prefix") or ""
    kept = {names[place] for place in used if place in names}
    kept |= {piece for piece in vocabulary if _is_basic(piece, prefix)}
    kept |= {model["unk_token"]} if model.get("unk_token") in vocabulary else set()
    kept |= {names[model["unk_id"]]} if model.get("unk_id") is not None else set()
    if model["type"] == "BPE":
        kept = _with_parts(kept, model["merges"]) & vocabulary.keys()
    marks = {added["id"] for added in spelt["added_tokens"]} | set(tokenizer.all_special_ids)
    return sorted({vocabulary[piece] for piece in kept} | marks)


def _renumber_processor(part: Any, places: dict[int, int]) -> Any:
    """A post-processor with other ids of the special tokens."""
    if isinstance(part, list):
        return [_renumber_processor(one, places) for one in part]
    if not isinstance(part, dict):
        return part
    made = {name: _renumber_processor(value, places) for name, value in part.items()}
    if "ids" in made and "tokens" in made:
        made["ids"] = [places[place] for place in made["ids"]]
    for name in ("sep", "cls"):  # of BERT's and RoBERTa's own: [token, id]
        if isinstance(made.get(name), list) and len(made[name]) == 2 and isinstance(made[name][1], int):
            made[name] = [made[name][0], places[made[name][1]]]
    return made


def _cut(spelt: Spelt, places: dict[int, int]) -> Spelt:
    """A tokenizer.json with the kept pieces alone, numbered anew."""
    model = dict(spelt["model"])
    if model["type"] == "Unigram":
        model["vocab"] = [model["vocab"][old] for old in sorted(places) if old < len(model["vocab"])]
        model["unk_id"] = None if model.get("unk_id") is None else places[model["unk_id"]]
    else:
        model["vocab"] = {piece: places[old] for piece, old in model["vocab"].items() if old in places}
    if model["type"] == "BPE":
        there = model["vocab"]
        pairs = ((merge, _pair(merge)) for merge in model["merges"])
        model["merges"] = [merge for merge, (a, b) in pairs if a in there and b in there and a + b in there]
    added = [one | {"id": places[one["id"]]} for one in spelt["added_tokens"] if one["id"] in places]
    processor = _renumber_processor(spelt["post_processor"], places)
    return {**spelt, "model": model, "added_tokens": added, "post_processor": processor, "padding": None}


def cut_tokenizer(tokenizer: PreTrainedTokenizerBase, kept: Sequence[int]) -> PreTrainedTokenizerBase:
    """The tokenizer with the pieces of these ids alone, numbered from 0 in their order."""
    places = {old: new for new, old in enumerate(kept)}
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        tokenizer.save_pretrained(folder)
        file, config = folder / "tokenizer.json", folder / "tokenizer_config.json"
        cut = _cut(json.loads(file.read_text(encoding="utf-8")), places)
        file.write_text(json.dumps(cut, ensure_ascii=False), encoding="utf-8")
        told = json.loads(config.read_text(encoding="utf-8"))
        decoder = told.get("added_tokens_decoder")
        if decoder:
            told["added_tokens_decoder"] = {str(places[int(old)]): one for old, one in decoder.items()}
            config.write_text(json.dumps(told), encoding="utf-8")
        for name in ("vocab.txt", "vocab.json", "merges.txt"):  # of the whole vocabulary
            (folder / name).unlink(missing_ok=True)
        made: PreTrainedTokenizerBase = AutoTokenizer.from_pretrained(str(folder), local_files_only=True)
    return made


def _is_id(name: str, value: Any) -> bool:
    return name.endswith("_token_id") and isinstance(value, int)


def cut_embeddings(model: PreTrainedModel, kept: Sequence[int]) -> None:
    """Keep the vectors of these ids alone, in their order, and number the configuration's tokens anew."""
    places = {old: new for new, old in enumerate(kept)}
    body: Any = body_of(model)
    table = body.get_input_embeddings()
    rows = torch.tensor(kept)
    padding = None if table.padding_idx is None else places.get(table.padding_idx)
    with torch.no_grad():
        table.weight = nn.Parameter(table.weight[rows].clone())
    table.num_embeddings, table.padding_idx = len(kept), padding
    for config in configurations_of(model):
        config.vocab_size = len(kept)
        for name, value in config.to_dict().items():
            if _is_id(name, value):
                setattr(config, name, places.get(value))

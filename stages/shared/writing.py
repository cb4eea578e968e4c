"""What a language model writes, in torch: greedily or by beam search, many texts at once."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from transformers import GenerationConfig, PreTrainedModel

from serving.reading import Window
from stages.shared.batches import sorted_batches
from stages.shared.items import Item, Output
from stages.shared.progress import Progress

if TYPE_CHECKING:
    from stages.shared.predict import Batching


def generation_config(model: PreTrainedModel, writes: Mapping[str, Any]) -> GenerationConfig:
    """The model's own special tokens, and how it writes as `writes` of the settings has it; nothing is drawn."""
    config = copy.deepcopy(model.generation_config) or GenerationConfig()  # type: ignore[no-untyped-call]
    padding = model.config.pad_token_id
    config.update(  # type: ignore[no-untyped-call]
        do_sample=False,
        temperature=None,
        top_p=None,
        top_k=None,
        max_length=None,
        max_new_tokens=writes["max_new_tokens"],
        num_beams=writes["beams"],
        length_penalty=writes["length_penalty"],
        no_repeat_ngram_size=writes["no_repeat_ngram"],
        early_stopping=writes["beams"] > 1,
        pad_token_id=model.config.eos_token_id if padding is None else padding,
    )
    return config


def _padded(asked: Sequence[Window], padding: int, at_start: bool) -> dict[str, torch.Tensor]:
    """Rows padded at the end; or at the start, so that all are continued at the same place."""
    width = max(len(row.ids) for row in asked)
    ids, mask = np.full((len(asked), width), padding, np.int64), np.zeros((len(asked), width), np.int64)
    for place, row in enumerate(asked):
        filled = slice(width - len(row.ids), width) if at_start else slice(len(row.ids))
        ids[place, filled], mask[place, filled] = row.ids, 1
    return {"input_ids": torch.from_numpy(ids), "attention_mask": torch.from_numpy(mask)}


def _trimmed(tokens: np.ndarray, ends: Sequence[int]) -> np.ndarray:
    """The tokens before the first that ends a text."""
    stops = np.flatnonzero(np.isin(tokens, ends))
    return tokens[: stops[0]] if len(stops) else tokens


def write(
    model: PreTrainedModel, items: Sequence[Item], passed: Sequence[Output], way: Batching, writes: Mapping[str, Any]
) -> list[Output]:
    """For each item the ids of what is written after what is asked, and what was kept of the pass over the expected.

    Args:
        model: an encoder-decoder, or a decoder that continues.
        items: whose first rows are asked.
        passed: what was kept of each.
        way: how many at once.
        writes: {"beams", "max_new_tokens", "length_penalty", "no_repeat_ngram"}.
    """
    config = generation_config(model, writes)
    ends = np.ravel(config.eos_token_id if config.eos_token_id is not None else -1).tolist()
    ends.append(config.pad_token_id)
    asked = list({id(item.rows[0]): item.rows[0] for item in items}.values())  # once, whatever asks the same row
    written: dict[int, np.ndarray] = {}
    was_training = model.training
    model.train(False)
    before = model.config.use_cache
    model.config.use_cache = True
    with torch.inference_mode(), Progress("write", len(asked)) as progress:
        for positions in sorted_batches([len(row.ids) for row in asked], way.batch_size):
            given = _padded([asked[place] for place in positions], way.padding, not model.config.is_encoder_decoder)
            given = {name: tensor.to(model.device) for name, tensor in given.items()}
            tokens = model.generate(**given, generation_config=config).cpu().numpy()  # type: ignore[operator]
            first = 1 if model.config.is_encoder_decoder else given["input_ids"].shape[1]
            for position, row in zip(positions, tokens, strict=True):
                written[id(asked[position])] = _trimmed(row[first:], ends)
            progress.advance(len(positions))
    model.config.use_cache = before
    model.train(was_training)
    return [[written[id(item.rows[0])], *_parts(kept)] for item, kept in zip(items, passed, strict=True)]


def _parts(kept: Output) -> list[np.ndarray]:
    return kept if isinstance(kept, list) else [kept]

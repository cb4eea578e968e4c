"""What an exported model is tried on: token ids, or pictures, of the shapes that it will meet."""

from collections.abc import Mapping
from typing import Any, TypeAlias

import numpy as np
from transformers import PreTrainedModel

from stages.shared.headed import Headed
from stages.shared.predict import input_names

Arrays: TypeAlias = dict[str, np.ndarray]


def token_sample(model: PreTrainedModel, batch: int, tokens: int) -> Arrays:
    """Random token ids (batch, tokens); each row is shorter than the one before, the rest of it is padding.

    The second half of each is of the second text.
    """
    config = model.config.get_text_config()
    random = np.random.default_rng([batch, tokens])
    ids = random.integers(0, config.vocab_size, (batch, tokens), dtype=np.int64)
    lengths = [max(2, tokens - row * tokens // batch) for row in range(batch)]
    mask = (np.arange(tokens) < np.array(lengths)[:, None]).astype(np.int64)
    padding = config.pad_token_id or 0
    ids = np.where(mask == 1, np.where(ids == padding, (padding + 1) % config.vocab_size, ids), padding)
    token = model.description.get("token") if isinstance(model, Headed) else None
    if token is not None:  # the one at which the head looks
        ids[range(batch), [length // 2 for length in lengths]] = token
    second = np.arange(tokens) >= np.array(lengths)[:, None] // 2
    arrays = {"input_ids": ids, "attention_mask": mask, "token_type_ids": mask * second}
    return {name: arrays[name] for name in input_names(model.config)}


def picture_sample(pictures: int, settings: Mapping[str, Any]) -> Arrays:
    """Random pictures, (pictures, 3, height, width), normalised as real ones are."""
    random = np.random.default_rng(pictures)
    values = random.random((pictures, 3, settings["height"], settings["width"]), dtype=np.float32)
    mean, std = (np.array(settings[name], np.float32)[:, None, None] for name in ("mean", "std"))
    return {"pixel_values": (values - mean) / std}


def shapes(max_tokens: int) -> list[tuple[int, int]]:
    """The (batch, tokens) on which ONNX and torch are compared: alone and in padded batches, short and full length."""
    middle = max(2, max_tokens // 3)
    return sorted({(1, 2), (1, middle), (1, max_tokens), (2, 2), (3, 5), (4, middle), (8, max_tokens)})


def samples_of(model: PreTrainedModel, settings: Mapping[str, Any]) -> list[Arrays]:
    """What ONNX and torch are compared on, given how the model is asked."""
    if "pictures" in settings:
        return [picture_sample(pictures, settings["pictures"]) for pictures in (1, 2, 3)]
    return [token_sample(model, batch, tokens) for batch, tokens in shapes(settings["max_tokens"])]


def sample_for_export(model: PreTrainedModel, settings: Mapping[str, Any]) -> tuple[Arrays, dict[int, str]]:
    """What the exporter is shown, and the axes that may be of any size."""
    if "pictures" in settings:
        return picture_sample(2, settings["pictures"]), {0: "batch"}
    return token_sample(model, 2, 8), {0: "batch", 1: "tokens"}

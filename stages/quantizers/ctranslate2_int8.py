"""int8 for models that write text, by CTranslate2: weights are stored as int8, activations are scaled token by token.

Why not onnxruntime: a step of decoding with a key-value cache takes it several times as long, as
benchmarks/decoder_step.py measures, and beams, caches and exports would be ours to write. onnxruntime-genai 0.18 makes
no Marian, BART, T5 or GPT-2.

Source: https://opennmt.net/CTranslate2/quantization.html
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from stages.quantizers import Count, Quantized, Trained
from stages.shared.errors import MachineError, ParamsError
from stages.shared.sections import Choice

if TYPE_CHECKING:
    from serving.writing_model import WritingModel

FLOAT_MODEL, SMALL_MODEL = "float", "model"  # folders
LENGTHS = (1, 2, 5, 12, 24)  # tokens of the random rows on which the float model is compared with torch


class Params(Choice):
    """No options."""

    name: Literal["ctranslate2_int8"]


def check(task: Any) -> None:
    """Raise ParamsError where the task writes no text, or ctranslate2 is not installed."""
    if "writes" not in task.settings():
        raise ParamsError(
            "quantize.method: ctranslate2_int8: it is for models that write text, and those of the task "
            f"'{task.settings()['task']}' answer in one pass. Set quantize.method to onnx_int8, with its options."
        )


def _differences(trained: Trained, model: WritingModel, words: int) -> float:
    """The largest difference of a log probability between torch and the float model, on random rows of tokens.

    Args:
        words: of the tokenizer; what the torch model has beyond them is not there any more.
    """
    import torch

    from stages.shared.packing import window_of
    from stages.shared.predict import inputs_of

    random = np.random.default_rng(0)
    network = trained.model
    special = {*trained.settings["writes"]["ends"], *trained.settings["writes"]["never"]}
    usable = [word for word in range(words) if word not in special]
    longest = min(trained.settings["max_tokens"], trained.settings["writes"]["max_new_tokens"])
    end = trained.settings["writes"]["ends"][0]
    largest = 0.0
    for length in sorted({min(length, longest) for length in LENGTHS}):
        ids = random.choice(usable, length)
        batch = {"input_ids": torch.from_numpy(ids)[None], "attention_mask": torch.ones(1, length, dtype=torch.int64)}
        if network.config.is_encoder_decoder:
            target = random.choice(usable, length)
            batch["expected"] = torch.from_numpy(np.append(target, end))[None]
            found = model.target_log_probabilities(window_of(ids.tolist()), target.tolist())
        else:
            found = model.log_probabilities(ids.tolist())
        with torch.inference_mode():
            wanted = network(**inputs_of(batch, network)).logits[0, :, :words].log_softmax(dim=-1)
        if network.config.is_encoder_decoder:
            wanted = wanted.gather(1, batch["expected"][0][:, None])[:, 0]
        largest = max(largest, float(np.abs(found - wanted.numpy()).max()))
    return largest


def quantize(trained: Trained, out: Path, params: Params) -> Quantized:
    """Convert a model twice, as it is and quantised; see the contract.

    Raises:
        MachineError: CTranslate2 does not know its architecture, or is not installed.
    """
    try:
        from stages.shared.ctranslate2_models import convert, int8_matrices, matrices
    except ImportError as error:
        raise MachineError(f"quantize: the Python package '{error.name}' is not installed: extra `writing`.") from None
    from tokenizers import Tokenizer

    from serving.writing_model import WritingModel

    trained.model.train(False)
    convert(trained.model, trained.folder, out / FLOAT_MODEL, None)
    spec = convert(trained.model, trained.folder, out / SMALL_MODEL, "int8")
    tokenizer = Tokenizer.from_file(str(trained.folder / "tokenizer.json"))
    whole = WritingModel(out / FLOAT_MODEL, tokenizer, trained.settings["writes"], threads=1)
    return Quantized(
        large=FLOAT_MODEL,
        small=SMALL_MODEL,
        max_logit_difference=_differences(trained, whole, tokenizer.get_vocab_size()),
        shapes=len(LENGTHS),
        counts=[Count("int8 matrices", int8_matrices(spec), matrices(spec))],
    )

"""Why CTranslate2: the processor time of a step of decoding, by it and by onnxruntime with a key-value cache.

A Marian model's decoder step is exported with its cache as inputs, as it is and in dynamic int8; what beams and the
encoder take beside it is not counted for onnxruntime, and is for CTranslate2. Needs the outputs of a run of the recipe
translation in data/, or in the folder that is given.

    python -m benchmarks.decoder_step [--data data] [--texts 100]
"""

import argparse
import logging
import statistics
import tempfile
import time
import warnings
from pathlib import Path

import onnxruntime
import torch
from onnxruntime.quantization import QuantType, quantize_dynamic
from tokenizers import Tokenizer
from transformers import MarianMTModel
from transformers.cache_utils import DynamicCache, EncoderDecoderCache

import flows  # noqa: F401  telemetry off
from serving.writing_model import WritingModel
from stages.shared.answering import read_settings
from stages.shared.examples import read_split
from stages.shared.packing import window_of

ROOT = Path(__file__).parents[1]
SOURCE, STEPS, TIMES = 16, 20, 5  # tokens of the source, steps that are timed, times each


class Step(torch.nn.Module):
    """One more token for each beam, given the keys and values of those before it."""

    def __init__(self, model: MarianMTModel) -> None:
        super().__init__()
        self.model = model

    def forward(self, ids, encoded, mask, past):  # type: ignore[no-untyped-def]
        cache = EncoderDecoderCache(DynamicCache(), DynamicCache())
        for layer in range(len(past) // 2):
            cache.self_attention_cache.update(past[2 * layer], past[2 * layer + 1], layer)
        found = self.model.model.decoder(
            input_ids=ids,
            encoder_hidden_states=encoded,
            encoder_attention_mask=mask,
            past_key_values=cache,
            use_cache=True,
        )
        kept = found.past_key_values.self_attention_cache.layers
        words = self.model.lm_head(found.last_hidden_state) + self.model.final_logits_bias
        return words, *(part for layer in kept for part in (layer.keys, layer.values))


def inputs_of(model: MarianMTModel, beams: int, before: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, list]:
    """Random inputs of a step after so many tokens."""
    config = model.config
    heads, width = config.decoder_attention_heads, config.d_model // config.decoder_attention_heads
    past = [torch.randn(beams, heads, before, width) for _ in range(2 * config.decoder_layers)]
    return (
        torch.randint(3, config.vocab_size, (beams, 1)),
        torch.randn(beams, SOURCE, config.d_model),
        torch.ones(beams, SOURCE, dtype=torch.int64),
        past,
    )


def export(model: MarianMTModel, beams: int, file: Path) -> None:
    """Write the step as ONNX."""
    given = inputs_of(model, beams, 5)
    axes = (
        {0: "beams"},
        {0: "beams", 1: "source"},
        {0: "beams", 1: "source"},
        [{0: "beams", 2: "past"}] * len(given[3]),
    )
    with torch.inference_mode():
        program = torch.onnx.export(
            Step(model), given, dynamo=True, dynamic_shapes=axes, opset_version=18, verbose=False
        )
    assert program is not None
    program.save(file)


def step_milliseconds(model: MarianMTModel, beams: int, file: Path) -> float:
    """The median processor time of a step."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(str(file), options, providers=["CPUExecutionProvider"])
    names, taken = [given.name for given in session.get_inputs()], []
    for before in range(1, STEPS + 1):
        *first, past = inputs_of(model, beams, before)
        feed = dict(zip(names, [tensor.numpy() for tensor in (*first, *past)], strict=True))
        for _ in range(TIMES):
            started = time.process_time()
            session.run(None, feed)
            taken.append(time.process_time() - started)
    return 1000 * statistics.median(taken)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=ROOT / "data")
    parser.add_argument("--texts", type=int, default=100)
    asked = parser.parse_args()
    warnings.simplefilter("ignore")
    logging.disable(logging.WARNING)
    folder = asked.data / "train/model"
    model = MarianMTModel.from_pretrained(folder, attn_implementation="eager").eval()
    settings = read_settings(folder)
    beams = settings["writes"]["beams"]
    with tempfile.TemporaryDirectory() as scratch:
        whole, small = (Path(scratch) / name for name in ("float.onnx", "int8.onnx"))
        export(model, beams, whole)
        quantize_dynamic(whole, small, weight_type=QuantType.QInt8, per_channel=True)
        for name, file in (("float", whole), ("int8", small)):
            print(f"onnxruntime, {name:<8}{step_milliseconds(model, beams, file):8.2f} ms a step of {beams} beams")
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    writer = WritingModel(asked.data / "package/bundle/model", tokenizer, settings["writes"], threads=1)
    texts = [row["text"] for row in read_split(asked.data / "validate", "test")][: asked.texts]
    windows = [window_of(tokenizer.encode(text).ids) for text in texts]
    started = time.process_time()
    steps = sum(len(writer.run(window)) + 1 for window in windows)
    taken = 1000 * (time.process_time() - started)
    each = f"encoder and beams among it; {steps / len(texts):.1f} steps a text"
    print(f"CTranslate2, int8   {taken / steps:8.2f} ms a step of {beams} beams, {each}")


if __name__ == "__main__":
    main()

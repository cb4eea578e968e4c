"""A decoder labels a text at its last token, whatever that token is and whatever the text is batched with."""

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import onnxruntime
import pytest
import torch
from safetensors.torch import load_file
from transformers import AutoConfig, GPT2Config, GPT2ForSequenceClassification

from stages.quantizers import Quantized, Trained, onnx_int8
from stages.quantizers.onnx_int8 import FLOAT_MODEL
from stages.shared.base_model import tokenizer_of
from stages.shared.bodies import reads_forward
from stages.shared.headed import Headed
from stages.shared.models import load_model, write_model
from tests.conftest import sample_texts
from tests.language_models import write_causal_lm, write_llama

PLAIN = SimpleNamespace(head=None, head_from_packages=False)
TASK = SimpleNamespace(head="sequence", outputs=["bad", "fine", "good"])
MAX_TOKENS = 40
WRITE: dict[str, Callable[[Path, list[str]], None]] = {"gpt2": write_causal_lm, "llama": write_llama}
Arrays = dict[str, np.ndarray]


@pytest.fixture(scope="module", params=WRITE)
def base(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp(request.param)
    WRITE[request.param](folder, [text for text, _ in sample_texts(100)])
    return folder


@pytest.fixture(scope="module")
def model(base: Path) -> Headed:
    torch.manual_seed(0)
    loaded = load_model(TASK, base, PLAIN, 0).eval()
    assert isinstance(loaded, Headed)
    with torch.no_grad():
        loaded.get_submodule("head.score").weight.normal_()
    return loaded


@pytest.fixture(scope="module")
def exported(model: Headed, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Quantized]:
    out = tmp_path_factory.mktemp("exported")
    params = onnx_int8.Params(name="onnx_int8", per_channel=True, reduce_range=True)
    return out, onnx_int8.quantize(Trained(model, out, {"max_tokens": MAX_TOKENS}), out, params)


@pytest.fixture(scope="module")
def runs(model: Headed, exported: tuple[Path, Quantized]) -> list[Callable[[Arrays], np.ndarray]]:
    """What says the logits: the torch model, and the float graph that was made of it."""
    session = onnxruntime.InferenceSession(str(exported[0] / FLOAT_MODEL), providers=["CPUExecutionProvider"])

    def by_torch(given: Arrays) -> np.ndarray:
        with torch.inference_mode():
            said = model(**{name: torch.from_numpy(array) for name, array in given.items()})
        return np.asarray(said.logits)

    return [by_torch, lambda given: session.run(["logits"], given)[0]]


def batch_of(rows: list[list[int]], padding: int, tokens: int) -> Arrays:
    ids = np.full((len(rows), tokens), padding, dtype=np.int64)
    mask = np.zeros_like(ids)
    for position, row in enumerate(rows):
        ids[position, : len(row)], mask[position, : len(row)] = row, 1
    return {"input_ids": ids, "attention_mask": mask}


def rows_of(model: Headed) -> list[list[int]]:
    """Rows of several lengths; two are equal but for the token that ends a text, one holds nothing but that token."""
    end = model.config.eos_token_id
    return [[7, 8, 9], [7, 8, 9, end], [end], [11] * 30, [5, end, end, 6]]


def test_a_row_says_the_same_alone_and_in_a_batch_with_whatever_padding(
    model: Headed, runs: list[Callable[[Arrays], np.ndarray]]
) -> None:
    rows, end = rows_of(model), model.config.eos_token_id
    for run in runs:
        alone = np.concatenate([run(batch_of([row], 0, len(row))) for row in rows])
        for padding, tokens in ((0, 30), (end, 30), (3, 37)):
            np.testing.assert_allclose(run(batch_of(rows, padding, tokens)), alone, atol=2e-5)
        assert np.abs(alone[0] - alone[1]).max() > 1e-2  # that a text ends is not taken for padding


def test_it_is_asked_at_the_last_token_of_the_mask(model: Headed, runs: list[Callable[[Arrays], np.ndarray]]) -> None:
    rows = rows_of(model)
    given = batch_of(rows, model.config.eos_token_id, 30)
    with torch.inference_mode():
        hidden = model.body(**{name: torch.from_numpy(array) for name, array in given.items()})[0].numpy()
    last = np.stack([row[len(ids) - 1] for row, ids in zip(hidden, rows, strict=True)])
    wanted = last @ model.get_submodule("head.score").weight.detach().numpy().T
    for run in runs:
        np.testing.assert_allclose(run(given), wanted, atol=2e-5)


def test_every_layer_and_table_becomes_int8(model: Headed, exported: tuple[Path, Quantized]) -> None:
    counts = {count.name: (count.observed, count.expected) for count in exported[1].counts}
    gpt2 = model.config.model_type == "gpt2"
    products = 2 * 4 + 1 if gpt2 else 2 * 7 + 1  # of each layer, and the head's; Llama parts what GPT-2 joins
    assert counts["int8 matrix product"] == (products, products)
    assert counts["int8 embedding"] == ((2, 2) if gpt2 else (1, 1))  # Llama has no table of positions
    assert counts["matrix product left in float"] == (0, 0)
    assert exported[1].max_logit_difference < 1e-5


def test_how_many_products_there_are_is_not_claimed_where_weights_are_no_layers(model: Headed) -> None:
    assert onnx_int8.expected_products(model, {}, "last") is not None
    assert onnx_int8.expected_products(model, {}, None) is None
    torch.nn.Module.register_parameter(model, "experts", torch.nn.Parameter(torch.zeros(2, 3, 3)))
    assert onnx_int8.expected_products(model, {}, "last") is None
    del model.experts


def test_it_is_the_same_when_it_is_read_again(model: Headed, base: Path, tmp_path: Path) -> None:
    write_model(model, tokenizer_of(base), tmp_path)
    again = load_model(TASK, tmp_path, PLAIN, 0)
    assert type(again) is Headed
    assert all(torch.equal(given, read) for given, read in zip(model.parameters(), again.parameters(), strict=True))


def test_the_weights_of_the_language_model_are_taken_and_its_vocabulary_grows(model: Headed, base: Path) -> None:
    given = {name.partition(".")[2]: weight for name, weight in load_file(base / "model.safetensors").items()}
    assert all(torch.equal(given[name], weight) for name, weight in model.body.state_dict().items())
    words = model.config.vocab_size
    grown: Any = load_model(TASK, base, PLAIN, words + 4)
    assert len(grown.body.get_input_embeddings().weight) == words + 4


def test_two_texts_are_read_by_it_one_after_the_other(base: Path) -> None:
    model: Any = load_model(SimpleNamespace(head="compared", outputs=["no", "yes"]), base, PLAIN, 0)
    assert model.description["head"] == "last"


def test_the_head_of_a_trained_decoder_is_kept_if_it_fits(tmp_path: Path) -> None:
    config = GPT2Config(vocab_size=99, n_embd=32, n_layer=1, n_head=2, n_positions=48, num_labels=3, pad_token_id=0)
    theirs = GPT2ForSequenceClassification(config).eval()
    theirs.save_pretrained(tmp_path)
    given = batch_of([[5, 6, 7], [8, 9]], 0, 3)
    tensors = {name: torch.from_numpy(array) for name, array in given.items()}
    with torch.inference_mode():
        torch.testing.assert_close(
            load_model(TASK, tmp_path, PLAIN, 0).eval()(**tensors).logits, theirs(**tensors).logits
        )
    other: Any = load_model(SimpleNamespace(head="sequence", outputs=["a", "b"]), tmp_path, PLAIN, 0)
    assert other.head.score.weight.shape == (2, 32)


@pytest.mark.parametrize(
    ("kind", "options", "forward"),
    [
        ("gpt2", {}, True),
        ("qwen2", {}, True),
        ("opt", {}, True),
        ("bert", {}, False),
        ("bert", {"is_decoder": True}, True),
        ("modernbert", {}, False),
        ("bart", {}, False),
        ("vit", {}, False),
    ],
)
def test_which_architectures_read_forward(kind: str, options: dict[str, Any], forward: bool) -> None:
    assert reads_forward(AutoConfig.for_model(kind, **options)) is forward

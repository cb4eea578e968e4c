"""Models that write, made small: the exported one is still the torch one, to the token."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tokenizers import Tokenizer
from transformers import AutoModelForCausalLM, AutoModelForSeq2SeqLM

from serving.writing_model import WritingModel
from stages.quantizers import Quantized, Trained, ctranslate2_int8, onnx_int8
from stages.quantizers.ctranslate2_int8 import FLOAT_MODEL, SMALL_MODEL
from stages.shared.errors import MachineError, ParamsError
from stages.shared.items import Item
from stages.shared.packing import window_of
from stages.shared.predict import Batching
from stages.shared.writing import write
from tests.writing_models import write_base

TEXTS = ["the red house stands by the river", "two cats and a dog", "it rains", "good tea"]
KINDS = ["marian", "bart", "t5", "gpt2", "llama"]
PARAMS = ctranslate2_int8.Params(name="ctranslate2_int8")
Made = tuple[Trained, Path, Quantized]


def trained_model(folder: Path, kind: str, beams: int = 1) -> Trained:
    """A random model, each of its weights moved a little from where it began, padding too, as by training."""
    write_base(folder, kind, TEXTS)
    is_decoder = kind in ("gpt2", "llama")
    opened: Any = AutoModelForCausalLM if is_decoder else AutoModelForSeq2SeqLM
    model = opened.from_pretrained(folder)
    torch.manual_seed(1)
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if name not in (model._keys_to_ignore_on_save or ()):  # as Marian's positions, which it computes
                weight.add_(0.1 * torch.randn_like(weight))
    model.save_pretrained(folder)
    writes = {
        "kind": "causal_lm" if is_decoder else "seq2seq",
        "beams": beams,
        "max_new_tokens": 12,
        "length_penalty": 1.0,
        "no_repeat_ngram": 0,
        "ends": [1],
        "never": [0],
    }
    return Trained(model.eval(), folder, {"max_tokens": 40, "writes": writes})


@pytest.fixture(scope="module", params=KINDS)
def made(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Made:
    folder = tmp_path_factory.mktemp(request.param)
    trained = trained_model(folder / "trained", request.param)
    (folder / "out").mkdir()
    return trained, folder / "out", ctranslate2_int8.quantize(trained, folder / "out", PARAMS)


def opened(made: Made, name: str) -> WritingModel:
    tokenizer = Tokenizer.from_file(str(made[0].folder / "tokenizer.json"))
    return WritingModel(made[1] / name, tokenizer, made[0].settings["writes"], threads=2)


def items(trained: Trained) -> list[Item]:
    tokenizer = Tokenizer.from_file(str(trained.folder / "tokenizer.json"))
    return [Item(place, (window_of(tokenizer.encode(text).ids),), 0) for place, text in enumerate(TEXTS)]


def test_the_float_model_is_the_torch_model(made: Made) -> None:
    assert made[2].max_logit_difference < 1e-4
    assert (made[2].large, made[2].small) == (FLOAT_MODEL, SMALL_MODEL)


def test_a_greedy_text_is_that_of_torch_to_the_token(made: Made) -> None:
    trained, asked = made[0], items(made[0])
    torch_wrote = write(trained.model, asked, [[]] * len(asked), Batching(4, 0, "write"), trained.settings["writes"])
    model = opened(made, FLOAT_MODEL)
    assert [model.run(item.rows[0]).tolist() for item in asked] == [ids.tolist() for (ids,) in torch_wrote]


def test_every_matrix_is_int8_and_it_is_much_smaller(made: Made) -> None:
    (count,) = made[2].counts
    assert count.observed == count.expected > 5
    large, small = (sum(f.stat().st_size for f in (made[1] / name).iterdir()) for name in (FLOAT_MODEL, SMALL_MODEL))
    assert small < large / 2


def test_a_stream_gives_what_is_written_as_a_whole(made: Made) -> None:
    model = opened(made, SMALL_MODEL)
    for item in items(made[0]):
        assert list(model.stream(item.rows[0])) == model.run(item.rows[0]).tolist()


def test_the_same_model_gives_the_same_bytes(made: Made, tmp_path: Path) -> None:
    ctranslate2_int8.quantize(made[0], tmp_path, PARAMS)
    for file in (made[1] / SMALL_MODEL).iterdir():
        assert (tmp_path / SMALL_MODEL / file.name).read_bytes() == file.read_bytes(), file.name


def test_a_vocabulary_filled_up_beyond_the_tokenizer_is_cut_to_it(tmp_path: Path) -> None:
    trained = trained_model(tmp_path / "trained", "gpt2")
    words = trained.model.config.vocab_size
    trained.model.resize_token_embeddings(words + 5)
    trained.model.save_pretrained(trained.folder)
    (tmp_path / "out").mkdir()
    ctranslate2_int8.quantize(trained, tmp_path / "out", PARAMS)
    assert len(json.loads((tmp_path / "out" / SMALL_MODEL / "vocabulary.json").read_text())) == words


def test_an_architecture_that_is_not_known_is_named(tmp_path: Path) -> None:
    trained = trained_model(tmp_path / "trained", "gpt2")
    config = type("UnheardConfig", (), {})()
    unheard = type("Unheard", (), {"config": config, "train": lambda self, mode: self})()
    with pytest.raises(MachineError, match="does not know a UnheardConfig"):
        ctranslate2_int8.quantize(Trained(unheard, trained.folder, trained.settings), tmp_path, PARAMS)


def test_each_quantizer_says_for_which_tasks_it_is() -> None:
    class Writes:
        def settings(self) -> dict[str, Any]:
            return {"task": "seq2seq", "writes": {}}

    class Labels:
        def settings(self) -> dict[str, Any]:
            return {"task": "classification"}

    ctranslate2_int8.check(Writes())
    onnx_int8.check(Labels())
    with pytest.raises(ParamsError, match="answer in one pass"):
        ctranslate2_int8.check(Labels())
    with pytest.raises(ParamsError, match="ctranslate2_int8"):
        onnx_int8.check(Writes())


def test_the_longest_of_several_beams_is_no_shorter_than_it_may_be(tmp_path: Path) -> None:
    trained = trained_model(tmp_path / "trained", "marian", beams=3)
    (tmp_path / "out").mkdir()
    ctranslate2_int8.quantize(trained, tmp_path / "out", PARAMS)
    made: Made = (trained, tmp_path / "out", None)  # type: ignore[assignment]
    model, asked = opened(made, FLOAT_MODEL), items(trained)
    way = Batching(4, 0, "write")
    wrote = write(trained.model, asked, [[]] * 4, way, trained.settings["writes"])
    ours = [model.run(item.rows[0]) for item in asked]
    assert sum(np.array_equal(one, other) for one, (other,) in zip(ours, wrote, strict=True)) >= 3

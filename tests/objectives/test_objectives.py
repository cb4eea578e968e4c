"""Learning from text: what is hidden and told, figures before and after, and what is refused."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import AutoConfig, AutoModelForCausalLM, AutoModelForMaskedLM, AutoModelForPreTraining

from flows.perform import perform
from serving.tokens import layout_of, uncut_copy
from stages.objectives import causal_lm, masked_lm
from stages.objectives._at_places import AtPlaces
from stages.objectives._continuing import NextTokens, PackedRows, row_bounds
from stages.objectives._hiding import Hiding
from stages.objectives._stretches import Stretches
from stages.shared.base_model import read_pointer, tokenizer_of
from stages.shared.corpus import Corpus, Framing, is_held_out, tokenize
from stages.shared.errors import DataError, ParamsError, TrainingFailed
from stages.shared.masking import masking_for
from stages.shared.params import Params
from stages.shared.predict import inputs_of
from tests.conftest import sample_texts
from tests.language_models import write_causal_lm, write_masked_lm

MakeParams = Callable[..., Params]
TEXTS = [text for text, _ in sample_texts(300)]
FITTING: dict[str, Any] = {"epochs": 2, "batch_size": 16, "accumulation": 1, "learning_rate": 3.0e-3}
FITTING |= {"optimizer": "adamw", "schedule": "linear", "warmup": 0.1, "layer_decay": 1.0, "weight_decay": 0.0}
FITTING |= {"average_decay": None, "dropout": None, "max_gradient_norm": 1.0, "gradient_noise": 0.0}
FITTING |= {"gradient_checkpointing": False}
FITTING |= {"validations_per_epoch": 1, "patience": 3, "precision": "float32", "threads": 1}
FITTING |= {"max_tokens": 32, "held_out_share": 0.2}
MASKED = {"name": "masked_lm", "masked_share": 0.15, "whole_words": True, "next_sentence": False, **FITTING}
CAUSAL = {"name": "causal_lm", **FITTING}
FILES = ["MANIFEST.json", "base.json", "metrics.json", "model", "plots", "summary.txt"]


@pytest.fixture(scope="module")
def text(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("text") / "text.txt"
    file.write_text("\n".join(TEXTS), encoding="utf-8")
    return file


def learnt(make_params: MakeParams, base: Path, objective: dict[str, Any], text: Path, out: Path) -> Any:
    return perform("pretrain", [text, out], make_params({"pretrain.base": str(base), "pretrain.objective": objective}))


@pytest.mark.parametrize("next_sentence", [False, True])
def test_hidden_tokens_are_found_better_and_the_model_is_whole(
    tiny_base: Path, text: Path, tmp_path: Path, make_params: MakeParams, next_sentence: bool
) -> None:
    outcome = learnt(make_params, tiny_base, {**MASKED, "next_sentence": next_sentence}, text, tmp_path / "out")
    metrics = outcome.metrics
    assert metrics["validation.perplexity"] < 0.8 * metrics["before.perplexity"]
    assert metrics["new_weights"] > 0 and "are new" in outcome.summary
    assert ("validation.pair_accuracy" in metrics) is next_sentence
    assert metrics["held_out_rows"] >= sum(is_held_out(one, 0.2) for one in TEXTS)
    assert (tmp_path / "out/plots/loss.csv").read_text().startswith("step,loss,learning_rate\n1,")
    base = read_pointer(tmp_path / "out")
    assert base.folder == tmp_path / "out/model" and base.reference.endswith(", then masked_lm") and not base.is_new
    kind = AutoModelForPreTraining if next_sentence else AutoModelForMaskedLM
    _, told = kind.from_pretrained(base.folder, output_loading_info=True)
    assert not told["missing_keys"]
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == FILES


def test_the_next_token_is_told_better_and_the_same_seed_gives_the_same_bytes(
    text: Path, tmp_path: Path, make_params: MakeParams
) -> None:
    write_causal_lm(tmp_path / "base", TEXTS)
    tokenizer = tokenizer_of(tmp_path / "base")
    tokenizer.add_special_tokens({"eos_token": "<|endoftext|>"})
    tokenizer.save_pretrained(tmp_path / "base")
    for name in ("out", "again"):
        outcome = learnt(make_params, tmp_path / "base", CAUSAL, text, tmp_path / name)
    assert outcome.metrics["validation.perplexity"] < 0.8 * outcome.metrics["before.perplexity"]
    assert (tmp_path / "out/MANIFEST.json").read_bytes() == (tmp_path / "again/MANIFEST.json").read_bytes()


def rows_of(base: Path, folder: Path, texts: int, max_tokens: int = 32) -> Stretches:
    tokenizer, _ = uncut_copy(tokenizer_of(base).backend_tokenizer)
    corpus, _ = tokenize(TEXTS, tokenizer, folder, 1e-9, Framing((), ()))
    layouts = {1: layout_of(tokenizer.encode("the")), 2: layout_of(tokenizer.encode("the", "the"))}
    return Stretches(corpus, layouts, texts, max_tokens)


def test_every_token_is_in_one_row_and_rows_are_of_one_document(tiny_base: Path, tmp_path: Path) -> None:
    rows = rows_of(tiny_base, tmp_path, texts=1, max_tokens=10)
    assert rows.begins[0] == 0 and rows.ends[-1] == len(rows.corpus.tokens)
    assert (rows.begins[1:] == rows.ends[:-1]).all()
    assert rows.lengths.max() <= 10
    assert set(rows.corpus.starts.tolist()) <= {*rows.begins.tolist(), int(rows.ends[-1])}
    assert [len(rows[i].rows[0].ids) + 2 for i in range(len(rows))] == rows.lengths.tolist()


def test_other_tokens_are_hidden_each_time_and_the_same_for_the_same_seed(tiny_base: Path, tmp_path: Path) -> None:
    rows = rows_of(tiny_base, tmp_path, texts=1)
    hiding = Hiding(masking_for(tokenizer_of(tiny_base), 0.15, True), rows, pairs=False)
    drawn = [hiding.renewed(rows[3], np.random.default_rng(seed)) for seed in (0, 0, 1)]
    assert drawn[0].rows[0].ids == drawn[1].rows[0].ids
    assert drawn[0].expected.tolist() != drawn[2].expected.tolist()
    ids = np.array(drawn[0].rows[0].ids)
    assert ids[[0, -1]].tolist() == [2, 3] and drawn[0].expected[[0, -1]].tolist() == [-100, -100]


def test_half_of_the_pairs_follow_each_other(tiny_base: Path, tmp_path: Path) -> None:
    rows = rows_of(tiny_base, tmp_path, texts=2)
    hiding = Hiding(masking_for(tokenizer_of(tiny_base), 0.15, True), rows, pairs=True)
    follows = 0
    for position in range(len(rows)):
        item = hiding.renewed(rows[position], np.random.default_rng(position))
        window = item.rows[0]
        shown = np.where(item.expected >= 0, item.expected, window.ids)
        own = rows.part(position)[0].tolist()
        middle = shown.tolist().index(3)
        assert shown[1:middle].tolist() == own[: middle - 1]
        assert window.type_ids == [0] * (middle + 1) + [1] * (len(shown) - middle - 1)
        assert (shown[middle + 1 : -1].tolist() == own[middle - 1 :]) or item.pair == 1
        follows += item.pair == 0
        assert len(shown) <= 32
    assert 0.4 < follows / len(rows) < 0.6


def test_asked_at_places_alone_a_model_says_the_same(tiny_base: Path, tmp_path: Path) -> None:
    write_masked_lm(tmp_path / "base", tiny_base)
    model = AutoModelForMaskedLM.from_pretrained(tmp_path / "base").eval()
    (tmp_path / "tokens").mkdir()
    rows = rows_of(tiny_base, tmp_path / "tokens", texts=1)
    hiding = Hiding(masking_for(tokenizer_of(tiny_base), 0.3, True), rows, pairs=False)
    items = [hiding.renewed(rows[i], np.random.default_rng(i)) for i in range(5)]
    batch = hiding.batch(items, 0)
    with torch.inference_mode():
        whole = model(**{k: batch[k] for k in ("input_ids", "attention_mask", "token_type_ids")}).logits
        asked = AtPlaces(model)
        said = asked(**inputs_of(batch, asked)).logits.words
    assert torch.allclose(said, whole.flatten(0, 1)[batch["places"]], atol=1e-5)
    flat = [number for item in items for number in item.expected.tolist() if number >= 0]
    assert batch["expected"].tolist() == flat


@pytest.mark.parametrize(
    ("sizes", "bounds"),
    [
        ([3, 3, 3], [0, 6, 9]),
        ([8], [0, 8]),
        ([20], [0, 8, 16, 20]),
        ([3, 20, 3, 2], [0, 3, 11, 19, 26, 28]),
        ([8, 8, 1], [0, 8, 16, 17]),
        ([5, 4], [0, 5, 9]),
    ],
)
def test_rows_are_filled_with_whole_documents(sizes: list[int], bounds: list[int]) -> None:
    assert row_bounds(np.cumsum([0, *sizes]), 8).tolist() == bounds


def test_packed_documents_do_not_see_each_other(tmp_path: Path) -> None:
    write_causal_lm(tmp_path, TEXTS)
    model = AutoModelForCausalLM.from_pretrained(tmp_path).eval()
    random = np.random.default_rng(0)
    documents = [random.integers(1, 500, size).astype(np.uint32) for size in (5, 9, 4, 12)]
    lesson, apart = NextTokens(), np.zeros(3)
    together = PackedRows(Corpus(np.concatenate(documents), np.cumsum([0, *map(len, documents)])), 32)
    assert len(together) == 1
    with torch.inference_mode():
        for document in documents:
            row = PackedRows(Corpus(document, np.array([0, len(document)])), 32)[0]
            batch = lesson.batch([row], 0)
            apart += lesson.sums(model(**inputs_of(batch, model)).logits, batch)
        batch = lesson.batch([together[0]], 0)
        assert lesson.sums(model(**inputs_of(batch, model)).logits, batch) == pytest.approx(apart, rel=1e-4)
    assert apart[1] == sum(map(len, documents)) - 4


def config(kind: str) -> Any:
    return AutoConfig.for_model(kind)


def test_an_architecture_that_an_objective_is_not_for_is_refused() -> None:
    masked, causal = masked_lm.Params(**MASKED), causal_lm.Params(**CAUSAL)
    masked_lm.check(config("bert"), masked)
    causal_lm.check(config("llama"), causal)
    with pytest.raises(ParamsError, match="a gpt2 does not read a text from both sides"):
        masked_lm.check(config("gpt2"), masked)
    with pytest.raises(ParamsError, match="a bart does not read a text from both sides"):
        masked_lm.check(config("bart"), masked)
    with pytest.raises(ParamsError, match="a bert does not read a text from its beginning"):
        causal_lm.check(config("bert"), causal)
    pairs = masked_lm.Params(**{**MASKED, "next_sentence": True})
    masked_lm.check(config("bert"), pairs)
    with pytest.raises(ParamsError, match="a roberta has no head for pairs"):
        masked_lm.check(config("roberta"), pairs)
    with pytest.raises(ParamsError, match="max_tokens: 600: the model reads at most 512"):
        masked_lm.check(config("bert"), masked_lm.Params(**{**MASKED, "max_tokens": 600}))


def test_too_little_text_is_refused(tiny_base: Path, tmp_path: Path, make_params: MakeParams) -> None:
    (tmp_path / "a.txt").write_text("One text.", encoding="utf-8")
    with pytest.raises(DataError, match="of 1 documents none is held out"):
        learnt(make_params, tiny_base, {**MASKED, "held_out_share": 1e-6}, tmp_path / "a.txt", tmp_path / "out")


def test_a_loss_that_is_no_number_stops_learning(
    tiny_base: Path, text: Path, tmp_path: Path, make_params: MakeParams
) -> None:
    shutil.copytree(tiny_base, tmp_path / "base")
    weights = load_file(tmp_path / "base/model.safetensors")
    weights["embeddings.word_embeddings.weight"] *= float("inf")
    save_file(weights, tmp_path / "base/model.safetensors", metadata={"format": "pt"})
    with pytest.raises(TrainingFailed, match=r"pretrain\.objective: the loss is nan"):
        learnt(make_params, tmp_path / "base", MASKED, text, tmp_path / "out")
    assert not (tmp_path / "out").exists()

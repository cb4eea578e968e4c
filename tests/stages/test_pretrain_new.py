"""Models from scratch: the tokenizer, the configuration, the weights, and what the other stages make of them."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoModelForMaskedLM, AutoModelForSeq2SeqLM

from flows.perform import perform
from stages.pretrain import check, pretrain
from stages.pretrain.new_model import check_model
from stages.pretrain.new_tokenizer import train_tokenizer
from stages.shared.base_model import read_pointer, tokenizer_of
from stages.shared.errors import DataError, ParamsError, Refused
from stages.shared.examples import features, write_split
from stages.shared.params import FromScratch, NewTokenizer, Params
from tests.conftest import ROOT, SENTIMENT_COLUMNS, sample_examples, sample_texts

MakeParams = Callable[..., Params]
SIZES: dict[str, dict[str, Any]] = {
    "bert": {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 64},
    "roberta": {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 64},
    "modernbert": {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 64},
    "gpt2": {"n_embd": 32, "n_layer": 2, "n_head": 2},
    "llama": {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 64},
    "marian": {"d_model": 32, "encoder_layers": 1, "decoder_layers": 1, "encoder_attention_heads": 2}
    | {"decoder_attention_heads": 2, "encoder_ffn_dim": 64, "decoder_ffn_dim": 64},
    "bart": {"d_model": 32, "encoder_layers": 1, "decoder_layers": 1, "encoder_attention_heads": 2}
    | {"decoder_attention_heads": 2, "encoder_ffn_dim": 64, "decoder_ffn_dim": 64},
    "t5": {"d_model": 32, "num_layers": 1, "num_heads": 2, "d_ff": 64, "d_kv": 16},
    "vit": {"hidden_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 64}
    | {"image_size": 32, "patch_size": 8},
}
KINDS = {"masked": AutoModelForMaskedLM, "causal": AutoModelForCausalLM, "both": AutoModelForSeq2SeqLM}
TEXTS = [text for text, _ in sample_texts(200)]


def tokenizer(kind: str, vocabulary: int = 600, lowercase: bool = True) -> dict[str, Any]:
    return {"kind": kind, "vocabulary": vocabulary, "lowercase": lowercase}


def scratch(model: str, kind: str | None = "wordpiece", **options: Any) -> dict[str, Any]:
    wanted = {"model_type": model, **SIZES[model], **options}
    return {"tokenizer": None if kind is None else tokenizer(kind), "model": wanted}


def from_scratch(make_params: MakeParams, wanted: dict[str, Any], values: dict[str, Any] | None = None) -> Params:
    return make_params({"pretrain.base": None, "pretrain.from_scratch": wanted} | (values or {}))


@pytest.fixture(scope="module")
def text(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("text") / "text.txt"
    file.write_text("\n".join(TEXTS), encoding="utf-8")
    return file


@pytest.mark.parametrize(
    ("model", "kind", "special", "start", "head"),
    [
        ("bert", "wordpiece", {"pad": 0, "bos": 2, "eos": 3}, "[CLS] the [SEP]", "masked"),
        ("roberta", "bpe", {"pad": 0, "bos": 2, "eos": 3}, "[CLS] the [SEP]", "masked"),
        (
            "modernbert",
            "wordpiece",
            {"pad": 0, "bos": 2, "eos": 3, "cls": 2, "sep": 3},
            "[CLS] the [SEP]",
            "masked",
        ),
        ("gpt2", "bpe", {"pad": 1, "bos": 0, "eos": 0}, "<|endoftext|> the", "causal"),
        ("llama", "unigram", {"pad": 1, "bos": 0, "eos": 0}, "<|endoftext|> the", "causal"),
        ("marian", "unigram", {"pad": 0, "eos": 1, "decoder_start": 0, "bos": None}, "the </s>", "both"),
        ("bart", "bpe", {"pad": 0, "eos": 1, "decoder_start": 1, "bos": None}, "the </s>", "both"),
        ("t5", "unigram", {"pad": 0, "eos": 1, "decoder_start": 0}, "the </s>", "both"),
    ],
)
def test_an_architecture_gets_the_special_tokens_that_it_needs(
    text: Path, tmp_path: Path, make_params: MakeParams, model: str, kind: str, special: Any, start: str, head: str
) -> None:
    params = from_scratch(make_params, scratch(model, kind))
    perform("pretrain", [text, tmp_path / "out"], params)
    base = read_pointer(tmp_path / "out")
    assert base.is_new and base.folder == tmp_path / "out/model"
    made = tokenizer_of(base.folder)
    loaded, told = KINDS[head].from_pretrained(base.folder, output_loading_info=True)
    assert not told["missing_keys"]
    assert {name: getattr(loaded.config, f"{name}_token_id") for name in special} == special
    assert loaded.config.vocab_size == len(made) == 600
    words = made.convert_ids_to_tokens(made("the")["input_ids"])
    assert " ".join(words).replace("\u2581", "") == start
    assert loaded.config.to_dict().get("forced_eos_token_id") is None
    batch = torch.tensor([made("the")["input_ids"]])
    more = {"decoder_input_ids": batch} if head == "both" else {}
    assert loaded(input_ids=batch, **more).logits.shape == (1, batch.shape[1], 600)


def test_a_pair_has_the_two_types_of_bert() -> None:
    made = train_tokenizer(lambda: TEXTS, NewTokenizer(**tokenizer("wordpiece")), "encoder", 128)
    pair = made("the", "a good")
    assert made.convert_ids_to_tokens(pair["input_ids"]) == ["[CLS]", "the", "[SEP]", "a", "good", "[SEP]"]
    assert made.backend_tokenizer.encode("the", "a good").type_ids == [0, 0, 0, 1, 1, 1]
    assert made.model_max_length == 128


def test_chinese_characters_are_words_of_their_own_and_case_is_kept_where_it_is_asked() -> None:
    texts = ["很好的酒店 Great", "酒店不好 great"] * 20
    made = train_tokenizer(lambda: texts, NewTokenizer(**tokenizer("wordpiece", 300, lowercase=False)), "encoder", None)
    assert made.tokenize("酒店Great") == ["酒", "店", "Great"]


def test_bytes_know_every_character() -> None:
    made = train_tokenizer(lambda: TEXTS, NewTokenizer(**tokenizer("bpe", 400, lowercase=False)), "decoder", None)
    assert made.unk_token is None
    assert made.decode(made("很 Åß\u3000!")["input_ids"], skip_special_tokens=True) == "很 Åß\u3000!"


def test_another_process_makes_the_same_tokenizers(text: Path, tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from tests.stages.test_pretrain_new import write_every_kind\n"
        "write_every_kind(Path(sys.argv[1]))"
    )
    subprocess.run([sys.executable, "-c", code, str(tmp_path / "other")], cwd=ROOT, check=True)
    write_every_kind(tmp_path / "own")
    files = sorted(path.relative_to(tmp_path / "own") for path in (tmp_path / "own").rglob("*.json"))
    assert len(files) == 6
    for file in files:
        assert (tmp_path / "own" / file).read_bytes() == (tmp_path / "other" / file).read_bytes(), file


def write_every_kind(folder: Path) -> None:
    for kind in ("wordpiece", "bpe", "unigram"):
        wanted = NewTokenizer(**tokenizer(kind))
        train_tokenizer(lambda: TEXTS, wanted, "encoder", 64).save_pretrained(folder / kind)


def test_weights_are_drawn_from_the_seed(text: Path, tmp_path: Path, make_params: MakeParams) -> None:
    hashes = []
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        (tmp_path / name).mkdir()
        params = from_scratch(make_params, scratch("bert"), {"seed": seed})
        hashes.append(pretrain(text, tmp_path / name, params).tags["base_sha256"])
    assert hashes[0] == hashes[1] != hashes[2]


def test_a_model_of_images_has_no_tokenizer(text: Path, tmp_path: Path, make_params: MakeParams) -> None:
    pretrain(text, tmp_path, from_scratch(make_params, scratch("vit", None)))
    assert sorted(path.name for path in (tmp_path / "model").iterdir()) == ["config.json", "model.safetensors"]


@pytest.mark.parametrize(
    ("model", "kind", "words"),
    [
        ({"model_type": "bertt"}, "bpe", "'bertt' is no architecture .* Did you mean 'bert'"),
        ({"hidden_size": 32}, "bpe", "model_type: None is no architecture"),
        (
            {"model_type": "bert", "hidden_sizes": 32},
            "bpe",
            "hidden_sizes: bert has no such option. Did you mean 'hidden_s",
        ),
        ({"model_type": "bert", "hidden_size": "32"}, "bpe", "'hidden_size' expected int, got str"),
        (
            {"model_type": "bert", "hidden_size": 33},
            "bpe",
            "do not fit together: The hidden size .33. is not a multiple",
        ),
        ({"model_type": "gpt2", "n_embd": 10, "n_head": 3}, "bpe", "must be divisible by num_heads"),
        ({"model_type": "bert", "vocab_size": 33}, "bpe", "vocab_size: the tokenizer decides on it"),
        ({"model_type": "bert"}, None, "a bert reads text: it needs one"),
        ({"model_type": "vit"}, "bpe", "a vit reads no text: it must be null"),
        ({"model_type": "bert", "hidden_act": "jelu"}, "bpe", "do not fit together: 'jelu'"),
    ],
)
def test_a_wrong_option_is_one_clear_error(model: dict[str, Any], kind: str | None, words: str) -> None:
    made = None if kind is None else NewTokenizer(**tokenizer(kind))
    with pytest.raises(ParamsError, match=words):
        check_model(FromScratch(tokenizer=made, model=model))


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"pretrain.base": None}, "pretrain: from_scratch: give either a base"),
        ({"pretrain.from_scratch": scratch("bert")}, "pretrain: from_scratch: give either a base"),
        (
            {"pretrain.base": None, "pretrain.from_scratch": scratch("bert"), "pretrain.sha256": "0" * 64},
            "revision, sha256: of a base",
        ),
        (
            {"pretrain.base": None, "pretrain.from_scratch": {"tokeniser": None, "model": {}}},
            "tokeniser: unknown key. Did you mean 'tokenizer'",
        ),
        ({"pretrain.objective": {"name": "masked"}}, r"'masked' is not a file of stages/objectives/"),
    ],
)
def test_params_that_contradict_each_other_are_refused(
    make_params: MakeParams, values: dict[str, Any], words: str
) -> None:
    with pytest.raises(ParamsError, match=words):
        make_params(values)


def test_positions_are_checked_before_anything_runs(make_params: MakeParams) -> None:
    params = from_scratch(make_params, scratch("gpt2", "bpe", n_positions=100), {"task.max_tokens": 101})
    with pytest.raises(ParamsError, match="'gpt2, from scratch' reads at most 100 tokens"):
        check(params)
    check(from_scratch(make_params, scratch("t5", "bpe"), {"task.max_tokens": 9_999}))


def test_a_vocabulary_smaller_than_the_alphabet_is_refused(tmp_path: Path, make_params: MakeParams) -> None:
    (tmp_path / "a.txt").write_text("".join(map(chr, range(0x4E00, 0x4E00 + 700))), encoding="utf-8")
    for kind in ("wordpiece", "unigram"):
        with pytest.raises(DataError, match=r"tokenizer\.vocabulary: 600: .*Raise it, choose kind: bpe"):
            pretrain(tmp_path / "a.txt", tmp_path, from_scratch(make_params, scratch("bert", kind)))


def test_before_there_is_a_tokenizer_validate_counts_no_tokens_and_train_refuses_to_cut(
    tmp_path: Path, make_params: MakeParams
) -> None:
    columns = features(SENTIMENT_COLUMNS)
    for split, start, stop in (("train", 0, 60), ("validation", 60, 80), ("test", 80, 100)):
        (tmp_path / "ingested").mkdir(exist_ok=True)
        rows = [{**row, "id": f"{split}{row['id']}"} for row in sample_examples(start, stop)]
        write_split(tmp_path / "ingested", split, rows, columns)
    limits = {"validate.min_rows_per_class": 1, "validate.language.expected": None, "task.max_tokens": 8}
    limits |= {f"validate.min_rows.{split}": 1 for split in ("train", "validation", "test")}
    params = from_scratch(make_params, scratch("bert"), limits | {"train.epochs": 1, "train.threads": 1})
    judged = perform("validate", [tmp_path / "ingested", tmp_path / "validated"], params)
    assert not {"cut_share", "long_share", "unknown_token_share"} & judged.metrics.keys()
    assert "There is no tokenizer yet" in (tmp_path / "validated/report.md").read_text()
    assert "There is no tokenizer yet" in (tmp_path / "validated/report.html").read_text()
    perform("pretrain", [tmp_path / "validated", tmp_path / "base"], params)
    with pytest.raises(Refused, match=r"of 80 texts are longer than task\.max_tokens .*validate\.max_cut_share"):
        perform("train", [tmp_path / "validated", tmp_path / "base", tmp_path / "trained"], params)
    windows = {"task.long_texts": "windows", "task.overlap": 2}
    values = limits | windows | {"train.epochs": 1, "train.threads": 1}
    done = perform(
        "train",
        [tmp_path / "validated", tmp_path / "base", tmp_path / "trained"],
        from_scratch(make_params, scratch("bert"), values),
    )
    assert done.metrics["examples"] == 60

"""A tokenizer that is read without transformers counts as transformers' own does, or is not read at all."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from stages.shared.base_model import base_of, tokenizer_of
from stages.shared.params import load_params
from stages.validate.plain_tokenizer import open_plain
from stages.validate.rows import count_tokens
from tests.conftest import ROOT, sample_texts

ODD = ["", " ", "Ça coûte 3€ — naïve? [SEP] <e1>x</e1> [UNK] 好评如潮 \u200b😀 a\x00b", "x" * 120, "The ＦＵＬＬ width"]
MARKS = ["<e1>", "</e1>"]


@pytest.fixture(params=["tiny", "bundled"])
def base(request: pytest.FixtureRequest, tiny_base: Path) -> Path:
    found = base_of(load_params(ROOT / "params.yaml"))
    assert found is not None
    return tiny_base if request.param == "tiny" else found.folder


@pytest.mark.parametrize("marks", [[], MARKS])
def test_it_counts_as_transformers_does(base: Path, marks: list[str]) -> None:
    texts = [(text,) for text, _ in sample_texts(400)] + [(text,) for text in ODD] + [(ODD[2], "two texts")]
    plain = open_plain(base, marks)
    assert plain is not None
    for ours, theirs in zip(count_tokens(texts, plain), count_tokens(texts, tokenizer_of(base, marks)), strict=True):
        assert ours.tolist() == theirs.tolist()


def other_class(config: dict[str, object], whole: dict[str, object]) -> None:
    config["tokenizer_class"] = "XLMRobertaTokenizer"


def other_case(config: dict[str, object], whole: dict[str, object]) -> None:
    config["do_lower_case"] = False


def more_tokens(config: dict[str, object], whole: dict[str, object]) -> None:
    config["additional_special_tokens"] = ["<x>"]


def other_model(config: dict[str, object], whole: dict[str, object]) -> None:
    whole["model"] = {"type": "BPE", "vocab": {}, "merges": []}


@pytest.mark.parametrize("change", [other_class, other_case, more_tokens, other_model])
def test_what_transformers_would_build_otherwise_is_left_to_it(
    change: Callable[[dict[str, object], dict[str, object]], None], tiny_base: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "base"
    shutil.copytree(tiny_base, folder)
    files = [folder / "tokenizer_config.json", folder / "tokenizer.json"]
    config, whole = (json.loads(file.read_text(encoding="utf-8")) for file in files)
    change(config, whole)
    for file, value in zip(files, (config, whole), strict=True):
        file.write_text(json.dumps(value), encoding="utf-8")
    assert open_plain(folder, []) is None


def test_without_files_there_is_none(tmp_path: Path) -> None:
    assert open_plain(tmp_path, []) is None

"""All stages on a decoder as the base: it learns to tell two kinds of texts apart, and its bundle says what it said."""

import csv
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from serving.predict import Predictor
from stages.shared.errors import ParamsError
from stages.shared.params import Params
from tests.language_models import write_causal_lm, write_llama
from tests.real.project import SMALL
from tests.test_pipeline import run_all

WORDS = {"positive": ["good", "fine", "lovely"], "negative": ["bad", "poor", "awful"]}
SAID = [
    "the",
    "soup",
    "and",
    "a",
    "loaf",
    "of",
    "bread",
    "came",
    "on",
    "the",
    "old",
    "blue",
    "plate",
    "with",
    "some",
    "salt",
]
DECODER = {
    "task.labels": ["negative", "positive"],
    "task.max_tokens": 32,
    "augment.synonyms.copies": 0,
    "train.epochs": 6,
    "train.batch_size": 16,
    "train.learning_rate": 1.0e-2,
    "train.threads": 1,
    "quantize.limits.min_agreement": 0.9,
    "validate.limits.near_leak": 1.0,
    "validate.limits.duplicate": 1.0,
}


def texts(count: int) -> list[tuple[str, str]]:
    """Texts that begin with a word that tells the label, with other words after it: the last token must look back."""
    random = np.random.default_rng(0)
    rows = []
    for number in range(count):
        label = ("negative", "positive")[number % 2]
        after = random.choice(SAID, random.integers(2, 9))
        rows.append((" ".join([random.choice(WORDS[label]), *after]), label))
    return rows


@pytest.mark.parametrize("write", [write_causal_lm, write_llama])
def test_a_decoder_learns_and_is_packaged(
    write: Callable[[Path, list[str]], None], make_params: Callable[..., Params], tmp_path: Path
) -> None:
    rows = texts(240)
    with (tmp_path / "texts.csv").open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([("text", "label"), *rows])
    write(tmp_path / "base", [text for text, _ in rows])
    values = {"pretrain.base": str(tmp_path / "base"), "ingest.source.path": str(tmp_path / "texts.csv")}
    params = make_params(SMALL | DECODER | values)
    outcomes = run_all(tmp_path, params, tmp_path / "texts.csv")
    assert json.loads((tmp_path / "train/model/head.json").read_text())["head"] == "last"
    assert outcomes["evaluate"].metrics["test.accuracy"] > 0.9
    assert outcomes["quantize"].metrics["test.accuracy"] > 0.9
    written = pq.read_table(tmp_path / "quantize/predictions.parquet").to_pylist()
    tested = pq.read_table(tmp_path / "validate/test.parquet").to_pylist()
    predictor = Predictor(tmp_path / "package/bundle")
    assert [predictor.inspect(row["text"])[1] for row in tested] == [row["predicted"] for row in written]


def test_a_text_longer_than_its_positions_is_refused_before_it_trains(
    make_params: Callable[..., Params], tmp_path: Path
) -> None:
    from stages.shared.base_model import find_base, require_length

    write_causal_lm(tmp_path, ["a text"])
    params = make_params({"pretrain.base": str(tmp_path)})
    with pytest.raises(ParamsError, match="reads at most 160 tokens"):
        require_length(find_base(params.pretrain), 161)

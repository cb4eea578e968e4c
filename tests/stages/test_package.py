"""The package stage on a random model of 2 layers, 32 wide."""

import json
import shutil
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from serving.predict import Predictor
from serving.written import sha256_of
from stages.package import base_facts, package
from stages.package.card import figure_rows, flatten, with_interval
from stages.shared.errors import DataError, Refused
from stages.shared.examples import read_split
from stages.shared.publish import check_manifest
from tests.quantized import Chain, MakeParams, made_chain


@pytest.fixture(scope="module")
def chain(tiny_base: Path, make_params: MakeParams) -> Chain:
    return made_chain(tiny_base, make_params)


def test_the_bundle_has_what_a_server_needs_and_no_pickle(chain: Chain) -> None:
    names = sorted(path.name for path in chain.bundle.iterdir())
    assert names == ["MANIFEST.json", "README.md", "model.onnx", "settings.json", "tokenizer.json"]
    check_manifest(chain.bundle)


def test_the_output_covers_the_bundles_own_manifest(chain: Chain, tmp_path: Path) -> None:
    check_manifest(chain["packaged"])
    copy = shutil.copytree(chain["packaged"], tmp_path / "copy")
    (copy / "bundle/MANIFEST.json").write_text("{}", encoding="utf-8")
    with pytest.raises(DataError, match=r"bundle/MANIFEST\.json"):
        check_manifest(copy)


def test_the_bundle_answers_every_test_text_as_the_evaluated_model_did(chain: Chain) -> None:
    predictor = Predictor(chain.bundle)
    evaluated = pq.read_table(chain["quantized"] / "predictions.parquet").to_pylist()
    for row, known in zip(read_split(chain["validated"], "test"), evaluated, strict=True):
        answer = predictor.predict(row["text"])
        assert (answer["label"], answer["confidence"]) == (known["predicted"], known["confidence"])


def test_the_registration_names_the_bundle_and_the_test_data(chain: Chain) -> None:
    registration = json.loads((chain["packaged"] / "registration.json").read_text(encoding="utf-8"))
    assert registration == {
        "name": chain.params.package.name,
        "primary": "macro_f1",
        "value": chain.quantized.metrics["test.macro_f1"],
        "test_sha256": sha256_of(chain["validated"] / "test.parquet"),
        "bundle_sha256": sha256_of(chain.bundle / "MANIFEST.json"),
    }


def test_the_card_has_the_figures_the_data_and_the_licences(chain: Chain) -> None:
    card = (chain.bundle / "README.md").read_text(encoding="utf-8")
    large = json.loads((chain["evaluated"] / "metrics.json").read_text(encoding="utf-8"))
    for metrics, name in (
        (chain.quantized.metrics, "test.macro_f1"),
        (large, "test.macro_f1"),
        (large, "baseline.macro_f1"),
        (large, "test.f1.neutral"),
    ):
        assert with_interval(metrics, name) in card
    package = chain.params.package
    for words in (package.base_licence, package.data_licence, package.intended_use, package.limits):
        assert words in card
    assert sha256_of(chain["validated"] / "test.parquet") in card
    assert "| train | 60 |" in card
    assert f"| train.learning_rate | {chain.params.train.learning_rate} |" in card


def test_a_bundle_that_answers_otherwise_is_refused(chain: Chain, tmp_path: Path) -> None:
    quantized = shutil.copytree(chain["quantized"], tmp_path / "quantized")
    file = quantized / "predictions.parquet"
    table = pq.read_table(file)
    rows = table.to_pylist()
    rows[3]["outputs"][0][0] += 0.001
    rows[5]["predicted"] = "unheard of"
    pq.write_table(pa.Table.from_pylist(rows, schema=table.schema), file)
    (tmp_path / "out").mkdir()
    with pytest.raises(Refused, match="answers 2 of 40 test examples otherwise") as refusal:
        package(*chain.inputs, quantized, tmp_path / "out", chain.params)
    assert f"{rows[3]['id']}, {rows[5]['id']}" in str(refusal.value)


def test_the_same_inputs_give_the_same_bytes(chain: Chain, tmp_path: Path) -> None:
    package(*chain.inputs, chain["quantized"], tmp_path, chain.params)
    assert sha256_of(tmp_path / "bundle/MANIFEST.json") == sha256_of(chain.bundle / "MANIFEST.json")


def test_the_base_is_the_one_that_training_pinned(tmp_path: Path) -> None:
    (tmp_path / "base.json").write_text('{"base": "other", "revision": null, "sha256": "00"}', encoding="utf-8")
    assert base_facts(tmp_path) == {"base": "other", "revision": None, "sha256": "00"}


def test_figures_stand_beside_each_other_and_classes_apart() -> None:
    large = {"test.f": 0.9, "test.f_low": 0.8, "test.f_high": 1.0, "baseline.f": 0.5, "test.f1.x": 0.1}
    large |= {"test.f1.x_low": 0.0, "test.f1.x_high": 0.2, "test.rows": 9}
    small = {"test.f": 0.7}
    assert figure_rows(large, small, classes=False) == [("f", "0.7000", "0.9000 (0.8000 to 1.0000)", "0.5000")]
    assert figure_rows(large, small, classes=True) == [("x", "", "0.1000 (0.0000 to 0.2000)", "")]


def test_parameters_are_named_in_full_and_written_as_in_the_file() -> None:
    assert list(flatten({"a": {"b": 1, "c": {"d": True}}, "e": None})) == [
        ("a.b", "1"),
        ("a.c.d", "true"),
        ("e", "null"),
    ]

"""Reading a bundle: whole, or an error that names every fault."""

import json
import shutil
from pathlib import Path

import pytest

from serving.answers import answers_for
from serving.bundle import load_bundle
from serving.errors import BundleDamaged, BundleMissing
from stages.shared.publish import write_manifest
from tests.quantized import Chain


@pytest.fixture
def bundle(chain: Chain, tmp_path: Path) -> Path:
    return shutil.copytree(chain.bundle, tmp_path / "bundle")


def change_settings(bundle: Path, **values: object) -> None:
    """Change settings.json, and the manifest with it."""
    settings = json.loads((bundle / "settings.json").read_text(encoding="utf-8"))
    (bundle / "settings.json").write_text(json.dumps(settings | values), encoding="utf-8")
    write_manifest(bundle)


def test_a_whole_bundle_gives_its_settings(chain: Chain) -> None:
    settings = load_bundle(chain.bundle).settings
    assert settings["labels"] == chain.params.task.labels
    assert settings["max_tokens"] == chain.params.task.max_tokens


def test_a_missing_bundle_is_named(tmp_path: Path) -> None:
    with pytest.raises(BundleMissing, match=r"nowhere: no bundle there"):
        load_bundle(tmp_path / "nowhere")


def test_every_damaged_file_is_named_at_once(bundle: Path) -> None:
    model = bytearray((bundle / "model.onnx").read_bytes())
    model[len(model) // 2] ^= 1
    (bundle / "model.onnx").write_bytes(model)
    (bundle / "README.md").write_text("cut", encoding="utf-8")
    (bundle / "tokenizer.json").unlink()
    with pytest.raises(BundleDamaged) as damage:
        load_bundle(bundle)
    lines = str(damage.value).splitlines()[1:4]
    assert [line.split(":")[0].strip() for line in lines] == ["README.md", "model.onnx", "tokenizer.json"]
    assert "has 3 bytes" in lines[0]
    assert "SHA-256" in lines[1]
    assert lines[2].endswith("missing")


@pytest.mark.parametrize("content", ["{", "[]", '{"files": {"model.onnx": 1}}', "\x00"])
def test_a_damaged_manifest_is_an_error_of_its_own(bundle: Path, content: str) -> None:
    (bundle / "MANIFEST.json").write_text(content, encoding="utf-8")
    with pytest.raises(BundleDamaged, match=r"MANIFEST\.json"):
        load_bundle(bundle)


def test_a_model_that_the_manifest_leaves_out_is_not_trusted(bundle: Path) -> None:
    manifest = json.loads((bundle / "MANIFEST.json").read_text(encoding="utf-8"))
    del manifest["files"]["model.onnx"]
    (bundle / "MANIFEST.json").write_text(json.dumps(manifest), encoding="utf-8")
    with pytest.raises(BundleDamaged, match=r"model\.onnx: not in the manifest"):
        load_bundle(bundle)


def test_another_format_is_not_guessed_at(bundle: Path) -> None:
    change_settings(bundle, format=2)
    with pytest.raises(BundleDamaged, match="format 2: this code reads format 1"):
        load_bundle(bundle)


def test_an_unknown_task_names_those_there_are(bundle: Path) -> None:
    change_settings(bundle, task="divination")
    with pytest.raises(BundleDamaged, match=r"task 'divination' is not one .*classification"):
        answers_for(load_bundle(bundle).settings)


def test_labels_are_needed(bundle: Path) -> None:
    change_settings(bundle, labels=["only one"])
    with pytest.raises(BundleDamaged, match="two or more words"):
        answers_for(load_bundle(bundle).settings)

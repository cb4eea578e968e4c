"""Reading a bundle: whole, or an error that names every fault."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from serving.answers import answers_for
from serving.bundle import load_bundle
from serving.errors import BundleDamaged, BundleMissing
from stages.shared.publish import write_json, write_manifest
from tests.quantized import Chain
from tests.serving.handmade import write_bundle


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
    assert "not those that were written" in lines[1]
    assert lines[2].endswith("missing")


@pytest.mark.parametrize(
    "content", ["{", "[]", "[" * 100_000, '{"files": {}, "more": 1}', '{"files": {"model.onnx": 1}}', "\x00"]
)
def test_a_damaged_manifest_is_an_error_of_its_own(bundle: Path, content: str) -> None:
    (bundle / "MANIFEST.json").write_text(content, encoding="utf-8")
    with pytest.raises(BundleDamaged, match=r"MANIFEST\.json"):
        load_bundle(bundle)


@pytest.mark.parametrize("name", ["model.onnx", "tokenizer.json", "settings.json"])
def test_a_file_that_the_manifest_leaves_out_is_not_trusted(bundle: Path, name: str) -> None:
    manifest = json.loads((bundle / "MANIFEST.json").read_text(encoding="utf-8"))
    del manifest["files"][name]
    write_json(bundle / "MANIFEST.json", manifest)
    with pytest.raises(BundleDamaged, match=rf"{name}:? (is )?not in the manifest"):
        load_bundle(bundle)


def test_a_manifest_in_other_bytes_than_those_that_were_written_is_found(bundle: Path) -> None:
    manifest = bundle / "MANIFEST.json"
    manifest.write_text(manifest.read_text(encoding="utf-8") + "\n", encoding="utf-8")
    with pytest.raises(BundleDamaged, match=r"MANIFEST\.json: its bytes"):
        load_bundle(bundle)


@pytest.mark.parametrize("name", ["extra.txt", "more/model.onnx", "empty/"])
def test_what_the_manifest_does_not_name_is_found(bundle: Path, name: str) -> None:
    if name.endswith("/"):
        (bundle / name).mkdir()
    else:
        (bundle / name).parent.mkdir(exist_ok=True)
        (bundle / name).write_text("x", encoding="utf-8")
    with pytest.raises(BundleDamaged, match=f"{name.strip('/')}: not in the manifest"):
        load_bundle(bundle)


def test_a_link_is_not_the_file_that_was_written(bundle: Path) -> None:
    (bundle / "model.onnx").rename(bundle.parent / "model.onnx")
    (bundle / "model.onnx").symlink_to(bundle.parent / "model.onnx")
    (bundle / "more").symlink_to(bundle.parent)
    with pytest.raises(BundleDamaged, match=r"model\.onnx: a link .*\n  more: a link"):
        load_bundle(bundle)


@pytest.mark.parametrize("name", ["model.pkl", "weights.bin", "model/code.py", "custom_ops.so", "model.onnx.data"])
def test_a_file_that_no_bundle_has_is_refused_though_the_manifest_names_it(bundle: Path, name: str) -> None:
    (bundle / name).parent.mkdir(exist_ok=True)
    (bundle / name).write_text("x", encoding="utf-8")
    write_manifest(bundle)
    with pytest.raises(BundleDamaged, match=f"{name}: no file that a bundle has"):
        load_bundle(bundle)


def test_an_array_that_no_setting_names_is_refused(bundle: Path) -> None:
    np.save(bundle / "more.npy", np.zeros(3))
    write_manifest(bundle)
    with pytest.raises(BundleDamaged, match=r"more\.npy: in the manifest, and not among the extras"):
        load_bundle(bundle)


def test_another_format_is_not_guessed_at(bundle: Path) -> None:
    change_settings(bundle, format=1)
    with pytest.raises(BundleDamaged, match="format 1: this code reads format 3"):
        load_bundle(bundle)


def test_every_setting_that_is_wrong_is_named_at_once(bundle: Path) -> None:
    change_settings(bundle, task="", inputs=["a", "a"], max_tokens="8", long_texts="tail", overlap=None, extras=[1])
    with pytest.raises(BundleDamaged) as damage:
        load_bundle(bundle)
    named = [part.split("`")[1] for part in str(damage.value).split("; ")]
    assert named == ["task", "inputs", "max_tokens", "long_texts", "overlap", "extras"]
    assert '`long_texts` is "tail", it must be one of head, head_tail, windows' in str(damage.value)


def test_an_unknown_kind_of_answer_names_those_there_are(bundle: Path) -> None:
    change_settings(bundle, answers="divination")
    with pytest.raises(BundleDamaged, match=r"answers 'divination' is not a kind .*label"):
        answers_for(load_bundle(bundle).settings)


def search_bundle(folder: Path, **extras: object) -> Path:
    table = {"one": [3.0, 0.0], "two": [0.0, 3.0]}
    return write_bundle(folder, table, {"answers": "search", "inputs": ["question"], "top": 2}, extras)


def test_what_lies_in_files_of_its_own_is_among_the_settings(tmp_path: Path) -> None:
    index = np.eye(2, dtype=np.float32)
    settings = load_bundle(search_bundle(tmp_path / "b", index=index, candidates=["east", "north"])).settings
    assert settings["candidates"] == ["east", "north"]
    np.testing.assert_array_equal(settings["index"], index)
    assert settings["index"].dtype == np.float32


def test_such_a_file_that_is_missing_or_strange_is_named(tmp_path: Path) -> None:
    bundle = search_bundle(tmp_path / "b", candidates=["east"])
    change_settings(bundle, extras=["index.npy", "notes.txt", "top.json", "../candidates.json"])
    with pytest.raises(BundleDamaged) as damage:
        load_bundle(bundle)
    for fault in (
        "index.npy: not in the manifest",
        "../candidates.json: not the name of a file beside it",
        "notes.txt: neither .npy nor .json",
        "top.json: `top` is a setting already",
    ):
        assert fault in str(damage.value)


def test_an_array_that_would_have_to_be_unpickled_is_refused(tmp_path: Path) -> None:
    bundle = search_bundle(tmp_path / "b", index=np.array([{"a": 1}], dtype=object))
    with pytest.raises(BundleDamaged, match=r"index\.npy: is no array that can be read"):
        load_bundle(bundle)
    (bundle / "index.npy").write_bytes(b"")
    write_manifest(bundle)
    with pytest.raises(BundleDamaged, match=r"index\.npy: is no array that can be read"):
        load_bundle(bundle)

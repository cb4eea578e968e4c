"""Marian models through the very code that loads real ones, on a random one whose words mean nothing."""

import importlib.util
from pathlib import Path
from typing import Any

import pytest

from stages.shared.errors import MachineError
from stages.translators.marian import Model, Params, check, name, translate, version
from tests.translators.small_marian import SENTENCES, write_marian


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a Marian model of one layer, 16 wide, and SentencePiece tokenizers trained on the sentences."""
    folder = tmp_path_factory.mktemp("marian")
    write_marian(folder)
    return folder


def params_of(folder: Path | str, **options: Any) -> Params:
    one = Model(model=str(folder), revision=None)
    sizes = {"batch_size": 2, "num_beams": 2, "max_tokens": 32, "precision": "float32"} | options
    return Params(name="marian", there=one, back=one, **sizes)


def test_each_text_comes_back_in_its_place(model: Path) -> None:
    params = params_of(model)
    together = translate(SENTENCES, "there", params)
    assert len(together) == len(SENTENCES)
    assert together == [translate([sentence], "there", params)[0] for sentence in SENTENCES]
    assert translate(SENTENCES[::-1], "there", params) == together[::-1]
    assert len(set(together)) > 1


def test_the_same_texts_give_the_same_translations(model: Path) -> None:
    for options in ({"batch_size": 1}, {"batch_size": 5}, {"num_beams": 1}):
        params = params_of(model, **options)
        assert translate(SENTENCES, "back", params) == translate(SENTENCES, "back", params)


def test_a_long_text_is_cut_not_refused(model: Path) -> None:
    assert len(translate(["rain " * 500], "there", params_of(model))) == 1


def test_no_text_gives_no_translation(model: Path) -> None:
    assert translate([], "there", params_of(model)) == []


def test_the_version_follows_the_weights_and_the_name_the_folder(model: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    for file in model.iterdir():
        (other / file.name).write_bytes(file.read_bytes())
    assert version(params_of(other)) == version(params_of(model))
    weights = bytearray((other / "model.safetensors").read_bytes())
    weights[-1] ^= 1
    (other / "model.safetensors").write_bytes(weights)
    assert version(params_of(other)) != version(params_of(model))
    assert name(params_of(other)) == "marian:other:other"


def test_a_folder_without_weights_is_named(tmp_path: Path) -> None:
    with pytest.raises(MachineError, match=r"there\.model: the folder .* lacks config\.json, model\.safetensors"):
        check(params_of(tmp_path))


def test_a_hub_id_needs_its_commit() -> None:
    with pytest.raises(MachineError, match="40-digit commit"):
        check(params_of("owner/opus-mt-en-es"))
    commit = Model(model="owner/opus-mt-en-es", revision="0" * 40)
    check(params_of("owner/x").model_copy(update={"there": commit, "back": commit}))


def test_damaged_weights_are_named(model: Path, tmp_path: Path) -> None:
    for file in model.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    (tmp_path / "model.safetensors").write_bytes(b"no weights")
    with pytest.raises(MachineError, match="is no Marian model"):
        translate(["The house."], "there", params_of(tmp_path))


def test_a_missing_library_is_named_with_its_extra(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda library: None)
    with pytest.raises(MachineError, match=r"ctranslate2, sentencepiece, sacremoses.*extra `marian`"):
        check(params_of(model))

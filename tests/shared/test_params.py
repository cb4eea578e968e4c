"""params.yaml: what is right is typed, and every mistake is named at once, each with the nearest known name."""

from pathlib import Path

import pytest

from stages.shared.errors import ParamsError
from stages.shared.params import load_params
from tests.conftest import ROOT

BUNDLED = (ROOT / "params.yaml").read_text(encoding="utf-8")


def load(tmp_path: Path, *changes: tuple[str, str]) -> str:
    """The error of the bundled file with some texts replaced."""
    text = BUNDLED
    for old, new in changes:
        assert old in text
        text = text.replace(old, new, 1)
    file = tmp_path / "params.yaml"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(ParamsError) as caught:
        load_params(file)
    return str(caught.value)


def test_the_bundled_file_is_right() -> None:
    params = load_params(ROOT / "params.yaml")
    assert params.train.learning_rate == 5e-5
    assert params.task.labels == ["negative", "neutral", "positive"]


def test_yaml_1_2_reads_numbers_and_words_as_they_look(tmp_path: Path) -> None:
    file = tmp_path / "params.yaml"
    file.write_text(BUNDLED.replace("5.0e-5", "1e-5").replace("negative, neutral", "no, yes"), encoding="utf-8")
    params = load_params(file)
    assert params.train.learning_rate == 1e-5
    assert params.task.labels == ["no", "yes", "positive"]


def test_all_mistakes_are_named_at_once(tmp_path: Path) -> None:
    error = load(
        tmp_path,
        ("  epochs: 4", "  epoks: 4"),
        ("  max_tokens: 128", "  max_token: 128"),
        ("learning_rate: 5.0e-5", "learning_rate: fast"),
        ("seed: 13", "sed: 13"),
    )
    assert "train.epoks: unknown key. Did you mean 'epochs'?" in error
    assert "task.max_token: unknown key. Did you mean 'max_tokens'?" in error
    assert "train.learning_rate: 'fast'" in error
    assert "sed: unknown key. Did you mean 'seed'?" in error


def test_an_unknown_plug_in_is_answered_with_those_there_are(tmp_path: Path) -> None:
    error = load(tmp_path, ("name: wordnet", "name: wordnets"))
    assert "augment.synonyms.thesaurus: name: 'wordnets' is not a file of stages/thesauri/" in error
    assert "Did you mean 'wordnet'?" in error


def test_splits_must_add_up(tmp_path: Path) -> None:
    assert "add up to 1" in load(tmp_path, ("train: 0.7,", "train: 0.8,"))


def test_no_yaml_and_no_file_are_errors(tmp_path: Path) -> None:
    assert "is no YAML" in load(tmp_path, ("seed: 13", "seed: [13"))
    with pytest.raises(ParamsError, match="no such file"):
        load_params(tmp_path / "missing.yaml")

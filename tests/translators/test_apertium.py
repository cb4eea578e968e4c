"""Apertium: as many texts as went in, each its own, whatever characters it has; and what is missing is named."""

import shutil
from pathlib import Path

import psutil
import pytest

from stages.shared.errors import MachineError
from stages.translators import apertium
from stages.translators.apertium import Params, check, name, translate, version

PARAMS = Params(name="apertium", there="eng-spa", back="spa-eng")


def test_texts_come_back_translated_in_their_order() -> None:
    there = translate(["The house is red.", "I have two cats."], "there", PARAMS)
    assert [("casa" in text, "gatos" in text) for text in there] == [(True, False), (False, True)]
    assert "house" in translate(there, "back", PARAMS)[0]


def test_no_text_runs_into_the_next_or_gets_lost() -> None:
    texts = ["It is", "very good", "", "and", "the", " ", "dressing gown", "\0", "end"]
    translated = translate(texts, "there", PARAMS)
    assert [bool(text) for text in translated] == [True, True, False, True, True, False, True, False, True]


def test_a_translation_does_not_depend_on_the_texts_around_it() -> None:
    # each holds a word of an ambiguity class that the tagger was not trained on, and would learn from the first
    texts = [
        "The movers dropped our dresser down the stairs and then asked for a tip.",
        "I'm five foot two and the dressing gown ended at my ribs.",
        "The leggings come in seven colours. I have the grey.",
    ]
    assert translate(texts, "there", PARAMS) == [translate([text], "there", PARAMS)[0] for text in texts]


@pytest.mark.parametrize(
    "text",
    [
        "^Zorblax^ $5 / <Zorblax> {Zorblax} \\ [Zorblax] @Zorblax #Zorblax *Zorblax",
        "[#1] .[] [] \\[ {^Zorblax<n>$} [[t:b:123]]Zorblax",
        "^",
        "\\",
        "😀 Zorblax 中文",
    ],
)
def test_characters_of_the_stream_format_are_kept(text: str) -> None:
    assert translate([text, "Zorblax"], "there", PARAMS) == [text, "Zorblax"]


def test_line_breaks_become_spaces() -> None:
    assert "\n" not in translate(["The house\nis\r\nred."], "there", PARAMS)[0]


def test_unknown_words_carry_no_mark() -> None:
    assert translate(["The flibber is red."], "there", PARAMS)[0].split()[1] == "flibber"


def test_the_locale_does_not_matter(monkeypatch: pytest.MonkeyPatch) -> None:
    usual = translate(["The coffee is red, naïve and 5 €."], "there", PARAMS)
    monkeypatch.setenv("LC_ALL", "C")
    assert translate(["The coffee is red, naïve and 5 €."], "there", PARAMS) == usual


def test_a_missing_program_is_named_with_its_package_and_parameter(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    with pytest.raises(MachineError, match=r"apertium-eng-spa.*augment\.back_translation\.copies to 0"):
        check(PARAMS)
    with pytest.raises(MachineError, match="apertium-eng-spa"):
        translate(["The house."], "there", PARAMS)


def test_a_missing_mode_is_named_with_those_there_are() -> None:
    with pytest.raises(MachineError, match=r"there: Apertium has no mode 'eng-spi'.*Did you mean 'eng-spa'"):
        check(PARAMS.model_copy(update={"there": "eng-spi"}))


def test_a_process_that_hangs_is_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _fake_installation(tmp_path, "sleep 60", monkeypatch)
    monkeypatch.setattr(apertium, "_PATIENCE", 0.2)
    before = set(psutil.Process().children(recursive=True))  # a server of other tests may be among them
    with pytest.raises(MachineError, match="took more than"):
        translate(["The house."], "there", PARAMS)
    assert set(psutil.Process().children(recursive=True)) <= before


@pytest.mark.parametrize(("pipeline", "message"), [("false", "failed with code 1"), ("printf x", "lost its place")])
def test_a_process_that_fails_or_loses_texts_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, pipeline: str, message: str
) -> None:
    _fake_installation(tmp_path, pipeline, monkeypatch)
    with pytest.raises(MachineError, match=message):
        translate(["The house."], "there", PARAMS)


def _fake_installation(folder: Path, pipeline: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Modes that run something else, at the place that Apertium's own variable names."""
    (folder / "modes").mkdir()
    program = folder / "program"
    program.write_text(f"#!/bin/sh\n{pipeline}\n", encoding="utf-8")
    program.chmod(0o755)
    for mode in ("eng-spa", "spa-eng"):
        (folder / "modes" / f"{mode}.mode").write_text(f"{program} x\n", encoding="utf-8")
    monkeypatch.setenv("APERTIUM_DATADIR", str(folder))


def test_the_version_follows_the_rules_and_dictionaries(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert version(PARAMS).startswith("Apertium ")
    assert version(PARAMS) == version(PARAMS)
    assert name(PARAMS) == "apertium:eng-spa:spa-eng"
    program = shutil.which("apertium")
    assert program
    modes = Path(program).parent.parent / "share" / "apertium" / "modes"
    (tmp_path / "modes").mkdir()
    for mode in modes.glob("*.mode"):
        (tmp_path / "modes" / mode.name).write_text(mode.read_text(encoding="utf-8") + "\n", encoding="utf-8")
    before = version(PARAMS)
    monkeypatch.setenv("APERTIUM_DATADIR", str(tmp_path))
    assert version(PARAMS) != before

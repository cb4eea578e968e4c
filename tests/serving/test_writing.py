"""Bundles that write text: what they write, as a whole and piece by piece."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from tokenizers import Tokenizer

from serving.bundle import FORMAT
from serving.errors import BundleDamaged, BundleMissing, WrongUsage
from serving.predict import Predictor
from serving.writing_model import WritingModel
from stages.quantizers import ctranslate2_int8
from stages.shared.publish import write_json, write_manifest
from tests.conftest import ROOT
from tests.quantizers.test_ctranslate2_int8 import PARAMS, trained_model

ASKED = ["the red house", "two cats", "it rains by the river", "good"]


def write_bundle(folder: Path, kind: str, beams: int, **more: Any) -> Path:
    """A bundle of a random model."""
    trained = trained_model(folder / "trained", kind, beams)
    bundle = folder / "bundle"
    bundle.mkdir()
    ctranslate2_int8.quantize(trained, bundle, PARAMS)
    for file in sorted((bundle / "float").iterdir()):
        file.unlink()
    (bundle / "float").rmdir()
    (bundle / "tokenizer.json").write_bytes((trained.folder / "tokenizer.json").read_bytes())
    reading = {"max_tokens": 20, "long_texts": "head", "overlap": 0, "open_ended": kind == "gpt2"}
    answering = {"format": FORMAT, "task": kind, "answers": "text", "inputs": ["text"], "model": "model", **reading}
    write_json(bundle / "settings.json", answering | {"writes": trained.settings["writes"] | more})
    write_manifest(bundle)
    return bundle


@pytest.fixture(scope="module")
def gpt(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_bundle(tmp_path_factory.mktemp("gpt"), "gpt2", beams=1)


@pytest.fixture(scope="module")
def marian(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_bundle(tmp_path_factory.mktemp("marian"), "marian", beams=2)


def answered(bundle: Path, *words: str, given: str = "") -> tuple[list[dict[str, Any]], str, int]:
    """The lines that `serving.predict` prints, what it says on standard error, and its exit code."""
    command = [sys.executable, "-m", "serving.predict", "--bundle", str(bundle), *words]
    done = subprocess.run(command, cwd=ROOT, input=given.encode(), capture_output=True, check=False)
    return [json.loads(line) for line in done.stdout.splitlines()], done.stderr.decode(), done.returncode


def test_lines_are_written_in_their_order_each_as_if_alone(marian: Path) -> None:
    predictor = Predictor(marian)
    lines, _, code = answered(marian, given="\n".join(ASKED))
    assert code == 0
    assert [line["text"] for line in lines] == ASKED
    assert [line["written"] for line in lines] == [predictor.predict(text)["written"] for text in ASKED]
    assert len({line["written"] for line in lines}) > 1
    assert {"complete", "truncated", "confidence"} <= lines[0].keys()


def test_a_stream_is_the_answer_piece_by_piece(gpt: Path) -> None:
    lines, _, code = answered(gpt, "--stream", *ASKED)
    assert code == 0
    answers = [line for line in lines if "written" in line]
    assert [line["text"] for line in answers] == ASKED
    ends = [place for place, line in enumerate(lines) if "written" in line]
    starts = [0, *(end + 1 for end in ends[:-1])]
    for start, end, answer in zip(starts, ends, answers, strict=True):
        assert "".join(line["piece"] for line in lines[start:end]) == answer["written"]


def test_several_beams_cannot_be_streamed_and_labels_are_no_text(marian: Path) -> None:
    _, said, code = answered(marian, "--stream", "it rains")
    assert code == WrongUsage.exit_code
    assert "several beams" in said
    assert "Traceback" not in said


def test_a_text_that_cannot_be_read_is_named_and_the_others_are_written(gpt: Path) -> None:
    lines, said, code = answered(gpt, "--stream", "it rains", " ", "good")
    assert code == 3
    assert [line["text"] for line in lines if "piece" not in line] == ["it rains", " ", "good"]
    assert next(line for line in lines if line.get("text") == " ")["error"] == "the text is empty"
    assert "text 2" in said


def test_what_was_never_to_be_written_is_not_written(tmp_path: Path) -> None:
    bundle = write_bundle(tmp_path, "gpt2", beams=1)
    first = Predictor(bundle)
    (ids,), _ = first.inspect("it rains")
    settings = json.loads((bundle / "settings.json").read_text())
    settings["writes"]["never"] = [int(ids[0])]
    write_json(bundle / "settings.json", settings)
    write_manifest(bundle)
    (others,), _ = Predictor(bundle).inspect("it rains")
    assert int(ids[0]) not in others.tolist()


def test_a_damaged_model_is_named_by_its_file(gpt: Path, tmp_path: Path) -> None:
    import shutil

    shutil.copytree(gpt, tmp_path / "bundle")
    (tmp_path / "bundle/model/model.bin").write_bytes(b"no model")
    with pytest.raises(BundleDamaged, match=r"model/model\.bin: has 8 bytes"):
        Predictor(tmp_path / "bundle")
    write_manifest(tmp_path / "bundle")
    with pytest.raises(BundleMissing, match="cannot load it"):
        Predictor(tmp_path / "bundle")


@pytest.mark.parametrize(
    ("writes", "message"), [(None, "must be an object"), ({"beams": 1}, "must be an object"), ({"kind": "x"}, "kind")]
)
def test_settings_that_do_not_say_how_it_writes_are_named(gpt: Path, tmp_path: Path, writes: Any, message: str) -> None:
    import shutil

    shutil.copytree(gpt, tmp_path / "bundle")
    settings = json.loads((gpt / "settings.json").read_text())
    settings["writes"] = settings["writes"] | writes if writes == {"kind": "x"} else writes
    write_json(tmp_path / "bundle/settings.json", settings)
    write_manifest(tmp_path / "bundle")
    with pytest.raises(BundleDamaged, match=message):
        Predictor(tmp_path / "bundle")


def test_texts_in_threads_are_what_they_are_alone(gpt: Path) -> None:
    settings = json.loads((gpt / "settings.json").read_text())
    tokenizer = Tokenizer.from_file(str(gpt / "tokenizer.json"))
    alone, together = (WritingModel(gpt / "model", tokenizer, settings["writes"], threads) for threads in (1, 2))
    from concurrent.futures import ThreadPoolExecutor

    from stages.shared.packing import window_of

    windows = [window_of(tokenizer.encode(text).ids) for text in ASKED * 4]
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(together.run, windows))
    assert [ids.tolist() for ids in found] == [alone.run(window).tolist() for window in windows]

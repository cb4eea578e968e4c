"""The hub source, on small local folders, through the real `datasets.load_dataset`."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from datasets import ClassLabel, Dataset, Features, List, Value
from pydantic import ValidationError

from stages.shared.errors import DataError, ParamsError
from stages.sources import Row
from stages.sources.hub import Params, read

COLUMNS = {"text": "sentence", "label": "mood"}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("hub") / "moods"
    (folder / "data").mkdir(parents=True)
    kinds = Features({"sentence": Value("string"), "mood": ClassLabel(names=["low", "high"])})
    for split, rows in {"train": [("null", 0), ("Good.", 1), ("a\0b", 1)], "test": [("Bad.", 0), (None, -1)]}.items():
        texts, labels = zip(*rows, strict=True)
        made = Dataset.from_dict({"sentence": texts, "mood": labels}, features=kinds)
        made.to_parquet(folder / "data" / f"{split}-00000-of-00001.parquet")
    return folder


@pytest.fixture(scope="module")
def words(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("words")
    (folder / "train.csv").write_text("sentence,mood\nnull,NA\nNone,nan\n", encoding="utf-8")
    return folder


def params_of(folder: Path, **options: Any) -> Params:
    raw = {"name": "hub", "path": str(folder), "dataset": str(folder), "config": None, "revision": None}
    return Params.model_validate(raw | {"splits": {"train": "train"}, "tags": None, "columns": COLUMNS} | options)


def rows_of(folder: Path, **options: Any) -> list[Row]:
    return list(read(folder, params_of(folder, **options), ("text", "label")))


def test_splits_and_columns_have_the_names_of_the_task(folder: Path) -> None:
    rows = rows_of(folder, splits={"test": "test", "train": "train"})
    assert [(row.split, row.values["text"], row.values["label"]) for row in rows] == [
        ("train", "null", "low"),
        ("train", "Good.", "high"),
        ("train", "a\0b", "high"),
        ("test", "Bad.", "low"),
        ("test", None, None),
    ]
    assert [row.fault for row in rows] == [None, None, "text: holds a NUL character", None, None]
    assert rows[1].place == "moods@train:row 2"


def test_words_for_nothing_are_text(words: Path) -> None:
    assert [row.values for row in rows_of(words)] == [{"text": "null", "label": "NA"}, {"text": "None", "label": "nan"}]


def test_nested_columns_come_as_a_task_has_them(tmp_path: Path) -> None:
    names = ClassLabel(names=["O", "B-PER", "I-PER"])
    kinds = Features(
        {
            "tokens": List(Value("string")),
            "tags": List(names),
            "moods": List(ClassLabel(names=["low", "high"])),
            "answers": {"text": List(Value("string")), "answer_start": List(Value("int32"))},
        }
    )
    rows = {
        "tokens": [["Bo", "Mill", "met", "us"], ["Bo", "Mill"], ["us"]],
        "tags": [[1, 2, 0, 0], [0, 2], [0, 0]],
        "moods": [[0, 1], [], [1]],
        "answers": [{"text": ["us"], "answer_start": [12]}, {"text": [], "answer_start": []}, None],
    }
    Dataset.from_dict(rows, features=kinds).to_parquet(tmp_path / "train.parquet")
    columns = {"text": "tokens", "entities": "tags", "label": "moods"}
    params = params_of(tmp_path, columns=columns, tags={"scheme": "IOB2", "joiner": " "})
    first, second, third = read(tmp_path, params, tuple(columns))
    assert first.values == {
        "text": "Bo Mill met us",
        "entities": [{"start": 0, "end": 7, "label": "PER"}],
        "label": ["low", "high"],
    }
    assert second.fault == "token 2: tag 'I-PER' may not follow 'O' in IOB2"
    assert str(third.fault).startswith("text and entities: are no lists of as many tokens as tags")
    params = params_of(tmp_path, columns={"answers": "answers"})
    answers = [row.values["answers"] for row in read(tmp_path, params, ("answers",))]
    assert answers == [[{"text": "us", "start": 12}], [], []]


def test_what_the_data_set_lacks_is_named(words: Path) -> None:
    with pytest.raises(ParamsError, match=r"splits\.train: no split 'trian'.* Did you mean 'train'\?"):
        rows_of(words, splits={"train": "trian"})
    with pytest.raises(DataError, match=r"no column 'sentense' .*Did you mean 'sentence'\?"):
        rows_of(words, columns={"text": "sentense", "label": "mood"})
    with pytest.raises(ParamsError, match="does not say which column is 'label'"):
        rows_of(words, columns={"text": "sentence"})


def test_a_folder_without_data_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="cannot be read"):
        rows_of(tmp_path)


@pytest.mark.parametrize("revision", [None, "main", "abc123"])
def test_a_hub_id_needs_a_pinned_commit(revision: str | None, tmp_path: Path) -> None:
    with pytest.raises(ValidationError, match="needs the 40-digit commit"):
        params_of(tmp_path, dataset="owner/reviews", revision=revision)


def test_the_folder_must_be_the_one_that_is_watched(words: Path, tmp_path: Path) -> None:
    with pytest.raises(ValidationError, match="DVC would miss its changes"):
        params_of(words, path=str(tmp_path))


UNREACHABLE = """
from pathlib import Path
from stages.shared.errors import MachineError
from stages.sources.hub import Params, read
params = Params(name="hub", path="here", dataset="owner/reviews", config=None, revision="0" * 40,
                splits={"train": "train"}, tags=None, columns={"text": "text", "label": "label"})
try:
    list(read(Path("here"), params, ("text", "label")))
except MachineError as error:
    print(error)
"""


def test_without_the_hub_the_error_says_what_to_do(tmp_path: Path) -> None:
    environment = os.environ | {"HF_HUB_OFFLINE": "1", "HF_HOME": str(tmp_path), "PYTHONPATH": str(Path.cwd())}
    done = subprocess.run(
        [sys.executable, "-c", UNREACHABLE], env=environment, capture_output=True, text=True, check=False
    )
    assert "'owner/reviews' cannot be read" in done.stdout, done.stderr
    assert "copy the data set to a folder" in done.stdout

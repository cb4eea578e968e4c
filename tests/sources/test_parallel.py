"""The file source: parallel files, a line of each being one row."""

import gzip
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from stages.shared.errors import DataError, MachineError, ParamsError
from stages.sources import Row
from stages.sources.file import Params, read
from tests.sources.reading import OPTIONS, faults

COLUMNS = {"first": "en", "second": "de"}
Folder = Callable[..., Path]


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    """Makes a folder of files from their names and contents."""

    def make(**files: str | bytes) -> Path:
        for name, content in files.items():
            (tmp_path / name.replace("__", ".")).write_bytes(content.encode() if isinstance(content, str) else content)
        return tmp_path

    return make


def rows_of(path: Path, **options: Any) -> list[Row]:
    raw = OPTIONS | {"format": "parallel", "columns": COLUMNS} | options
    return list(read(path, Params.model_validate(raw), ("first", "second")))


def test_lines_go_together(folder: Folder) -> None:
    path = folder(a__en="one\n\nthree", a__de__gz=gzip.compress(b"eins\r\nzwei\r\ndrei\r\n"), b__en="x", b__de="y")
    rows = rows_of(path, files={"test": "b", "train": "a"})
    assert [(row.split, row.place, row.values["first"], row.values["second"]) for row in rows] == [
        ("train", "a.en:1", "one", "eins"),
        ("train", "a.en:2", "", "zwei"),
        ("train", "a.en:3", "three", "drei"),
        ("test", "b.en:1", "x", "y"),
    ]


def test_the_only_set_of_a_folder_need_not_be_named(folder: Folder) -> None:
    path = folder(all__de="y\n", all__en="x\n", other__fr="z\n", readme="-")
    assert [(row.split, row.place) for row in rows_of(path)] == [("all", "all.en:1")]
    with pytest.raises(ParamsError, match=r"holds several sets of files: all, more\. Say what"):
        rows_of(folder(more__en="x", more__de="x"))
    with pytest.raises(ParamsError, match="holds no file each of en, it"):
        rows_of(path, columns={"first": "en", "second": "it"})


@pytest.mark.parametrize(("english", "german"), [("1\n2\n", "1\n"), ("1\n", "1\n2\n3\n4\n"), ("", "1\n")])
def test_unequal_numbers_of_lines_are_an_error(english: str, german: str, folder: Folder) -> None:
    counts = f"a.en has {english.count(chr(10))} lines and a.de has {german.count(chr(10))} lines"
    with pytest.raises(DataError, match=counts):
        rows_of(folder(a__en=english, a__de=german), files={"train": "a"})


def test_bytes_that_do_not_fit_reject_their_row_alone(folder: Folder) -> None:
    path = folder(a__en="1\n2\n", a__de=b"eins\nzw\xffi\n")
    place, fault = faults(rows_of(path, files={"train": "a"}))[0]
    assert place == "a.en:2"
    assert fault.startswith("second: holds bytes that are not valid utf-8")


def test_missing_and_double_files_are_named(folder: Folder) -> None:
    path = folder(train__en="1\n", train__de="1\n", train__de__gz=b"")
    with pytest.raises(MachineError, match=r"trian\.en: no such file\. Did you mean 'train\.en'\?"):
        rows_of(path, files={"train": "trian"})
    with pytest.raises(ParamsError, match=r"train\.de and train\.de\.gz are there"):
        rows_of(path, files={"train": "train"})
    with pytest.raises(ParamsError, match="is a file; parallel files lie in a folder"):
        rows_of(path / "train.en")
    with pytest.raises(MachineError, match="no such folder"):
        rows_of(path / "nowhere")
    with pytest.raises(ParamsError, match="lies outside"):
        rows_of(path, files={"train": "../train"})

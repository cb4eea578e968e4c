"""Rows from folders of files: the label is the folder, every file comes out once."""

from pathlib import Path
from typing import Any

import pytest

from stages.shared.errors import DataError, MachineError, ParamsError
from stages.sources import Row, folder
from stages.sources.folder import Params

WANTED = ("image", "label")


def params(**values: Any) -> Params:
    return Params(**{"name": "folder", "path": "unused", "splits": {}, "endings": ["png", "jpg"]} | values)


def made(root: Path, *files: str) -> Path:
    for name in files:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(name.encode())
    return root


def rows(root: Path, **values: Any) -> list[Row]:
    return list(folder.read(root, params(**values), WANTED))


def test_the_label_is_the_folder_and_the_place_the_path(tmp_path: Path) -> None:
    found = rows(made(tmp_path, "dog/b.JPG", "cat/a.png", "cat/inner/c.png"))
    assert [(row.split, row.place, row.values["label"], row.fault) for row in found] == [
        ("all", "cat/a.png", "cat", None),
        ("all", "cat/inner/c.png", "cat", None),
        ("all", "dog/b.JPG", "dog", None),
    ]
    assert found[0].folder is not None
    assert (found[0].folder / found[0].values["image"]).read_bytes() == b"cat/a.png"


def test_splits_lie_in_folders_that_are_named(tmp_path: Path) -> None:
    root = made(tmp_path, "val/cat/a.png", "train/cat/b.png", "train/dog/a.png")
    found = rows(root, splits={"validation": "val", "train": "train"})
    assert [(row.split, row.place, row.values["label"]) for row in found] == [
        ("train", "train/cat/b.png", "cat"),
        ("train", "train/dog/a.png", "dog"),
        ("validation", "val/cat/a.png", "cat"),
    ]


def test_hidden_files_are_no_rows_and_others_are_rows_at_fault(tmp_path: Path) -> None:
    found = rows(made(tmp_path, "cat/a.png", "cat/.DS_Store", ".git/x.png", "cat/notes.txt", "b.png"))
    faults = {row.place: row.fault for row in found}
    assert faults.keys() == {"cat/a.png", "cat/notes.txt", "b.png"}
    assert faults["cat/a.png"] is None
    assert "endings, png, jpg" in str(faults["cat/notes.txt"])
    assert "no folder of a label" in str(faults["b.png"])


def test_what_does_not_fit_is_one_clear_error(tmp_path: Path) -> None:
    root = made(tmp_path / "data", "train/cat/a.png", "test/cat/b.png", "more/cat/c.png")
    with pytest.raises(ParamsError, match=r"holds test, train: say .* \{test: test, train: train\}"):
        rows(root)
    with pytest.raises(ParamsError, match="also holds more"):
        rows(root, splits={"train": "train", "test": "test"})
    with pytest.raises(MachineError, match="Did you mean 'train'"):
        rows(root, splits={"train": "trian"})
    with pytest.raises(MachineError, match="no such folder"):
        rows(tmp_path / "none")
    with pytest.raises(ParamsError, match="the task needs text too"):
        list(folder.read(root, params(), ("text", "label")))


def test_an_empty_folder_and_a_link_to_a_folder_are_refused(tmp_path: Path) -> None:
    (tmp_path / "empty/cat").mkdir(parents=True)
    with pytest.raises(DataError, match="holds no files"):
        rows(tmp_path / "empty")
    root = made(tmp_path / "linked", "cat/a.png")
    (root / "dog").symlink_to(root / "cat")
    with pytest.raises(DataError, match="a link to a folder"):
        rows(root)


@pytest.mark.parametrize("name", ["../out", "a/b", ".", ""])
def test_the_folder_of_a_split_lies_in_the_folder(name: str) -> None:
    with pytest.raises(ValueError, match="splits"):
        params(splits={"train": name})

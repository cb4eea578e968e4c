"""Copies of pictures: as many as asked, each by its row's own chance, and only where there are pictures."""

import random
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from stages.augment import augment, check
from stages.augment.pictures import changed
from stages.shared.errors import ParamsError
from stages.shared.examples import Example, features, read_split, write_split
from stages.shared.params import Params, PictureCopies
from stages.tasks import task_of
from tests.drawn import LABELS, drawn, example
from tests.stages.validate.test_pictures import IMAGES

OFF = {"augment.synonyms.copies": 0, "augment.back_translation.copies": 0}
ON = {f"augment.pictures.{name}": value for name, value in {"flip": "both", "crop": 0.3, "colour": 0.4}.items()}


def write(folder: Path, params: Params, train: list[Example]) -> Path:
    folder.mkdir()
    columns = features(task_of(params.task).columns)
    write_split(folder, "train", train, columns)
    write_split(folder, "validation", [example(99, "dark", "validation")], columns)
    return folder


def augmented(folder: Path, params: Params, train: list[Example]) -> list[Example]:
    out = folder / f"out{len(list(folder.iterdir()))}"
    validated = write(folder / f"in{len(list(folder.iterdir()))}", params, train)
    out.mkdir()
    augment(validated, out, params)
    return list(read_split(out, "train"))


def test_each_row_has_its_copies_with_its_label_and_its_parent(
    tmp_path: Path, make_params: Callable[..., Params]
) -> None:
    params = make_params(IMAGES | OFF | ON | {"augment.pictures.copies": 2})
    rows = [example(number, LABELS[number % 2]) for number in range(6)]
    found = augmented(tmp_path, params, rows)
    assert found[:6] == rows
    copies = found[6:]
    assert [row["id"] for row in copies[:2]] == ["train0+pic1", "train0+pic2"]
    assert [row["parent"] for row in copies] == [f"train{number}" for number in range(6) for _ in range(2)]
    assert {row["made_by"] for row in copies} == {"pictures"}
    assert [row["label"] for row in copies] == [rows[number]["label"] for number in range(6) for _ in range(2)]
    assert len({row["image"] for row in found}) == 18
    sizes = [Image.open(BytesIO(row["image"])).size for row in copies]
    assert all(width <= 40 and height <= 32 for width, height in sizes)


def test_a_copy_depends_on_its_own_row_alone(tmp_path: Path, make_params: Callable[..., Params]) -> None:
    params = make_params(IMAGES | OFF | ON | {"augment.pictures.copies": 1})
    rows = [example(number, LABELS[number % 2]) for number in range(6)]
    all_of = {row["id"]: row["image"] for row in augmented(tmp_path, params, rows)}
    some = {row["id"]: row["image"] for row in augmented(tmp_path, params, rows[::-2])}
    assert some.items() <= all_of.items()
    other = make_params(IMAGES | OFF | ON | {"augment.pictures.copies": 1, "seed": 14})
    assert {row["id"]: row["image"] for row in augmented(tmp_path, other, rows)} != all_of


def test_a_copy_that_is_its_row_again_is_dropped(tmp_path: Path, make_params: Callable[..., Params]) -> None:
    none = {"augment.pictures.flip": "none", "augment.pictures.crop": 0.0, "augment.pictures.colour": 0.0}
    params = make_params(IMAGES | OFF | none | {"augment.pictures.copies": 2})
    assert len(augmented(tmp_path, params, [example(0, "dark")])) <= 2


@pytest.mark.parametrize(
    ("chosen", "same"),
    [
        ({"flip": "horizontal", "crop": 0.0, "colour": 0.0}, lambda pixels: [pixels, pixels[:, ::-1]]),
        ({"flip": "vertical", "crop": 0.0, "colour": 0.0}, lambda pixels: [pixels, pixels[::-1]]),
        ({"flip": "none", "crop": 0.0, "colour": 0.0}, lambda pixels: [pixels]),
    ],
)
def test_a_flip_is_a_mirror_and_nothing_else(chosen: dict[str, Any], same: Callable[[Any], list[Any]]) -> None:
    picture = drawn(3, "dark")
    wanted = {one.tobytes() for one in map(np.ascontiguousarray, same(np.asarray(picture)))}
    way = PictureCopies(copies=1, **chosen)
    found = {changed(picture, way, random.Random(seed)).tobytes() for seed in range(12)}
    assert found == wanted


def test_a_cut_takes_no_more_than_it_may() -> None:
    way = PictureCopies(copies=1, flip="none", crop=0.25, colour=0.0)
    sizes = [changed(drawn(3, "dark", (100, 80)), way, random.Random(seed)).size for seed in range(30)]
    assert all(75 <= width <= 100 and abs(height - width * 0.8) <= 1 for width, height in sizes)
    assert len(set(sizes)) > 5


@pytest.mark.parametrize(
    ("values", "said"),
    [
        (IMAGES | {"augment.back_translation.copies": 0}, "augment.synonyms.copies: 1: .* made of pictures"),
        (IMAGES | {"augment.synonyms.copies": 0}, "augment.back_translation.copies: 1: .* made of pictures"),
        (OFF | {"augment.pictures.copies": 3}, "augment.pictures.copies: 3: .* 'classification' are made of texts"),
    ],
)
def test_copies_of_what_a_task_has_not_are_an_error(
    values: dict[str, Any], said: str, make_params: Callable[..., Params]
) -> None:
    with pytest.raises(ParamsError, match=said):
        check(make_params(values))

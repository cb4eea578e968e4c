"""Good rows to damage, and a way to run the stage on them."""

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from stages.shared.errors import Refused
from stages.shared.examples import Example, features, write_split
from stages.shared.outcome import Outcome
from stages.shared.params import SPLITS, FaultLimits, Params
from stages.tasks import task_of
from tests.conftest import SENTIMENT_COLUMNS, sample_texts

Splits = dict[str, list[Example]]


def row(split: str, number: int, text: str, label: str, **other: str) -> Example:
    """An example at line `number` + 2 of the file of its split."""
    places = {"id": f"{split}-{number}", "source": f"{split}.csv:{number + 2}", "parent": "", "made_by": ""}
    return places | {"text": text, "label": label} | other


ENTITIES = {  # the parameters of a task whose examples hold lists, and whose long texts are not cut
    "task": {
        "name": "ner",
        "labels": ["PER", "LOC"],
        "max_tokens": 8,
        "long_texts": "windows",
        "overlap": 2,
        "head": None,
        "head_from_packages": False,
    },
    "augment.back_translation.copies": 0,
}


def entity_row(split: str, number: int, text: str, *entities: tuple[str, str]) -> Example:
    """An example whose entities are (words, type)."""
    spans = [{"start": text.index(w), "end": text.index(w) + len(w), "label": kind} for w, kind in entities]
    example: Example = {**row(split, number, text, "")}
    del example["label"]
    return example | {"entities": spans}


@pytest.fixture
def splits() -> Splits:
    """60 train, 15 validation and 15 test rows at which nothing is wrong, every label in every split."""
    by_label: dict[str, list[str]] = {"negative": [], "neutral": [], "positive": []}
    for text, label in dict(sample_texts(250)).items():
        by_label[label].append(text)
    result: Splits = {}
    for split, each in (("train", 20), ("validation", 5), ("test", 5)):
        chosen = [(texts.pop(0), label) for _ in range(each) for label, texts in by_label.items()]
        result[split] = [row(split, number, text, label) for number, (text, label) in enumerate(chosen)]
    return result


@dataclass
class Run:
    """What a run of the stage left: its outcome or its refusal, the folder, and what was set aside."""

    out: Path
    outcome: Outcome | None = None
    refusal: str = ""
    rejected: list[dict[str, Any]] = field(default_factory=list)

    def reasons(self) -> dict[str, list[str]]:
        """The kinds of fault of each row that was set aside, by its id."""
        return {entry["id"]: [reason.split(":")[0] for reason in entry["reasons"]] for entry in self.rejected}

    def unmet(self) -> dict[str, str]:
        """The lines of the refusal's table, by the name of the expectation."""
        table = self.refusal.split("\n\n")[1].splitlines()[1:] if self.refusal else []
        return {line.split()[0]: line for line in table}


def write_splits(folder: Path, splits: Splits, columns: dict[str, Any] = SENTIMENT_COLUMNS) -> Path:
    """Write the rows as the stage ingest does."""
    folder.mkdir(parents=True)
    for split in SPLITS:
        write_split(folder, split, splits[split], features(columns))
    return folder


@pytest.fixture
def run(tmp_path: Path, make_params: Callable[..., Params]) -> Callable[..., Run]:
    """Gives run(splits, {parameter: value}): the stage with limits wide enough for a bad row, no language asked for."""
    wide: dict[str, Any] = {f"validate.limits.{kind}": 0.2 for kind in FaultLimits.model_fields}
    wide |= {"validate.max_unknown_token_share": 1.0, "validate.language.expected": None}

    def run_stage(splits: Splits, values: dict[str, Any] | None = None) -> Run:
        from stages.validate import validate

        number = len(list(tmp_path.iterdir()))
        params = make_params(wide | (values or {}))
        ingested = write_splits(tmp_path / f"ingest{number}", splits, task_of(params.task).columns)
        result = Run(tmp_path / f"validate{number}")
        result.out.mkdir()
        try:
            result.outcome = validate(ingested, result.out, params)
        except Refused as error:
            result.refusal = str(error)
        if (result.out / "rejected.jsonl").exists():
            lines = (result.out / "rejected.jsonl").read_text(encoding="utf-8").splitlines()
            result.rejected = [json.loads(line) for line in lines]
        return result

    return run_stage

"""The model card: what a bundle is for, how good it is, and what it was made of."""

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from serving.written import sha256_of
from stages.shared.examples import read_split
from stages.shared.markdown import cell
from stages.shared.outcome import Metrics
from stages.shared.params import SPLITS, Params
from stages.tasks import Task

TEMPLATE = "card.md.j2"


@dataclass(frozen=True)
class Data:
    """What is said of the data: rows of each split, those in which each class occurs, the hash of the test split."""

    rows: dict[str, int]
    classes: dict[str, dict[str, int]]
    test_sha256: str


@dataclass(frozen=True)
class Facts:
    """All that a card is made of.

    Attributes:
        large, small: the figures of the float model, with those of the baseline, and of the quantised one.
        trained: those of the trained model where `large` is its student; else None.
    """

    params: Params
    settings: dict[str, Any]
    base: dict[str, str | None]
    primary: str
    large: Metrics
    trained: Metrics | None
    small: Metrics
    data: Data


def data_facts(validated: Path, task: Task) -> Data:
    """Count the rows of each split and of each class."""
    splits = {split: list(read_split(validated, split)) for split in SPLITS}
    classes = {split: Counter(name for row in rows for name in task.classes(row)) for split, rows in splits.items()}
    return Data(
        rows={split: len(rows) for split, rows in splits.items()},
        classes={split: dict(sorted(counts.items())) for split, counts in classes.items()},
        test_sha256=sha256_of(validated / "test.parquet"),
    )


def with_interval(metrics: Metrics, name: str) -> str:
    """A figure with its 95 % interval where there is one, such as `0.8720 (0.8560 to 0.8870)`."""
    if name not in metrics:
        return ""
    value = f"{metrics[name]:.4f}"
    if f"{name}_low" not in metrics:
        return value
    return f"{value} ({metrics[f'{name}_low']:.4f} to {metrics[f'{name}_high']:.4f})"


def figure_rows(large: Metrics, small: Metrics, classes: bool) -> list[tuple[str, str, str, str]]:
    """Name, quantised, float and baseline of each headline figure, or of the F1 of each class."""
    names = [name.removeprefix("test.") for name in large if name.startswith("test.") and f"{name}_low" in large]
    return [
        (
            name.removeprefix("f1."),
            with_interval(small, f"test.{name}"),
            with_interval(large, f"test.{name}"),
            with_interval(large, f"baseline.{name}"),
        )
        for name in names
        if name.startswith("f1.") == classes
    ]


def flatten(section: dict[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    """Dotted name and value of every parameter in a section, the value as params.yaml has it."""
    for name, value in section.items():
        if isinstance(value, dict):
            yield from flatten(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value if isinstance(value, str) else json.dumps(value)


def model_card(facts: Facts) -> str:
    """The card in Markdown."""
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        autoescape=False,  # it is Markdown, and what goes into tables passes `cell`
    )
    environment.filters["cell"] = cell
    chosen = facts.params.model_dump(mode="json", by_alias=True)
    return environment.get_template(TEMPLATE).render(
        facts=facts,
        package=facts.params.package,
        headline=figure_rows(facts.large, facts.small, classes=False),
        classes=figure_rows(facts.large, facts.small, classes=True),
        options=[
            *flatten({"seed": chosen["seed"], "augment": chosen["augment"], "train": chosen["train"]}),
            *flatten({"distill": {"student": chosen["distill"]["student"]}}),
            *flatten({"quantize": {"method": chosen["quantize"]["method"]}}),
        ],
    )

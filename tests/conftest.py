"""What many tests share: a tiny base model, parameters that use it, and a whole project in a temporary folder."""

import flows  # noqa: F401  isort: skip  telemetry off before anything else is imported

import csv
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from accelerate.state import AcceleratorState
from datasets import Value
from ruamel.yaml import YAML

from stages.shared.answering import write_settings
from stages.shared.base_model import tokenizer_of
from stages.shared.models import load_model, write_model
from stages.shared.params import Params, load_params
from stages.tasks import task_of
from tests.tiny import write_tiny_base

pytest_plugins = ["tests.sharing"]
ROOT = Path(__file__).parents[1]
os.environ.setdefault("MPLBACKEND", "Agg")
if "PYTEST_XDIST_WORKER" in os.environ:  # each process has one core
    torch.set_num_threads(1)


def sample_texts(count: int) -> list[tuple[str, str]]:
    """The first good (text, label) pairs of the bundled sample."""
    with (ROOT / "data/sample/reviews.csv").open(encoding="utf-8", newline="") as file:
        rows = [(row["text"], row["label"]) for row in csv.DictReader(file)]
    labels = {"positive", "neutral", "negative"}
    return [(text, label) for text, label in rows if text.strip() and label in labels][:count]


SENTIMENT_COLUMNS = {"text": Value("string"), "label": Value("string")}


def sample_examples(start: int, stop: int) -> list[dict[str, str]]:
    """Examples of the classification task, made of some of the sample's good rows."""
    return [
        {"id": f"r{i}", "source": f"a.csv:{i}", "parent": "", "made_by": "", "text": text, "label": label}
        for i, (text, label) in enumerate(sample_texts(stop)[start:])
    ]


def write_random_model(folder: Path, base: Path, params: Params, scale: float = 1.0) -> None:
    """Write into `folder` the base with the task's head, new, as train would; `scale` spreads what the head says."""
    task, tokenizer = task_of(params.task), tokenizer_of(base)
    torch.manual_seed(0)
    model = load_model(task, base, params.task, len(tokenizer))
    with torch.no_grad():
        model.get_submodule("classifier").weight.mul_(scale)
    write_model(model, tokenizer, folder)
    write_settings(folder, task.settings())


@pytest.fixture(autouse=True)
def _own_precision() -> Iterator[None]:
    """accelerate fixes the precision once for a process; a stage is a process, a test is not."""
    AcceleratorState._reset_state(reset_partial_state=True)
    yield
    AcceleratorState._reset_state(reset_partial_state=True)


@pytest.fixture(scope="session")
def tiny_base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A random BERT of 2 layers, 32 wide, with a WordPiece tokenizer made of the sample's words."""
    folder = tmp_path_factory.mktemp("tiny") / "base"
    write_tiny_base(folder, [text for text, _ in sample_texts(400)])
    return folder


def set_values(raw: dict[str, Any], values: dict[str, Any]) -> None:
    """Set dotted keys, such as {"train.epochs": 1}, in nested parameters."""
    for dotted, value in values.items():
        *parents, last = dotted.split(".")
        section = raw
        for parent in parents:
            section = section[parent]
        section[last] = value


@pytest.fixture(scope="session")
def make_params(tiny_base: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Params]:
    """Gives the bundled parameters with the tiny base and other dotted keys replaced: make_params({"seed": 1})."""
    folder = tmp_path_factory.mktemp("params")

    def make(values: dict[str, Any] | None = None) -> Params:
        yaml = YAML()
        raw = yaml.load((ROOT / "params.yaml").read_text(encoding="utf-8"))
        usual = {"pretrain.base": str(tiny_base), "pretrain.sha256": None, "train.threads": 1}
        usual["train.precision"] = "float32"  # a test does not depend on the machine
        set_values(raw, usual | (values or {}))
        file = folder / "params.yaml"
        yaml.dump(raw, file)
        return load_params(file)

    return make

"""Every task with every method: two updates, saved, loaded again, the same outputs; or refused with what works."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from stages.shared import plugins
from stages.shared.errors import ParamsError
from stages.shared.examples import features, read_split, write_split
from stages.shared.outcome import Outcome
from stages.shared.params import Params, load_params
from stages.tasks import task_of
from stages.train import train
from stages.train.check import check_train
from tests import recipes
from tests.conftest import ROOT, set_values
from tests.test_plugins import WHOLE

METHODS: dict[str, dict[str, Any]] = {
    "full": {},
    "freeze": {"layers": 1, "keep": True},
    "head": {"penalties": [1.0]},
    "lora": {"rank": 2, "alpha": 4.0, "dropout": 0.1},
    "adalora": {"rank": 3, "target_rank": 1, "alpha": 4.0, "dropout": 0.0, "orthogonality": 0.5},
    "ia3": {},
    "bitfit": {},
    "adapter": {"size": 4},
    "prefix": {"tokens": 2},
    "prompt": {"tokens": 2},
    "setfit": {"pairs": 1, "penalty": 1.0},
    "prompting": {"by": "descriptions", "shown_examples": 0, "temperature": 0.05, "template": None, "words": None},
}
TASKS = {name: kind for name, kind in WHOLE.items() if name != "zero_shot"}
WITHOUT_UPDATES = ("head", "prompting")
TABLE: dict[tuple[str, str], str] = {}
NAMES: dict[str, str] = {}
PLAIN: dict[str, float] = {}  # the loss of a task without regularizers
Prepared = Callable[[str], Path]


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Prepared:
    """Gives the folder with the few rows of a recipe's `augment` and its base, made once."""
    made: dict[str, Path] = {}

    def prepare(name: str) -> Path:
        if name not in made:
            folder = tmp_path_factory.mktemp(name)
            ran = recipes.run(name, folder, lambda stage: stage in ("ingest", "validate", "augment", "pretrain"))
            few(folder, ran.params)
            made[name] = folder
        return made[name]

    return prepare


def few(folder: Path, params: Params) -> None:
    """Write folder/few: 16 rows of train, 8 of validation, of each split the first of every label among them."""
    task = task_of(params.task)
    for split, count in (("train", 16), ("validation", 8)):
        rows = list(read_split(folder / "augment", split))
        first = list({task.stratum(row): row for row in reversed(rows)}.values())
        chosen = [*first, *(row for row in rows if row not in first)]
        (folder / "few").mkdir(exist_ok=True)
        write_split(folder / "few", split, chosen[: max(count, len(first))], features(task.columns))


def with_method(method: str, folder: Path, values: dict[str, Any] | None = None) -> Params:
    """The recipe with another method, and a batch size that makes two updates."""
    rows = len(read_split(folder / "few", "train"))
    yaml = YAML()
    raw = yaml.load((folder / "params.yaml").read_text(encoding="utf-8"))
    options = dict(METHODS[method])
    if method == "prompting":
        options["descriptions"] = {label: [label] for label in raw["task"].get("labels") or ["none"]}
    chosen = {"train.method": {"name": method, **options}, "train.regularizers": [], "train.epochs": 1}
    set_values(raw, chosen | (values or {}))
    yaml.dump(raw, folder / "other.yaml")
    return recipes.two_updates(load_params(folder / "other.yaml"), rows)


def train_few(folder: Path, params: Params, out: Path) -> Outcome:
    out.mkdir()
    return train(folder / "few", folder / "pretrain", out, params)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("name", TASKS)
def test_a_task_with_a_method(name: str, method: str, prepared: Prepared, tmp_path: Path) -> None:
    folder = prepared(name)
    params = with_method(method, folder)
    task = task_of(params.task)
    NAMES[name] = params.task.name
    try:
        check_train(task, params)
    except ParamsError as error:
        (other,) = re.findall(r"nearest method that works is (\w+)", str(error))
        check_train(task, with_method(other, folder))
        TABLE[name, method] = f"→ {other}"
        return
    outcome = train_few(folder, params, tmp_path / "train")  # which compares the saved model with the trained one
    assert (outcome.metrics["steps"] >= 2) is (method not in WITHOUT_UPDATES)
    assert (outcome.metrics["trained_share"] > 0) is (method not in WITHOUT_UPDATES)
    TABLE[name, method] = "yes"


TOGETHER: list[list[dict[str, Any]]] = [
    [{"name": "label_smoothing", "share": 0.1}, {"name": "rdrop", "weight": 1.0}, {"name": "fgm", "size": 0.5}],
    [{"name": "mixup", "alpha": 1.0}, {"name": "freelb", "steps": 2, "start": 0.1, "step": 0.1, "size": 0.2}],
]


@pytest.mark.parametrize("number", range(len(TOGETHER)))
@pytest.mark.parametrize("name", TASKS)
def test_a_task_with_regularizers(name: str, number: int, prepared: Prepared, tmp_path: Path) -> None:
    """All that the task takes of a list of them, together."""
    folder, taken = prepared(name), []
    for regularizer in TOGETHER[number]:
        params = with_method("full", folder, {"train.regularizers": [regularizer]})
        try:
            check_train(task_of(params.task), params)
            taken.append(regularizer)
        except ParamsError as error:
            assert re.search(r"The nearest that works is rdrop", str(error))
    assert taken
    params = with_method("full", folder, {"train.regularizers": taken})
    if name not in PLAIN:
        plain = train_few(folder, with_method("full", folder), tmp_path / "plain")
        PLAIN[name] = plain.metrics["validation.loss"]
    assert train_few(folder, params, tmp_path / "train").metrics["validation.loss"] != PLAIN[name]


def test_the_methods_that_there_are() -> None:
    assert sorted(METHODS) == plugins.names_of("methods")


def test_the_readme_has_the_table_of_tasks_and_methods() -> None:
    if len(TABLE) != len(TASKS) * len(METHODS):
        pytest.skip("made of what the tests of all tasks found, and not all were run")
    lines = [["task", *METHODS], ["---"] * (len(METHODS) + 1)]
    lines += [[NAMES[name] + kind, *(TABLE[name, method] for method in METHODS)] for name, kind in TASKS.items()]
    wanted = "".join(f"| {' | '.join(line)} |\n" for line in lines)
    found = re.search(r"(^\| task \| full .*\n(?:\|.*\n)+)", (ROOT / "README.md").read_text(), re.MULTILINE)
    assert found is not None and found[1] == wanted, f"README's table of tasks and methods should be:\n{wanted}"

"""A recipe taken through every stage function on its sample, with a tiny model and two updates of its weights."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from flows.perform import perform
from serving.predict import Predictor
from stages.shared.examples import read_split
from stages.shared.outcome import Outcome
from stages.shared.params import Params, load_params
from stages.shared.pipeline import read_stages
from stages.tasks import asked_of, task_of
from tests.conftest import ROOT, set_values
from tests.tiny import write_tiny_base

RECIPES = ROOT / "recipes"
SMALL: dict[str, Any] = {  # a random model has hardly an opinion, so that int8 may well turn it
    "pretrain.revision": None,
    "pretrain.sha256": None,
    "augment.back_translation.copies": 0,
    "validate.language.expected": None,
    "validate.max_unknown_token_share": 1.0,
    "train.epochs": 1,
    "train.learning_rate": 1.0e-3,
    "train.threads": 1,
    "evaluate.bootstrap_samples": 100,
    "quantize.latency_texts": 2,
    "quantize.limits.min_agreement": 0.0,
    "quantize.limits.max_primary_drop": 1.0,
    "quantize.limits.max_class_drop": 1.0,
}


def names() -> list[str]:
    """The recipes that there are."""
    return sorted(path.stem for path in RECIPES.glob("*.yaml"))


@dataclass(frozen=True)
class Ran:
    """What became of a recipe: its parameters, the folder of its outputs, and what each stage said."""

    params: Params
    folder: Path
    outcomes: dict[str, Outcome]

    def row(self) -> list[str]:
        """What README's table says of the task: its name, then what each stage did, taken from what they wrote."""
        task = task_of(self.params.task)
        settings = json.loads((self.folder / "package/bundle/settings.json").read_text(encoding="utf-8"))
        ways = ["synonyms", *(["back-translation"] if task.paraphrased else [])]
        did = {
            "ingest": ", ".join(task.columns),
            "validate": f"{len(task.declared)} classes" if task.declared else "rows",
            "augment": ", ".join(ways),
            "pretrain": "base",
            "train": task.head,
            "evaluate": f"`{task.primary}`",
            "quantize": "int8",
            "package": f"`{settings['answers']}`",
        }
        assert did.keys() == self.outcomes.keys()
        return [self.params.task.name, *did.values()]


def small_params(name: str, base: Path, folder: Path, values: dict[str, Any] | None = None) -> Params:
    """A recipe with a tiny base and two updates; `values` are other dotted keys to replace."""
    yaml = YAML()
    raw = yaml.load((RECIPES / f"{name}.yaml").read_text(encoding="utf-8"))
    source = str(ROOT / raw["ingest"]["source"]["path"])
    set_values(raw, SMALL | {"pretrain.base": str(base), "ingest.source.path": source} | (values or {}))
    file = folder / "params.yaml"
    yaml.dump(raw, file)
    return load_params(file)


def base_of(name: str, folder: Path) -> Path:
    """A tiny base whose tokenizer was trained on the recipe's own sample."""
    raw = YAML(typ="safe").load((RECIPES / f"{name}.yaml").read_text(encoding="utf-8"))
    text = (ROOT / raw["ingest"]["source"]["path"]).read_text(encoding="utf-8")
    write_tiny_base(folder / "base", text.splitlines())
    return folder / "base"


def two_updates(params: Params, rows: int) -> Params:
    """The parameters with a batch size that makes two updates of so many rows."""
    return params.model_copy(update={"train": params.train.model_copy(update={"batch_size": -(-rows // 2)})})


def run(name: str, folder: Path, stages: Callable[[str], bool]) -> Ran:
    """Run the stages of a recipe that `stages` allows, as dvc.yaml wires them."""
    params = small_params(name, base_of(name, folder), folder)
    outcomes: dict[str, Outcome] = {}
    for stage in read_stages(ROOT / "dvc.yaml"):
        if not stages(stage.name):
            continue
        inputs = [folder / Path(d).name for d in stage.dependencies if d.startswith("data/") and "sample" not in d]
        first = [Path(params.ingest.source.path)] if stage.name == "ingest" else []
        if stage.name == "train":
            params = two_updates(params, len(read_split(folder / "augment", "train")))
        outcomes[stage.name] = perform(stage.name, [*first, *inputs, folder / stage.name], params)
    return Ran(params, folder, outcomes)


def answers_of(ran: Ran, count: int) -> list[tuple[str, str]]:
    """What the bundle says of the first test rows, and what quantize had written of them."""
    import pyarrow.parquet as pq

    predictor = Predictor(ran.folder / "package/bundle")
    task = task_of(ran.params.task).read_by(predictor.reader)
    written = pq.read_table(ran.folder / "quantize/predictions.parquet").to_pylist()[:count]
    rows = read_split(ran.folder / "validate", "test").select(range(len(written)))
    said = [predictor.inspect(*asked_of(task, row))[1] for row in rows]
    return [(word, old["predicted"]) for word, old in zip(said, written, strict=True)]

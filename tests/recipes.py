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
from stages.shared.pipeline import Stage, read_stages
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
    "validate.max_cut_share": 1.0,
    "train.epochs": 1,
    "train.learning_rate": 1.0e-3,
    "train.threads": 1,
    "evaluate.bootstrap_samples": 100,
    "quantize.latency_texts": 2,
    "quantize.limits.min_agreement": 0.0,
    "quantize.limits.max_primary_drop": 100.0,
    "quantize.limits.max_class_drop": 1.0,
}
TINY_STUDENT = {
    "layers": 1,
    "feed_forward": 0.5,
    "epochs": 1,
    "threads": 1,
    "limits": {"min_agreement": 0.0, "max_primary_drop": 1.0, "max_class_drop": 1.0},
}
SMALLER = {  # options of a model that is made from scratch
    **dict.fromkeys(("d_model", "n_embd"), 32),
    **dict.fromkeys(("encoder_ffn_dim", "decoder_ffn_dim"), 64),
    **dict.fromkeys(("encoder_attention_heads", "decoder_attention_heads", "n_head"), 2),
}
VARIANTS: dict[str, tuple[str, dict[str, Any]]] = {  # name: recipe, and what of it is different
    "generation_texts": (
        "generation",
        {
            "task.rows": "texts",
            "task.long_texts": "windows",
            "task.pack": True,
            "ingest.source.path": "data/sample/summaries.jsonl",
            "ingest.source.columns": {"text": "text"},
            "validate.min_rows": {"train": 50, "validation": 10, "test": 10},
        },
    )
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
        ways = ["pictures"] if task.medium == "picture" else ["synonyms"]
        ways += ["back-translation"] if task.paraphrased else []
        did = {
            "ingest": ", ".join(task.columns),
            "validate": f"{len(task.declared)} classes" if task.declared else "rows",
            "augment": ", ".join(ways),
            "pretrain": "from scratch" if self.params.pretrain.base is None else "base",
            "train": task.head,
            "evaluate": f"`{task.primary}`",
            "distill": "a student" if "layers" in self.outcomes["distill"].metrics else "",
            "quantize": "int8",
            "package": f"`{settings['answers']}`",
        }
        assert did.keys() == self.outcomes.keys()
        return [self.params.task.name, *did.values()]


def _raw(name: str) -> dict[str, Any]:
    """The parameters of a recipe or a variant, as they are in the file."""
    recipe, different = VARIANTS.get(name, (name, {}))
    raw: dict[str, Any] = YAML().load((RECIPES / f"{recipe}.yaml").read_text(encoding="utf-8"))
    set_values(raw, different)
    return raw


def small_params(name: str, folder: Path, values: dict[str, Any] | None = None) -> Params:
    """A recipe or variant with a tiny base in `folder`, or one that is tiny when it is made, and two updates.

    Args:
        values: other dotted keys to replace, after all of that.
    """
    raw = _raw(name)
    source = ROOT / raw["ingest"]["source"]["path"]
    set_values(raw, SMALL | {"ingest.source.path": str(source)})
    if raw["pretrain"]["base"] is None:
        scratch = raw["pretrain"]["from_scratch"]
        if scratch["tokenizer"] is not None:
            scratch["tokenizer"]["vocabulary"] = 600
        scratch["model"] = {option: SMALLER.get(option, value) for option, value in scratch["model"].items()}
    else:
        write_tiny_base(folder / "base", source.read_text(encoding="utf-8").splitlines())
        raw["pretrain"]["base"] = str(folder / "base")
    if "epochs" in raw["pretrain"]["objective"]:
        raw["pretrain"]["objective"] |= {"epochs": 1, "threads": 1}
    set_values(raw, values or {})
    file = folder / "params.yaml"
    YAML().dump(raw, file)
    return load_params(file)


def student() -> dict[str, Any]:
    """A student of one layer, half as wide, as `distill.student`."""
    raw: dict[str, Any] = YAML().load((RECIPES / "distill.yaml").read_text(encoding="utf-8"))
    return {**raw["distill"]["student"], **TINY_STUDENT}


def inputs_of(stage: Stage, folder: Path, source: Path) -> list[Path]:
    """The paths that a stage is given, in the order of dvc.yaml, with the outputs of all stages below `folder`."""
    outs = {str(other.out) for other in read_stages(ROOT / "dvc.yaml")}
    inputs = [folder / Path(path).name for path in stage.dependencies if path in outs]
    first = {"ingest": [source], "distill": [ROOT / "data/unlabelled"]}
    return [*first.get(stage.name, []), *inputs]


def two_updates(params: Params, rows: int) -> Params:
    """The parameters with a batch size that makes two updates of so many rows."""
    return params.model_copy(update={"train": params.train.model_copy(update={"batch_size": -(-rows // 2)})})


def run(
    name: str,
    folder: Path,
    stages: Callable[[str], bool],
    values: dict[str, Any] | None = None,
    begun: Path | None = None,
) -> Ran:
    """Run the stages of a recipe that `stages` allows, as dvc.yaml wires them, with other dotted keys replaced.

    Args:
        begun: the folder of a run whose outputs stand for the stages that are not run here.
    """
    params = small_params(name, folder, values)
    outcomes: dict[str, Outcome] = {}
    for stage in read_stages(ROOT / "dvc.yaml"):
        if not stages(stage.name):
            if begun is not None and (begun / stage.name).is_dir():
                (folder / stage.name).symlink_to(begun / stage.name)
            continue
        inputs = inputs_of(stage, folder, Path(params.ingest.source.path))
        if stage.name == "train":
            params = two_updates(params, len(read_split(folder / "augment", "train")))
        outcomes[stage.name] = perform(stage.name, [*inputs, folder / stage.name], params)
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

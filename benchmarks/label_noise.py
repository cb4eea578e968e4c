"""Wrong labels, planted in your own data: how many are found, and what setting them aside brings back.

    python -m benchmarks.label_noise params.yaml --share 0.2 --set train.epochs=4

So many labels of the training split are replaced by another one, drawn evenly. validate looks for them; then a model is
trained on the rows as they were, with the planted labels, and without those that were set aside. The test split stays.
"""

import argparse
import csv
import random
import tempfile
from pathlib import Path

from ruamel.yaml import YAML

import flows  # noqa: F401  telemetry off
from benchmarks.methods import ALIKE, LOOSE, params_with
from flows.perform import perform
from stages.shared.examples import Example, features, read_split, write_split
from stages.shared.held_out import answer_all
from stages.shared.markdown import table
from stages.shared.params import SPLITS, Params
from stages.tasks import Task, task_of

SOUGHT = {"folds": 5, "max_share": 1.0, "set_aside": True}


def planted(rows: list[Example], labels: list[str], share: float, seed: int) -> tuple[list[Example], set[str]]:
    """The rows with so many labels replaced, and the ids of those."""
    drawn = random.Random(seed)
    chosen = set(drawn.sample(range(len(rows)), round(share * len(rows))))
    wrong = [
        {**row, "label": drawn.choice([name for name in labels if name != row["label"]])} if place in chosen else row
        for place, row in enumerate(rows)
    ]
    return wrong, {rows[place]["id"] for place in chosen}


def figure_of(validated: Path, base: Path, folder: Path, params: Params, metric: str) -> float:
    """The figure on the test split after training on the rows."""
    task = task_of(params.task)
    perform("train", [validated, base, folder / "train"], params)
    splits = {split: list(read_split(validated, split)) for split in SPLITS}
    answers, _ = answer_all(task, folder / "train/model", splits, params)
    return task.metrics(splits["test"], answers.predictions)[metric]


def write_planted(ingested: Path, out: Path, task: Task, share: float, seed: int) -> set[str]:
    """Write the splits with the planted labels in train; give the ids of their rows."""
    out.mkdir()
    for split in SPLITS:
        rows = list(read_split(ingested, split))
        if split == "train":
            rows, ids = planted(rows, task.declared, share, seed)
        write_split(out, split, rows, features(task.columns))
    return ids


def found_of(validated: Path, ids: set[str]) -> tuple[float, float]:
    """Precision and recall of the rows of train that were listed, of the planted ones."""
    with (validated / "label_errors.csv").open(encoding="utf-8", newline="") as file:
        listed = {line["id"] for line in csv.DictReader(file) if line["split"] == "train"}
    hits = len(listed & ids)
    return hits / max(1, len(listed)), hits / len(ids)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("params", type=Path)
    parser.add_argument("--share", type=float, default=0.2)
    parser.add_argument("--metric", default="accuracy")
    parser.add_argument("--set", nargs="*", default=[], metavar="KEY=VALUE", help="such as train.epochs=5")
    options = parser.parse_args()
    given = {key: YAML(typ="safe").load(value) for key, value in (pair.split("=", 1) for pair in options.set)}
    with tempfile.TemporaryDirectory() as scratch:
        at = Path(scratch)
        params = params_with(options.params, LOOSE | ALIKE | given, at)
        sought = params_with(options.params, LOOSE | ALIKE | given | {"validate.label_errors": SOUGHT}, at / "sought")
        perform("ingest", [Path(params.ingest.source.path), at / "ingest"], params)
        ids = write_planted(at / "ingest", at / "planted", task_of(params.task), options.share, params.seed)
        perform("validate", [at / "ingest", at / "clean"], params)
        perform("validate", [at / "planted", at / "noisy"], params)
        perform("validate", [at / "planted", at / "cleaned"], sought)
        perform("pretrain", [at / "clean", at / "pretrain"], params)
        precision, recall = found_of(at / "cleaned", ids)
        print(f"{len(ids)} labels planted: precision {precision:.3f}, recall {recall:.3f}", flush=True)
        found = {
            name: figure_of(at / name, at / "pretrain", at / f"{name}-model", params, options.metric)
            for name in ("clean", "noisy", "cleaned")
        }
    back = (found["cleaned"] - found["noisy"]) / (found["clean"] - found["noisy"])
    print(
        table(
            [options.metric, *found, "brought back"], [["test", *(f"{v:.4f}" for v in found.values()), f"{back:.0%}"]]
        )
    )


if __name__ == "__main__":
    main()

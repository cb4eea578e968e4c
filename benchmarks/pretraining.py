"""What pre-training on unlabelled text brings to fine-tuning, on data of your own.

    python -m benchmarks.pretraining --chinese FOLDER     train.tsv, dev.tsv, test.tsv: label, tab, text_a; a header
    python -m benchmarks.pretraining --english FOLDER     stsa.binary.train, .dev, .test: lines of label, space, text

Chinese: a small ModernBERT from scratch, pre-trained as a masked language model on the training texts, against the same
model without, both fine-tuned in the same way. English: going on with the default base on the training texts, against
plain fine-tuning. Test rows that are in train or validation too are left out. Each with three seeds, by the stages'
own functions; --quick tries it on a few rows.
"""

import argparse
import csv
import itertools
import multiprocessing
import statistics
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from ruamel.yaml import YAML

import flows  # noqa: F401  telemetry off
from flows.perform import perform
from serving.text import matching_key
from stages.shared.examples import features, read_split, write_split
from stages.shared.held_out import answer_all
from stages.shared.params import SPLITS, Params, load_params
from stages.shared.resources import peak_memory
from stages.tasks import task_of

ROOT = Path(__file__).parents[1]
Rows = list[tuple[str, str]]  # label, text
# Rotary positions find the neighbours of a hidden token within two epochs, learnt ones not in ten. A masked language
# model is learnt at the words: their mean tells more of it than the first token, which pre-training never asks.
SMALL = {
    "tokenizer": {"kind": "wordpiece", "vocabulary": 6000, "lowercase": True},
    "model": {"model_type": "modernbert", "hidden_size": 128, "num_hidden_layers": 2, "num_attention_heads": 4}
    | {"intermediate_size": 256, "max_position_embeddings": 128, "layer_types": ["full_attention"] * 2}
    | {"classifier_pooling": "mean"},
}
ALIKE = {"precision": "float32", "threads": 1, "batch_size": 32}  # bfloat16 is slower where a model is narrow
OBJECTIVE = {"name": "masked_lm", "masked_share": 0.15, "whole_words": True, "next_sentence": False}
OBJECTIVE |= {"held_out_share": 0.05, "accumulation": 1, "warmup": 0.06, "weight_decay": 0.01, "dropout": None}
OBJECTIVE |= {"optimizer": "adamw", "schedule": "linear", "layer_decay": 1.0, "average_decay": None}
OBJECTIVE |= {"gradient_noise": 0.0, "gradient_checkpointing": False}
OBJECTIVE |= {"max_gradient_norm": 1.0, "validations_per_epoch": 1, "patience": 5, **ALIKE}
FINE = {**{f"train.{name}": value for name, value in ALIKE.items()}, "task.long_texts": "head"}


class Setup(NamedTuple):
    """An experiment: its rows, its base, and how it is learnt with and without pre-training."""

    splits: dict[str, Rows]
    common: dict[str, Any]
    objective: dict[str, Any]


class Found(NamedTuple):
    """What a seed gave: the perplexity after pre-training, if any; the peak memory is that of its process."""

    accuracy: float
    perplexity: float | None
    minutes: float
    gigabytes: float


def _tsv(file: Path) -> Iterator[tuple[str, str]]:
    with file.open(encoding="utf-8", newline="") as lines:
        rows = csv.reader(lines, delimiter="\t", quoting=csv.QUOTE_NONE)
        next(rows)
        yield from ((row[0], row[-1]) for row in rows if len(row) > 1)


def _lines(file: Path) -> Iterator[tuple[str, str]]:
    with file.open(encoding="utf-8") as lines:
        for line in lines:
            label, _, text = line.strip().partition(" ")
            yield label, text


def without_known(splits: dict[str, Rows]) -> dict[str, Rows]:
    """The splits with each text once, in the first of them that has it, whatever case, spaces and the like it is in."""
    known: set[str] = set()
    kept: dict[str, Rows] = {name: [] for name in splits}
    for name, rows in splits.items():
        for row in rows:
            key = matching_key(row[1])
            if key not in known:
                kept[name].append(row)
            known.add(key)
    return kept


def chinese(folder: Path) -> Setup:
    """A small model from scratch; it fits the few rows too well without dropout, and text does not need any.

    Each tenth row of train is for validation, and both other files are for the test: what two seeds differ by on one of
    them is mostly chance.
    """
    train, *others = (list(_tsv(folder / file)) for file in ("train.tsv", "dev.tsv", "test.tsv"))
    rows = {"train": [row for place, row in enumerate(train) if place % 10], "validation": train[::10]}
    rows["test"] = list(itertools.chain(*others))
    common = {"pretrain.base": None, "pretrain.sha256": None, "pretrain.from_scratch": SMALL}
    common |= {**FINE, "task.max_tokens": 128, "train.epochs": 4, "train.learning_rate": 8e-4, "train.dropout": 0.4}
    objective = {**OBJECTIVE, "max_tokens": 128, "epochs": 16, "learning_rate": 2e-3}
    return Setup(without_known(rows), common, objective)


def english(folder: Path) -> Setup:
    """The default base."""
    splits = {"train": "train", "validation": "dev", "test": "test"}
    rows = {split: list(_lines(folder / f"stsa.binary.{file}")) for split, file in splits.items()}
    common = {**FINE, "task.max_tokens": 96, "train.epochs": 2, "train.learning_rate": 5e-5}
    common["train.precision"] = "bfloat16"
    objective = {**OBJECTIVE, "max_tokens": 96, "epochs": 2, "learning_rate": 1e-4, "precision": "bfloat16"}
    return Setup(without_known(rows), common, objective)


def params_with(values: dict[str, Any], folder: Path) -> Params:
    """The bundled parameters with some dotted keys replaced."""
    yaml = YAML()
    raw = yaml.load((ROOT / "params.yaml").read_text(encoding="utf-8"))
    for dotted, value in values.items():
        *parents, last = dotted.split(".")
        section = raw
        for parent in parents:
            section = section[parent]
        section[last] = value
    yaml.dump(raw, folder / "params.yaml")
    return load_params(folder / "params.yaml")


def write_rows(splits: dict[str, Rows], folder: Path, params: Params) -> None:
    """The rows as validate writes them."""
    columns = features(task_of(params.task).columns)
    folder.mkdir()
    for split, rows in splits.items():
        made = ({"id": f"{split}{i}", "source": "", "parent": "", "made_by": ""} for i in range(len(rows)))
        examples = ({**one, "text": text, "label": label} for one, (label, text) in zip(made, rows, strict=True))
        write_split(folder, split, examples, columns)


def found(setup: Setup, pretrained: bool, seed: int) -> Found:
    """What one seed gives."""
    labels = sorted({label for label, _ in setup.splits["train"]})
    values = {"seed": seed, "task.labels": labels, "validate.max_cut_share": 1.0}
    values |= setup.common | ({"pretrain.objective": setup.objective} if pretrained else {})
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        params = params_with(values, folder)
        write_rows(setup.splits, folder / "rows", params)
        learnt = perform("pretrain", [folder / "rows", folder / "base"], params)
        trained = perform("train", [folder / "rows", folder / "base", folder / "model"], params)
        task = task_of(params.task)
        rows = {split: list(read_split(folder / "rows", split)) for split in SPLITS}
        answers, _ = answer_all(task, folder / "model/model", rows, params)  # without the classical method beside it
        figures = task.metrics(rows["test"], answers.predictions)
    return Found(
        accuracy=figures["accuracy"],
        perplexity=learnt.metrics.get("validation.perplexity"),
        minutes=(learnt.timings["seconds"] + trained.timings["seconds"]) / 60,
        gigabytes=peak_memory() / 1e9,
    )


def few(setup: Setup) -> Setup:
    """The same on a few rows, for a try."""
    splits = {split: rows[: 128 if split == "train" else 48] for split, rows in setup.splits.items()}
    return Setup(splits, {**setup.common, "train.epochs": 1}, {**setup.objective, "epochs": 1})


def main() -> None:
    """Run the experiments that are asked for, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--chinese", type=Path, metavar="FOLDER")
    parser.add_argument("--english", type=Path, metavar="FOLDER")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--quick", action="store_true", help="a few rows and one epoch")
    parser.add_argument("--processes", type=int, default=1, help="seeds at a time, each on one thread")
    asked = parser.parse_args()
    wanted = {"chinese, from scratch": (chinese, asked.chinese), "english, default base": (english, asked.english)}
    print(f"{'experiment':<24}{'pre-trained':<13}{'accuracy: mean (each seed)':<36}{'perplexity':<20}minutes  GB")
    for name, (make, folder) in wanted.items():
        if folder is None:
            continue
        setup = few(make(folder)) if asked.quick else make(folder)
        for pretrained in (False, True):
            jobs = [(setup, pretrained, seed) for seed in range(1, asked.seeds + 1)]
            with multiprocessing.get_context("spawn").Pool(asked.processes, maxtasksperchild=1) as pool:
                each = pool.starmap(found, jobs, chunksize=1)
            print(row(name, pretrained, each), flush=True)


def row(name: str, pretrained: bool, each: list[Found]) -> str:
    """A line of the table."""
    accuracies = " ".join(f"{one.accuracy:.4f}" for one in each)
    mean = f"{statistics.mean(one.accuracy for one in each):.4f} ({accuracies})"
    perplexities = " ".join(f"{one.perplexity:.1f}" for one in each if one.perplexity is not None)
    minutes, most = statistics.mean(one.minutes for one in each), max(one.gigabytes for one in each)
    return f"{name:<24}{'yes' if pretrained else 'no':<13}{mean:<36}{perplexities:<20}{minutes:<9.1f}{most:.1f}"


if __name__ == "__main__":
    main()

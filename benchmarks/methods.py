"""What each way to train makes of your own data, side by side: quality, trained weights, time, memory.

    python -m benchmarks.methods params.yaml                     every way of WAYS, three seeds
    python -m benchmarks.methods params.yaml --ways full lora --seeds 13 --processes 2
    python -m benchmarks.methods params.yaml --ways setfit full --per-class 8 --seeds 1 2 3 4 5 6 7 8 9 10
    python -m benchmarks.methods params.yaml --ways full full+fgm --perturbed

The parameters say which data and which base; a way changes the section `train`. The rows are ingested and validated
once, nothing is augmented. With --per-class, train and validation are that many rows of each class, drawn by the seed.
With --perturbed the test texts are also asked with typing errors, and with synonyms. Each run has a process of its own.
"""

import argparse
import json
import multiprocessing
import random
import statistics
import string
import tempfile
import time
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

import flows  # noqa: F401  telemetry off
from flows.perform import perform
from stages.augment.copies import edited
from stages.augment.synonyms import picked, replaceable
from stages.shared import plugins
from stages.shared.examples import Example, features, read_split, write_split
from stages.shared.held_out import answer_all
from stages.shared.params import SPLITS, Params, load_params
from stages.shared.resources import peak_memory
from stages.tasks import Task, task_of, texts_of

Values = dict[str, Any]
LOOSE: Values = {"validate.max_cut_share": 1.0, "validate.max_unknown_token_share": 1.0}
LOOSE |= {f"validate.limits.{name}": 1.0 for name in ("length", "duplicate", "conflict", "leak", "near_leak")}
ALIKE: Values = {"train.threads": 1, "train.precision": "bfloat16", "train.patience": 100}


def _way(method: Values, rate: float, **train: Any) -> Values:
    return {"train.method": method, "train.learning_rate": rate, **{f"train.{name}": v for name, v in train.items()}}


_FULL: Values = {"name": "full"}
_FGM: list[Values] = [{"name": "fgm", "size": 0.2}]
_FREELB: list[Values] = [{"name": "freelb", "steps": 3, "start": 0.05, "step": 0.1, "size": 0.2}]
WAYS: dict[str, Values] = {  # rates chosen on validation, of 1e-4, 3e-4, 1e-3, 3e-3, 1e-2 (full, freeze: a tenth)
    "full": _way(_FULL, 1e-4),
    "lora": _way({"name": "lora", "rank": 8, "alpha": 16.0, "dropout": 0.0}, 1e-3),
    "adalora": _way(
        {"name": "adalora", "rank": 8, "target_rank": 4, "alpha": 16.0, "dropout": 0.0, "orthogonality": 0.1}, 3e-3
    ),
    "adapter": _way({"name": "adapter", "size": 24}, 1e-3),
    "ia3": _way({"name": "ia3"}, 1e-2),
    "bitfit": _way({"name": "bitfit"}, 3e-3),
    "prefix": _way({"name": "prefix", "tokens": 16}, 1e-2),
    "prompt": _way({"name": "prompt", "tokens": 16}, 1e-2),
    "freeze": _way({"name": "freeze", "layers": 3, "keep": True}, 1e-4),
    "head": _way({"name": "head", "penalties": [10.0, 3.0, 1.0, 0.3, 0.1, 0.03, 0.01]}, 1e-3),
    "setfit": _way({"name": "setfit", "pairs": 20, "penalty": 1.0}, 2e-5, batch_size=16, epochs=1),
    "full+fgm": _way(_FULL, 1e-4, regularizers=_FGM),
    "full+freelb": _way(_FULL, 1e-4, regularizers=_FREELB),
    "full+rdrop": _way(_FULL, 1e-4, regularizers=[{"name": "rdrop", "weight": 1.0}]),
    "soup": _way(_FULL, 1e-4, ensemble={"members": 3, "by": "seeds", "join": "soup"}),
    "probabilities": _way(_FULL, 1e-4, ensemble={"members": 3, "by": "seeds", "join": "probabilities"}),
}


def params_with(file: Path, values: Values, folder: Path) -> Params:
    """The parameters in a file with other dotted keys, such as {"train.epochs": 1}."""
    yaml = YAML()
    raw = yaml.load(file.read_text(encoding="utf-8"))
    for dotted, value in values.items():
        *parents, last = dotted.split(".")
        section = raw
        for parent in parents:
            section = section[parent]
        section[last] = value
    folder.mkdir(parents=True, exist_ok=True)
    yaml.dump(raw, folder / "params.yaml")
    return load_params(folder / "params.yaml")


def few_of(rows: Sequence[Example], task: Task, per_class: int, seed: int) -> list[Example]:
    """So many rows of each class, drawn by the seed."""
    by_class: dict[str, list[Example]] = defaultdict(list)
    for row in rows:
        by_class[task.stratum(row)].append(row)
    drawn = random.Random(seed)
    return [row for name in sorted(by_class) for row in drawn.sample(by_class[name], per_class)]


def with_typos(text: str, drawn: random.Random, share: float) -> str:
    """A letter swapped, left out, doubled or replaced in that fraction of the words of four letters and more."""
    words = text.split(" ")
    places = [place for place, word in enumerate(words) if len(word) > 3 and word.isalpha()]
    for place in drawn.sample(places, min(len(places), max(1, round(share * len(places))))):
        word = words[place]
        at, kind = drawn.randrange(1, len(word) - 1), drawn.randrange(4)
        changed = (word[at + 1] + word[at], "", 2 * word[at], drawn.choice(string.ascii_lowercase))[kind]
        words[place] = word[:at] + changed + word[at + (2 if kind == 0 else 1) :]
    return " ".join(words)


def perturbed(rows: Sequence[Example], task: Task, params: Params, share: float) -> dict[str, list[Example]]:
    """The rows with typing errors, and with synonyms, in that fraction of the words that allow it."""
    chosen = params.augment.synonyms.thesaurus
    thesaurus = plugins.load("thesauri", chosen.name).open_thesaurus(chosen)
    drawn = random.Random(0)

    def with_synonyms(text: str) -> str:
        places = replaceable(text, thesaurus, task.protected_words(), [])
        return edited(text, picked(places, share, drawn)) if places else text

    def changed(change: Any) -> list[Example]:
        moves = [lambda place: place] * len(task.texts)
        return [task.with_texts(row, tuple(change(text) for text in texts_of(task, row)), moves) for row in rows]

    return {"typos": changed(lambda text: with_typos(text, drawn, share)), "synonyms": changed(with_synonyms)}


def run(asked: tuple[Path, str, int, argparse.Namespace]) -> dict[str, Any]:
    """Train one way with one seed, in this process; its figures."""
    prepared, way, seed, options = asked
    given = dict(pair.split("=", 1) for pair in options.set)
    values = ALIKE | {"seed": seed} | WAYS[way] | {name: YAML(typ="safe").load(value) for name, value in given.items()}
    folder = prepared / f"{way}.{seed}"
    params = params_with(options.params, LOOSE | values, folder)
    task, rows = task_of(params.task), prepared / "validate"
    if options.per_class:
        rows = folder / "few"
        rows.mkdir()
        for split in ("train", "validation"):
            few = few_of(list(read_split(prepared / "validate", split)), task, options.per_class, seed)
            write_split(rows, split, few, features(task.columns))
    started = time.perf_counter()
    outcome = perform("train", [rows, prepared / "pretrain", folder / "train"], params)
    seconds = time.perf_counter() - started
    splits = {split: list(read_split(prepared / "validate", split)) for split in SPLITS}
    tests = {"test": splits["test"]}
    if options.perturbed:
        tests |= perturbed(splits["test"], task, params, options.perturbed)
    found = {"way": way, "seed": seed, "seconds": seconds, "gigabytes": peak_memory() / 1e9}
    found |= {
        name: outcome.metrics[name] for name in ("trained_share", "epochs", "steps", f"validation.{task.primary}")
    }
    found |= {name: value for name, value in outcome.metrics.items() if name.startswith("member_")}
    for name, some in tests.items():
        answers, _ = answer_all(task, folder / "train/model", splits | {"test": some}, params)
        found[name] = task.metrics(some, answers.predictions)[options.metric or task.primary]
    print(json.dumps(found), flush=True)
    return found


def prepare(options: argparse.Namespace, folder: Path) -> None:
    """Ingest and validate the rows, and pin the base, once for all."""
    params = params_with(options.params, LOOSE, folder)
    perform("ingest", [Path(params.ingest.source.path), folder / "ingest"], params)
    perform("validate", [folder / "ingest", folder / "validate"], params)
    perform("pretrain", [folder / "validate", folder / "pretrain"], params)


def report(found: Sequence[dict[str, Any]], ways: Sequence[str]) -> None:
    """Print a Markdown table: of each way the means over the seeds."""
    tests = [name for name in ("test", "typos", "synonyms") if name in found[0]]
    print(f"\n| way | {' | '.join(tests)} | seeds | lowest to highest | weights trained | seconds | GB |")
    print(f"|{'---|' * (len(tests) + 6)}")
    for way in ways:
        rows = [row for row in found if row["way"] == way]
        means = [f"{statistics.mean(row[name] for row in rows):.4f}" for name in tests]
        spread = f"{min(row['test'] for row in rows):.4f} to {max(row['test'] for row in rows):.4f}"
        seconds, memory = (statistics.median(row[name] for row in rows) for name in ("seconds", "gigabytes"))
        share = f"{rows[0]['trained_share']:.2%}"
        print(f"| {way} | {' | '.join(means)} | {len(rows)} | {spread} | {share} | {seconds:.0f} | {memory:.1f} |")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("params", type=Path)
    parser.add_argument("--ways", nargs="+", choices=list(WAYS), default=list(WAYS))
    parser.add_argument("--seeds", nargs="+", type=int, default=[13, 14, 15])
    parser.add_argument("--metric", help="instead of the task's primary one, such as accuracy")
    parser.add_argument("--per-class", type=int, default=0)
    parser.add_argument("--perturbed", nargs="?", type=float, const=0.3, default=0.0, metavar="SHARE")
    parser.add_argument("--processes", type=int, default=1)
    parser.add_argument("--set", nargs="*", default=[], metavar="KEY=VALUE", help="such as train.epochs=5")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        prepare(options, Path(scratch))
        jobs = [(Path(scratch), way, seed, options) for seed in options.seeds for way in options.ways]
        fresh = multiprocessing.get_context("spawn")
        with fresh.Pool(options.processes, maxtasksperchild=1) as pool:
            report(pool.map(run, jobs, chunksize=1), options.ways)


if __name__ == "__main__":
    main()

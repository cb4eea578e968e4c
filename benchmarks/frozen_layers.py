"""What it saves that frozen layers run once for each text: epochs with half the layers frozen, kept and not, and all.

    python -m benchmarks.frozen_layers params.yaml --rows 2000

The rows are those of the parameters; each way trains two epochs, in turns, and the second is timed, and the first of
the way that keeps, too. Weights of the two frozen ways are compared. Medians over the rounds.
"""

import argparse
import statistics
import tempfile
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from benchmarks.methods import LOOSE, params_with, prepare
from stages.methods import Start, freeze, full
from stages.shared.base_model import read_pointer
from stages.shared.fitting import Data, History, Plan, fit, make_repeatable
from stages.shared.models import load_model
from stages.shared.params import Params
from stages.tasks import task_of
from stages.train.data import read_data

WAYS: dict[str, dict[str, Any]] = {
    "half frozen, kept": {"name": "freeze", "layers": 3, "keep": True},
    "half frozen, run each time": {"name": "freeze", "layers": 3, "keep": False},
    "every weight": {"name": "full"},
}


@dataclass
class Timed(History):
    """A history that notes when each epoch's updates were over."""

    ends: list[float] = field(default_factory=list)

    def begin_epoch(self, padded_share: float) -> None:
        super().begin_epoch(padded_share)
        self.ends.append(self.seconds)


def run(way: dict[str, Any], folder: Path, options: argparse.Namespace) -> tuple[list[float], Any]:
    """Seconds of updates in each of two epochs, and the weights after them."""
    values = {"train.method": way, "train.epochs": 2, "train.threads": options.threads}
    params: Params = params_with(options.params, LOOSE | values, folder / "asked")
    make_repeatable(params.seed, params.train.threads)
    task, base = task_of(params.task), read_pointer(folder / "pretrain").folder
    tokenizer: Any = task.open_tokenizer(base)
    data: Data = read_data(folder / "validate", task, tokenizer, task.settings(), balanced=False)
    few = data.validation[:64]
    data = replace(data, train=data.train[: options.rows], validation=few, validation_rows=data.validation_rows[:64])
    start = Start(task, base, tokenizer, [], lambda: load_model(task, base, params.task, len(tokenizer)), params.seed)
    plan, history = Plan(params.train, params.seed, "train"), Timed()
    method: Any = {"freeze": freeze, "full": full}[way["name"]]
    trainable = method.prepare(start, data, plan, params.train.method)
    with trainable.around:
        fit(trainable.model, data, plan, history)
    return [history.ends[1] - history.ends[0], history.seconds - history.ends[1]], trainable.model.state_dict()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("params", type=Path)
    parser.add_argument("--rows", type=int, default=2000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    seconds: dict[str, list[list[float]]] = {name: [] for name in WAYS}
    weights: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as scratch:
        prepare(options, Path(scratch))
        for _ in range(options.rounds):
            for name, way in WAYS.items():
                spent, weights[name] = run(way, Path(scratch), options)
                seconds[name].append(spent)
    for name, rounds in seconds.items():
        first, second = (statistics.median(spent[epoch] for spent in rounds) for epoch in (0, 1))
        print(f"{name:<28} first epoch {first:7.1f} s, second {second:7.1f} s")
    kept, each, whole = (statistics.median(spent[1] for spent in seconds[name]) for name in WAYS)
    first = statistics.median(spent[0] for spent in seconds["half frozen, kept"])
    print(f"second epoch, kept: {first / kept:.2f} x the first, {each / kept:.2f} x when run each time, ", end="")
    print(f"{whole / kept:.2f} x when every weight trains")
    one, other = (weights[name] for name in list(WAYS)[:2])
    print(
        f"largest difference of a weight, kept or not: {max(float((one[n] - other[n]).abs().max()) for n in one):.1e}"
    )


if __name__ == "__main__":
    main()

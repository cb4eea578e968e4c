"""Whether the copies help: a linear probe with and without them, on the validation split.

For each of several seeds a part of the training rows is drawn. One probe learns from them, another from them and their
copies of one way; both read the texts through the base model as it comes. What the second gains, in the mean over the
seeds, is resampled over the validation rows, the same for all. Where the whole interval lies below zero, copies harm.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from stages.shared.base_model import base_of
from stages.shared.bootstrap import interval, resampled_scores
from stages.shared.examples import Example
from stages.shared.markdown import table
from stages.shared.outcome import Metrics
from stages.shared.params import Params
from stages.shared.probe import Embedder, fit_probe, require_probe
from stages.shared.progress import Progress

if TYPE_CHECKING:
    from stages.tasks import Task

SEEDS = 5
SHARE = 0.8  # of the training rows that each seed draws
STRENGTH = 4.0  # inverse regularisation C of the probes
SAMPLES = 1000  # resamples of the validation rows
FIGURE = "macro_f1"


@dataclass(frozen=True)
class Verdict:
    """What the copies of one way bring on validation: the gain of macro F1 with its 95 % interval."""

    gain: float
    low: float
    high: float

    @property
    def harms(self) -> bool:
        """Whether the whole interval lies below zero."""
        return self.high < 0

    @property
    def word(self) -> str:
        """In one word, or a few."""
        if self.harms:
            return "harms: left out"
        return "helps" if self.low > 0 else "no difference seen"


def check_trial(task: Task, params: Params) -> None:
    """Raise ParamsError where a trial is asked for and there can be none."""
    if params.augment.trial:
        require_probe("augment.trial", "false", task, params)


def _scores(
    expected: np.ndarray, pairs: Sequence[tuple[np.ndarray, np.ndarray]], labels: Sequence[str], seed: int
) -> Verdict:
    """The verdict on pairs of answers, without and with the copies, one of each seed; all as indices of labels."""
    answers = [answer for pair in pairs for answer in pair]
    resampled = resampled_scores(expected, answers, labels, SAMPLES, seed)
    gains = [with_[FIGURE] - without[FIGURE] for without, with_ in zip(resampled[::2], resampled[1::2], strict=True)]
    mean = np.mean(gains, axis=0)
    low, high = interval(mean)
    return Verdict(float(mean.mean()), low, high)


def try_copies(
    task: Task,
    train: Sequence[Example],
    validation: Sequence[Example],
    copies: Mapping[str, Sequence[Example]],
    params: Params,
) -> dict[str, Verdict]:
    """The verdict on the copies of each way that has some.

    Args:
        copies: of the training rows, by how they were made.
    """
    from stages.shared.fitting import make_repeatable

    base = base_of(params)
    assert base is not None  # check_trial refuses it
    make_repeatable(params.seed, params.train.threads)
    embedder = Embedder(task, base.folder)
    names = sorted({task.answer(row) for row in [*train, *validation]})
    index = {name: place for place, name in enumerate(names)}

    def read(rows: Sequence[Example], what: str) -> tuple[np.ndarray, np.ndarray]:
        return embedder.of(rows, what), np.array([index[task.answer(row)] for row in rows], np.intp)

    vectors, labels = read(train, "trial: rows")
    unseen, expected = read(validation, "trial: validation")
    place = {row["id"]: number for number, row in enumerate(train)}
    made = {
        way: (*read(rows, f"trial: {way}"), np.array([place[row["parent"]] for row in rows]))
        for way, rows in copies.items()
        if rows
    }
    pairs: dict[str, list[tuple[np.ndarray, np.ndarray]]] = {way: [] for way in made}
    with Progress("trial: probes", SEEDS * (1 + len(made)), "probe") as progress:
        for number in range(SEEDS):
            chosen = np.random.default_rng([params.seed, number]).random(len(train)) < SHARE
            without = fit_probe(vectors[chosen], labels[chosen].tolist(), STRENGTH).predict(unseen)
            progress.advance(1)
            for way, (others, own, parents) in made.items():
                kept = chosen[parents]
                both = np.concatenate([vectors[chosen], others[kept]])
                probe = fit_probe(both, [*labels[chosen].tolist(), *own[kept].tolist()], STRENGTH)
                pairs[way].append((without, probe.predict(unseen)))
                progress.advance(1)
    return {way: _scores(expected, some, names, params.seed) for way, some in pairs.items()}


def metrics_of(verdicts: Mapping[str, Verdict]) -> Metrics:
    """`trial.<way>.gain`, with its interval, and `trial.<way>.kept`, 1 or 0."""
    found: Metrics = {}
    for way, verdict in verdicts.items():
        found |= {f"trial.{way}.gain": verdict.gain, f"trial.{way}.gain_low": verdict.low}
        found |= {f"trial.{way}.gain_high": verdict.high, f"trial.{way}.kept": float(not verdict.harms)}
    return found


def report_of(verdicts: Mapping[str, Verdict]) -> str:
    """The report in Markdown."""
    rows = [(way, f"{one.gain:+.4f}", f"{one.low:+.4f} to {one.high:+.4f}", one.word) for way, one in verdicts.items()]
    return (
        "# Augmentation on trial\n\nWhat a linear probe on the base model gains on the validation split, in macro F1, "
        f"when it learns from the copies\ntoo: mean of {SEEDS} seeds, 95 % bootstrap interval.\n\n"
        f"{table(('copies', 'gain', 'interval', 'verdict'), rows)}"
    )

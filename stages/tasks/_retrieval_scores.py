"""How well the right answers are ranked."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from functools import cache
from pathlib import Path

import numpy as np
import numpy.typing as npt

from serving.text import matching_key
from stages.shared.csv_files import write_csv
from stages.shared.examples import Example
from stages.shared.markdown import table

Hits = npt.NDArray[np.bool_]
Figures = npt.NDArray[np.float64]

DEPTH = 10  # answers that are looked at
CUTS = (1, 3, DEPTH)
FIGURES = (*(f"recall_at_{cut}" for cut in CUTS), f"mrr_at_{DEPTH}", f"ndcg_at_{DEPTH}")
_HARDEST = 20


def right_answers(examples: Sequence[Example]) -> list[set[str]]:
    """For each example the keys of every answer that one of the examples has for the same question."""
    answers: dict[str, set[str]] = defaultdict(set)
    questions = [matching_key(example["question"]) for example in examples]
    for question, example in zip(questions, examples, strict=True):
        answers[question].add(matching_key(example["answer"]))
    return [answers[question] for question in questions]


def hits_of(ranked: Sequence[Sequence[str]], right: Sequence[set[str]]) -> Hits:
    """Which of the first DEPTH answers of each row are right, best first, shape (rows, DEPTH)."""
    key = cache(matching_key)  # the same answers come up again and again
    hits = np.zeros((len(ranked), DEPTH), dtype=bool)
    for row, (answers, wanted) in enumerate(zip(ranked, right, strict=True)):
        for place, answer in enumerate(answers[:DEPTH]):
            hits[row, place] = key(answer) in wanted
    return hits


def recall_at(cut: int, hits: Hits, wanted: npt.NDArray[np.int64]) -> Figures:
    """Of each row the right answers among the first `cut` / as many as can be there, shape (rows,).

    Source: Thakur et al. 2021, BEIR, arXiv:2104.08663 (capped recall): a question with two answers can reach 1 at 1.
    """
    return np.asarray(hits[:, :cut].sum(axis=1) / np.minimum(wanted, cut))


def figures_of(hits: Hits, wanted: npt.NDArray[np.int64]) -> Figures:
    """FIGURES of each row, shape (rows, figures), fractions in [0, 1].

    Reciprocal rank: of the first right answer, 0 beyond DEPTH. nDCG: a right answer at place p, from 1, counts
    1 / log2(p + 1); the sum is divided by that of the best order.

    Args:
        hits: of `hits_of`.
        wanted: how many answers are right for each row, shape (rows,).

    Source: Järvelin and Kekäläinen 2002, https://doi.org/10.1145/582415.582418 (nDCG); Voorhees 1999, TREC-8 question
    answering track report (mean reciprocal rank)
    """
    places = np.arange(1, DEPTH + 1)
    gains = 1 / np.log2(places + 1)
    best = np.cumsum(gains)[np.minimum(wanted, DEPTH) - 1]
    reciprocal = (hits / places).max(axis=1)
    recalls = [recall_at(cut, hits, wanted) for cut in CUTS]
    return np.stack([*recalls, reciprocal, (hits * gains).sum(axis=1) / best], axis=1)


def write_report(out: Path, examples: Sequence[Example], hits: Hits, wanted: npt.NDArray[np.int64]) -> str:
    """Write recall by cut, as a file and a picture, and each question's rank; give both in short, in Markdown.

    Questions appear by their ids alone: what they say may be private.
    """
    by_cut = [(cut, float(recall_at(cut, hits, wanted).mean())) for cut in range(1, DEPTH + 1)]
    write_csv(out / "plots/recall.csv", ("answers", "recall"), by_cut)
    _draw_recall(by_cut, out / "pictures/recall.png")
    ranks = np.where(hits.any(axis=1), hits.argmax(axis=1) + 1, DEPTH + 1)
    shown = [str(rank) if rank <= DEPTH else f"beyond {DEPTH}" for rank in ranks]
    rows = [(example["id"], rank) for example, rank in zip(examples, shown, strict=True)]
    write_csv(out / "ranks.csv", ("id", "rank"), rows)
    hardest = [rows[row] for row in np.argsort(-ranks, kind="stable")[:_HARDEST] if ranks[row] > 1]
    return (
        f"## Recall\n\nShare of the right answers among the first k.\n\n"
        f"{table(('k', 'recall'), [pair for pair in by_cut if pair[0] in CUTS])}\n"
        f"## Hardest questions\n\n{table(('question', 'rank of its answer'), hardest) if hardest else 'None.'}"
    )


def _draw_recall(by_cut: Sequence[tuple[int, float]], path: Path) -> None:
    """Draw the share of the right answers that is among the first k as a PNG."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(4.5, 4.5), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    axes.plot(*zip(*by_cut, strict=True), marker="o")
    axes.set(ylim=(0, 1), xlabel="answers looked at", ylabel="recall", title="Recall")
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=120, metadata={"Software": None})

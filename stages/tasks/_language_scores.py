"""How well a language model tells what is expected, and how varied what it writes is."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from stages.shared.csv_files import write_csv
from stages.shared.markdown import table
from stages.shared.outcome import Metrics
from stages.tasks import Prediction
from stages.tasks._token_scores import scores_of, token_figures
from stages.tasks._writing import words_of, written

QUANTILES = (0, 25, 50, 75, 95, 100)


def distinct(texts: Sequence[str], size: int) -> float:
    """Different runs of so many words in the share of all such runs; 0 where there are none.

    Source: Li et al. 2016, A diversity-promoting objective function, arXiv:1510.03055
    """
    runs = [tuple(words[i : i + size]) for words in map(words_of, texts) for i in range(len(words) - size + 1)]
    return len(set(runs)) / len(runs) if runs else 0.0


def language_figures(predicted: Sequence[Prediction]) -> Metrics:
    """Loss, perplexity and token accuracy of what is expected; distinct-1 and 2 of what is written; complete texts."""
    texts = written(predicted)
    told = {name: float(value) for name, value in token_figures(scores_of(predicted).sum(axis=0)).items()}
    complete = float(np.mean([prediction["said"]["complete"] for prediction in predicted]))
    return told | {"distinct_1": distinct(texts, 1), "distinct_2": distinct(texts, 2), "complete_share": complete}


def resampled_language_figures(predicted: Sequence[Prediction], samples: int, seed: int) -> dict[str, np.ndarray]:
    """Loss, perplexity and token accuracy in resamples of the examples: name: values, shape (samples,)."""
    from stages.shared.bootstrap import resampled_sums

    return token_figures(resampled_sums(scores_of(predicted), samples, seed))


def language_report(out: Path, predicted: Sequence[Prediction]) -> str:
    """Write the perplexity of each example as plots/perplexity.csv; give its quantiles."""
    values = token_figures(scores_of(predicted))["perplexity"]
    write_csv(out / "plots/perplexity.csv", ("row", "perplexity"), enumerate(values.tolist()))
    rows = [(f"{share} %", float(np.percentile(values, share))) for share in QUANTILES]
    return f"## Perplexity\n\nOf what is expected of each row.\n\n{table(('rows up to', 'perplexity'), rows)}"

"""How near written texts are to expected ones: BLEU and chrF by sacrebleu, ROUGE by rouge-score.

Source: Papineni et al. 2002, https://aclanthology.org/P02-1040 (BLEU); Popovic 2015, https://aclanthology.org/W15-3049
(chrF2); Lin 2004, https://aclanthology.org/W04-1013 (ROUGE); Post 2018, arXiv:1804.08771 (one way to count tokens)
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from rouge_score.rouge_scorer import RougeScorer
from sacrebleu.metrics.bleu import BLEU
from sacrebleu.metrics.chrf import CHRF

from stages.shared.bootstrap import resampled_sums
from stages.shared.outcome import Metrics
from stages.tasks._writing import words_of

Texts = Sequence[str]
ROUGE = {"rouge_1": "rouge1", "rouge_2": "rouge2", "rouge_l": "rougeL"}  # our names: those of rouge-score
FIGURES = ("bleu", "chrf", *ROUGE)


class _Words:
    """Our words: rouge-score's own are Latin letters alone."""

    def tokenize(self, text: str) -> list[str]:
        """The words of a text."""
        return words_of(text)


def bleu_counts(written: Texts, expected: Texts, tokens: str) -> np.ndarray:
    """For each text its length, that of the expected one, the n-grams that are right (4) and all (4): (texts, 10)."""
    metric = BLEU(tokenize=tokens, effective_order=True)  # the counts do not hang on it, a warning does
    rows = []
    for text, wanted in zip(written, expected, strict=True):
        score = metric.sentence_score(text, [wanted])
        rows.append([score.sys_len, score.ref_len, *score.counts, *score.totals])
    return np.array(rows, dtype=np.float64).reshape(-1, 10)


def bleu_of(counts: np.ndarray) -> float:
    """BLEU, from 0 to 100, of summed counts, shape (10,)."""
    whole = [int(count) for count in counts]
    return float(BLEU.compute_bleu(whole[2:6], whole[6:10], whole[0], whole[1], smooth_method="exp").score)


def chrf_counts(written: Texts, expected: Texts) -> np.ndarray:
    """For each text the character n-grams of both and the common ones: (texts, 18)."""
    metric = CHRF()
    rows = metric._extract_corpus_statistics(list(written), [list(expected)])
    return np.array(rows, dtype=np.float64).reshape(-1, 18)


def chrf_of(counts: np.ndarray) -> float:
    """chrF2, from 0 to 100, of summed counts, shape (18,)."""
    return float(CHRF()._compute_f_score([int(count) for count in counts]))


def rouge_scores(written: Texts, expected: Texts) -> np.ndarray:
    """ROUGE-1, 2 and L of each text, F measures from 0 to 100, shape (texts, 3)."""
    scorer: Any = RougeScorer(list(ROUGE.values()), tokenizer=_Words())
    found = [scorer.score(wanted, text) for text, wanted in zip(written, expected, strict=True)]
    return 100 * np.array([[one[name].fmeasure for name in ROUGE.values()] for one in found]).reshape(-1, len(ROUGE))


def text_figures(written: Texts, expected: Texts, tokens: str) -> Metrics:
    """BLEU, chrF and ROUGE, each from 0 to 100; the ROUGE of all is the mean of the texts'."""
    bleu = bleu_of(bleu_counts(written, expected, tokens).sum(axis=0))
    rouge = rouge_scores(written, expected).mean(axis=0)
    return {
        "bleu": bleu,
        "chrf": chrf_of(chrf_counts(written, expected).sum(axis=0)),
        **dict(zip(ROUGE, rouge.tolist(), strict=True)),
    }


def resampled_text_figures(
    written: Texts, expected: Texts, tokens: str, samples: int, seed: int
) -> dict[str, np.ndarray]:
    """The same in resamples of the texts: name: values, shape (samples,)."""
    parts = [bleu_counts(written, expected, tokens), chrf_counts(written, expected), rouge_scores(written, expected)]
    sums = resampled_sums(np.concatenate(parts, axis=1), samples, seed)
    found = {
        "bleu": np.array([bleu_of(row[:10]) for row in sums]),
        "chrf": np.array([chrf_of(row[10:28]) for row in sums]),
    }
    return found | dict(zip(ROUGE, (sums[:, 28:] / len(written)).T, strict=True))


def nearness(written: str, expected: str) -> float:
    """How near a text is to the expected one, by chrF2, from 0 to 1."""
    return float(CHRF().sentence_score(written, [expected]).score) / 100


def signature(tokens: str) -> str:
    """How BLEU was counted, in sacrebleu's words, so that the figure compares."""
    metric = BLEU(tokenize=tokens)
    metric.corpus_score(["a"], [["a"]])
    return str(metric.get_signature())

"""How right an answer from a text is: exact match and F1, by the rules of two published evaluations."""

import re
import string
from collections import Counter
from collections.abc import Sequence
from typing import Literal, TypeAlias

import numpy as np
import numpy.typing as npt

Rules = Literal["squad", "cmrc"]
Scores: TypeAlias = tuple[float, float]
Counts: TypeAlias = npt.NDArray[np.float64]

COUNTED = ("rows", "exact_match", "f1", "has_answer", "has_answer_f1", "no_answer", "unanswered")

_NO_PUNCTUATION = str.maketrans("", "", string.punctuation)
_ARTICLES = re.compile(r"\b(a|an|the)\b")
_CMRC_PUNCTUATION = frozenset("-:_*^/\\~`+=，。：？！“”；’《》·、「」（）－～『』")
_HAN = re.compile(r"[\u4e00-\u9fa5]")
# what NLTK's word tokenizer, which the CMRC script calls, parts from the words around it
_PARTED = re.compile(
    r"\.{2,}|[;@#$%&?!()\[\]{}<>\"«»‘„\u2012-\u2015]|,(?!\d)|\.(?=[\])}>\"'»”’ ]*$)"
    r"|(?<!\w)'(?=\w)|(?<=\w)'(?= |$)|'(?:s|m|d|ll|re|ve)(?= |$)|n't(?= |$)"
)


def answer_scores(predicted: str, expected: Sequence[str], rules: Rules) -> Scores:
    """Exact match and F1 of an answer, each the best over what is expected: fractions in [0, 1].

    Args:
        predicted: the answer; "" for none.
        expected: the right answers; none where the text does not hold one.
        rules: whose. Those of CMRC know no missing answer; there, as in SQuAD, only "" is right and scores 1.

    Source: Rajpurkar et al. 2018, Know what you don't know, arXiv:1806.03822, its evaluate-v2.0.py;
        Cui et al. 2019, A span-extraction dataset for Chinese machine reading comprehension, arXiv:1810.07366,
        its cmrc2018_evaluate.py
    """
    if rules == "squad":
        each = [_squad(predicted, text) for text in expected if _squad_words(text)] or [_squad(predicted, "")]
    else:
        each = [_cmrc(predicted, text) for text in expected] or [(float(not predicted), float(not predicted))]
    return max(exact for exact, _ in each), max(f1 for _, f1 in each)


def _squad(predicted: str, expected: str) -> Scores:
    """Words as a bag, without case, punctuation and articles."""
    said, wanted = _squad_words(predicted), _squad_words(expected)
    exact = float(said == wanted)
    if not said or not wanted:
        return exact, exact
    return exact, _f1(sum((Counter(said) & Counter(wanted)).values()), said, wanted)


def _squad_words(text: str) -> list[str]:
    return _ARTICLES.sub(" ", text.lower().translate(_NO_PUNCTUATION)).split()


def _cmrc(predicted: str, expected: str) -> Scores:
    """The longest run of segments that both have, without case and punctuation."""
    exact = float(_cmrc_text(predicted) == _cmrc_text(expected))
    said, wanted = cmrc_segments(predicted), cmrc_segments(expected)
    return exact, _f1(_longest_run(said, wanted), said, wanted)


def _cmrc_text(text: str) -> str:
    return "".join(character for character in text.lower().strip() if character not in _CMRC_PUNCTUATION)


def cmrc_segments(text: str) -> list[str]:
    """Each Chinese character by itself, and the words between them."""
    segments: list[str] = []
    other = ""
    for character in _cmrc_text(text):
        if _HAN.match(character):
            segments += [*_words(other), character]
            other = ""
        else:
            other += character
    return segments + _words(other)


def _words(text: str) -> list[str]:
    return _PARTED.sub(r" \g<0> ", text).split()


def _longest_run(one: Sequence[str], other: Sequence[str]) -> int:
    """The length of the longest run of equal segments, for CMRC's "longest common string"."""
    places: dict[str, list[int]] = {}
    for place, segment in enumerate(other):
        places.setdefault(segment, []).append(place)
    longest, ending = 0, dict[int, int]()  # length of the run that ends at each place of `other`
    for segment in one:
        ending = {place: ending.get(place - 1, 0) + 1 for place in places.get(segment, ())}
        longest = max(longest, *ending.values(), 0)
    return longest


def _f1(shared: int, said: Sequence[str], wanted: Sequence[str]) -> float:
    return 2 * shared / (len(said) + len(wanted)) if shared else 0.0


def answer_counts(answered: Sequence[str], expected: Sequence[Sequence[str]], rules: Rules) -> Counts:
    """What the metrics are sums of, for each question: shape (questions, len(COUNTED))."""
    rows = []
    for said, wanted in zip(answered, expected, strict=True):
        exact, f1 = answer_scores(said, wanted, rules)
        has = bool(wanted)
        rows.append((1, exact, f1, has, has * f1, not has, not has and not said))  # an article is an answer here
    return np.array(rows, dtype=np.float64).reshape(-1, len(COUNTED))


def figures_of(sums: Counts, no_answer: bool) -> dict[str, Counts]:
    """The metrics, from the sums of what they count; 0 where 0 is divided by 0.

    Args:
        sums: of COUNTED, shape (..., len(COUNTED)).
        no_answer: whether some questions have none.

    Returns:
        "exact_match" and "f1"; with `no_answer` also "has_answer_f1", of the questions that have one, and
        "no_answer_accuracy", the share of the others to which nothing is said. Each has the shape (...).
    """
    of = dict(zip(COUNTED, np.moveaxis(sums, -1, 0), strict=True))
    rows = np.maximum(of["rows"], 1)
    found = {"exact_match": of["exact_match"] / rows, "f1": of["f1"] / rows}
    if no_answer:
        found["has_answer_f1"] = of["has_answer_f1"] / np.maximum(of["has_answer"], 1)
        found["no_answer_accuracy"] = of["unanswered"] / np.maximum(of["no_answer"], 1)
    return found


def best_threshold(margins: Sequence[float], answered: Sequence[float], unanswered: Sequence[float]) -> float:
    """The threshold under which a question had better go without an answer, for the highest mean F1.

    Args:
        margins: how much speaks for the answer, of each question.
        answered: the F1 of the answer.
        unanswered: the F1 of no answer.

    Returns:
        A value halfway between two margins, or 1 beyond the lowest or highest; of equally good ones the lowest.

    Source: the search of SQuAD 2.0's evaluate-v2.0.py (`find_best_thresh`)
    """
    order = np.argsort(margins, kind="stable")
    ranked = np.asarray(margins, dtype=np.float64)[order]
    gains = (np.asarray(unanswered, dtype=np.float64) - np.asarray(answered, dtype=np.float64))[order]
    totals = np.concatenate([[0.0], np.cumsum(gains)])  # what is gained when the lowest 0, 1, 2, ... go without
    cuts = np.concatenate([[ranked[0] - 1], (ranked[1:] + ranked[:-1]) / 2, [ranked[-1] + 1]])
    possible = np.concatenate([[True], ranked[1:] > ranked[:-1], [True]])
    return float(cuts[np.where(possible, totals, -np.inf).round(9).argmax()])

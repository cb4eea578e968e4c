"""The classical search: the answers whose TF-IDF weights are most like the question's."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from scipy.sparse import csr_matrix

from stages.shared.examples import Example
from stages.shared.linear_baseline import VIEWS, Features
from stages.tasks import Prediction
from stages.tasks._retrieval_scores import DEPTH, figures_of, hits_of, right_answers

_AT_ONCE = 1_000  # questions that are compared with all answers at once


def _search(asked: csr_matrix, answers: csr_matrix, texts: Sequence[str], views: int) -> list[Prediction]:
    """The DEPTH likeliest answers of each question, by the mean of the cosines in each of `views` parts of a view."""
    predicted = []
    for start in range(0, asked.shape[0], _AT_ONCE):
        for row in (asked[start : start + _AT_ONCE] @ answers.T).toarray() / views:
            best = np.argsort(-row, kind="stable")[:DEPTH]
            candidates = [{"answer": texts[place], "score": float(row[place])} for place in best]
            said = {"candidates": candidates}
            predicted.append({"answer": texts[best[0]], "confidence": None, "said": said})
    return predicted


def search_answers(splits: Mapping[str, Sequence[Example]], answers: Sequence[str]) -> tuple[list[Prediction], str]:
    """What TF-IDF finds for the questions of test, and what it is; its view of a text is best on validation."""
    questions = {split: [example["question"] for example in examples] for split, examples in splits.items()}
    features = Features([*questions["train"], *answers])
    right = right_answers(splits["validation"])
    wanted = np.array([len(keys) for keys in right])

    def found(view: str, split: str) -> list[Prediction]:
        asked, indexed = features.of(questions[split], view), features.of(answers, view)
        return _search(asked, indexed, answers, len(VIEWS[view]))

    def merit(view: str) -> float:
        """The mean reciprocal rank on validation."""
        ranked = [[one["answer"] for one in row["said"]["candidates"]] for row in found(view, "validation")]
        return float(figures_of(hits_of(ranked, right), wanted)[:, -2].mean())

    best = max(VIEWS, key=merit)
    return found(best, "test"), f"TF-IDF of {best}, cosine with each answer"

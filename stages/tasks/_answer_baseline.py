"""The classical method for questions about a text: the sentence that is nearest to the question, by TF-IDF.

Source: after the sliding-window baseline of Rajpurkar et al. 2016, SQuAD, arXiv:1606.05250, section 5.1, without its
search for a span inside the sentence
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from stages.shared.examples import Example
from stages.shared.linear_baseline import VIEWS, Features
from stages.tasks import Span
from stages.tasks._answer_scores import Rules, answer_scores, best_threshold

_END = re.compile(r"[.!?][\"'”’)\]]*(?=\s|$)|[。！？；][”’」』）]*|\n")


def sentences_of(text: str) -> list[str]:
    """The sentences of a text, European or Chinese; the text itself when it has no end of a sentence."""
    ends = [*(match.end() for match in _END.finditer(text)), len(text)]
    spans: list[Span] = list(zip([0, *ends], ends, strict=False))
    return [sentence for start, end in spans if (sentence := text[start:end].strip())] or [text]


def nearest_sentences(rows: Sequence[Example], features: Features, view: str) -> list[tuple[str, float]]:
    """For each question the sentence of its context that is nearest to it, and the cosine of the two."""
    sentences = {row["context"]: sentences_of(row["context"]) for row in rows}
    vectors = {context: features.of(several, view) for context, several in sentences.items()}
    questions = features.of([row["question"] for row in rows], view)
    found = []
    for number, row in enumerate(rows):
        near = (vectors[row["context"]] @ questions[number].T).toarray().ravel()
        norm = len(VIEWS[view])  # each part of a view is of length 1
        found.append((sentences[row["context"]][near.argmax()], float(near.max()) / norm))
    return found


def sentence_answers(splits: Mapping[str, Sequence[Example]], rules: Rules, no_answer: bool) -> tuple[list[str], str]:
    """The answers to the test questions, and what was chosen on validation: the features, and when to say nothing."""
    features = Features([*dict.fromkeys(row["context"] for row in splits["train"])])
    validation = splits["validation"]
    expected = [[answer["text"] for answer in row["answers"]] for row in validation]
    trials: list[tuple[float, str, float]] = []
    for view in VIEWS:
        near = nearest_sentences(validation, features, view)
        answered = [answer_scores(text, texts, rules)[1] for (text, _), texts in zip(near, expected, strict=True)]
        unanswered = [float(not texts) for texts in expected]
        limit = best_threshold([cosine for _, cosine in near], answered, unanswered) if no_answer and near else -1.0
        gained = [
            f1 if cosine > limit else none for (_, cosine), f1, none in zip(near, answered, unanswered, strict=True)
        ]
        trials.append((sum(gained), view, limit))
    _, view, limit = max(trials, key=lambda trial: trial[0])
    answers = [text if cosine > limit else "" for text, cosine in nearest_sentences(splits["test"], features, view)]
    below = f", none below a cosine of {limit:.3f}" if no_answer else ""
    return answers, f"the sentence nearest to the question by TF-IDF of {view}{below}"

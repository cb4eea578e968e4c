"""How well each kind of question is answered: by its question word, and by the length of what is expected."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from stages.shared.csv_files import write_csv
from stages.shared.examples import Example
from stages.shared.markdown import table
from stages.tasks._answer_scores import COUNTED, Counts, Rules, figures_of

_WORDS = {  # the first that is found names the kind
    "squad": re.compile(r"\b(who|whose|whom|what|when|where|which|why|how)\b", re.IGNORECASE),
    "cmrc": re.compile(r"为什么|为何|什么时候|何时|哪里|哪儿|多少|如何|怎么|怎样|什么|哪|谁|几|何"),
}
_LENGTHS = (10, 30)  # characters, up to which an answer counts as short and as middling
_LISTED = 20  # questions of the lowest F1 that are named


def question_word(question: str, rules: Rules) -> str:
    """The word that asks, in lower case, or "other"."""
    found = _WORDS[rules].search(question)
    return found[0].lower() if found else "other"


def length_of(example: Example) -> str:
    """How long the shortest right answer is, in words of the table."""
    if not example["answers"]:
        return "no answer"
    length = min(len(answer["text"]) for answer in example["answers"])
    short, middling = _LENGTHS
    if length <= short:
        return f"up to {short} characters"
    return f"{short + 1} to {middling} characters" if length <= middling else f"more than {middling} characters"


def answer_report(out: Path, examples: Sequence[Example], counts: Counts, rules: Rules) -> str:
    """Write question_words.csv and answer_lengths.csv; give both, and the ids of the worst answers, as Markdown."""
    words = _by_kind(out / "question_words.csv", [question_word(row["question"], rules) for row in examples], counts)
    lengths = _by_kind(out / "answer_lengths.csv", [length_of(row) for row in examples], counts)
    f1 = counts[:, COUNTED.index("f1")]
    worst = [f"`{examples[row]['id']}`" for row in np.argsort(f1, kind="stable")[:_LISTED] if f1[row] < 1]
    listed = f"## Lowest F1\n\n{', '.join(worst)}\n" if worst else ""
    return f"## Question words\n\n{words}\n## Lengths of the answers\n\n{lengths}\n{listed}"


def _by_kind(path: Path, kinds: Sequence[str], counts: Counts) -> str:
    """Write, and give as a table, the figures of each kind, the most frequent first."""
    names, places = np.unique(np.array(kinds, dtype=str), return_inverse=True)
    sums = np.zeros((len(names), counts.shape[1]))
    np.add.at(sums, places, counts)
    figures = figures_of(sums, no_answer=False)
    rows = [
        (name, int(sums[number, 0]), *(float(values[number]) for values in figures.values()))
        for number, name in enumerate(names.tolist())
    ]
    rows.sort(key=lambda row: (-row[1], row[0]))
    header = ("kind", "questions", *figures)
    write_csv(path, header, rows)
    return table(header, rows)

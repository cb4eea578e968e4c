"""What is written without learning to write: the text that was right for the nearest one, or the first words."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
from sklearn.feature_extraction.text import TfidfVectorizer

from stages.shared.examples import Example
from stages.tasks import Prediction
from stages.tasks._writing import as_prediction, first_words

Merit = Callable[[Sequence[Example], Sequence[Prediction]], float]
_AT_A_TIME = 256  # texts that are compared with all known ones at once: bounds the memory


def nearest_texts(known: Sequence[str], asked: Sequence[str]) -> list[int]:
    """For each asked text the place of the nearest known one by TF-IDF of words and characters; of equals the first."""
    vectorizer = TfidfVectorizer(analyzer="char_wb", ngram_range=(1, 4), sublinear_tf=True, dtype=np.float32)
    table = vectorizer.fit_transform(known)
    found: list[int] = []
    for start in range(0, len(asked), _AT_A_TIME):
        near = vectorizer.transform(asked[start : start + _AT_A_TIME]) @ table.T
        found += np.asarray(near.todense()).argmax(axis=1).tolist()
    return found


def nearest_or_first(
    splits: Mapping[str, Sequence[Example]], source: str, target: str, merit: Merit
) -> tuple[list[Prediction], str]:
    """What the better of both writes for the test rows, and which it is; the better is chosen on validation."""
    known = [row[source] for row in splits["train"]]
    length = round(float(np.mean([len(row[target]) for row in splits["train"]])))

    def remembered(rows: Sequence[Example]) -> list[Prediction]:
        places = nearest_texts(known, [row[source] for row in rows])
        return [as_prediction(splits["train"][place][target]) for place in places]

    def begun(rows: Sequence[Example]) -> list[Prediction]:
        return [as_prediction(first_words(row[source], length)) for row in rows]

    ways = {
        "what was expected for the nearest training text by TF-IDF": remembered,
        f"the first {length} characters of what is asked": begun,
    }
    name = max(ways, key=lambda way: merit(splits["validation"], ways[way](splits["validation"])))
    return ways[name](splits["test"]), name

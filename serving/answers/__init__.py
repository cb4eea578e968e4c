"""What a server says, by kind of answer. A file of this folder, named as in `answers` of the settings, has:

def check(settings)                             raises BundleDamaged when the settings lack what the kind needs
def answer(outputs, windows, texts, settings)   the answer to one example, as JSON can hold it, with "confidence"
def word(answer)                                an answer in one line, the same as the one that was expected if right
def kept(output, window, settings)              optional: what is kept of an output, where that is much

The pipeline evaluates by these files too, so that what was measured is what is said. What several of them share
lies in the files that start with `_`.
"""

import importlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol, cast

import numpy as np

from serving.errors import BundleDamaged
from serving.reading import Window
from serving.text import CleanText


class Answers(Protocol):
    """What a file of this folder provides."""

    def check(self, settings: dict[str, Any]) -> None:
        """Raise BundleDamaged when the settings lack what the kind needs."""
        ...

    def answer(
        self,
        outputs: Sequence[np.ndarray],
        windows: Sequence[Window],
        texts: Sequence[CleanText],
        settings: dict[str, Any],
    ) -> dict[str, Any]:
        """The answer to one example: a dictionary with "confidence", a number or None, and more.

        Args:
            outputs: what the model says of each window, without the batch axis.
            windows: what it read.
            texts: the texts they are of; positions in the answer are of the texts as the user gave them.
            settings: as `check` accepts them.
        """
        ...

    def word(self, answer: dict[str, Any]) -> str:
        """An answer in one line, equal to the expected one if it is right."""
        ...


def answers_for(settings: dict[str, Any]) -> Answers:
    """The kind of answer that the settings name.

    Raises:
        BundleDamaged: the kind is unknown here, or the settings lack something.
    """
    known = sorted(path.stem for path in Path(__file__).parent.glob("*.py") if not path.stem.startswith("_"))
    if settings.get("answers") not in known:
        raise BundleDamaged(f"settings.json: answers '{settings.get('answers')}' is not a kind this code knows {known}")
    answers = cast(Answers, importlib.import_module(f"serving.answers.{settings['answers']}"))
    answers.check(settings)
    return answers

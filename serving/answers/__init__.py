"""What a server says, by task. A file of this folder, named as the task, has:

def check(settings)             raises BundleDamaged when the settings lack what the task needs
def answer(logits, settings)    the answer to one example, as JSON can hold it
def word(answer)                an answer as the one word that was evaluated
"""

import importlib
from pathlib import Path
from typing import Any, Protocol, cast

import numpy as np

from serving.errors import BundleDamaged


class Answers(Protocol):
    """What a file of this folder provides."""

    def check(self, settings: dict[str, Any]) -> None:
        """Raise BundleDamaged when the settings lack what the task needs."""
        ...

    def answer(self, logits: np.ndarray, settings: dict[str, Any]) -> dict[str, Any]:
        """The answer to one example, given what the model says of it."""
        ...

    def word(self, answer: dict[str, Any]) -> str:
        """An answer as the one word that was evaluated."""
        ...


def answers_for(settings: dict[str, Any]) -> Answers:
    """The answers of the bundle's task.

    Raises:
        BundleDamaged: the task is unknown here, or the settings lack something.
    """
    known = sorted(path.stem for path in Path(__file__).parent.glob("*.py") if not path.stem.startswith("_"))
    if settings["task"] not in known:
        raise BundleDamaged(f"settings.json: task '{settings['task']}' is not one that this code answers {known}")
    answers = cast(Answers, importlib.import_module(f"serving.answers.{settings['task']}"))
    answers.check(settings)
    return answers

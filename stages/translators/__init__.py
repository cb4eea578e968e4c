"""How text is translated, for back-translation. A translator is a file of this folder that has:

class Params(Choice)                   its options in params.yaml: what `there` and `back` mean is its own business
def translate(texts, way, params)      texts in the other language, one for each, in order
def check(params)                      raises MachineError when what it needs is not installed
def version(params) -> str             names engine, version and weights: part of the key of the cache
"""

from typing import Any, Literal, Protocol

Way = Literal["there", "back"]


class Translator(Protocol):
    """What a file of this folder provides."""

    def translate(self, texts: list[str], way: Way, params: Any) -> list[str]:
        """Translate each text; the result has the same length and order.

        Raises:
            MachineError: the engine is missing or fails.
        """
        ...

    def check(self, params: Any) -> None:
        """Raise MachineError when what the translator needs is not there, saying what to install or change."""
        ...

    def name(self, params: Any) -> str:
        """Engine and models in short, as `apertium:eng-spa:spa-eng`: what a row that it made says of it."""
        ...

    def version(self, params: Any) -> str:
        """Engine, version and weights, so that a cached translation is never another engine's."""
        ...
